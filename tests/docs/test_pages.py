"""Pages of the documentation hang together."""

import re
from pathlib import Path

import pytest

from genbench.config.read import names

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config" / "README.md", ROOT / "reports" / "examples" / "README.md"]


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    dead = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)|(?:src|href)=\"(?!https?:)([^\"]+)\"", page.read_text()):
        file, _, anchor = (link[0] or link[1]).partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md" and f"({page.name})" not in index]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page, kind", [("README.md", "models"), ("docs/models.md", "models"), ("docs/studies.md", "studies")])
def test_pages_name_all_that_ship(page, kind):
    assert not [name for name in names(kind) if f"`{name}`" not in (ROOT / page).read_text()]
