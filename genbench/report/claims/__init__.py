"""The claims of the cautionary tale in their order; each gives None where a study has no data on it."""

from collections.abc import Callable

from genbench.report.claim import Claim
from genbench.report.claims import budget, equal_terms, factors, fid, pixels, restraints, wasserstein
from genbench.results.study import Results

CLAIMS: tuple[Callable[[Results], Claim | None], ...] = (
    equal_terms.claim,
    budget.claim,
    factors.architecture,
    wasserstein.claim,
    restraints.restraints,
    pixels.claim,
    fid.claim,
)
