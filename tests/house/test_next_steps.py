"""Every command that a text of the program names exists, with its options: each place where a next step is produced."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_commands import NAMED, commands, faults_of

VERBS = {"and", "did", "does", "in", "authors", "writes", "for", "starts", "brings", "reads", "started"}
"""What follows the program's name where a sentence is about it."""
SEVERAL = re.compile(r"wfe-mcp(?: [a-z-]+)?(?:[a-z-]+\|[a-z-]+)")


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each text that is no docstring, with its line; a value inside it is X."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        body: list[ast.stmt] = getattr(node, "body", []) if isinstance(getattr(node, "body", []), list) else []
        for each in body:  # docstrings of modules, classes, functions and attributes
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                skipped.add(each.value)
        if isinstance(node, ast.JoinedStr):
            skipped |= set(node.values)
            parts = (str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
            yield node.lineno, "".join(parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def named_in(root: Path) -> list[tuple[str, str]]:
    """Every command in a text of the program, and where."""
    return [
        (f"{file.relative_to(root).as_posix()}:{line}", named)
        for file in sorted((root / "wfe_mcp").rglob("*.py"))
        for line, text in texts(ast.parse(file.read_text(encoding="utf-8")))
        for named in commands_in(text)
    ]


def commands_in(text: str) -> Iterator[str]:
    """The words after each ``wfe-mcp`` that are no sentence about the program."""
    for piece in re.split(r"(?=wfe-mcp )", text):
        for found in NAMED.finditer(piece):
            named = re.sub(r"[.,:…]+(?= |$)| -->.*", "", found[1])
            if named.split()[0] not in VERBS and re.fullmatch(r"[a-zA-Z-]+", named.split()[0]):
                yield named


def test_every_command_that_the_program_names_exists_with_its_options(root: Path) -> None:
    found = named_in(root)
    assert len(found) > 200
    known = commands()
    assert [(where, fault) for where, named in found for fault in faults_of(named, known)] == []


def test_no_text_names_several_commands_in_one(root: Path) -> None:
    assert [where for where, named in named_in(root) if SEVERAL.match(f"wfe-mcp{named}")] == []


@pytest.mark.parametrize(
    ("text", "faults"), [("'wfe-mcp statsu'", 1), ("f'wfe-mcp show {run} --al'", 1), ("'wfe-mcp ui'", 0)]
)
def test_a_command_that_is_not_there_is_found(text: str, faults: int) -> None:
    found = [named for _, each in texts(ast.parse(f"x = {text}")) for named in commands_in(each)]
    assert sum(len(faults_of(named, commands())) for named in found) == faults
