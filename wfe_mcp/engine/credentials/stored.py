"""Credentials as they are stored: listed, added, rotated, deleted, and handed out by name.

    secret row   credential:<project or person>:<name>    JSON: kind, parts, dates, and the values, sealed (models/secrets)
    beside it    credential-used:<…>:<name>               JSON: when and for what it was handed out last; no secret

Rules:
1. Each change is one transaction, so a process that is killed in it leaves the old credential or the new one.
2. A value leaves this module only through ``hand_out``, which has it hidden in all later texts of this process, and records
   before that who gets it: in the log of the run, where there is one.
3. A project's credential comes before a person's of the same name.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Code, Refused, nearest_hint
from wfe_mcp.core.model import By, RunId
from wfe_mcp.core.operation_events import CredentialGiven
from wfe_mcp.engine.credentials.kinds import Kind, checked_parts, kind_of
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.models.secrets import KeptIn, seal, unseal
from wfe_mcp.jobs.handed import CredentialMissing
from wfe_mcp.store import Tx
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.system.redaction import hide

Scope = Literal["project", "person"]
State = Literal["valid", "expires soon", "expired"]

SOON = timedelta(days=14)
"""How long before its end a credential is reported."""

_MOST_USES = 20


class Credential(NamedTuple):
    """A stored credential without its values. ``used``: for what it was handed out → when, the newest first."""

    name: str
    kind: str
    scope: Scope
    kept_in: KeptIn
    parts: tuple[str, ...]
    created_at: datetime
    rotated_at: datetime | None = None
    expires_at: datetime | None = None
    used: Mapping[str, datetime] = {}

    def state(self, now: datetime) -> State:
        """Whether it can be handed out, and for long."""
        if self.expires_at is None or self.expires_at - now > SOON:
            return "valid"
        return "expires soon" if now < self.expires_at else "expired"

    def warning(self, now: datetime) -> str:
        """That it has expired or will soon; empty while it is valid for long."""
        if self.state(now) == "valid" or self.expires_at is None:
            return ""
        verb = "expired" if self.state(now) == "expired" else "expires"
        return f"credential {self.name} {verb} on {self.expires_at.date()}"


class CredentialUse(NamedTuple):
    """What a credential is for: ``to``, such as ``check deploy``, in an attempt of a run; ``run`` None: outside of runs."""

    to: str
    run: RunId | None = None
    phase: str = ""
    attempt: int = 0


class OpenedCredential(NamedTuple):
    """A credential that was handed out: its kind, and its values by part."""

    kind: Kind
    values: Mapping[str, str]

    @property
    def value(self) -> str:
        """Its first part: the token, key, password or address."""
        return self.values[self.kind.parts[0].name]


def credentials(engine: Engine, tx: Tx | None = None) -> list[Credential]:
    """The credentials that count in this project, by name, without their values; the person's own too."""
    if tx is None:
        with engine.store.read() as reading:
            return credentials(engine, reading)
    records = [
        _credential(scope, name.removeprefix(prefix), json.loads(text), tx.secrets.get(_use_row(name)))
        for scope in _SCOPES
        for prefix in (_row(engine, scope, ""),)
        for name, text in tx.secrets.with_prefix(prefix).items()
    ]
    return sorted(records, key=lambda each: (each.name, each.scope == "person"))


def credential(engine: Engine, name: str, scope: Scope | None = None, hint: str = "") -> Credential:
    """The credential that counts. Refuses ``bad_argument`` with the nearest name, else ``hint``, else how it is added."""
    there = credentials(engine)
    secret = next((record for record in there if record.name == name and scope in (None, record.scope)), None)
    if secret is None:
        raise _unknown("bad_argument", name, {record.name for record in there}, f" {_OF[scope]}" if scope else "", hint)
    return secret


def _unknown(code: Code, name: str, known: Collection[str], whose: str = "", hint: str = "") -> Refused:
    otherwise = hint or f"Ask the user to add it: wfe-mcp credential add {name}"
    return Refused(code, f"There is no credential {name!r}{whose}.", nearest_hint(name, known, otherwise))


