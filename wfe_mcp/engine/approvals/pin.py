"""The PIN: it unlocks the person's key, and nothing else proves the person.

The first PIN makes the key (``keys.py``). After five wrong PINs in a row every PIN is refused for 60 s, then 120, 240 …;
the count is in the database, so that it holds over processes (design §7).

A PIN of before keys is a hash in the database. It counts until its next correct use, which makes the key in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel, Person
from wfe_mcp.core.units import plural, spoken
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.workspace.system.ed25519 import base64url, decode_unpadded, new_key
from wfe_mcp.workspace.system.process import ProcessIdentity, ancestors, client_above, is_alive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.store import Tx

PIN = "pin"
"""The secret that names the person's key: its public half and fingerprint; of before keys, salt and hash of the PIN."""
BEGAN = "signing"
"""The secret with the ends of the logs when signing began: what a person decided before that is not signed."""
_WRONG = "pin_wrong"
# An Ed25519 public key: 32 bytes as base64url without padding.
_PUBLIC_CHARS = 43
# After so many wrong PINs in a row every PIN is refused, twice as long each time.
_FREE_TRIES = 5
_FIRST_WAIT_S = 60
_MOST_WAIT_S = 86_400


class Terminal:
    """The terminal at which a person has proven themselves. ``ancestors``: the processes above it, for the decision's record."""

    ancestors = ""


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """The person's key in this database."""

    key: str
    public_key: str


def pin_is_set(engine: Engine) -> bool:
    """True once the user has set a PIN for this database."""
    with engine.store.read() as tx:
        return tx.secrets.get(PIN) is not None


def key_health(engine: Engine) -> tuple[Literal["ok", "note", "problem"], str]:
    """Whether the PIN and the key that it unlocks are as they should be; for ``doctor``."""
    from wfe_mcp.engine.approvals import keys

    with engine.store.read() as tx:
        is_set, pinned = tx.secrets.get(PIN) is not None, pinned_key(tx)
    if not is_set:
        return "note", "not set; set one before you decide: wfe-mcp init"
    if pinned is None:
        return "note", "of before signed decisions; its next use makes your signing key"
    try:
        file = keys.read_key(engine.store.place, pinned.key)
    except Refused as refused:
        return "problem", refused.text
    faults: list[str] = []
    if file.derivation.pin_is_short:
        faults.append(f"shorter than {keys.SHORTEST} characters")
    if file.is_cheap:
        faults.append(
            f"its key is cheaper to guess than {keys.COST.memory_kib >> 10} MiB and {keys.COST.seconds} s a try"
        )
    if keys.is_readable_by_others(engine.store.place, pinned.key):
        faults.append("other users can read the file of its key")
    if faults:
        return "problem", f"{'; '.join(faults)}. Change it: wfe-mcp pin set"
    return "ok", f"set; it unlocks the key {pinned.key[:16]}"


def pinned_key(tx: Tx) -> PinnedKey | None:
    """The key that the database pins; None before the first PIN, and for a PIN of before keys."""
    from wfe_mcp.engine.approvals import keys

    try:
        kept: dict[str, Any] = json.loads(tx.secrets.get(PIN) or "{}")
        return PinnedKey(keys.fingerprint(str(kept["public_key"])), str(kept["public_key"]))
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def set_pin(engine: Engine, pin: str, by: By) -> Person:
    """Make the person's key under a new PIN. Refuses one that is unusable, a PIN that is already set, the client's own terminal."""
    from wfe_mcp.engine.approvals import keys

    refuse_clients_terminal(engine)
    pin = line_of(pin)
    keys.refuse_unusable_pin(pin)
    if pin_is_set(engine):
        raise _is_set()
    return _begin(engine, pin, new_key(), by.actor, Channel.CLI)


def change_pin(engine: Engine, old: str, new: str, actor: str) -> Person:
    """Wrap the person's key by another PIN; the key stays. Refuses ``wrong_pin`` and an unusable one."""
    from wfe_mcp.engine.approvals import keys
    from wfe_mcp.engine.approvals.statements import person_with

    refuse_clients_terminal(engine)
    keys.refuse_unusable_pin(line_of(new))
    key = _unlock_key(engine, old, actor, Channel.CLI)
    keys.write_key(engine.store.place, key, line_of(new))
    by = person_with(engine, key, actor, Channel.CLI)
    with engine.store.tx() as tx:
        tx.settings_log.note("PinChanged", by.key, by, engine.clock())
    return by


