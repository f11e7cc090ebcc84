"""All metrics, found by file: their cards, read without importing the code (which needs torch), and their functions."""

import ast
import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.config.errors import UserError
from genbench.metrics import card as phrases
from genbench.metrics.card import Card

if TYPE_CHECKING:
    from genbench.metrics.score import Score
    from genbench.metrics.sets import Images, Points

__all__ = ["METRICS", "POSTHOC", "SYMBOLS", "scorer", "scores", "units"]

PACKAGE = Path(__file__).parents[1]
# what compares sampling methods; of these, those that fit the data
POSTHOC = ("modes", "high_quality", "mode_kl", "sliced_w1", "fid", "kid", "precision", "recall", "classes_covered", "class_kl")


class _Constants(dict):
    """The names assigned at a file's top level, evaluated when a card asks for one."""

    def __init__(self, tree: ast.Module) -> None:
        assigned = (node for node in tree.body if isinstance(node, ast.Assign))
        self.nodes = {each.id: node.value for node in assigned for each in node.targets if isinstance(each, ast.Name)}

    def __missing__(self, name: str) -> Any:
        return self.value(self.nodes[name])

    def value(self, node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "<card>", "eval"), vars(phrases), self)


def _read(file: Path) -> Iterable[tuple[Card, tuple[str, str]]]:
    """Cards of the functions that `@metric` marks in a file, each with module and name of its function."""
    text = file.read_text(encoding="utf-8")
    if "\n@metric(" not in text:
        return
    tree, module = ast.parse(text), ".".join(("genbench", *file.relative_to(PACKAGE).with_suffix("").parts))
    constants = _Constants(tree)
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for marks in function.decorator_list:
            if isinstance(marks, ast.Call) and isinstance(marks.func, ast.Name) and marks.func.id == "metric":
                try:
                    yield constants.value(marks.args[0]), (module, function.name)
                except NameError as error:
                    raise ValueError(
                        f"{file}: the card of {function.name} uses more than its file's constants: {error}"
                    ) from None


def _found(*folders: Path) -> dict[str, tuple[Card, tuple[str, str]]]:
    """Cards and functions by key, in the cards' order; ValueError if two have one key."""
    cards = [each for folder in folders for file in sorted(folder.glob("*.py")) for each in _read(file)]
    found = {card.key: (card, symbol) for card, symbol in sorted(cards, key=lambda each: (each[0].place, each[0].key))}
    if len(found) < len(cards):
        raise ValueError(f"two metrics have one key: {sorted(card.key for card, _ in cards)}")
    return found


_FOUND = _found(PACKAGE / "metrics", PACKAGE / "likelihood")
METRICS: dict[str, Card] = {key: card for key, (card, _) in _FOUND.items()}
SYMBOLS: dict[str, tuple[str, str]] = {key: symbol for key, (_, symbol) in _FOUND.items()}  # key -> module, function


def units(kind: str, further: Iterable[str] = (), asked_by: str = "metrics") -> dict[str, list[str]]:
    """Metrics of samples of a kind of data by the function that gives them ("module:name"): standard ones, and further ones.

    UserError where a further one is unknown.
    """
    further = list(further)
    if unknown := [key for key in further if key not in METRICS]:
        raise UserError(f"{asked_by}: unknown metric {unknown[0]!r}; allowed: {', '.join(METRICS)}")
    found: dict[str, list[str]] = {}
    for key, card in METRICS.items():
        if card.needs != "density" and card.applies in (kind, "both") and (card.standard or key in further):
            found.setdefault(":".join(SYMBOLS[key]), []).append(key)
    return found


def scorer(key: str) -> Callable:
    """The function that gives a metric; imports its module."""
    module, name = SYMBOLS[key]
    return getattr(importlib.import_module(module), name)


def scores(data: "Points | Images", keys: Iterable[str] | None = None) -> list["Score"]:
    """Scores of samples by the metrics named, in their order, or by all standard ones, in the cards' order.

    What needs a density is left out, as is what doesn't apply: its function returns None.
    """
    cards = [METRICS[key] for key in keys] if keys is not None else [card for card in METRICS.values() if card.standard]
    cards = [card for card in cards if card.needs != "density" and card.applies in (data.kind, "both") and data.asks(card)]
    wanted = {card.key for card in cards}
    found = []
    for function in dict.fromkeys(scorer(card.key) for card in cards):
        given = function(data)
        given = given if isinstance(given, list) else [given]
        found += [score for score in given if score is not None and score.metric in wanted]
    return found
