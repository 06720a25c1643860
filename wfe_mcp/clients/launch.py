"""The command that starts the server, as it is written into a client's file."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from wfe_mcp import __version__
from wfe_mcp.clients.table import Scope, is_address
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.files.programs import find, is_of_project, program
from wfe_mcp.workspace.system.shell_words import shell_line

PROGRAM = "wfe-mcp"
_VERSION_S = 20
By = Literal["auto", "path", "name", "uvx"]
Whose = Literal["this", "installed", "foreign"]
"""Of this installation; of another one outside the project; anything else, such as a program of the project."""
_PYTHON = re.compile(r"(pythonw?|pypy)[0-9.]*")
_FLAGS = frozenset(("-P", "-I", "-s", "-E", "-u", "-B"))
"""Options of Python that run nothing."""
_CACHES = frozenset({"archive-v0", "environments-v2", "builds-v0"})
"""Folders of uv's cache; what lies there is removed one day."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of wfe-mcp. ``scripts``: the folder of its programs. ``source``: what uvx gets it from."""

    prefix: Path
    scripts: Path
    executable: str
    source: str
    platform: str
    sha256: str = ""
    """Of its program as it was installed; empty: not known."""

    @property
    def is_temporary(self) -> bool:
        """Whether it lies in a cache, as under uvx."""
        return not _CACHES.isdisjoint(self.prefix.parts)

    @property
    def program(self) -> Path:
        """Its program, which need not exist: ``python -m wfe_mcp`` works without one."""
        return self.scripts / (f"{PROGRAM}.exe" if self.platform == "win32" else PROGRAM)


def this_installation() -> Installation:
    """The one that runs now."""
    scripts = Path(sysconfig.get_path("scripts"))
    return Installation(Path(sys.prefix), scripts, sys.executable, _source(), sys.platform, _recorded_sha256(scripts))


def on_path(env: Mapping[str, str]) -> Path | None:
    """The program that the name finds."""
    file = find(PROGRAM, env.get("PATH", ""))
    return Path(file) if file else None


def command(here: Installation, env: Mapping[str, str], scope: Scope, by: By = "auto") -> tuple[str, ...]:
    """The words that start the server of this installation.

    ``auto``: uvx where this installation lies in its cache; the name in a file that a team shares, where the name finds
    this installation; else the absolute path, which also programs find that a desktop started.
    """
    path = on_path(env)
    is_this = path is not None and path.resolve() == here.program.resolve()
    if by == "uvx" or (by == "auto" and here.is_temporary):
        source = ("--from", here.source, PROGRAM) if here.source else (f"{PROGRAM}@{__version__}",)
        return ("uvx", *source, "serve")
    if by == "name" or (by == "auto" and scope == "project" and is_this):
        return (PROGRAM, "serve")
    if path is not None and is_this:
        return (str(path), "serve")
    if here.program.exists():
        return (str(here.program), "serve")
    # Without -P the folder that a client starts it in could bring modules of its own.
    return (here.executable, "-P", "-m", "wfe_mcp", "serve")


def whose(argv: Sequence[str], root: Path, path: str, here: Installation) -> Whose:
    """What a command starts in the project ``root``, seen without starting it. ``path``: the PATH that it gets.

    This installation is known by the path of its program, whose content is the one that was installed, and by a copy with
    the same SHA-256 outside the project.
    """
    if is_address(argv):
        return "installed" if argv[0].endswith("/mcp") else "foreign"
    if not is_ours(argv):
        return "foreign"
    file = program(argv[0], root, path)
    if file is None:
        is_name = "/" not in argv[0] and "\\" not in argv[0]
        return "installed" if is_name or Path(argv[0]).is_absolute() else "foreign"
    if _program_name(argv[0]) == PROGRAM and _is_program(file, root, here):
        return "this"
    if "-m" in argv and file.parent.resolve() == Path(here.executable).parent.resolve():
        is_apart = not {"-P", "-I"}.isdisjoint(argv[: argv.index("-m")])
        return "this" if is_apart else "foreign" if _has_module(root) else "installed"
    if is_of_project(file, root):
        return "foreign"
    if _program_name(argv[0]) == "uvx":
        return "this" if tuple(argv) == command(here, {}, "user", "uvx") else "installed"
    return "foreign" if "-m" in argv and _has_module(root) else "installed"


def command_line_of(argv: Sequence[str], variables: Mapping[str, str]) -> str:
    """A command and the variables that are set for it, whole; values that look like secrets are left out."""
    return " ".join([shell_line(argv) or "no command", *([f"; it sets {_settings(variables)}"] if variables else [])])


def _settings(variables: Mapping[str, str]) -> str:
    from wfe_mcp.engine.checks.shell_environment import looks_secret

    return ", ".join(f"{name}{'' if looks_secret(name, value) else f'={value}'}" for name, value in variables.items())


def _is_program(path: Path, root: Path, here: Installation) -> bool:
    if path.resolve() == here.program.resolve():
        return here.sha256 in ("", _sha256(path))
    return not is_of_project(path, root) and here.program.exists() and _sha256(path) == _sha256(here.program)


def _sha256(file: Path) -> str:
    with suppress(OSError):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return "unreadable"


def _has_module(root: Path) -> bool:
    return any((root / name).exists() for name in ("wfe_mcp", "wfe_mcp.py"))


def _program_name(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def is_ours(argv: Sequence[str]) -> bool:
    """Whether a command has one of the forms that start wfe-mcp: by its program, by uvx, or as a module of Python."""
    if "serve" not in argv:
        return len(argv) == 1 and _program_name(argv[0]) == PROGRAM
    name, words = _program_name(argv[0]), list(argv[1 : argv.index("serve")])
    if name == "uvx":
        words = words[2:] if words[:1] == ["--from"] and not any(map(_is_place, words[1:2])) else words
        return [word.partition("@")[0] for word in words] == [PROGRAM]
    if _PYTHON.fullmatch(name):
        at = words.index("-m") if "-m" in words else len(words)
        return words[at : at + 2] == ["-m", "wfe_mcp"] and _FLAGS.issuperset(words[:at])
    return name == PROGRAM


def _is_place(source: str) -> bool:
    """Whether uvx would take a package from a folder relative to the one that it is started in."""
    return (
        "://" not in source
        and ("/" in source or "\\" in source or source.startswith("."))
        and not Path(source).is_absolute()
    )


def source(direct_url: str | None) -> str:
    """What uvx gets a package from: the commit, folder or file of its ``direct_url.json``; empty: it came by its name."""
    document: dict[str, Any] = json.loads(direct_url) if direct_url else {}
    url, vcs = str(document.get("url", "")), document.get("vcs_info")
    if vcs:
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else url


def _source() -> str:
    try:
        return source(metadata.distribution(PROGRAM).read_text("direct_url.json"))
    except metadata.PackageNotFoundError:
        return ""


def _recorded_sha256(scripts: Path) -> str:
    """The SHA-256 of the program in the list of installed files; empty where the list does not have it."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files(PROGRAM) or ():
            is_program = file.stem == PROGRAM and Path(str(file.locate())).parent.resolve() == scripts.resolve()
            if is_program and file.hash is not None and file.hash.mode == "sha256":
                return urlsafe_b64decode(f"{file.hash.value}==").hex()
    return ""


def printed_version(words: Sequence[str]) -> str:
    """What a program prints that says its version; empty where it cannot be started or takes too long."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            words,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_VERSION_S,
            check=False,
            stdin=subprocess.DEVNULL,
        ).stdout
    return ""
