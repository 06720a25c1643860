"""Where does a person decide in a browser?

    no page lives ──► one is started, detached from us ──► it says its port in the register of processes
    a page lives  ──► that one, whoever started it: one for a database

Rules:
1. The address decides nothing: the page asks for the PIN.
2. Nobody waits long for it, and nothing fails without it: the command line does the same.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import ProcessRecord

__all__ = ["PAGE", "address", "living", "living_page", "page_at", "page_for"]

PAGE = "ui"
"""What a process that serves the page calls itself in the register."""

IDLE = "30m"
START_WAIT_S = 4.0
"""With the time that a client has to ask its person, a call stays below 45 s. A page that is slower is told next time."""

_LOOK_S = 0.1

log = logging.getLogger("wfe_mcp.engine")

_starting = threading.Lock()
_started: dict[Path, subprocess.Popen[bytes]] = {}


def address(port: int, path: str = "") -> str:
    """The page, or what is at ``path`` of it. ``localhost`` by name: passkeys know no address of numbers."""
    return f"http://localhost:{port}/{path}"


def living(engine: Engine, tx: Tx, kind: str) -> list[ProcessRecord]:
    """The processes of a kind that registered here and still live."""
    rows = [row for row in tx.processes(engine.identity.host) if row.kind == kind]
    return [row for row in rows if is_alive(ProcessIdentity(row.host, row.pid, row.started_at))]


def living_page(engine: Engine) -> int | None:
    """The port of the page that lives, if one does."""
    with engine.store.read() as tx:
        found = living(engine, tx, PAGE)
    return found[0].port if found else None


def page_for(engine: Engine, request: str, *, may_start: bool) -> str | None:
    """The address where a person decides ``request``; None where there is no page.

    ``may_start``: starts one where none lives, unless configuration says ``[ui] auto = false``.
    """
    may_start = may_start and engine.settings().settings.ui.auto
    return page_at(engine, f"decide/{request}", may_start=may_start)


def page_at(engine: Engine, path: str = "", *, may_start: bool = True) -> str | None:
    """The address of ``path`` on the page, which starts where none lives and it may; None where there is no page.

    A person's own command starts it whatever configuration says: that is about pages that nobody asked for.
    """
    port = living_page(engine)
    if port is None and may_start:
        with _starting:
            port = living_page(engine) or _start(engine)
    return None if port is None else address(port, path)


def _start(engine: Engine) -> int | None:
    """Start a page that outlives us and ends by itself; its port, or None when it is not there in time."""
    database = Path(engine.store.health().path).resolve()
    child = _started.get(database)
    if child is None or child.poll() is not None:  # else it is still on its way from the last call
        try:
            child = _started[database] = _detached(engine, database)
        except OSError as exc:
            log.warning("the decision page did not start: %s", exc)
            return None
    until = time.monotonic() + START_WAIT_S
    while time.monotonic() < until:
        port = living_page(engine)
        if port is not None:
            return port
        if child.poll() is not None:
            return living_page(engine)  # another one was quicker, or it failed
        time.sleep(_LOOK_S)
    return None


def _detached(engine: Engine, database: Path) -> subprocess.Popen[bytes]:
    # Without -P the folder it starts in could bring modules of its own.
    argv = [sys.executable, "-P", "-m", "wfe_mcp", "ui", "--no-browser", "--idle", IDLE, "--project", str(engine.root)]
    # It does not stand where we do: a relative address would be another file there.
    env = engine.environment | {"WFE_DATABASE_URL": f"sqlite:///{database.as_posix()}"}
    if sys.platform == "win32":
        quiet = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            # A client that keeps its servers in a job would end the page with them.
            return _popen(argv, env, database.parent, flags=quiet | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:
            return _popen(argv, env, database.parent, flags=quiet)
    return _popen(argv, env, database.parent, flags=0)


def _popen(argv: list[str], env: dict[str, str], where: Path, flags: int) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        argv, cwd=where, env=env, stdin=nothing, stdout=nothing, stderr=nothing, creationflags=flags,
        start_new_session=sys.platform != "win32",
    )  # fmt: skip
