"""Each claim about security names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

PAGES = {
    "SECURITY.md": ("What it cannot do",),
    "docs/explanation/threat-model.md": (
        "Why some things are only detected",
        "A run that was worked elsewhere",
    ),
}
"""Page → the headings whose every item is a claim."""
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


@pytest.mark.parametrize("page", PAGES)
def test_each_claim_names_a_test(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    found = {title(item): bool(TEST.search(item)) for heading in PAGES[page] for item in items(text, heading)}
    assert len(found) > 5
    assert {name for name, has_test in found.items() if not has_test} <= LIMITS


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
