"""Differences that are clear among many: against the tests by hand, and their rate of errors."""

import numpy as np
import pytest

from genbench.statistics.multiplicity import clear

A, B = np.array([1.0, 1.2, 0.9, 1.1]), np.array([0.8, 1.0, 0.7, 0.75])


def test_the_tests_are_students_and_welchs_with_holms_correction():
    """p = 0.0123 by Student's test of A - 0.7, 0.0419 by Welch's of A and B."""
    assert clear([[A - 0.7]], 0.0124) == [True] and clear([[A - 0.7]], 0.0122) == [False]
    assert clear([[A, B]], 0.042) == [True] and clear([[A, B]], 0.0418) == [False]
    assert clear([[A - 0.7], [A, B]], 0.042) == [True, True] and clear([[A - 0.7], [A, B]], 0.04) == [True, False]
    assert clear([[A - 0.7], [A, B]], 0.0245) == [False, False]


def test_what_tells_nothing_and_what_tells_all():
    one, same = np.array([3.0]), np.full(3, 2.0)
    found = clear([[one], [same, one], [same, same], [np.zeros(3)], [same], [same, same + 1]])
    assert found == [False] * 4 + [True] * 2


def test_the_rate_of_any_error_holds_for_the_largest_of_many():
    rng = np.random.default_rng(0)
    errors = np.mean([any(clear(rng.normal(size=(6, 1, 4)))) for _ in range(400)])
    assert errors == pytest.approx(0.05, abs=0.035)
