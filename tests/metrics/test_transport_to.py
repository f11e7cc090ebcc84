"""Fast forms of metrics that are asked of many sets of samples against the same references give the plain forms' values."""

import pytest
import torch
from kit import gen

from genbench.metrics.neighbours import Coverage, neighbours
from genbench.metrics.sets import Points
from genbench.metrics.transport import SlicedTo, sliced_w1


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("n", [7, 200, 1000, 12_000])
def test_sliced_distances_to_the_same_references(dim, n):
    references = {name: torch.randn(m, dim, generator=gen(m)) for name, m in (("few", 150), ("equal", 1000), ("many", 11_000))}
    measure = SlicedTo(references)
    for seed, x in enumerate(
        (torch.randn(n, dim, generator=gen(1)), torch.randn(n, dim, generator=gen(2)).mul(2).add(0.5).round())
    ):
        plain = {name: sliced_w1(Points(x, rows, seed=seed)).value for name, rows in references.items()}
        assert measure(x, seed) == pytest.approx(plain, rel=1e-9, abs=1e-12)
        assert measure(x[torch.randperm(n, generator=gen(3))], seed) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    with pytest.raises(ValueError, match="finite"):
        measure(x * torch.nan)


@pytest.mark.parametrize("dim", [2, 8, 9])
def test_coverage_of_the_same_reference(dim):
    reference = torch.randn(1200, dim, generator=gen(0))
    measure = Coverage(reference)
    for x in (reference[:400] + 0.01, torch.randn(700, dim, generator=gen(1)), torch.randn(300, dim, generator=gen(2)).abs()):
        counts = neighbours(x, reference)
        assert 0 < measure(x) == counts.coverage[0]


def test_coverage_where_points_are_equal():
    reference = torch.randint(0, 4, (300, 2), generator=gen(0)).float()
    x = torch.randint(0, 3, (100, 2), generator=gen(1)).float()
    assert Coverage(reference)(x) == neighbours(x, reference).coverage[0] < 1
