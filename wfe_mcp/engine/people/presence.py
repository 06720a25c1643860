"""Who has the page of a decision open now, at a server that people log in to.

    credential-used:here:<request>:<person>   JSON: name, session, since and until; in no log

Rules:
1. A page says so when it opens, and each ``EVERY_S`` while it is seen; ``LASTS_S`` after the last time it is over, or with the session.
2. Rows of the database, so that every process of the server knows them. A new row takes away those that are over.
3. Nothing depends on it: no decision waits for a person, or is refused, because another one is there.
"""

import json
from datetime import datetime, timedelta

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.access.people import SESSION, Login
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.settings import USED

EVERY_S = 30
"""How often a page that is seen says so; ``web/src/present.tsx`` and ``static/passkey.js`` have it, too."""
LASTS_S = 75
"""Seconds after which one that says nothing is taken for closed."""

_HERE = f"{USED}here:"


@dataclass(frozen=True, slots=True)
class Present:
    """A person who has the page of a decision open, by the name of their login."""

    name: str
    since: datetime


def come(engine: Engine, login: Login, request: str) -> list[Present]:
    """Record that this person has the page of ``request`` open; the others who have."""
    row, now = f"{_HERE}{request}:{login.person.row}", engine.clock()
    with engine.store.tx() as tx:
        known = {name: json.loads(text) for name, text in tx.secrets.with_prefix(_HERE).items()}
        sessions = tx.secrets.values([SESSION + entry["session"] for entry in known.values()])
        over = [name for name, entry in known.items() if not _is_here(entry, sessions, now)]
        for name in over:
            tx.secrets.note_use(name, None, now)
        since = known[row]["since"] if row in known and row not in over else now.isoformat()
        until = (now + timedelta(seconds=LASTS_S)).isoformat()
        value = {"name": login.person.name, "session": login.row, "since": since, "until": until}
        tx.secrets.note_use(row, json.dumps(value, sort_keys=True), now)
    return present(engine, request, login)


def present(engine: Engine, request: str, besides: Login | None = None) -> list[Present]:
    """Who has the page of ``request`` open, by name. ``besides``: without this person."""
    own = f"{_HERE}{request}:{besides.person.row}" if besides else ""
    with engine.store.read() as tx:
        rows = tx.secrets.with_prefix(f"{_HERE}{request}:")
        entries = [json.loads(text) for row, text in rows.items() if row != own]
        sessions = tx.secrets.values([SESSION + entry["session"] for entry in entries])
    here = [entry for entry in entries if _is_here(entry, sessions, engine.clock())]
    return sorted(
        (Present(entry["name"], datetime.fromisoformat(entry["since"])) for entry in here), key=lambda each: each.name
    )


def _is_here(value: dict[str, str], sessions: dict[str, str], now: datetime) -> bool:
    return datetime.fromisoformat(value["until"]) > now and SESSION + value["session"] in sessions
