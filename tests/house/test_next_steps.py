"""Every command that a text of the program names exists, and is run where it is printed, or a reason says why not."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cli.following import followed, not_followed
from tests.docs.test_commands import NAMED, commands, faults_of
from tests.house.sources import nodes
from tests.proposals import HOLE, proposals, texts

VERBS = {"and", "did", "does", "in", "authors", "writes", "for", "starts", "brings", "reads", "started"}
"""What follows the program's name where a sentence is about it."""
SEVERAL = re.compile(r"wfe-mcp(?: [a-z-]+)?(?:[a-z-]+\|[a-z-]+)")


@cache
def named_in_texts() -> tuple[tuple[str, str], ...]:
    """Every command in a text of the program, and where."""
    return tuple(
        (f"{name}:{line}", named)
        for name, module in nodes("wfe_mcp").items()
        for line, text in texts(module)
        for named in commands_in(text.replace(HOLE, "X"))
    )


def commands_in(text: str) -> Iterator[str]:
    """The words after each ``wfe-mcp`` that are no sentence about the program."""
    for piece in re.split(r"(?=wfe-mcp )", text):
        for found in NAMED.finditer(piece):
            named = re.sub(r"[.,:…]+(?= |$)| -->.*", "", found[1])
            if named.split()[0] not in VERBS and re.fullmatch(r"[a-zA-Z-]+", named.split()[0]):
                yield named


def test_every_command_that_the_program_names_exists_with_its_options() -> None:
    found = named_in_texts()
    assert len(found) > 200
    known = commands()
    assert [(where, fault) for where, named in found for fault in faults_of(named, known)] == []


def test_every_text_with_a_command_is_followed_in_a_test_or_has_a_reason() -> None:
    if sys.platform == "win32":
        pytest.skip("nothing is followed there")
    known = {each.text for each in proposals()}
    done, left = {text for each in followed().values() for text in each}, not_followed()
    new = [f"{each.where}: {each.text}" for each in proposals() if each.text not in done | left.keys()]
    assert new == [], (
        "name in tests/proposals.toml the test that prints it (tests/cli/following.py finds it), or why none does"
    )
    assert sorted((done | left.keys()) - known) == [], "these are gone: take them from tests/proposals.toml"
    assert sorted(done & left.keys()) == []


def test_what_follows_a_text_exists(root: Path) -> None:
    gone: list[str] = []
    for test in followed():
        file, _, name = test.partition("::")
        text = (root / file).read_text(encoding="utf-8")
        gone += [] if f"def {name.partition('[')[0]}(" in text else [test]
    assert gone == []


def test_a_command_to_paste_has_the_arguments_that_it_needs() -> None:
    """A text without values in it says all of its command: what is missing there is missing for the person."""
    found = [
        f"{each.where}: wfe-mcp {named}"
        for each in proposals()
        for named in re.findall(r"(?:: |\()wfe-mcp ([a-z][^{}`,;()]*?)(?=[,;).]|$)", each.text)
        if lacks_arguments(named.split(), commands())
    ]
    assert found == []


def lacks_arguments(words: list[str], command: Any) -> bool:
    """Whether ``words`` give fewer positional arguments than the command requires."""
    found: Any = command
    inner: dict[str, Any] = getattr(found, "commands", {})
    while words and words[0] in inner:
        found, words = inner[words[0]], words[1:]
        inner = getattr(found, "commands", {})
    given = [each for each in words if not each.startswith("-")]
    needed = [each for each in found.params if each.param_type_name == "argument" and each.required]
    return not inner and len(given) < len(needed)


def test_no_text_names_several_commands_in_one() -> None:
    assert [where for where, named in named_in_texts() if SEVERAL.match(f"wfe-mcp{named}")] == []


def test_no_gate_says_that_the_work_is_submitted_again() -> None:
    """A gate does not know whether an attempt is left, nor whether anyone submits the work: the answer to a submission says it."""
    gates = {name: module for name, module in nodes("wfe_mcp").items() if name.startswith("wfe_mcp/gates/")}
    assert "wfe_mcp/gates/executed.py" in gates
    assert [
        f"{name}:{line}: {text}"
        for name, module in gates.items()
        for line, text in texts(module)
        if re.search(r"submit again|resubmit", text, re.IGNORECASE)
    ] == []


@pytest.mark.parametrize(
    ("text", "faults"), [("'wfe-mcp statsu'", 1), ("f'wfe-mcp show {run} --al'", 1), ("'wfe-mcp ui'", 0)]
)
def test_a_command_that_is_not_there_is_found(text: str, faults: int) -> None:
    found = [
        named
        for _, each in texts([*ast.walk(ast.parse(f"x = {text}"))])
        for named in commands_in(each.replace(HOLE, "X"))
    ]
    assert sum(len(faults_of(named, commands())) for named in found) == faults