def add_credential(
    engine: Engine,
    by: By,
    name: str,
    kind: str,
    values: Mapping[str, str],
    *,
    scope: Scope = "project",
    kept_in: KeptIn = "keyring",
    expires_at: datetime | None = None,
) -> Credential:
    """Store a new credential. Refuses a name that is taken (``conflict``), wrong parts, and a keyring that keeps nothing."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        why = "a name is 1 to 64 letters, digits, '_' or '-', and starts with a letter or digit"
        raise Refused("bad_argument", f"{name[:80]!r} is no name of a credential: {why}.", "Choose another one.")
    parts = checked_parts(kind_of(kind), values)
    row = _row(engine, scope, name)
    now = engine.clock()
    with engine.store.tx() as tx:
        if tx.secrets.get(row) is not None:
            raise Refused(
                "conflict",
                f"There is a credential {name!r} {_OF[scope]} already.",
                f"Give it a new value: wfe-mcp credential rotate {name}; or delete it: wfe-mcp credential delete {name}",
            )
        facts = {"kind": kind, "kept_in": kept_in, "created_at": now.isoformat()}
        _keep(engine, tx, by, row, facts, parts, expires_at)
    return credential(engine, name, scope)


def rotate_credential(
    engine: Engine,
    by: By,
    name: str,
    values: Mapping[str, str],
    *,
    scope: Scope | None = None,
    kept_in: KeptIn | None = None,
    expires_at: datetime | None = None,
) -> Credential:
    """Replace the values of a credential; what is handed out from now on is the new one. Refuses as ``add_credential``.

    ``kept_in`` None: what opened it before.
    """
    known = credential(engine, name, scope)
    row, kind = _row(engine, known.scope, name), kind_of(known.kind)
    stays = any(part.stays and part.name not in values for part in kind.parts)
    kept = _open(engine, known).values if stays else None
    parts = checked_parts(kind, values, kept)
    with engine.store.tx() as tx:
        row_values = json.loads(tx.secrets.get(row) or "{}")
        facts = {key: row_values[key] for key in ("kind", "kept_in", "created_at") if key in row_values}
        if not facts:
            raise Refused(
                "conflict", f"The credential {name!r} was deleted meanwhile.", "List them: wfe-mcp credential list"
            )
        facts |= {"kept_in": kept_in} if kept_in else {}
        facts["rotated_at"] = engine.clock().isoformat()
        _keep(engine, tx, by, row, facts, parts, expires_at)
    return credential(engine, name, known.scope)


def delete_credential(engine: Engine, by: By, name: str, *, scope: Scope | None = None) -> Credential:
    """Delete a credential; what it was. Checks that name it wait for another one of this name."""
    known = credential(engine, name, scope, ALREADY_GONE)
    row = _row(engine, known.scope, name)
    with engine.store.tx() as tx:
        if tx.secrets.get(row) is not None:
            tx.secrets.set(row, None, by, engine.clock())
        tx.secrets.note_use(_use_row(row), None, engine.clock())
    return known


def hand_out(engine: Engine, names: Collection[str], use: CredentialUse) -> dict[str, OpenedCredential]:
    """The values of these credentials, hidden in all later texts of this process, once their use is recorded.

    Raises CredentialMissing (one is not stored or has expired), and refuses ``unavailable``: one cannot be opened. Then none
    is handed out.
    """
    secrets = open_credentials(engine, names)
    note_use(engine, secrets, use)
    return secrets


def open_credentials(engine: Engine, names: Collection[str]) -> dict[str, OpenedCredential]:
    """The same for a caller that notes their use itself."""
    secret_by_name: dict[str, OpenedCredential] = {}
    there = require_credentials(engine, names)
    for name in names:
        secret_by_name[name] = _open(engine, there[name])
        for part in secret_by_name[name].kind.parts:
            if part.secret and part.name in secret_by_name[name].values:
                hide(secret_by_name[name].values[part.name])
    return secret_by_name


def require_credentials(engine: Engine, names: Collection[str]) -> Mapping[str, Credential]:
    """The credentials that count, by name, once those of ``names`` are there. Raises CredentialMissing."""
    there = {secret.name: secret for secret in reversed(credentials(engine))}  # the project's own last, so it counts
    now = engine.clock()
    missing = tuple(name for name in names if name not in there or there[name].state(now) == "expired")
    if not missing:
        return there
    name = missing[0]
    if name not in there:
        unknown = _unknown("unavailable", name, there)
        raise CredentialMissing(unknown.message, unknown.hint, missing)
    end = cast("datetime", there[name].expires_at).date()
    hint = f"Ask the user to run: wfe-mcp credential rotate {name}"
    raise CredentialMissing(f"The credential {name!r} expired on {end}.", hint, missing)


def note_use(engine: Engine, names: Iterable[str], use: CredentialUse) -> None:
    """Record that these credentials were used."""
    with engine.store.tx() as tx:
        there = {secret.name: secret for secret in reversed(credentials(engine, tx))}
        for name in names:
            if name in there:  # it was not deleted meanwhile
                _record(engine, tx, there[name], use)


def expiry_of(text: str, now: datetime) -> datetime | None:
    """The end that ``text`` says: a duration from ``now`` (90d), or a date; None for an empty one. Refuses what is past."""
    if not text:
        return None
    try:
        expiry = now + timedelta(seconds=seconds(text))
    except ValueError:
        try:
            expiry = datetime.fromisoformat(text).astimezone(now.tzinfo)
        except (ValueError, OverflowError):
            raise Refused(
                "bad_argument", f"{text[:80]!r} is neither a duration nor a date.", "Say 90d, or 2027-03-01."
            ) from None
    if expiry <= now:
        raise Refused("bad_argument", f"{text[:80]!r} is past.", "Say when it will expire, such as 90d.")
    return expiry


_SCOPES: tuple[Scope, ...] = ("project", "person")
ALREADY_GONE = "It may be deleted already: wfe-mcp credential list"
_OF: Mapping[Scope, str] = {"project": "of this project", "person": "of yours"}


def _row(engine: Engine, scope: Scope, name: str) -> str:
    return f"credential:{engine.project_id if scope == 'project' else 'person'}:{name}"


def _use_row(row: str) -> str:
    return row.replace("credential:", "credential-used:", 1)


def _keep(
    engine: Engine,
    tx: Tx,
    by: By,
    row: str,
    facts: Mapping[str, Any],
    parts: Mapping[str, str],
    expires_at: datetime | None,
) -> None:
    """Seal inside the transaction: two processes never make two keys."""
    sealed = seal(json.dumps({"row": row, "values": parts}), facts["kept_in"])
    more = {"expires_at": expires_at.isoformat()} if expires_at else {}
    value = {**facts, **more, "parts": list(parts), "sealed": sealed}
    tx.secrets.set(row, json.dumps(value), by, engine.clock())


def _credential(scope: Scope, name: str, found: Mapping[str, Any], used: str | None) -> Credential:
    at = {key: datetime.fromisoformat(found[key]) for key in ("rotated_at", "expires_at") if key in found}
    uses = {to: datetime.fromisoformat(when) for to, when in json.loads(used or "{}").items()}
    created = datetime.fromisoformat(found["created_at"])
    return Credential(name, found["kind"], scope, found["kept_in"], tuple(found["parts"]), created, **at, used=uses)


def _open(engine: Engine, one: Credential) -> OpenedCredential:
    row = _row(engine, one.scope, one.name)
    with engine.store.read() as tx:
        values = json.loads(tx.secrets.get(row) or "{}")
    again = f"wfe-mcp credential rotate {one.name}"
    content = json.loads(unseal(values.get("sealed", ""), one.kept_in, f"credential {one.name!r}", again))
    if content["row"] != row:  # another row's value was put here
        raise Refused(
            "unavailable", f"The value that is stored as {one.name!r} is not its own.", f"Store it again: {again}"
        )
    return OpenedCredential(kind_of(one.kind), content["values"])


def _record(engine: Engine, tx: Tx, one: Credential, use: CredentialUse) -> None:
    now = engine.clock()
    uses = {use.to: now, **{to: at for to, at in one.used.items() if to != use.to}}
    newest = {to: at.isoformat() for to, at in list(uses.items())[:_MOST_USES]}
    tx.secrets.note_use(_use_row(_row(engine, one.scope, one.name)), json.dumps(newest), now)
    if use.run is not None:
        event = CredentialGiven(credential=one.name, to=use.to, phase=use.phase, attempt=use.attempt)
        with change_run_in(engine, tx, use.run, SYSTEM) as change:
            change.give(c.RecordOperation(event=event, by=SYSTEM, at=change.at))
