"""Approvals in a throwaway database, where no user is involved.

Rules:
1. Only a new database is marked, when it is created; the mark is in its settings log.
2. ``stand_in`` acts for a person in a marked database and refuses everywhere else. Its decisions are recorded with
   channel ``demo``. The rule about the client's own terminal does not apply (design §7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine

_MARK = "demo"


def make_database(path: Path) -> str:
    """A new, marked database at ``path``; its URL. Refuses ``conflict`` when the file exists."""
    from wfe_mcp.engine.kernel.engine import utc_now
    from wfe_mcp.store import Store

    if path.exists():
        raise Refused("conflict", f"There is a file {path} already.", "Name one that does not exist.")
    url = f"sqlite:///{path.as_posix()}"
    store = Store.open(url, clock=utc_now)
    try:
        with store.tx() as tx:
            tx.secrets.set(_MARK, "made to be thrown away", _demo(Assurance.AGENT), utc_now())
    finally:
        store.close()
    return url


def stand_in(engine: Engine) -> By:
    """An actor that may decide like a person. Refuses ``needs_human`` outside a database from ``make_database``."""
    with engine.store.read() as tx:
        first = next(iter(tx.settings_log.events()), None)
    # A mark that is not the very first setting was added later, to fake an approval.
    if first is None or first.name != _MARK:
        raise Refused(
            "needs_human",
            "This database was not made to be thrown away: only a person decides here.",
            "Decide at a terminal of your own: wfe-mcp approve RUN PHASE",
        )
    return _demo(Assurance.HUMAN)


def _demo(assurance: Assurance) -> By:
    return By("demo", Channel.DEMO, assurance)
