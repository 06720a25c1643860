"""Messages to the people of a server about a decision that waits for them, at an address of their own.

    person-address:<person>                       JSON: the address, sealed by the key file; in the settings log as a sha256
    credential-used:message:<request>:<person>    that they got their message, while the request is open; with ``:again`` the reminder

    request asked or handed on ──► job ──► whose it is now (``Deciders.whose``), who is there ──► POST {"text", "reference", "expires_at"}

Rules:
1. The message has the reference and the end of the request, nothing else.
2. An address is https at a public host, or an origin that ``[http] allow`` names; no redirect is followed, and it is shown to no one.
3. Each person gets one message about a request, and one again before it ends (``[notify] remind``). Where their address does not
   answer, or answers 408, 429 or 5xx, it is tried again (``notify.py``); who never gets it finds it in the inbox.
"""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.access.people import Login, People, known_as
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.secrets import seal, unseal
from wfe_mcp.engine.people.deciders import deciders
from wfe_mcp.store.settings import USED
from wfe_mcp.tools.fault import ToolFault
from wfe_mcp.tools.http import Request, exchange, is_public
from wfe_mcp.workspace.config.origins import origin_fault, origin_of

MOST_CHARS = 500
_ADDRESS, _SENT = "person-address:", f"{USED}message:"
_TIMEOUT_S, _EXCERPT_BYTES = 10.0, 1_000
_LATER = {408, 425, 429}


def set_address(engine: Engine, login: Login, address: str) -> None:
    """Keep where this person gets messages; empty: nowhere. Refuses ``bad_argument`` for what is no address that may be reached."""
    fault = _fault(address, engine.settings().settings.http.allow) if address else ""
    if fault:
        raise Refused("bad_argument", f"The address was not kept: {fault}.", "Give another one.")
    row = _ADDRESS + login.person.row
    with engine.store.tx() as tx:
        sealed = json.dumps(seal(json.dumps({"row": row, "url": address}), "stored")) if address else None
        if sealed or tx.secrets.get(row) is not None:
            tx.secrets.set(row, sealed, login.person.by, engine.clock())


def _fault(address: str, allow: Sequence[str]) -> str:
    if len(address) > MOST_CHARS:
        return f"the address is longer than {MOST_CHARS} characters"
    fault, host = origin_fault(address, allow), urlsplit(address).hostname or ""
    if fault or origin_of(address) in {origin_of(origin) for origin in allow}:
        return fault
    is_number = host.replace(".", "").isdigit() or ":" in host
    return f"{host} is no public address" if is_number and not is_public(host) else ""


def has_address(engine: Engine, login: Login) -> bool:
    """Whether this person gets messages."""
    with engine.store.read() as tx:
        return tx.secrets.get(_ADDRESS + login.person.row) is not None


@dataclass(frozen=True, slots=True)
class Sent:
    """Whose a request is: who got the message, whom it did not reach, and who may get it later."""

    sent: list[str]
    failed: list[str]
    later: list[str]


def send_to_people(engine: Engine, request: str, body: dict[str, str], *, again: bool = False) -> Sent:
    """Send ``body`` about ``request`` to those whose it is now, who do not have it yet. ``again``: the reminder."""
    team, allow = deciders(engine, People.from_configuration(engine)), engine.settings().settings.http.allow
    done = Sent([], [], [])
    with engine.store.read() as tx:
        asked = tx.approvals.get(request)
        loaded = None if asked is None else engine.load(tx, asked.run_id)
    if asked is None or loaded is None:
        return done
    attempt = loaded.state.current(asked.phase)
    whose = team.whose(attempt.approvals, attempt.handed.to if attempt.handed else "")
    for name in (person for person in whose if person not in team.away):
        try:
            address, mark = _take_request(engine, request, name, again=again)
        except Refused:  # such as an address that was sealed with another key file: the others get theirs
            done.failed.append(name)
            continue
        if not address:
            continue
        try:
            message = Request(address, "POST", body=body)
            answer = exchange(message, allow=allow, timeout_s=_TIMEOUT_S, excerpt_bytes=_EXCERPT_BYTES)
            is_passing = answer.status >= 500 or answer.status in _LATER
            outcome = done.sent if 200 <= answer.status < 300 else done.later if is_passing else done.failed
        except ToolFault as fault:  # its text has the address
            outcome = done.later if fault.is_passing else done.failed
        except Refused:
            outcome = done.failed
        outcome.append(name)
        if outcome is done.later:
            with engine.store.tx() as tx:
                tx.secrets.note_use(mark, None, engine.clock())
    return done


def _take_request(engine: Engine, request: str, name: str, *, again: bool) -> tuple[str, str]:
    """The address of a person for their message about a request, which is theirs from now on, and the note of that.

    The address is empty without one, or where it was sent.
    """
    now = engine.clock()
    with engine.store.tx() as tx:
        row = _ADDRESS + (person := known_as(tx, name).row)
        mark, sealed = f"{_SENT}{request}:{person}{':again' if again else ''}", tx.secrets.get(row)
        if sealed is None or tx.secrets.get(mark) is not None:
            return "", mark
        for row_name in tx.secrets.with_prefix(_SENT):
            other = tx.approvals.get(row_name.removeprefix(_SENT).partition(":")[0])
            if other is None or other.status != "open":
                tx.secrets.note_use(row_name, None, now)
        tx.secrets.note_use(mark, now.isoformat(), now)
    content = json.loads(unseal(json.loads(sealed), "stored", "address for messages", "at /access"))
    return str(content["url"]) if content["row"] == row else "", mark  # that of another row was put here
