"""Proof of the user by a PIN (scrypt).

The user sets it once. After five wrong PINs in a row every PIN is refused for 60 s, then 120, 240 …;
the count is in the database, so that it holds over processes (design §7).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.units import duration, plural
from wfe_mcp.engine.kernel.actors import SYSTEM

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx

__all__ = ["person", "person_at_page", "pin_is_set", "refuse_clients_terminal", "set_pin"]

_PIN, _WRONG = "pin", "pin_wrong"
_FREE_TRIES = 5
_FIRST_WAIT_S = 60
_COST = {"n": 2**14, "r": 8, "p": 1}


def pin_is_set(engine: Engine) -> bool:
    """True once the user has set a PIN for this database."""
    with engine.store.read() as tx:
        return tx.get_secret(_PIN) is not None


def set_pin(engine: Engine, pin: str, by: By) -> None:
    """Store a new PIN. Refuses a length outside 4–128, a PIN that is already set, and the client's own terminal."""
    refuse_clients_terminal(engine)
    pin = _line(pin)
    if not 4 <= len(pin) <= 128:
        raise Refused("bad_argument", f"A PIN has 4 to 128 characters; this one has {len(pin)}.", "Choose another.")
    salt = secrets.token_bytes(16)
    with engine.store.tx() as tx:
        if tx.get_secret(_PIN) is not None:
            raise Refused(
                "conflict", "A PIN is set already.", "Use it; it is asked for as the old one when it is replaced."
            )
        # With its cost, so that a later version may ask for more without locking users out.
        value = json.dumps({"salt": salt.hex(), "hash": _hash(pin, salt, _COST).hex(), "cost": _COST})
        tx.set_secret(_PIN, value, by, engine.clock())


def person(engine: Engine, pin: str, actor: str) -> By:
    """The user at this terminal, proven by the PIN. Refuses ``wrong_pin`` and a terminal of the agent's client."""
    from wfe_mcp.workspace.system.process import ancestors

    refuse_clients_terminal(engine)
    _prove(engine, pin)
    engine.ancestors = " < ".join(f"{above.name} {above.pid}" for above in ancestors())
    return By(actor, Channel.CLI, Assurance.HUMAN)


def person_at_page(engine: Engine, pin: str, actor: str) -> By:
    """The user at the decision page, proven by the PIN typed there. Refuses ``wrong_pin``.

    Which process started the page or the browser does not matter: usually the client did.
    """
    _prove(engine, pin)
    return By(actor, Channel.DASHBOARD, Assurance.HUMAN)


def _prove(engine: Engine, pin: str) -> None:
    with engine.store.tx() as tx:
        refused = _check(tx, _line(pin), engine.clock())
    if refused is not None:
        raise refused


def _check(tx: Tx, pin: str, now: datetime) -> Refused | None:
    kept = tx.get_secret(_PIN)
    if kept is None:
        return Refused("wrong_pin", "No PIN is set yet.", "Run: wfe-mcp init")
    wrong: dict[str, Any] = json.loads(tx.get_secret(_WRONG) or "{}")
    until = wrong.get("until")
    if until is not None and now < datetime.fromisoformat(until):
        return Refused(
            "wrong_pin",
            f"After {_FREE_TRIES} wrong PINs every PIN is refused until {until}.",
            "Wait, then run the command again.",
        )
    stored = json.loads(kept)
    if hmac.compare_digest(_hash(pin, bytes.fromhex(stored["salt"]), stored["cost"]).hex(), stored["hash"]):
        if wrong:
            tx.set_secret(_WRONG, "{}", SYSTEM, now)
        return None
    count = int(wrong.get("count", 0)) + 1
    entry: dict[str, Any] = {"count": count}
    wait_s = _FIRST_WAIT_S * 2 ** max(0, count - _FREE_TRIES)
    if count >= _FREE_TRIES:
        entry["until"] = (now + timedelta(seconds=wait_s)).isoformat()
    tx.set_secret(_WRONG, json.dumps(entry), SYSTEM, now)
    left = _FREE_TRIES - count
    now_what = f"{plural(left, 'try', 'tries')} left" if left > 0 else f"every PIN is refused for {duration(wait_s)}"
    return Refused("wrong_pin", f"Wrong PIN; {now_what}.", "Nothing changed; run the command again.")


def refuse_clients_terminal(engine: Engine) -> None:
    """A terminal is not proof: a decision must not come from a process that the agent's client started (design §7)."""
    from wfe_mcp.workspace.system.process import ProcessIdentity, client_above, is_alive

    with engine.store.read() as tx:
        known = tx.processes(engine.identity.host)
    alive = [row for row in known if is_alive(ProcessIdentity(row.host, row.pid, row.started_at))]
    clients = [(row.client_pid, row.client_started_at or 0.0) for row in alive if row.client_pid is not None]
    # A command-line agent that we drive is a child of our server or worker.
    clients += [(row.pid, row.started_at) for row in alive]
    if client_above(clients) is not None:
        raise Refused(
            "needs_human",
            "This terminal was started by the agent's client, or by wfe-mcp for an agent, so a decision here does not count.",
            "Open another terminal that the client did not start, and run the command there.",
        )


def _hash(pin: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, **cost)


def _line(pin: str) -> str:
    """What was typed, without the one line end that came with it."""
    return pin.removesuffix("\n").removesuffix("\r")
