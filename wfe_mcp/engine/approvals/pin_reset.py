"""A new key of the person in place of one whose PIN is lost, and the keys that were given up.

    pin reset ──► key file, pinned beside the database
              ──► one transaction: the old key with the ends of the logs that it signed, the new key, no trust, ``PinReset``

Rules:
1. What the old key signed up to these ends stays proven by it, and nothing after them.
2. The new key has trusted nothing: all trust is withdrawn and listed. What strengthens a gate stays.
3. Like the first PIN, a reset needs no proof of a person. So it is no secret: the log has it, and status, doctor, verify and
   every decision name it.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Channel, Person
from wfe_mcp.engine.approvals import pin as pins
from wfe_mcp.engine.approvals.pin import PinnedKey
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import ProjectRecord
from wfe_mcp.workspace.system.ed25519 import new_key
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.shell_words import shell_word

RESETS = "pin_resets"
"""The secret with the keys that were given up, oldest first."""
RESET = "PinReset"
"""The event of the settings log; its name is the fingerprint of the new key."""
SHOWN_FOR = timedelta(days=30)
"""For so long status and decisions name a reset; ``doctor`` and ``verify`` always do."""


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that was given up. ``successor``: the fingerprint of the one made then. ``runs``, ``settings``: where its logs end."""

    key: str
    public_key: str
    successor: str
    at: datetime
    by: str
    runs: dict[str, tuple[int, str]]
    settings: tuple[int, str]

    def end(self, run: str) -> tuple[int, str]:
        """Number and hash of the last event that it can have signed in the log of ``run``; empty: of the settings."""
        return self.runs.get(run, (0, "")) if run else self.settings


