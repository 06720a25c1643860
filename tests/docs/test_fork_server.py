"""A command of the fork server does and says what one of the real program does and says.

Most pages run with the fork server, which saves a second per command. This module plays the same script with both, and
the tutorial runs with the real program only.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.docs.conftest import PROGRAM, TIMEOUT_S, Reader, new_reader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="without fork there is only the real program")

SCRIPT = (
    "exec 3<pin; wfe-mcp init --yes --pin-fd 3",
    "wfe-mcp trust --yes --pin-fd 3 3<pin",
    'wfe-mcp start note --json | tee started; RUN=$(sed -n \'s/.*"run": "\\([a-z0-9]*\\)".*/\\1/p\' started)',
    "wfe-mcp status",
    "wfe-mcp submit $RUN draft --path nowhere.json",
    "wfe-mcp submit $RUN draft --path draft.json",
    "echo wrong | wfe-mcp approve $RUN draft --pin-fd 0",
    "wfe-mcp approve $RUN draft --pin-fd 9 9<pin",
    "wfe-mcp show --run $RUN draft --json",
    "wfe-mcp log $RUN",
    "wfe-mcp bogus --json",
    "wfe-mcp list >/dev/full",
    "(cd sub; umask; wfe-mcp list --project ..)",
    "TZ=Asia/Tokyo WFE_LOG=DEBUG wfe-mcp show $RUN",
    "wfe-mcp serve </dev/null",
    "wfe-mcp --version",
)
TEMPLATE = """{"format": "wfe/1", "name": "note", "version": "1.0.0", "phases": [{"id": "draft", "prompt": "Write it.",
  "output": {"artifact": "draft", "schema": {"type": "object", "required": ["text"]}},
  "gates": [GATE]}]}"""


def play(reader: Reader) -> list[tuple[str, ...]]:
    """Each line of the script with its exit code and what it printed to both streams."""
    prepare(reader, '{"kind": "approval", "assurance": "human"}', "test:\n\t@test -e ok\n")
    script = "".join(f"{{ {line}\n}} >{at}.out 2>{at}.err; echo $?\n" for at, line in enumerate(SCRIPT))
    codes = reader.run("sh", "-c", script).stdout.split()
    assert len(codes) == len(SCRIPT)
    run = json.loads((reader.folder / "started").read_text(encoding="utf-8"))["run"]
    printed = [
        [
            steady((reader.folder / f"{at}.{stream}").read_text(encoding="utf-8"), reader, run)
            for stream in ("out", "err")
        ]
        for at in range(len(SCRIPT))
    ]
    return [(line, code, *both) for line, code, both in zip(SCRIPT, codes, printed, strict=True)]


def prepare(reader: Reader, gate: str, makefile: str) -> None:
    """A project with one template of one phase."""
    template = reader.folder / ".wfe/templates/note/template.json"
    template.parent.mkdir(parents=True)
    template.write_text(TEMPLATE.replace("GATE", gate), encoding="utf-8")
    (reader.folder / "sub").mkdir()
    for name, text in {"Makefile": makefile, "pin": "correct horse", "draft.json": '{"text": "hello"}'}.items():
        (reader.folder / name).write_text(text, encoding="utf-8")
    reader.run("git", "init", "-q")


def steady(text: str, reader: Reader, run: str) -> str:
    """The text without what differs each time: folders, ids, hashes, times, durations.

    An id differs from a word by its digit; one run in forty has none.
    """
    text = text.replace(str(reader.folder.parent), "FOLDER").replace(run, "RUN")
    text = re.sub(r"\b(?=[a-z0-9]{10}\b)(?=[a-z]*\d)[a-z0-9]{10}\b", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8,}\b", "HASH", text)
    return re.sub(r"\b\d+(\.\d+)? ?(ms|s|seconds?|minutes?)\b", "DURATION", text)


def test_a_script_does_and_says_the_same_with_both_programs(tmp_path: Path, fast_program: Path) -> None:
    real, fast = (new_reader(tmp_path / name, program) for name, program in (("a", PROGRAM), ("b", fast_program)))

    wanted = play(real)

    assert [code for _, code, *_ in wanted].count("0") >= 8, wanted
    assert play(fast) == wanted


def interrupted(reader: Reader, fast_program: Path) -> list[tuple[int, str, str]]:
    """How commands end that a signal hits while their check waits for the named pipe ``go``. The rest is set up fast."""
    prepare(reader, '{"kind": "command", "check": "test"}', "test:\n\t@echo x >began; read line <go\n")
    for name in ("began", "go"):
        os.mkfifo(reader.folder / name)
    began, go = (os.open(reader.folder / name, os.O_RDWR) for name in ("began", "go"))
    path = os.pathsep.join((str(fast_program.parent), reader.environment["PATH"]))
    pin = "--pin-fd 3 3<pin >&2"
    script = f"wfe-mcp init --yes --no-trial {pin}; wfe-mcp trust --yes {pin}; wfe-mcp start note --json"
    run = json.loads(reader.run("sh", "-c", script, PATH=path).stdout)["run"]
    ends = list[tuple[int, str, str]]()
    for words, number in (
        (("submit", run, "draft", "--path", "draft.json"), signal.SIGKILL),
        (("watch", run), signal.SIGINT),
        (("watch", run), signal.SIGTERM),
    ):
        with subprocess.Popen(
            ["wfe-mcp", *words],
            cwd=reader.folder,
            env=reader.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as waiting:
            is_waiting = select.select([began], [], [], TIMEOUT_S)[0]
            os.read(began, 2) if is_waiting else waiting.kill()
            waiting.send_signal(number)
            out, err = waiting.communicate(timeout=TIMEOUT_S)  # ends when no process is left that could print
        assert is_waiting, (words, out, err)
        ends.append((waiting.returncode, steady(out, reader, run), steady(err, reader, run)))
    os.close(go)  # the check that the SIGKILL left behind ends
    os.close(began)
    return ends


def test_a_signal_ends_a_command_alike_with_both_programs(tmp_path: Path, fast_program: Path) -> None:
    real, fast = (new_reader(tmp_path / name, program) for name, program in (("a", PROGRAM), ("b", fast_program)))

    wanted = interrupted(real, fast_program)

    assert wanted[0][0] == -signal.SIGKILL
    assert interrupted(fast, fast_program) == wanted


def test_children_do_not_share_their_random_numbers_or_their_environment(tmp_path: Path, fast_program: Path) -> None:
    reader = new_reader(tmp_path, fast_program)
    reader.run("git", "init", "-q")

    started = {reader.run("wfe-mcp", "start", "quick_fix", "-i", "problem=x", "--json").stdout for _ in range(3)}
    elsewhere = reader.run("wfe-mcp", "list", "--json", WFE_DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}")

    assert all('"run"' in text for text in started), started
    runs = {re.findall(r'"run": "(\w+)"', text)[0] for text in started}
    assert len(runs) == 3
    assert not any(run in elsewhere.stdout for run in runs)
    assert all(run in reader.run("wfe-mcp", "list", "--json").stdout for run in runs)


@pytest.mark.parametrize(
    ("line", "is_real"),
    [
        ("wfe-mcp status", False),
        ("wfe-mcp serve </dev/null", True),
        ("wfe-mcp status & wait $!", True),
        ("PYTHONUTF8=1 wfe-mcp status", True),
        ("LC_ALL=C wfe-mcp status", True),
    ],
)
def test_what_a_fork_would_change_is_the_real_program(
    tmp_path: Path, fast_program: Path, line: str, *, is_real: bool
) -> None:
    mark = tmp_path / "real"
    real = tmp_path / "wfe-real"
    real.write_text(f"#!/bin/sh\ntouch {mark}\n", encoding="utf-8")
    real.chmod(0o755)
    client = tmp_path / "wfe-client"
    client.write_text(fast_program.read_text(encoding="utf-8").replace(str(PROGRAM), str(real)), encoding="utf-8")
    client.chmod(0o755)
    reader = new_reader(tmp_path, client)

    done = reader.run("sh", "-c", line)

    assert (done.returncode, mark.exists()) == (0, is_real), done.stderr
