"""Login of a developer's machine by a code that a person confirms (RFC 8628).

    machine: begin ──> device code (secret) + user code ──> a person reads the user code to the server: confirm_device
    machine: take, every INTERVAL_S ──> pending ──> ... ──> the token, once

Rules:
1. A code counts once, for ``CODE_S``; a request that was not confirmed leaves nothing but its row, and that goes with the next request.
2. The device code has 256 random bits and is kept as its sha256. The user code has 34 bits, and only a person with their PIN, or logged
   in, can try one; at most ``MOST`` wait at once, and ``MOST_FROM_ONE`` of one address.
3. The person sees which machine, address and user asked (``warning``), and that a code that another person sent them is an attack.
4. The token is made when the machine takes it: only the holder of the device code ever has its text. The process that
   makes it has no key of the person, so its entry in the log claims no more than that of ``token create``.
"""

import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, count

from wfe_mcp.artifacts.typed import as_text, from_text
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.texts import one_line, slug
from wfe_mcp.engine.access.tokens import Token, create_in, owner_of_token, tokens_in
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.settings import USED

CODE_S, INTERVAL_S = 600, 5
MOST, MOST_FROM_ONE = 50, 5
TOKEN_S = 90 * 86_400.0
_ROW_PREFIX = f"{USED}device:"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A machine that asks to be logged in, as it describes itself; ``address``: as the server sees it."""

    user_code: str
    user: str
    machine: str
    address: str
    until: datetime
    confirmed: dict[str, str] | None = None
    """By whom and how (``By``, ``Token.person``), and for which project."""

    @property
    def warning(self) -> str:
        """What a person reads before they confirm."""
        return (
            f"{self.user} on {self.machine}, from the address {self.address}, asks to work in this project as you. "
            "Confirm only if you have just typed wfe-mcp login there yourself. A code that another person sent you, or that a page "
            "or an agent shows you, lets a stranger work as you."
        )


def begin(engine: Engine, user: str, machine: str, address: str) -> tuple[str, DeviceRequest]:
    """The device code and the request of a machine. Refuses ``limit_reached`` while too many wait."""
    now, code = engine.clock(), secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    until = now + timedelta(seconds=CODE_S)
    waiting_request = DeviceRequest(
        f"{letters[:4]}-{letters[4:]}", _shorten(user), _shorten(machine), _shorten(address), until
    )
    with engine.store.tx() as tx:
        tx.secrets.alone("secret", _ROW_PREFIX)
        waiting = _waiting(tx, now)
        of_one = sum(request.address == waiting_request.address for request in waiting.values())
        if len(waiting) >= MOST or of_one >= MOST_FROM_ONE:
            raise Refused("limit_reached", "Too many logins wait to be confirmed.", "Wait ten minutes, then try again.")
        _write(tx, sha256_hex(code), waiting_request, now)
    return code, waiting_request


def pending_request(engine: Engine, user_code: str) -> DeviceRequest:
    """The request with this code. Refuses ``bad_argument``: there is none that waits."""
    with engine.store.read() as tx:
        return _find_request(tx, user_code, engine.clock())[1]


def confirm_device(engine: Engine, by: By, user_code: str, project: str, person: str = "") -> DeviceRequest:
    """Let the machine that shows ``user_code`` work in ``project`` for the person ``by``, proven by PIN or login.

    ``person``: as in ``Token``. Refuses ``bad_argument``: no such request waits.
    """
    now = engine.clock()
    with engine.store.tx() as tx:
        tx.secrets.alone("secret", _ROW_PREFIX)
        key, waiting = _find_request(tx, user_code, now)
        confirmed = {"actor": by.actor, "channel": str(by.channel), "project": project, "person": person}
        request = replace(waiting, confirmed=confirmed)
        _write(tx, key, request, now)
    return request


def forget_confirmed(tx: Tx, person: str, now: datetime) -> None:
    """Let no machine take a token any more that ``person`` (their row) has confirmed, and that has not taken it yet."""
    tx.secrets.alone("secret", _ROW_PREFIX)
    for key, request in _waiting(tx, now).items():
        if request.confirmed is not None and request.confirmed.get("person") == person:
            tx.secrets.note_use(_ROW_PREFIX + key, None, now)


def take(engine: Engine, device_code: str) -> tuple[Token, str] | None:
    """The new token and its text, once; None while no person has confirmed. Refuses ``unauthorized``: unknown, used or too old."""
    key, now = sha256_hex(device_code), engine.clock()
    with engine.store.read() as tx:
        waits = _request_of(tx, key, now).confirmed is None
    if waits:
        return None
    with engine.store.tx() as tx:
        tx.secrets.alone("secret", _ROW_PREFIX)
        confirmed = _request_of(tx, key, now)
        tx.secrets.alone("tokens")
        tx.secrets.note_use(_ROW_PREFIX + key, None, now)
        facts = confirmed.confirmed or {}
        by = By(facts["actor"], Channel(facts["channel"]), Assurance.AGENT)
        name = _free_name(tx, f"{confirmed.user}-{confirmed.machine}", by.actor, now)
        person = facts.get("person", "")
        return create_in(tx, now, by, name, "work", project=facts["project"], expires_s=TOKEN_S, person=person)


def _request_of(tx: Tx, key: str, now: datetime) -> DeviceRequest:
    request = _waiting(tx, now).get(key)
    if request is None:
        raise Refused("unauthorized", "This login was used before, or is older than ten minutes.", "Begin again.")
    return request


def _find_request(tx: Tx, user_code: str, now: datetime) -> tuple[str, DeviceRequest]:
    wanted = re.sub(r"[^A-Z]", "", user_code.upper())
    for key, request in _waiting(tx, now).items():
        if request.user_code.replace("-", "") == wanted and request.confirmed is None:
            return key, request
    raise Refused(
        "bad_argument",
        f"No login waits for the code {user_code[:20]!r}.",
        "Codes count once and for ten minutes. Begin again on the machine: wfe-mcp login URL",
    )


def _waiting(tx: Tx, now: datetime) -> dict[str, DeviceRequest]:
    """The requests that are young enough, by the sha256 of their device code."""
    requests: dict[str, DeviceRequest] = {}
    for name, value in tx.secrets.with_prefix(_ROW_PREFIX).items():
        request = from_text(value, DeviceRequest)
        if request.until > now:
            requests[name.removeprefix(_ROW_PREFIX)] = request
    return requests


def _write(tx: Tx, key: str, request: DeviceRequest, now: datetime) -> None:
    tx.secrets.note_use(_ROW_PREFIX + key, as_text(request), now)
    for name in tx.secrets.with_prefix(_ROW_PREFIX).keys() - {_ROW_PREFIX + row_name for row_name in _waiting(tx, now)}:
        tx.secrets.note_use(name, None, now)


def _free_name(tx: Tx, wanted: str, owner: str, now: datetime) -> str:
    name = slug(wanted, 34) or "machine"
    taken = {token.name for token in tokens_in(tx)}
    numbered = (f"{name}-{number}" for number in count(2))
    return next(
        candidate
        for candidate in chain((name,), numbered)
        if candidate not in taken and owner_of_token(tx, candidate, now) in {"", owner}
    )


def _shorten(text: str) -> str:
    return one_line(text[:_SHOWN_CHARS]).strip() or "unknown"