def person(engine: Engine, pin: str, actor: str) -> Person:
    """The user at this terminal, proven by the PIN. Refuses ``wrong_pin`` and a terminal of the agent's client."""
    from wfe_mcp.engine.approvals.statements import person_with

    refuse_clients_terminal(engine)
    key = _unlock_key(engine, pin, actor, Channel.CLI)
    engine.state_of(Terminal).ancestors = " < ".join(f"{above.name} {above.pid}" for above in ancestors())
    return person_with(engine, key, actor, Channel.CLI)


def person_at_page(engine: Engine, pin: str, actor: str) -> Person:
    """The user at the decision page, proven by the PIN typed there. Refuses ``wrong_pin``.

    Which process started the page or the browser does not matter: usually the client did.
    """
    from wfe_mcp.engine.approvals.statements import person_with

    return person_with(engine, _unlock_key(engine, pin, actor, Channel.DASHBOARD), actor, Channel.DASHBOARD)


def own_key(engine: Engine) -> PinnedKey | None:
    """The key that this database pins."""
    with engine.store.read() as tx:
        return pinned_key(tx)


def person_key(name: str, public_key: str) -> ApproverKey:
    """A person's key for the pinned keys of a project. Refuses ``bad_argument``: no public key, or no name for one."""
    from pydantic import ValidationError

    from wfe_mcp.engine.approvals import keys
    from wfe_mcp.engine.approvals.approvers import ApproverKey

    try:
        is_key = base64url(decode_unpadded(public_key)) == public_key and len(public_key) == _PUBLIC_CHARS
        id_ = keys.fingerprint(public_key) if is_key else ""
        return ApproverKey(id=id_, name=name, public_key=public_key, kind="person")
    except (ValueError, ValidationError) as error:
        raise Refused(
            "bad_argument",
            f"{public_key[:60]!r} is no public key, or {name[:60]!r} is no name for one.",
            "A public key has 43 characters: approvers add --key mine prints yours.",
        ) from error


def begin_signing(engine: Engine, tx: Tx, by: Person, public_key: str) -> None:
    """Pin the key in the database of ``tx``, with the ends of its logs: what people decide from here on is signed."""
    from wfe_mcp.engine.approvals import keys

    now = engine.clock()
    ends = {run: list(end) for run, end in (tx.events.human_tails() | tx.items.tails()).items()}
    payload = {"key": keys.fingerprint(public_key), "runs": ends, "settings": list(tx.settings_log.tail())}
    name_key(tx, by, public_key, now)
    tx.secrets.set(BEGAN, canonical_json(payload), by, now)


def name_key(tx: Tx, by: Person, public_key: str, now: datetime) -> None:
    """Let the database pin this key."""
    from wfe_mcp.engine.approvals import keys

    tx.secrets.set(PIN, canonical_json({"public_key": public_key, "key": keys.fingerprint(public_key)}), by, now)


def _begin(engine: Engine, pin: str, key: Ed25519PrivateKey, actor: str, channel: Channel) -> Person:
    """The file first: a crash in between leaves a file that nothing names."""
    from wfe_mcp.engine.approvals import keys
    from wfe_mcp.engine.approvals.statements import person_with
    from wfe_mcp.workspace.system.anchors import pin_beside

    file = keys.write_key(engine.store.place, key, pin)
    pin_beside(engine.store.place, file.public_key, engine.clock())
    by = person_with(engine, key, actor, channel)
    with engine.store.tx() as tx:
        if pinned_key(tx) is not None:  # another process was faster
            raise _is_set()
        begin_signing(engine, tx, by, file.public_key)
    return by


def _unlock_key(engine: Engine, pin: str, actor: str, channel: Channel) -> Ed25519PrivateKey:
    """The private half. Refuses ``needs_human`` without a PIN, and ``wrong_pin``; counts the wrong ones."""
    from wfe_mcp.engine.approvals import keys

    pin = line_of(pin)
    if not pin:
        raise Refused(
            "needs_human", "This needs your PIN, and none was given. Nothing changed.", "Give it and try again."
        )
    with engine.store.read() as tx:
        _refuse_locked(tx, engine.clock())
        kept, pinned = tx.secrets.get(PIN), pinned_key(tx)
    if kept is None:
        raise Refused("wrong_pin", "No PIN is set yet.", "Run: wfe-mcp init")
    # Outside a transaction: it takes half a second.
    if pinned is not None:
        key = keys.unwrap_key(keys.read_key(engine.store.place, pinned.key), pin)
    else:
        key = new_key() if _is_old_pin(kept, pin) else None
    refused: Refused | None = None
    with engine.store.read() as tx:
        has_count = tx.secrets.get(_WRONG) not in {None, "{}"}
    if key is None or has_count:
        with engine.store.tx() as tx:
            refused = _count_attempt(tx, engine.clock(), is_right=key is not None)
    if refused is not None:
        raise refused
    assert key is not None, "a wrong PIN is refused"
    if pinned is None:
        _begin(engine, pin, key, actor, channel)
    return key


