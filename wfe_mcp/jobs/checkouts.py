"""Folders of their own for checks: made for one execution, removed after it, and by the next start after a crash.

    <temporary folder>/wfe-checkout-<process>-…/
        files/     a copy of the tree
        home/      HOME          tmp/       TMPDIR
        bytecode/  Python's      reports/   reports that the check is asked to write

The name holds the identity of the process that made it, so that no other one removes it while that process lives.
"""

import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, this_process

_PREFIX = "wfe-checkout-"
_NAME = re.compile(rf"{_PREFIX}(?P<host>[0-9a-f]{{8}})-(?P<pid>\d{{1,10}})-(?P<start>\d{{1,14}})-\w+")
_FORGOTTEN_S = 7 * 86_400
"""A folder of another host is removed at this age: whether its process lives is unknown here."""


@dataclass(frozen=True, slots=True)
class CheckoutFolder:
    """The folder of one execution, with its parts."""

    top: Path

    @property
    def files(self) -> Path:
        """Where the copy of the tree is."""
        return self.top / "files"

    @property
    def home(self) -> Path:
        """An empty home directory."""
        return self.top / "home"

    @property
    def temporary(self) -> Path:
        """An empty folder for temporary files."""
        return self.top / "tmp"

    @property
    def bytecode(self) -> Path:
        """An empty folder for Python's bytecode."""
        return self.top / "bytecode"

    @property
    def reports(self) -> Path:
        """Where reports are written that the check was asked for."""
        return self.top / "reports"


@contextlib.contextmanager
def checkout_folder(within: Path | None = None) -> Generator[CheckoutFolder]:
    """A new folder, readable by this user only, removed at the end. ``within``: instead of the temporary folder."""
    place = _place(within)
    remove_abandoned(place)
    me = this_process()
    stem = f"{_PREFIX}{_short(me.host)}-{me.pid}-{round(me.started_at * 1000)}-"
    made = CheckoutFolder(Path(tempfile.mkdtemp(prefix=stem, dir=place)))
    try:
        for part in (made.files, made.home, made.temporary, made.bytecode, made.reports):
            part.mkdir(mode=0o700)
        yield made
    finally:
        # In a thread: removing takes as long as copying, and the verdict need not wait for it. Not a daemon: a program
        # that ends in order leaves nothing behind.
        threading.Thread(target=remove_folder, args=(made.top,), name="wfe-checkout").start()


def remove_abandoned(within: Path | None = None) -> list[Path]:
    """Remove the folders of processes that are gone; the removed ones."""
    removed: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(_place(within)) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is not None and entry.is_dir(follow_symlinks=False) and _is_abandoned(found, entry):
                remove_folder(Path(entry.path))
                removed.append(Path(entry.path))
    return removed


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, read-only folders too; what belongs to others stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # some package caches are read-only
        for place, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                Path(place).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(name: re.Match[str], entry: "os.DirEntry[str]") -> bool:
    me = this_process()
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    user: Callable[[], int] | None = getattr(os, "getuid", None)
    if user is not None and facts.st_uid != user():
        return False
    if name["host"] != _short(me.host):
        return time.time() - facts.st_mtime > _FORGOTTEN_S
    return not is_alive(ProcessIdentity(me.host, int(name["pid"]), int(name["start"]) / 1000))


def _place(within: Path | None) -> Path:
    return (Path(tempfile.gettempdir()) if within is None else within).resolve()


def _short(host: str) -> str:
    return sha256_hex(host.encode())[:8]
