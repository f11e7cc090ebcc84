"""The chapters of a study's report, from the reports of its questions.

A question's `report.py` holds `report(results)`, which returns blocks, a Claim, or None where the study has nothing of it;
`CHAPTER`, the key of the chapter in which it stands; and `PLACE`, its place on the page among all questions. Claims make the
leading chapter together.
"""

from itertools import chain
from types import ModuleType

from genbench import questions
from genbench.questions.tale import tale
from genbench.report.blocks import Chapter
from genbench.results.study import Results

__all__ = ["TITLES", "chapters", "reports"]

TALE = "tale"
TITLES = {
    "game": "Were the games won?",
    "sampling": "Other ways to sample",
    "critics": "What critics know",
    "gradients": "What gradients are left",
    "published": "Beside published values",
    "energies": "Energy-based models",
    "textures": "Textures from one example",
    "em": "The bound that EM raises",
    "autoencoders": "Autoencoders: gradients, terms and latents",
    "priors": "Priors and posteriors of autoencoders",
    "flows": "Samples of a flow",
    "planar": "Planar and radial flows",
    "continuous": "Flows in continuous time",
    "autoregressive": "Parallel training, serial sampling",
}


def reports() -> list[ModuleType]:
    """Return the report modules of all questions in the order of the page."""
    modules = [questions.part(name, "report") for name in questions.names("report")]
    return sorted(modules, key=lambda module: (module.PLACE, module.__name__))


def chapters(results: Results) -> list[Chapter]:
    """Return the chapters that a study has something to say in, in the order of the page.

    A chapter stands where its first question does; one whose key has no title in TITLES has the key for a title.
    """
    found: dict[str, list] = {}
    for module in reports():
        if (made := module.report(results)) is not None:
            found.setdefault(module.CHAPTER, []).append(made)
    lead = [tale(found.pop(TALE))] if TALE in found else []
    return lead + [Chapter(key, TITLES.get(key, key), tuple(chain.from_iterable(parts))) for key, parts in found.items()]