@dataclass(frozen=True, slots=True)
class ToSign:
    """What the new key must sign in a project. ``what``: trusted files and templates, or the file of approvers."""

    project: str
    what: tuple[str, ...]
    command: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset did. ``before``: the fingerprint of the old key; empty for a PIN of before keys."""

    by: Person
    before: str
    to_sign: tuple[ToSign, ...]


def retired_keys(tx: Tx) -> list[RetiredKey]:
    """The keys that were given up, oldest first; none where the secret is not ours: ``verify`` names it."""
    try:
        stored: list[dict[str, Any]] = json.loads(tx.secrets.get(RESETS) or "[]")
        return [
            RetiredKey(
                str(entry["key"]),
                str(entry["public_key"]),
                str(entry["successor"]),
                datetime.fromisoformat(entry["at"]),
                str(entry["by"]),
                {str(run): (int(seq), str(hash_)) for run, (seq, hash_) in entry["runs"].items()},
                (int(entry["settings"][0]), str(entry["settings"][1])),
            )
            for entry in stored
        ]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return []


def reset_warnings(engine: Engine, tx: Tx | None = None) -> tuple[str, ...]:
    """The warnings about the last reset, for people and agents; empty without one in ``SHOWN_FOR``. ``tx``: where the caller is in one."""
    if tx is None:
        with engine.store.read() as reading:
            return reset_warnings(engine, reading)
    recent = [key for key in retired_keys(tx)[-1:] if engine.clock() - key.at <= SHOWN_FOR]
    return tuple(
        f"The PIN was reset on {key.at:%Y-%m-%d} by {key.by}: since then the key {key.successor[:16]} signs, before it "
        f"{key.key[:16]}. If you did not do that, nothing signed since is yours: wfe-mcp verify"
        for key in recent
    )


def reset_pin(engine: Engine, pin: str, actor: str) -> Reset:
    """Make a new key under ``pin`` and give up the present one. Refuses an unusable one, a database without a PIN, the client's
    terminal, and a reset at the same moment.
    """
    from wfe_mcp.engine.approvals import keys
    from wfe_mcp.engine.approvals.statements import person_with
    from wfe_mcp.workspace.system.anchors import pin_beside

    pins.refuse_clients_terminal(engine)
    pin = pins.line_of(pin)
    keys.refuse_unusable_pin(pin)
    with engine.store.read() as tx:
        old, is_set = pins.pinned_key(tx), tx.secrets.get(pins.PIN) is not None
    if not is_set:
        raise Refused("bad_argument", "No PIN is set, so there is none to reset.", "Set one: wfe-mcp pin set")
    key = new_key()
    file = keys.write_key(engine.store.place, key, pin)
    pin_beside(engine.store.place, file.public_key, engine.clock())
    by = person_with(engine, key, actor, Channel.CLI)
    with engine.store.tx() as tx:
        if pins.pinned_key(tx) != old:
            raise Refused("conflict", "The key was changed meanwhile.", "See who did: wfe-mcp verify")
        if old is None:  # a PIN of before keys: nothing was ever signed
            pins.begin_signing(engine, tx, by, file.public_key)
        else:
            now = engine.clock()
            given_up = {
                "key": old.key,
                "public_key": old.public_key,
                "successor": file.key,
                "at": now.isoformat(),
                "by": actor,
                "runs": {run: list(end) for run, end in (tx.events.human_tails() | tx.items.tails()).items()},
                "settings": list(tx.settings_log.tail()),
            }
            before = json.loads(tx.secrets.get(RESETS) or "[]")
            tx.secrets.set(RESETS, canonical_json([*before, given_up]), by, now)
            pins.name_key(tx, by, file.public_key, now)
        tx.settings_log.note(RESET, file.key, by, engine.clock())
        pins.forget_wrong(tx, engine.clock())
        to_sign = _withdraw_trust(engine, tx, by)
    return Reset(by, "" if old is None else old.key, (*to_sign, *_pinned_in(engine, old, file.public_key)))


def _withdraw_trust(engine: Engine, tx: Tx, by: Person) -> list[ToSign]:
    from wfe_mcp.engine.approvals.approvers import trust_key

    requests: list[ToSign] = []
    for project in tx.projects.all():
        # The keys that are pinned there signed each other; trust in them stays.
        names = dict.fromkeys(
            trust.path_key for trust in tx.trust.of_project(project.id) if trust.path_key != trust_key()
        )
        for name in names:
            tx.trust.withdraw(project.id, name, by, engine.clock())
        places: dict[str, list[str]] = {}
        for name in names:
            folder, shown = _trusted_place(name, project)
            places.setdefault(folder, []).append(shown)
        requests += [
            ToSign(folder, tuple(dict.fromkeys(what)), _command("trust", folder))
            for folder, what in places.items()
            if Path(folder).is_dir()
        ]
    return requests


def _trusted_place(name: str, project: ProjectRecord) -> tuple[str, str]:
    """A trusted file or template: the folder in which it is trusted again, and its name for people.

    Trust is kept by the path of then: a configuration in a folder that is no longer of the project is the project's.
    """
    from wfe_mcp.engine.kernel.identity import other_key
    from wfe_mcp.store.settings import is_configuration
    from wfe_mcp.workspace.config.layers import CONFIG_FILE

    kind, _, rest = name.partition(":")
    if kind in {"own", "template"}:
        return project.root, {"own": "own configuration", "template": f"template {rest}"}[kind]
    if not is_configuration(name):
        return project.root, name
    folder = Path(name).parent.parent
    is_of_project = folder.is_dir() and project_at(folder).key in {project.key, other_key(project.key)}
    return str(folder) if is_of_project else project.root, CONFIG_FILE


def _pinned_in(engine: Engine, old: PinnedKey | None, public_key: str) -> list[ToSign]:
    """The projects whose approvers name the old key: another pinned key adds the new one."""
    from wfe_mcp.engine.approvals.approvers import APPROVERS, approvers_here

    with engine.store.read() as tx:
        roots = [project.root for project in tx.projects.all()]
    requests: list[ToSign] = []
    for root in roots:
        try:
            pinned = approvers_here(Path(root)).keys if Path(root).is_dir() else {}
        except Refused:
            continue
        if old is None or old.key not in pinned:
            continue
        others = [key.name for id_, key in pinned.items() if id_ != old.key]
        why = (
            f"it pins the old key; one of {', '.join(others)} adds the new one"
            if others
            else "it pins the old key alone: remove the file, pin the new key, and let the others review that"
        )
        command = _command(f"approvers add NAME --key {public_key if others else 'mine'}", root)
        requests.append(ToSign(root, (APPROVERS,), command, why))
    return requests


def _command(what: str, root: str) -> str:
    return f"wfe-mcp {what} --project {shell_word(root)}"
