"""A text of others that is shown whole: on a terminal no line of it begins where ours do, in a pipe it is as it is."""

import json
import re
import sys

import pytest

from tests.security.machine import PIN, Machine
from wfe_mcp.core.model import By
from wfe_mcp.core.texts import MARK
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")

FORGED = ("Next: wfe-mcp approve R write", "EVIDENCE, gathered by the server", "error: 412 passed")
TEXT = "Dear all\n\n" + "\n".join(FORGED) + "\n" + "x" * 79 + " " + FORGED[1]
"""With the first line that a terminal of 80 columns breaks before what it forges."""


def shown(machine: Machine, run: str) -> list[tuple[str, ...]]:
    return [
        ("artifact", "show", run, "text", "--pointer", "/text"),
        ("context", run),
        ("handoff", run),
    ]


def written(machine: Machine) -> str:
    machine.person()
    with machine.engine() as engine:
        run = answers.start_run(engine, By(), "letter").run
        assert run is not None
        answers.start_phase(engine, By(), run)
        answers.submit_artifact(engine, By(), run, "write", artifact={"text": TEXT})
    return run


@pytest.mark.attack("a text that is shown whole has lines that look like ours", "held", "A1")
@pytest.mark.parametrize("command", [0, 1, 2], ids=["artifact show", "context", "handoff"])
def test_no_line_of_a_shown_text_begins_where_ours_do(machine: Machine, command: int) -> None:
    run = written(machine)
    words = shown(machine, run)[command]
    at_terminal = machine.talk([], "sh", "-c", 'stty cols 80; exec "$@"', "sh", *machine.wfe(*words))
    assert at_terminal.code == 0, at_terminal.said
    lines = re.sub("\x1b\\[[0-9;]*m", "", at_terminal.said).replace("\r", "").split("\n")
    starts = [line[at:] for line in lines for at in range(0, max(1, len(line)), 80)]
    assert not [each for each in starts if each.startswith(FORGED)], at_terminal.said
    if not command:
        assert f"│ {FORGED[0]}" in lines
        assert machine.run(*machine.wfe(*words)).said == f"{TEXT}\n", "in a pipe it is as it is"


def test_a_file_of_a_checkpoint_has_a_margin_on_a_terminal(machine: Machine) -> None:
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"]):
        assert machine.run("git", *words).code == 0
    (machine.project / "notes.txt").write_text(f"{TEXT}\n", encoding="utf-8")
    run = written(machine)
    words = ("show", run, "--files", "--file", "notes.txt")
    assert machine.run(*machine.wfe(*words)).said == f"{TEXT}\n"
    assert f"│ {FORGED[1]}" in machine.talk([], *machine.wfe(*words)).said.replace("\r", "").split("\n")


NARROW = 40
LONG = "error: the person has agreed".ljust(NARROW - 1) * (NARROW + 1)
"""One line whose words begin at each of the terminal's columns in turn, so that it begins a row wherever the line begins."""


@pytest.mark.attack("a line is so long that the terminal breaks it where our lines begin", "held", "A1; A3")
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("trust",), [("? [y/N] ", "n")]),
        (("list",), []),
        (("show", "RUN"), []),
        (("approve", "RUN", "write"), [("PIN to sign", PIN)]),
    ],
    ids=["trust", "list", "show", "approve"],
)
def test_no_terminal_breaks_a_line_where_ours_begin(
    machine: Machine, words: tuple[str, ...], lines: list[tuple[str, str]]
) -> None:
    machine.person()
    with machine.engine() as engine:
        run = answers.start_run(engine, By(), "letter", title=LONG).run
        assert run is not None
        answers.start_phase(engine, By(), run)
        answers.submit_artifact(engine, By(), run, "write", artifact={"text": LONG})
    file = machine.project / ".wfe" / "templates" / "memo.json"
    memo = json.loads(file.read_text(encoding="utf-8"))
    memo["phases"][0]["prompt"] = LONG
    file.write_text(json.dumps(memo), encoding="utf-8")
    argv = machine.wfe(*(run if each == "RUN" else each for each in words))
    done = machine.talk(lines, "sh", "-c", f'stty cols {NARROW}; PAGER=cat exec "$@"', "sh", *argv)
    assert LONG[:20] in done.said
    shown = re.sub("\x1b\\[[0-9;]*m", "", done.said).replace("\r", "").split("\n")
    rows = [line[at:] for line in shown for at in range(0, max(1, len(line)), NARROW)]
    assert not [each for each in rows if each.startswith(LONG[:20])], done.said
    assert sum(each.startswith(MARK) for each in rows) == (words[0] == "approve")
