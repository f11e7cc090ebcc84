"""The chapters of the report in their order; each gives None where a study has nothing of it."""

from collections.abc import Callable

from genbench.report.chapter import Chapter
from genbench.report.chapters import (
    autoencoders,
    autoregressive,
    continuous,
    critics,
    em,
    energies,
    flows,
    game,
    gradients,
    planar,
    priors,
    published,
    refined,
    tale,
    textures,
)
from genbench.report.read import Results

CHAPTERS: tuple[Callable[[Results], Chapter | None], ...] = (
    tale.chapter,
    game.chapter,
    refined.chapter,
    critics.chapter,
    gradients.chapter,
    energies.chapter,
    autoencoders.chapter,
    autoregressive.chapter,
    flows.chapter,
    continuous.chapter,
    priors.chapter,
    published.chapter,
    planar.chapter,
    em.chapter,
    textures.chapter,
)
