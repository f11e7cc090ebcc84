"""The chapters of the report in their order; each gives None where a study has nothing of it."""

from collections.abc import Callable

from genbench.report.blocks import Chapter
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
from genbench.results.study import Results

CHAPTERS: tuple[Callable[[Results], Chapter | None], ...] = (
    tale.chapter,
    game.chapter,
    refined.chapter,
    critics.chapter,
    gradients.chapter,
    published.chapter,
    energies.chapter,
    textures.chapter,
    em.chapter,
    autoencoders.chapter,
    priors.chapter,
    flows.chapter,
    planar.chapter,
    continuous.chapter,
    autoregressive.chapter,
)
