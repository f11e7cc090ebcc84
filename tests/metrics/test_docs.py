import re
from pathlib import Path

import pytest

from genbench.metrics.cards import METRICS
from genbench.metrics.docs import markdown

FILE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_what_the_cards_say():
    assert FILE.read_text(encoding="utf-8") == markdown(), "run `genbench metrics --markdown > docs/metrics.md`"


def test_every_metric_has_a_section_and_links_resolve():
    text = markdown()
    assert all(f"(`{key}`)" in text and f"| `{key}` |" in text for key in METRICS)
    headings = re.findall(r"^### (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    assert len(anchors) == len(METRICS) and set(re.findall(r"\]\(#([^)]*)\)", text)) == anchors


@pytest.mark.parametrize("card", METRICS.values(), ids=METRICS)
def test_cards_are_complete_sentences(card):
    assert card.what.endswith(".") and len(card.title) <= 40
    empty = [name for name in ("range", "floor", "uncertainty", "traps", "source") if not getattr(card, name)]
    assert not empty, f"card {card.key} says nothing about {', '.join(empty)}"
    assert all(getattr(card, name).endswith(".") for name in ("floor", "uncertainty", "traps"))


def test_a_report_starts_with_few_metrics():
    for kind in ("points", "images"):
        assert 1 <= sum(card.main and card.applies in (kind, "both") for card in METRICS.values()) <= 5
