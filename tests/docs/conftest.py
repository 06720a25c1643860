"""Fixtures that find the documentation pages and run their blocks as a reader would.

A page's ``sh`` blocks are one POSIX shell session in an empty folder, with nothing in the environment but a home, a
database of its own and ``wfe-mcp`` on the PATH. Each line of a ``text`` block must appear, in order, in the output of the
block above it; a line ``…`` matches any lines, ``…`` in a line any characters.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.docs import fork_server

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).parent / "wfe-mcp"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = "<end of block>"
TIMEOUT_S = 300
PIN = "correct horse"
AT_A_TERMINAL = f"""#!/bin/sh
case " $* " in *" --pin-fd "*|*" --help "*) exec "{{program}}" "$@";; esac
case "$1 $2 " in {{asks}}) exec "{{program}}" "$@" --pin-fd 9 9<<END
{PIN}
END
esac
exec "{{program}}" "$@"
"""
"""The command of a reader who types their PIN when it is asked for: a page shows what people type, and they type no ``--pin-fd``."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page: its language, text, and its place."""

    language: str
    text: str
    place: str


@dataclass(frozen=True)
class Reader:
    """Someone who follows a page in a folder of their own."""

    folder: Path
    environment: dict[str, str]

    def follow(self, page: Path) -> list[tuple[Block, str]]:
        """Type every ``sh`` block, check every ``text`` block; each ``sh`` block with what it printed."""
        blocks = blocks_of(page)
        typed = [block for block in blocks if block.language == "sh"]
        printed = self._session([block.text for block in typed])
        assert len(printed) == len(typed), f"{typed[len(printed) - 1].place} ended the shell:\n{printed[-1]}"
        output = dict(zip(typed, printed, strict=True))
        above: Block | None = None
        for block in blocks:
            if block.language == "sh":
                above = block
            elif block.language == "text":
                assert above is not None, f"{block.place} has no sh block above it"
                missing = first_missing(block.text, output[above])
                assert missing is None, f"{block.place}: {missing!r} is not in:\n{output[above]}"
        return list(output.items())

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """One command, without a terminal."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )

    def _session(self, texts: list[str]) -> list[str]:
        """What each block printed, to both streams; shorter than ``texts`` when one failed."""
        script = "set -e\nexec 2>&1\n" + "".join(f"{text}\necho '{MARK}'\n" for text in texts)
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )
        printed = done.stdout.split(f"{MARK}\n")
        return printed[:-1] if done.returncode == 0 else printed


@cache
def asks_for_pin() -> list[str]:
    """The commands that may ask for a PIN, as patterns of a shell: the reference's headings whose table has ``--pin-fd``."""
    parts = re.split(
        r"^## wfe-mcp ", (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    names = [" ".join(re.findall(r"^[a-z-]+(?: [a-z-]+)?", part)) for part in parts if "`--pin-fd`" in part]
    return [f'"{"start --from" if name == "start" else name} "*' for name in names if name]  # a run is a client's, too


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, also those in comments, in order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page.name
    return [
        Block(found[1], found[2], f"{name}:{text.count(chr(10), 0, found.start()) + 1}")
        for found in FENCE.finditer(text)
    ]


def first_missing(expected: str, printed: str) -> str | None:
    """The first line of ``expected`` that ``printed`` does not have after the lines before it; None when it has all."""
    rest = printed.splitlines()
    for line in expected.splitlines():
        wanted = line.strip()
        if wanted in {"…", ""}:
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        at = next((number for number, candidate in enumerate(rest) if pattern.search(candidate)), None)
        if at is None:
            return line
        rest = rest[at + 1 :]
    return None


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def fast_program() -> Iterator[Path]:
    """A ``wfe-mcp`` whose commands start fast (tests/docs/fork_server.py); the real one where the system cannot fork."""
    if not hasattr(os, "fork"):  # pragma: no cover - Windows
        yield PROGRAM
        return
    with fork_server.running(PROGRAM) as program:
        yield program


@pytest.fixture
def reader(tmp_path: Path, fast_program: Path) -> Reader:
    """A new user: an empty folder, an empty home, a database of their own, our command and git."""
    return new_reader(tmp_path, fast_program)


@pytest.fixture
def real_reader(tmp_path: Path) -> Reader:
    """A new user whose every command is the installed program itself."""
    return new_reader(tmp_path, PROGRAM)


def new_reader(tmp_path: Path, program: Path) -> Reader:
    """A reader below ``tmp_path`` whose ``wfe-mcp`` is ``program``."""
    if os.name == "nt":  # pragma: no cover - the pages are for POSIX shells
        pytest.skip("the pages' blocks are for POSIX shells")
    folder, home, programs = tmp_path / "project", tmp_path / "home", tmp_path / "python" / "bin"
    folder.mkdir(parents=True)
    home.mkdir()
    # A Python without any package: what a check of the page's project finds must not depend on this machine.
    venv.create(programs.parent, symlinks=True)
    (programs / "wfe-mcp").write_text(
        AT_A_TERMINAL.format(asks="|".join(asks_for_pin()), program=program), encoding="utf-8"
    )
    (programs / "wfe-mcp").chmod(0o755)
    git = shutil.which("git")
    assert git, "the pages need git"
    environment = {
        "PATH": os.pathsep.join([str(programs), str(Path(git).parent), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "WFE_DATABASE_URL": f"sqlite:///{tmp_path / 'wfe.db'}",
    }
    return Reader(folder, environment)
