"""Secrets, trust, and the log of their changes.

Every change of a secret or of trust is a row of an append-only, hash-chained log, with the value only as sha256. A PIN
written directly into the database has no such row, and ``settings_log.problems`` reports it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, delete, desc, insert, select, update

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import By, Person
from wfe_mcp.store.integrity.chained_log import BEGIN, SIGNED, end_of, event_hash, misplaced_events, signature
from wfe_mcp.store.integrity.record_seals import AnchoredEvent, unlike_anchors
from wfe_mcp.store.layout.tables import SECRET, SETTING_EVENT, TRUST
from wfe_mcp.store.records.runs import SettingEvent, TrustRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, bound, columns_for, row_from

_CHAIN = "settings"
"""Takes the place of the run id in the hash chain."""

SET = "SecretSet"
"""The type of an entry for a secret that was set."""
USED = "credential-used:"
"""The names of what no log has: when a credential or a token was used last."""
ACCESS = "token:"
"""The names of access tokens (``engine/access/tokens.py``)."""

_SECRET = select(SECRET.c.value).where(SECRET.c.name == bindparam("name_"))
_SECRETS = select(SECRET.c.name, SECRET.c.value)
_SECRETS_NAMED = _SECRETS.where(SECRET.c.name >= bindparam("from_"), SECRET.c.name < bindparam("to_"))
_SOME_SECRETS = _SECRETS.where(SECRET.c.name.in_(bindparam("names_", expanding=True)))
_NEW_SECRET = insert(SECRET)
_CHANGE_SECRET = (
    update(SECRET)
    .where(SECRET.c.name == bindparam("name_"))
    .values(value=bindparam("value_"), updated_at=bindparam("at_"))
)
_FORGET_SECRET = delete(SECRET).where(SECRET.c.name == bindparam("name_"))
_FORGET_OLD = delete(SECRET).where(
    SECRET.c.name >= bindparam("from_"), SECRET.c.name < bindparam("to_"), SECRET.c.updated_at <= bindparam("until_")
)
_NEW_EVENT = insert(SETTING_EVENT)
_EVENTS = select(*columns_for(SettingEvent, SETTING_EVENT)).order_by(SETTING_EVENT.c.seq)
_LAST = select(SETTING_EVENT.c.seq, SETTING_EVENT.c.hash).order_by(desc(SETTING_EVENT.c.seq)).limit(1)

_CHANGES = (
    select(SETTING_EVENT.c.seq, SETTING_EVENT.c.name)
    .where(SETTING_EVENT.c.name >= bindparam("from_"), SETTING_EVENT.c.name < bindparam("to_"))
    .order_by(SETTING_EVENT.c.seq)
)
_OF_NAME = bound(SETTING_EVENT, "type", "name")
_NOTED = select(SETTING_EVENT.c.at).where(*_OF_NAME).order_by(SETTING_EVENT.c.seq).limit(1)
_NOTED_BY = (
    select(SETTING_EVENT.c.actor)
    .where(*_OF_NAME, SETTING_EVENT.c.at <= bindparam("until_"))
    .order_by(desc(SETTING_EVENT.c.seq))
    .limit(1)
)

_TRUST = select(*columns_for(TrustRecord, TRUST))
_TRUST_OF = _TRUST.where(*bound(TRUST, "project_id", "path_key", "sha256"))
_TRUST_IN_ANY = _TRUST.where(*bound(TRUST, "path_key", "sha256")).limit(1)
_TRUSTED = _TRUST.where(TRUST.c.project_id == bindparam("project_id_")).order_by(TRUST.c.path_key, TRUST.c.at)
_NEW_TRUST = insert(TRUST)
_TRUST_IN_KEY = _TRUST.where(TRUST.c.path_key == bindparam("path_key_")).order_by(TRUST.c.project_id, TRUST.c.sha256)
_WITHDRAW = delete(TRUST).where(*bound(TRUST, "project_id", "path_key"))
_WITHDRAW_ONE = _WITHDRAW.where(TRUST.c.sha256 == bindparam("sha256_"))


class SettingsLogRepository(Repository):
    """The log of changes. ``has_changed``: this transaction has added to it.

    ``seen``: sha256 of what the person saw before the changes of this transaction; empty: nothing is shown first.
    """

    has_changed = False
    seen = ""
    _to_sign: tuple[Person, int, str, list[dict[str, object]]] | None = None

    def note(self, type_: str, name: str, by: By, at: datetime, value: str | None = None) -> None:
        """Log a change. ``value``: a secret, of which the log gets the sha256; of trust, the sha256 that is trusted.

        None where the setting is stored elsewhere, such as a key in the system's keyring.
        """
        self.alone("settings")  # before the end of the chain is read, from which on a person signs
        hidden = value if type_.startswith("Trust") else _sha256(value)
        if self._to_sign is not None and by is not self._to_sign[0]:
            self.sign()
        if isinstance(by, Person):
            self._to_sign = self._to_sign or (by, *self.tail(), [])
            self._to_sign[3].append({"do": type_, "name": name, "sha256": hidden})
        self._add_setting(type_, name, hidden, by, at)

    def events(self) -> list[SettingEvent]:
        """Every change, oldest first."""
        return self._all(SettingEvent, _EVENTS)

    def changes_of(self, prefix: str) -> list[tuple[int, str]]:
        """The number and the name of every change of what has a name that begins with ``prefix``, oldest first."""
        rows = self._connection.execute(_CHANGES, {"from_": prefix, "to_": f"{prefix}\uffff"})
        return [(int(row.seq), str(row.name)) for row in rows]

    def sign(self) -> None:
        """Sign what a person changed in this transaction; called before its commit."""
        if self._to_sign is not None:
            by, seq, hash_, changes = self._to_sign
            self._to_sign = None
            facts = {"kind": "settings", "decision": changes, "shown": self.seen}
            signed = signature(by, facts, (seq, hash_), self.tail())
            if signed is not None:
                self._add_setting(SIGNED, signed, None, by, self._clock())

    def tail(self) -> tuple[int, str]:
        """The number and the hash of the last change; (0, GENESIS) before the first."""
        return end_of(self._connection, _LAST)

    def first_noted(self, type_: str, name: str) -> datetime | None:
        """The time of the first change of this type for ``name``."""
        return self._connection.execute(_NOTED, {"type_": type_, "name_": name}).scalar()

    def last_noted_by(self, type_: str, name: str, until: datetime) -> str:
        """Who made the last change of this type for ``name`` up to this time; empty where there is none."""
        keys = {"type_": type_, "name_": name, "until_": until}
        return self._connection.execute(_NOTED_BY, keys).scalar() or ""

    def problems(self, anchors: Sequence[AnchoredEvent] = ()) -> list[Discrepancy]:
        """Every difference between secrets or trust and their log; empty when they are intact."""
        problems: list[Discrepancy] = []
        recorded: dict[str, str | None] = {}
        hashes: dict[int, str] = {}
        times: dict[str, datetime] = {}
        trusted: dict[str, set[str]] = {}
        before = BEGIN
        for event in self.events():
            problems += misplaced_events(event, before, _hash(event), "setting event", "setting_event_edited")
            before = (event.seq, event.hash)
            hashes[event.seq] = event.hash
            times[event.name] = event.at
            if event.type == "TrustGiven":
                trusted.setdefault(event.name, set()).add(event.value_sha256 or "")
            elif event.type == "TrustWithdrawn":
                withdraw(trusted, event.name, event.value_sha256)
            else:
                recorded[event.name] = event.value_sha256
        problems += [replace(anchor, where="setting event") for anchor in unlike_anchors(hashes, anchors)]
        return [*problems, *self._secrets_differ(recorded, times), *self._trust_differs(trusted)]

    def _secrets_differ(self, recorded: dict[str, str | None], times: dict[str, datetime]) -> list[Discrepancy]:
        sha256_by_name = {row.name: _sha256(row.value) for row in self._connection.execute(_SECRETS)}
        sha256_by_name = {name: value for name, value in sha256_by_name.items() if not name.startswith(USED)}
        names = sorted(
            name for name in {**recorded, **sha256_by_name} if recorded.get(name) != sha256_by_name.get(name)
        )
        message = "the value is not the one that was set last"
        return [
            Discrepancy(
                "pin_replaced" if name == "pin" else "secret_replaced",
                f"secret '{name}'",
                message,
                since=times.get(name),
            )
            for name in names
        ]

    def _trust_differs(self, trusted: dict[str, set[str]]) -> list[Discrepancy]:
        records = self._all(TrustRecord, _TRUST)
        unrecorded = [
            record
            for record in records
            if record.sha256 not in trusted.get(_trust_name(record.project_id, record.path_key), ())
        ]
        message = "it was not given through wfe-mcp"
        return [
            Discrepancy("trust_forged", f"trust in '{record.path_key}'", message, since=record.at)
            for record in unrecorded
        ]

    def _add_setting(self, type_: str, name: str, hidden: str | None, by: By, at: datetime) -> None:
        last, prev_hash = self.tail()
        self.has_changed, seq = True, last + 1
        event = SettingEvent(seq, type_, name, hidden, at, by.actor, by.channel, by.assurance, prev_hash, "")
        self._run(_NEW_EVENT, {**row_from(event, SETTING_EVENT), "hash": _hash(event)})


class SecretRepository(Repository):
    """Secrets. Every change is logged."""

    _log = RepositoryPart(SettingsLogRepository)

    def get(self, name: str) -> str | None:
        """The value of a secret."""
        value = self._connection.execute(_SECRET, {"name_": name}).scalar()
        return None if value is None else str(value)

    def has_token(self, name: str, at: datetime) -> bool:
        """Whether there is an access token ``name`` that has not expired by then."""
        value = self.get(ACCESS + name)
        ends = None if value is None else json.loads(value)["expires_at"]
        return value is not None and (ends is None or at < datetime.fromisoformat(ends))

    def values(self, names: Sequence[str]) -> dict[str, str]:
        """The values of those of these secrets that are set."""
        rows = self._connection.execute(_SOME_SECRETS, {"names_": list(names)})
        return {str(row.name): str(row.value) for row in rows}

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """The secrets whose names begin with ``prefix``."""
        rows = self._connection.execute(_SECRETS_NAMED, {"from_": prefix, "to_": f"{prefix}\uffff"})
        return {str(row.name): str(row.value) for row in rows}

    def set(self, name: str, value: str | None, by: By, at: datetime) -> None:
        """Set or remove (None) a secret, and log the change."""
        self._log.note(SET if value is not None else "SecretForgotten", name, by, at, value)
        self.note_use(name, value, at)

    def note_use(self, name: str, value: str | None, at: datetime) -> None:
        """Keep when something was used last (None: forget it); ``name`` begins with ``USED``, and no log has it."""
        self.alone("secret", name)
        if value is None:
            self._run(_FORGET_SECRET, {"name_": name})
        elif not self._run(_CHANGE_SECRET, {"name_": name, "value_": value, "at_": at}):
            self._run(_NEW_SECRET, {"name": name, "value": value, "updated_at": at})

    def forget_uses(self, prefix: str, until: datetime) -> None:
        """Forget what was kept so, with a name that begins with ``prefix``, up to ``until``."""
        self._run(_FORGET_OLD, {"from_": prefix, "to_": f"{prefix}\uffff", "until_": until})


class TrustRepository(Repository):
    """Trust of people in files, by the sha256 of their bytes. Every change is logged."""

    _log = RepositoryPart(SettingsLogRepository)

    def give(
        self,
        project_id: str,
        path_key: str,
        sha256: str,
        by: By,
        at: datetime,
        *,
        still: Collection[str] = (),
        everywhere: bool = False,
    ) -> None:
        """A person trusts the bytes ``sha256`` of ``path_key`` in this project, in place of other bytes of it.

        ``still``: earlier bytes that stay trusted. ``everywhere``: the file holds in all projects, so in each of them
        trust in its other bytes ends.
        """
        self.alone("settings")
        for trust in self._all(TrustRecord, _TRUST_IN_KEY, {"path_key_": path_key}):
            if trust.sha256 not in {sha256, *still} and (everywhere or trust.project_id == project_id):
                key = {"project_id_": trust.project_id, "path_key_": path_key, "sha256_": trust.sha256}
                self._run(_WITHDRAW_ONE, key)
                self._log.note("TrustWithdrawn", _trust_name(trust.project_id, path_key), by, at, trust.sha256)
        if not self.is_given(project_id, path_key, sha256):
            record = TrustRecord(project_id, path_key, sha256, at, by.actor, by.channel, by.assurance)
            self._run(_NEW_TRUST, row_from(record, TRUST))
            self._log.note("TrustGiven", _trust_name(project_id, path_key), by, at, sha256)

    def withdraw(self, project_id: str, path_key: str, by: By, at: datetime) -> None:
        """Withdraw all trust in ``path_key``."""
        self.alone("settings")
        if self._run(_WITHDRAW, {"project_id_": project_id, "path_key_": path_key}):
            self._log.note("TrustWithdrawn", _trust_name(project_id, path_key), by, at)

    def is_given(self, project_id: str, path_key: str, sha256: str) -> bool:
        """True when a person trusts exactly these bytes."""
        key = {"project_id_": project_id, "path_key_": path_key, "sha256_": sha256}
        return self._connection.execute(_TRUST_OF, key).first() is not None

    def counts_here(self, project_id: str, path_key: str, sha256: str) -> bool:
        """True when a person trusts these bytes of a configuration in its folder, or by ``trusted_bytes`` in another one."""
        if self.is_given(project_id, path_key, sha256):
            return True
        sha256s_by_path: dict[str, set[str]] = {}
        for trust in self.of_project(project_id):
            sha256s_by_path.setdefault(trust.path_key, set()).add(trust.sha256)
        return sha256 in trusted_bytes(sha256s_by_path, path_key)

    def is_given_anywhere(self, path_key: str, sha256: str) -> bool:
        """True when a person trusts exactly these bytes in a project; for files that hold in all projects."""
        return self._connection.execute(_TRUST_IN_ANY, {"path_key_": path_key, "sha256_": sha256}).first() is not None

    def of_project(self, project_id: str) -> list[TrustRecord]:
        """All trust records of a project."""
        return self._all(TrustRecord, _TRUSTED, {"project_id_": project_id})


_IN_EACH_WORKTREE = "/.wfe/config.toml"


def is_configuration(path_key: str) -> bool:
    """True for the key of a project's configuration, which each of its worktrees has."""
    return path_key.replace("\\", "/").endswith(_IN_EACH_WORKTREE) and not path_key.startswith("own:")


def trusted_bytes(given: Mapping[str, Collection[str]], path_key: str) -> set[str]:
    """The bytes of ``path_key`` that count, by the trust of one project: path key → sha256 of trusted bytes.

    A configuration counts in each folder of its project: what a worktree has of trusted bytes needs no second trust.
    A folder with trust of its own relies on that alone.
    """
    if given.get(path_key) or not is_configuration(path_key):
        return set(given.get(path_key, ()))
    return {sha256 for key, values in given.items() if is_configuration(key) for sha256 in values}


def withdraw(trusted: dict[str, set[str]], name: str, sha256: str | None) -> None:
    """Take what a ``TrustWithdrawn`` withdraws out of ``trusted``: the bytes ``sha256`` of ``name``, None: all."""
    trusted[name] = set() if sha256 is None else trusted.get(name, set()) - {sha256}


def _hash(event: SettingEvent) -> str:
    payload = canonical_json({"name": event.name, "value_sha256": event.value_sha256})
    return event_hash(_CHAIN, event, payload)


def _trust_name(project_id: str, path_key: str) -> str:
    return json.dumps([project_id, path_key])


def _sha256(value: str | None) -> str | None:
    return None if value is None else sha256_hex(value)