def _is_old_pin(kept: str, pin: str) -> bool:
    """Whether ``pin`` is the one whose hash of before keys is ``kept``."""
    try:
        stored = json.loads(kept)
        n, r, p = (int(stored["cost"][name]) for name in ("n", "r", "p"))
        digest = hashlib.scrypt(pin.encode(), salt=bytes.fromhex(stored["salt"]), n=n, r=r, p=p)
        return hmac.compare_digest(digest.hex(), stored["hash"])
    except (ValueError, KeyError, TypeError):
        return False


def _refuse_locked(tx: Tx, now: datetime) -> dict[str, Any]:
    """Refuse every PIN while too many were wrong; returns the count."""
    wrong: dict[str, Any] = json.loads(tx.secrets.get(_WRONG) or "{}")
    left_s = _left_s(wrong, now)
    if left_s > 0:
        until = (now + timedelta(seconds=left_s)).isoformat()
        raise Refused(
            "wrong_pin",
            f"After {wrong.get('count', _FREE_TRIES)} wrong PINs every PIN is refused for another {spoken(left_s)}.",
            f"Try again in {spoken(left_s)}. If you have lost it: wfe-mcp pin reset",
            data={"until": until, "tries_left": 0},
        )
    return wrong


def _left_s(wrong: Mapping[str, Any], now: datetime) -> float:
    """The seconds for which every PIN is refused. A clock that was ahead says more than was ever set; then the time since the
    machine started counts, and after a restart nothing.
    """
    wait_s = _wait_s(int(wrong.get("count", 0)))
    by_clock = (datetime.fromisoformat(wrong["until"]) - now).total_seconds() if "until" in wrong else 0.0
    since_start = float(wrong.get("monotonic_until_s", 0)) - monotonic()
    return next((left for left in (by_clock, since_start) if left <= wait_s), 0.0)


def _wait_s(count: int) -> int:
    return min(_MOST_WAIT_S, _FIRST_WAIT_S * 2 ** min(max(0, count - _FREE_TRIES), 20))


def _count_attempt(tx: Tx, now: datetime, *, is_right: bool) -> Refused | None:
    """Count a wrong PIN, or forget the count after a right one. One that waited behind five wrong ones is refused too."""
    try:
        wrong = _refuse_locked(tx, now)
    except Refused as refused:
        return refused
    if is_right:
        forget_wrong(tx, now)
        return None
    count = int(wrong.get("count", 0)) + 1
    entry: dict[str, Any] = {"count": count}
    wait_s = _wait_s(count)
    if count >= _FREE_TRIES:
        entry["until"] = (now + timedelta(seconds=wait_s)).isoformat()
        entry["monotonic_until_s"] = monotonic() + wait_s
    tx.secrets.set(_WRONG, json.dumps(entry), SYSTEM, now)
    left = max(0, _FREE_TRIES - count)
    now_what = f"{plural(left, 'try', 'tries')} left" if left else f"every PIN is refused for {spoken(wait_s)}"
    hint = "Try again." if left else f"Try again in {spoken(wait_s)}. If you have lost it: wfe-mcp pin reset"
    until = {"until": entry["until"]} if "until" in entry else {}
    return Refused("wrong_pin", f"Wrong PIN; {now_what}.", hint, data={**until, "tries_left": left})


def forget_wrong(tx: Tx, now: datetime) -> None:
    """Forget the wrong PINs."""
    tx.secrets.set(_WRONG, "{}", SYSTEM, now)


def _is_set() -> Refused:
    return Refused("conflict", "A PIN is set already.", "To change it: wfe-mcp pin set")


def refuse_clients_terminal(engine: Engine) -> None:
    """A terminal is not proof: a decision must not come from a process that the agent's client started (design §7)."""
    with engine.store.read() as tx:
        processes = tx.processes.on_host(engine.identity.host)
    alive = [row for row in processes if is_alive(ProcessIdentity(row.host, row.pid, row.started_at))]
    clients = [(row.client_pid, row.client_started_at or 0.0) for row in alive if row.client_pid is not None]
    # A command-line agent that we drive is a child of our server or worker.
    clients += [(row.pid, row.started_at) for row in alive]
    if (process := client_above(clients)) is not None:
        raise Refused(
            "needs_human",
            f"This terminal was started by the agent's client, or by wfe-mcp for an agent: {process.name} (process {process.pid}). A decision here does not count.",
            "Run the command in a terminal that this process did not start, or decide on the page that wfe-mcp ui serves there.",
        )


def line_of(pin: str) -> str:
    """What was typed, without the one line end that came with it."""
    return pin.removesuffix("\n").removesuffix("\r")
