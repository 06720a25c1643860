"""The command that starts the server, as it is written into a client's file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from wfe_mcp import __version__
from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.clients.table import Scope

PROGRAM = "wfe-mcp"
_VERSION_S = 20
By = Literal["auto", "path", "name", "uvx"]
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
    return Installation(Path(sys.prefix), Path(sysconfig.get_path("scripts")), sys.executable, _source(), sys.platform)


def on_path(env: Mapping[str, str]) -> Path | None:
    """The program that the name finds."""
    found = shutil.which(PROGRAM, path=env.get("PATH", ""))
    return Path(found) if found else None


def command(here: Installation, env: Mapping[str, str], scope: Scope, by: By = "auto") -> tuple[str, ...]:
    """The words that start the server of this installation.

    ``auto``: uvx where this installation lies in its cache; the name in a file that a team shares, where the name finds
    this installation; else the absolute path, which also programs find that a desktop started.
    """
    named = on_path(env)
    is_this = named is not None and named.resolve() == here.program.resolve()
    if by == "uvx" or (by == "auto" and here.is_temporary):
        source = ("--from", here.source, PROGRAM) if here.source else (f"{PROGRAM}@{__version__}",)
        return ("uvx", *source, "serve")
    if by == "name" or (by == "auto" and scope == "project" and is_this):
        return (PROGRAM, "serve")
    if named is not None and is_this:
        return (str(named), "serve")
    if here.program.exists():
        return (str(here.program), "serve")
    return (here.executable, "-m", "wfe_mcp", "serve")


def is_ours(argv: Sequence[str]) -> bool:
    """Whether a command starts wfe-mcp, however it was installed."""
    names = [word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").partition("@")[0] for word in argv]
    return "serve" in argv and (PROGRAM in names or "wfe_mcp" in names)


def source(direct_url: str | None) -> str:
    """What uvx gets a package from: the commit, folder or file of its ``direct_url.json``; empty: it came by its name."""
    found: dict[str, Any] = json.loads(direct_url) if direct_url else {}
    url, vcs = str(found.get("url", "")), found.get("vcs_info")
    if vcs:
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else url


def _source() -> str:
    try:
        return source(metadata.distribution(PROGRAM).read_text("direct_url.json"))
    except metadata.PackageNotFoundError:
        return ""


def printed(words: Sequence[str]) -> str:
    """What a program prints that says its version; empty where it cannot be started or takes too long."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            words, capture_output=True, text=True, timeout=_VERSION_S, check=False, stdin=subprocess.DEVNULL
        ).stdout
    return ""
