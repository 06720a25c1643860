"""The local page where the user decides in a browser: found when it runs, started when it does not.

    no page runs ──► one is started, detached ──► it records its port in the process register
    a page runs  ──► that one is used, where it is verifiably ours

Rules:
1. The address of a decision shows that decision to anyone who has it, and decides nothing. It counts as long as its request
   is open, at ``PORT`` wherever that is free: which page serves it changes, the address does not.
2. A page asks for the PIN only where the user opened it by a command; one that a server started shows what is asked,
   takes passkeys, names the command, and leads to the user's own page while one runs.
3. The wait for it is short, and nothing fails without it: the command line does the same.
"""

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, serves_page

PAGE, ON_DEMAND = "ui", "ui-on-demand"
"""The kinds of a page process in the register: one that the user opened, and one that a server started."""

PORT = 7333
"""Where addresses of decisions lead, so that they outlive the process that serves them; another port where it is taken."""

IDLE = "30m"
START_WAIT_S = 4.0
"""Keeps a call below 45 s together with the client's form. The next call reports a slower page."""

_LOOK_S = 0.1

log = logging.getLogger("wfe_mcp.engine")

_starting = threading.Lock()
_started: dict[tuple[Path, bool], subprocess.Popen[bytes]] = {}


def address(port: int, path: str = "") -> str:
    """The URL of the page or of ``path`` on it. ``localhost`` by name: passkeys do not accept IP addresses."""
    return f"http://localhost:{port}/{path}"


def link(engine: Engine, port: int, path: str = "") -> str:
    """The URL that opens ``path`` for the user at a terminal: with a fresh code where the page takes one.

    Without a script, the plain page. An agent never gets such a link.
    """
    from wfe_mcp.engine.access.tokens import fresh_code

    code = fresh_code(engine, port)
    return f"{address(port, f'open/{path}')}#code={code}" if code else address(port, path)


def living(engine: Engine, tx: Tx, *kinds: str) -> list[ProcessRecord]:
    """The live registered processes of these kinds."""
    rows = [row for row in tx.processes.on_host(engine.identity.host) if row.kind in kinds]
    return [row for row in rows if is_alive(ProcessIdentity(row.host, row.pid, row.started_at))]


def _living_pages(engine: Engine, *kinds: str) -> list[ProcessRecord]:
    """The running pages that are verifiably ours, by kind, the newest first.

    A row of the register proves nothing: the process must be this user's, our program, and listen on that port.
    """
    with engine.store.read() as tx:
        processes = [row for kind in kinds for row in living(engine, tx, kind)[::-1]]
    return [row for row in processes if row.port and serves_page(row.pid, row.port)]


def living_page(engine: Engine, *, opened: bool = False) -> int | None:
    """The port of the newest running page, if any; one that the user opened comes first. ``opened``: only such a one."""
    processes = _living_pages(engine, PAGE) or ([] if opened else _living_pages(engine, ON_DEMAND))
    return processes[0].port if processes else None


@dataclass(frozen=True, slots=True)
class DecisionLink:
    """The address of a decision. ``takes_pin``: the user's own page runs, and the address leads there."""

    url: str
    takes_pin: bool


def page_for(engine: Engine, request: str, *, may_start: bool, signs: bool = False) -> DecisionLink | None:
    """Where the user sees ``request``, for the answer of a tool. None without a page.

    ``may_start``: starts one if none runs, unless configuration has ``[ui] auto = false``. ``signs``: a passkey decides.
    """
    if may_start and engine.settings().settings.ui.auto and living_page(engine) is None:
        page_at(engine)
    own, others = _living_pages(engine, PAGE), _living_pages(engine, ON_DEMAND)
    pages = [*others, *own]
    if not pages:
        return None
    port = PORT if any(serves_page(page.pid, PORT) for page in pages) else pages[0].port
    assert port, "only pages with a port are listed"
    # A passkey signs on the plain page.
    return DecisionLink(address(port, f"{'' if signs else 'open/'}decide/{request}"), bool(own))


def page_at(
    engine: Engine, path: str = "", *, may_start: bool = True, opened: bool = False, plain: bool = True
) -> str | None:
    """The URL of ``path`` on the page, started if needed and allowed; None without a page.

    ``opened``: the user asks for it by a command, so it may ask for the PIN. That starts it whatever ``[ui] auto`` is.
    ``plain``: the page without a script; else ``link``.
    """
    port = living_page(engine, opened=opened)
    if port is None and may_start:
        with _starting:
            port = living_page(engine, opened=opened) or _start(engine, opened=opened)
    if port is None:
        return None
    return address(port, path) if plain else link(engine, port, path)


def _start(engine: Engine, *, opened: bool) -> int | None:
    """Start a page that outlives this process and exits by itself; its port, or None when it is not ready in time."""
    database = engine.store.place.resolve()
    child = _started.get((database, opened))
    if child is None or child.poll() is not None:  # else the last call's page is still starting
        try:
            words = ("ui", *(() if opened else ("--on-demand",)), "--no-browser", "--idle", IDLE)
            child = _started[database, opened] = start_detached(engine, *words)
        except OSError as exc:
            log.warning("the decision page did not start: %s", exc)
            return None
    until = time.monotonic() + START_WAIT_S
    while time.monotonic() < until:
        port = living_page(engine, opened=opened)
        if port is not None:
            return port
        if child.poll() is not None:
            return living_page(engine, opened=opened)  # another process was first, or it failed
        time.sleep(_LOOK_S)
    return None


def start_detached(engine: Engine, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """``wfe-mcp`` with these words for the project of ``engine``: a process without a terminal that can outlive this one."""
    database = engine.store.place.resolve()
    # Without -P the folder it starts in could bring modules of its own.
    argv = [sys.executable, "-P", "-m", "wfe_mcp", *words, "--project", str(engine.root)]
    env = engine.environment | engine.store.environment
    if sys.platform == "win32":
        # A console that no one sees: without one, each git and each Python that it starts would open a window.
        alone = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            # A client that keeps its servers in a job would end the page with them.
            return _popen(argv, env, database.parent, alone | subprocess.CREATE_BREAKAWAY_FROM_JOB, stdin)
        except PermissionError:
            return _popen(argv, env, database.parent, alone, stdin)
    return _popen(argv, env, database.parent, 0, stdin)


def _popen(argv: list[str], env: dict[str, str], where: Path, flags: int, stdin: int) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        argv,
        cwd=where,
        env=env,
        stdin=stdin,
        stdout=nothing,
        stderr=nothing,
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )
