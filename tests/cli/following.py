"""What a command proposes is run as it was printed, in the state in which it was printed.

    test of a command ──> cli("skip", …) ──> "… Next: wfe-mcp retry RUN fix" ──> copy of the folder ──> that command
                               │                                                       │
                               └── the test continues as if it had not run <── back ───┘

Rules:
1. ``tests/proposals.toml`` says in which test a text is followed, and how its commands end; the fixture arms the terminal
   of that test with it, and a text that was not printed there fails the test.
2. A command is run as a person would: with a value for each word in capitals, and their PIN where it asks for it.
3. With ``WFE_RECORD_PROPOSALS=FILE`` every text that no test follows yet is followed wherever it is printed, and the
   file gets what came of it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.proposals import ROOT, Proposal, proposals

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cli.scene import Said, Terminal

FILE = ROOT / "tests" / "proposals.toml"
RECORD = os.environ.get("WFE_RECORD_PROPOSALS", "")
PIN = "correct horse"
KEY = "sk-canary-0123456789abcdef"
_PYTHON = sys.executable  # tests may name another

STANDS_FOR = {
    "TEMPLATE": "note",
    "ITEM": "W-1",
    "JSON": "{}",
    "FILE": "mine.json",
    "FOLDER": "folder",
    "TEXT": "because",
    "NAME": "claude-code",
    "QUERY": "hello",
    "NEW_NAME": "mine",
    "OTHER": "letter",
    "PROVIDER": "claude-code",
    "MODEL": "sonnet",
    "KIND": "manual",
    "ROLE": "reviewer",
    "N": "9",
    "VALUE": "because",
    "NEW": ".",
}
"""What a person puts in the place of a word in capitals."""
_ONLY_THERE = {
    ("templates", "FILE"): "exported.json",
    ("artifact", "FILE"): "saved",
    ("plan", "FILE"): "plan.md",
    ("restore", "FILE"): "copy.db",
    ("edit", "FILE"): "other.json",
    ("jobs", "ROLE"): "claude-code",
    ("work", "TEXT"): "because users ask",
    ("providers", "NAME"): "second",
    ("assistant", "PROVIDER"): "anthropic",
}
"""What a word in capitals is in a command, or after a word, where it is something else."""
_ENDLESS: dict[str, list[str]] = {"ui": ["--no-browser"], "serve": [], "worker": []}
"""What does not end by itself, and what it is given so that it opens nothing."""
_CHANGE = "import pathlib, sys; it = pathlib.Path(sys.argv[-1]); it.write_text(it.read_text().replace('A note', 'A word').replace('hello', 'hallo').replace('Write', 'Compose'))"


@cache
def followed() -> dict[str, dict[str, tuple[int, ...]]]:
    """Test → text → the exit codes of its commands. Nothing on Windows, where no open file can be put back."""
    if sys.platform == "win32":
        return {}
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for each in _read().get("followed", []):
        for text, codes in each["texts"].items():
            found.setdefault(each["test"], {})[text] = tuple(codes)
    return found


def not_followed() -> dict[str, str]:
    """Text → why no test follows it."""
    return {text: each["why"] for each in _read().get("not_followed", []) for text in each["texts"]}


def _read() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


@dataclass
class Following:
    """The texts that one test follows, and those that it has followed."""

    test: str
    wanted: dict[str, tuple[int, ...]]
    done: dict[str, list[tuple[str, Said]]] = field(default_factory=dict[str, "list[tuple[str, Said]]"])
    is_busy: bool = False

    def look(self, cli: Terminal, said: Said) -> None:
        """Follow what ``said`` proposes, once per text."""
        if (
            self.is_busy
            or not self.wanted
            or cli.scenes.is_playing
            or cli.root.parent != cli.place
            or "wfe-mcp" not in said.out + said.err
        ):
            return
        if "Usage: " in said.out + said.err:
            return  # help is no proposal
        printed = _lines(said)
        for text in self.wanted:  # that they are texts of the program is tested in house/test_next_steps.py
            if text not in self.done and (commands := Proposal(text).commands_in(printed)):
                self.is_busy = True
                try:
                    self.done[text] = [(command, _apart(cli, command)) for command in commands]
                finally:
                    self.is_busy = False

    def faults(self) -> list[str]:
        """What was not printed in this test, and what ended otherwise."""
        found = [f"was not printed in this test: {text}" for text in self.wanted if text not in self.done]
        for text, answers in self.done.items():
            for (command, answer), code in zip(answers, self.wanted[text], strict=True):
                if answer.code != code:
                    found.append(f"wfe-mcp {command} → {answer.code} instead of {code}: {answer.out}{answer.err}")
        return found


_recorded: dict[str, list[int]] = {}
_ONLY_HOLES = re.compile(r"(?:wfe-mcp|run:|Ask the user to|RUN|[{} ])+")


@cache
def _sought() -> list[Proposal]:
    """The texts that a recording is for: no test follows them yet, and they have words of their own to be found by."""
    known = {text for each in followed().values() for text in each}
    return [each for each in proposals() if each.text not in known and not _ONLY_HOLES.fullmatch(each.text)]


class Recording(Following):
    """Every text that no test follows yet is followed where it is printed, until it worked once in this process."""

    def look(self, cli: Terminal, said: Said) -> None:
        if self.is_busy:
            return
        self.wanted = {each.text: () for each in _sought() if any(_recorded.get(each.text, [1]))}
        self.done = {}
        super().look(cli, said)
        for text, answers in self.done.items():
            _recorded[text] = [answer.code for _, answer in answers]
            line = {
                "text": text,
                "test": self.test,
                "codes": _recorded[text],
                "said": [(command, (answer.out[-200:] + answer.err)[-500:]) for command, answer in answers],
            }
            with Path(f"{RECORD}.{os.getpid()}").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def faults(self) -> list[str]:
        return []


def _lines(said: Said) -> str:
    """All that was printed, one text a line: the texts of a JSON document as they read."""
    try:
        document: object = json.loads(said.out)
    except ValueError:
        return f"{said.out}\n{said.err}"
    return "\n".join([*_texts(document), said.err])


def _texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _texts(each)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
        case list():
            return [text for each in value for text in _texts(each)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
        case _:
            return []


@contextmanager
def kept_apart(cli: Terminal) -> Generator[None]:
    """The folder of the test as it was, afterwards: files, database, clock, and the folder the test is in."""
    here, now, typed = Path.cwd(), cli.clock.now, len(cli.typed)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        shutil.copytree(cli.place, before, symlinks=True)
        try:
            yield
        finally:
            os.chdir(folder)
            for each in cli.place.iterdir():
                each.unlink() if each.is_symlink() or each.is_file() else shutil.rmtree(each)
            shutil.copytree(before, cli.place, symlinks=True, dirs_exist_ok=True)
            os.chdir(here)
            cli.clock.now = now
            del cli.typed[typed:]


def _apart(cli: Terminal, command: str) -> Said:
    with kept_apart(cli), pytest.MonkeyPatch.context() as patch:
        patch.setattr("wfe_mcp.cli.terminal.pin.at_terminal", lambda: False)
        change = cli.place / "editor.py"
        change.write_text(_CHANGE)
        patch.setenv("EDITOR", shlex.join([sys.executable, str(change)]))
        for name in ("mine", "other"):
            file = cli.root / f"{name}.json"
            if not file.exists():
                file.write_text(json.dumps({"text": name}))
        return follow(cli, command)


def follow(cli: Terminal, command: str) -> Said:
    """Run ``command`` as a person would: with their values, and their PIN where it asks for it."""
    given = shlex.split(re.sub(r"[.…\s]+$", "", command))
    words = [
        _ONLY_THERE.get((given[0], word)) or _ONLY_THERE.get((before, word)) or STANDS_FOR.get(word, word)
        for before, word in zip(["", *given], given, strict=False)
    ]
    if "--pin-fd" in words:
        at = words.index("--pin-fd")
        return cli(*words[:at], *words[at + 2 :], pin=PIN)
    if words[0] in _ENDLESS:
        return _begun(cli, [*words, *_ENDLESS[words[0]]])
    if words[:2] in (["providers", "key"], ["providers", "add"]):
        said = with_key(cli, words)
        return with_key(cli, [*words, "--key", "stored"]) if "--key stored" in said.err else said
    answer = cli(*words)
    needs_pin = answer.code != 0 and "needs_human" in answer.err
    if not needs_pin:
        return answer
    again = cli(*words, pin=PIN)
    if "No such option: --pin-fd" in again.err:
        again = cli(*words, "--yes")
    if words == ["pin", "set"] and again.code != 0:
        again = _with_new_pin(cli, words)
    asks = again.code != 0 and "--yes" in again.err
    return cli(*words, "--yes", pin=PIN) if asks else again


def _with_new_pin(cli: Terminal, words: list[str]) -> Said:
    """A command that asks for the PIN and for a new one."""
    read, write = os.pipe()
    os.write(write, f"{PIN} again".encode())
    os.close(write)
    try:
        return cli(*words, "--new-pin-fd", str(read), pin=PIN)
    finally:
        os.close(read)


def with_key(cli: Terminal, words: list[str]) -> Said:
    """A command that asks for a key, with one."""
    read, write = os.pipe()
    os.write(write, KEY.encode())
    os.close(write)
    try:
        return cli(*words, "--key-fd", str(read))
    finally:
        os.close(read)


def _begun(cli: Terminal, words: list[str]) -> Said:
    """A command that does not end by itself, as a process of its own: it is ended once it says that it is there."""
    command = [_PYTHON, "-m", "wfe_mcp", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=cli.root, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as begun:
        assert begun.stdout is not None
        first = begun.stdout.readline()
        begun.send_signal(signal.SIGINT)
        rest, _ = begun.communicate(timeout=120)
    code = 0 if first and begun.returncode == 130 else begun.returncode
    return replace(cli.typed[-1][1], code=code, out=first + rest, err="")
