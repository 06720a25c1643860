"""Commands behave the same in the test process, through ``main``, as in their own process.

Most tests of commands run in this process, which saves half a second each. This test runs the same script both ways.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.scene import Said, Terminal

Runner = Callable[[Terminal, tuple[str, ...], str | None], Said]

SCRIPT: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("status",), None),
    (("status", "--json"), None),
    (("templates", "list"), None),
    (("start", "letter", "--json"), None),
    (("status",), None),
    (("submit", "RUN", "draft", "--path", "draft.json", "--json"), None),
    (("submit", "RUN", "draft", "--path", "nowhere.json"), None),
    (("approve", "RUN", "send", "--json"), "wrong"),
    (("log", "RUN", "--json"), None),
    (("cancel", "RUN", "--json"), None),
    (("list", "--json"), None),
    (("show", "nothing-of-the-kind", "--json"), None),
    (("bogus",), None),
    (("--version",), None),
)


def in_this_process(terminal: Terminal, words: tuple[str, ...], pin: str | None) -> Said:
    return terminal(*words, pin=pin)


def in_its_own(terminal: Terminal, words: tuple[str, ...], pin: str | None) -> Said:
    given, readable = list(words), None
    if pin is not None:
        readable, writable = os.pipe()
        os.write(writable, pin.encode())
        os.close(writable)
        given += ["--pin-fd", str(readable)]
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", *given],
        cwd=terminal.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=[] if readable is None else [readable],
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    if readable is not None:
        os.close(readable)
    return Said(done.returncode, done.stdout, done.stderr)


def play(terminal: Terminal, run: Runner) -> list[tuple[tuple[str, ...], int, str, str]]:
    """How each command of the script ended, without what differs each time: ids, hashes, times, durations."""
    (terminal.root / "draft.json").write_text('{"text": "hello"}', encoding="utf-8")
    found, made = list[tuple[tuple[str, ...], int, str, str]](), ""
    for words, pin in SCRIPT:
        answer = run(terminal, tuple(made if word == "RUN" else word for word in words), pin)
        if words[0] == "start":
            made = answer.document["run"]
        found.append((words, answer.code, steady(answer.out, made), steady(answer.err, made)))
    return found


def steady(text: str, run: str) -> str:
    text = text.replace(run, "RUN") if run else text
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8,}\b", "HASH", text)
    return re.sub(r"\b\d+(\.\d+)? ?(ms|s|seconds?|minutes?)\b", "DURATION", text)


@pytest.mark.skipif(os.name != "posix", reason="a PIN comes by a descriptor that the child inherits")
def test_a_command_in_this_process_does_and_says_what_one_of_its_own_does(cli: Terminal) -> None:
    before = cli.database.parent.parent / "before"
    shutil.copytree(cli.database.parent, before / "state")
    shutil.copytree(cli.root, before / "project")

    here = play(cli, in_this_process)
    for folder, kept in ((cli.database.parent, before / "state"), (cli.root, before / "project")):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
    os.chdir(cli.root)
    there = play(cli, in_its_own)

    assert [code for _, code, _, _ in here].count(0) >= 8, here
    assert here == there
