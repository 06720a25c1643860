"""Each claim about security names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

LIMITS_PAGE = "docs/explanation/security-limits.md"
PAGES = {
    LIMITS_PAGE: (),
    "docs/explanation/threat-model.md": (
        "Why some things are only detected",
        "A run that was worked elsewhere",
    ),
}
"""Page → the headings whose every item is a claim; none: each section of the page is one."""
LIMITS = {"A PIN can be observed where you type it"}
"""Items that promise nothing, so that nothing could show them."""
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def items(text: str, heading: str) -> list[str]:
    """The items of the list below ``heading``, each as one text."""
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    return [each.split("\n\n")[0] for each in re.split(r"^- ", found, flags=re.MULTILINE)[1:]]


def title(item: str) -> str:
    bold = re.search(r"\*\*(.+?)\*\*", item, flags=re.DOTALL)
    assert bold is not None, item
    return " ".join(bold[1].split())


def claims(text: str, headings: tuple[str, ...]) -> dict[str, str]:
    """Title → text of each claim of a page."""
    if not headings:
        sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
        return {each.splitlines()[0]: each for each in sections}
    return {title(item): item for heading in headings for item in items(text, heading)}


@pytest.mark.parametrize("page", PAGES)
def test_each_claim_names_a_test(root: Path, page: str) -> None:
    found = claims((root / page).read_text(encoding="utf-8"), PAGES[page])
    assert len(found) > 5
    assert {name for name, text in found.items() if not TEST.search(text)} <= LIMITS


def test_each_row_of_the_security_page_leads_to_a_claim_that_is_there(root: Path) -> None:
    text = (root / "SECURITY.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", name).strip().lower().replace(" ", "-")
        for name in claims((root / LIMITS_PAGE).read_text(encoding="utf-8"), ())
    }
    rows = [line for line in text.splitlines() if line.startswith("| ") and LIMITS_PAGE in line]
    assert len(rows) > 10
    assert {anchor for row in rows for anchor in re.findall(rf"{LIMITS_PAGE}#([\w-]+)", row)} <= anchors
    assert len(text.splitlines()) <= 110, "two pages"


@pytest.mark.parametrize("page", PAGES)
def test_each_test_that_is_named_exists(root: Path, page: str) -> None:
    named = TEST.findall((root / page).read_text(encoding="utf-8"))
    assert [f"{path}::{name}" for path, name in named if name not in _names_in(root / "tests" / path)] == []


def _names_in(path: Path) -> set[str]:
    """The names of the tests in a file; none where there is no such file."""
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
