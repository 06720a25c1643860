"""People who log in to the server: who they are, their sessions, and what they may do in which project.

    person:<sha256 of iss, sub>       JSON: iss, sub and the name, pinned by the first login          in the settings log
    person-session:<sha256 of an id>  JSON: person, groups, times; the id is in a cookie alone        in the settings log
    credential-used:…                 when a session was used last, what a login waits for,           in no log
                                      the groups of a person's last login

Rules:
1. A person is the pair of issuer and subject, never a name or an address of mail. Names are unique: a person who comes second with a
   name gets a number behind it.
2. Groups are those of the last login, in every session. Roles follow from them and the configuration with each request, so nothing
   stored grants one.
3. A session ends after ``SESSION_S``, or ``IDLE_S`` without a request. A login always makes a new one.
4. A token that a person made counts while the roles of their last login include its scope in its project.
5. What spans two requests is a row here or a cookie: any process of the server may answer the next one.
6. Logins, refusals and logouts are entries of the settings log, with the person and the address they came from.
"""

from __future__ import annotations

import hmac
import json
import secrets
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access.device import forget_confirmed
from wfe_mcp.engine.access.roles import counts_in, roles_of
from wfe_mcp.engine.access.tokens import Scope, Token, revoke_in, token_in, tokens_in
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.settings import USED
from wfe_mcp.workspace.config.server_table import ROLES, Role, ServerRole

SESSION_S = 12 * 3600
"""Seconds after which a person logs in again."""
IDLE_S = 2 * 3600
"""Seconds without a request after which they do so too."""
WAITS_S = 600
"""Seconds for which a login may be under way, and a passkey's challenge open."""
SEEN_S = 60
"""How exact the last use of a session is kept."""

SCOPES_OF: Mapping[Role, Scope] = {"reader": "read", "author": "work", "approver": "work", "admin": "manage"}
"""What an operation of the API or a tool may need (``tokens.Scope``) → who has it. Decisions need ``approver``."""

ROLE_FOR: Mapping[Scope, Role] = {"read": "reader", "work": "author", "manage": "admin", "runner": "admin"}
"""The scope of a token → the role that its maker needs in its project."""

LOGGED_IN, REFUSED, LOGGED_OUT, ROLES_SET = "PersonLoggedIn", "LoginRefused", "PersonLoggedOut", "RolesConfigured"
"""Types of entries of the settings log; their names say who, and from which address."""

_PERSON, SESSION = "person:", "person-session:"
"""``SESSION`` and the sha256 of an id is the row of a session."""
_SEEN, _WAITS, _GROUPS = f"{USED}person-session:", f"{USED}waits:", f"{USED}person-groups:"
_LONGEST = 40
_MOST_GROUPS = 500
_SERVER = By("wfe-mcp server", Channel.SYSTEM, Assurance.AGENT)


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person who has logged in. ``sub``: the subject of the issuer ``iss``."""

    name: str
    iss: str
    sub: str
    groups: tuple[str, ...] = ()
    last_login: datetime | None = None

    @property
    def row(self) -> str:
        """What identifies them in the database, and the tokens that they made."""
        return _hash(f"{self.iss}\n{self.sub}")

    @property
    def by(self) -> By:
        """They, without a proof beyond the login: no more than an agent. A decision needs their passkey."""
        return By(self.name, Channel.DASHBOARD, Assurance.AGENT)


@dataclass(frozen=True, slots=True)
class Login:
    """A session. ``row``: its name in the database. ``roles``: by the id of the project; others do not exist for them."""

    person: KnownPerson
    row: str
    ends_at: datetime
    roles: Mapping[str, Role]

    @property
    def scope(self) -> Scope:
        """What they may do somewhere."""
        most = max((ROLES.index(role) for role in self.roles.values()), default=0)
        return SCOPES_OF[ROLES[most]]

    def is_(self, role: Role, project: str) -> bool:
        """Whether they have at least ``role`` in the project."""
        return project in self.roles and ROLES.index(self.roles[project]) >= ROLES.index(role)


class People:
    """The people of one database, by the roles of a configuration. ``origin``: the address that they come to."""

    def __init__(self, engine: Engine, origin: str, roles: Sequence[ServerRole]) -> None:
        self.engine, self.origin, self._roles = engine, origin, roles

    @classmethod
    def from_configuration(cls, engine: Engine) -> People:
        """Those of ``[server]`` in the configuration of ``engine``."""
        server = engine.settings().settings.server
        return cls(engine, server.origin, [*server.roles.values()])

    def log_in(self, iss: str, sub: str, name: str, groups: Sequence[str], address: str) -> str:
        """A new session of this person: the text of its cookie. Refuses ``forbidden``: no role in any project."""
        text, now = secrets.token_urlsafe(32), self.engine.clock()
        kept = tuple(groups[:_MOST_GROUPS])
        with self.engine.store.tx() as tx:
            tx.secrets.alone("people")  # two of one name may come at once
            row = KnownPerson("", iss, sub).row
            has_role = bool(roles_of(self._roles, tx.projects.all(), sub, kept))
            if has_role or tx.secrets.get(_PERSON + row) is not None:  # without a role, their tokens have none either
                tx.secrets.note_use(_GROUPS + row, json.dumps(kept), now)
            if has_role:
                self._begin(tx, KnownPerson(self._name(tx, iss, sub, name), iss, sub, kept), text, address)
        if not has_role:
            raise Refused(
                "forbidden",
                f"{_clean(name) or _clean(sub) or 'person'} has no role here.",
                f"Ask an admin to give one of your groups a role, or you: your subject is {sub!r}.",
                data={"subject": sub},
            )
        return text

    def login_of(self, text: str, *, counts: bool = True) -> Login | None:
        """The session of a cookie; None for one that was made up, is over or was ended, or without any role now. ``counts``: it is in use."""
        row, now = _hash(text), self.engine.clock()
        with self.engine.store.read() as tx:
            value, seen = tx.secrets.get(SESSION + row), tx.secrets.get(_SEEN + row)
            projects = tx.projects.all()
            person, ends_at = _person(json.loads(value)) if value else (None, now)
            groups: list[str] = json.loads(tx.secrets.get(_GROUPS + person.row) or "[]") if person else []
        if not text or person is None:
            return None
        last = datetime.fromisoformat(seen) if seen else now - timedelta(seconds=IDLE_S)
        if ends_at <= now or last + timedelta(seconds=IDLE_S) <= now:
            return None
        if counts and now - last >= timedelta(seconds=SEEN_S):
            with self.engine.store.tx() as tx:
                if tx.secrets.get(SESSION + row) is not None:  # not ended meanwhile
                    tx.secrets.note_use(_SEEN + row, now.isoformat(), now)
        # Those of the last login, as for tokens: an older session has no role that was taken away since.
        roles = roles_of(self._roles, projects, person.sub, groups)
        return Login(person, row, ends_at, roles) if roles else None

    def allow(self, token: Token) -> bool:
        """Whether who made ``token`` still may: they have the role for its scope in its project. Others than people always may."""
        with self.engine.store.read() as tx:
            return self._allows(tx, token)

    def token_counts(self, tx: Tx, name: str) -> bool:
        """Whether the token of this name has not ended, and who made it still may."""
        token = token_in(tx, name)
        return token is not None and token.is_valid(self.engine.clock()) and self._allows(tx, token)

    def _allows(self, tx: Tx, token: Token) -> bool:
        if not token.person:
            return True
        person, groups = tx.secrets.get(_PERSON + token.person), tx.secrets.get(_GROUPS + token.person)
        if person is None or groups is None:
            return False
        roles = roles_of(self._roles, tx.projects.all(), json.loads(person)["sub"], json.loads(groups))
        role = roles.get(token.project)
        return role is not None and ROLES.index(role) >= ROLES.index(ROLE_FOR[token.scope])

    def log_out(self, login: Login, address: str) -> None:
        """End a session."""
        with self.engine.store.tx() as tx:
            now = self.engine.clock()
            _end(tx, login.row, login.person.by, now)
            tx.settings_log.note(LOGGED_OUT, f"{login.person.name} from {address}", login.person.by, now)

    def roles(self, tx: Tx) -> dict[str, Mapping[str, Role]]:
        """Everyone who has ever logged in, by name, with their roles by the groups of their last login."""
        projects = tx.projects.all()
        return {person.name: roles_of(self._roles, projects, person.sub, person.groups) for person in _known_people(tx)}

    def refuse_name(self, project: str, name: str) -> None:
        """Refuse ``forbidden``: if ``project`` had ``name``, a role of the configuration would count in other projects than now."""
        with self.engine.store.read() as tx:
            before = tx.projects.all()
        after = [replace(record, name=name.strip() or None) if record.id == project else record for record in before]
        if any(counts_in(role, before) != counts_in(role, after) for role in self._roles):
            raise Refused(
                "forbidden",
                "Roles name projects by their names, and this name changes who has a role.",
                "Ask an administrator of the server to name the projects by their ids in [server.roles], or choose another name.",
            )

    def note_refused(self, why: str, who: str, address: str) -> None:
        """Record a login that was refused. ``why``: a code of ours. ``who``: the subject, where the provider has proven it."""
        with self.engine.store.tx() as tx:
            tx.settings_log.note(REFUSED, f"{why} {who or 'unknown'} from {address}", _SERVER, self.engine.clock())

    def note_roles(self) -> None:
        """Record the roles of the configuration, where they are not those that were recorded last."""
        text = json.dumps([role.model_dump(mode="json") for role in self._roles], sort_keys=True)
        name = f"roles {sha256(text.encode()).hexdigest()}"
        with self.engine.store.tx() as tx:
            last = next((event for event in reversed(tx.settings_log.events()) if event.type == ROLES_SET), None)
            if last is None or last.name != name:
                tx.settings_log.note(ROLES_SET, name, _SERVER, self.engine.clock())

    def _name(self, tx: Tx, iss: str, sub: str, wanted: str) -> str:
        """The pinned name of a person; of one who is new, the wanted one, with a number where another person has it."""
        row = _PERSON + KnownPerson("", iss, sub).row
        kept = tx.secrets.get(row)
        if kept is not None:
            return str(json.loads(kept)["name"])
        base = _clean(wanted) or _clean(sub) or "person"
        taken = {person.name.casefold() for person in _known_people(tx)}
        number = 1
        while (name := base if number == 1 else f"{base} {number}").casefold() in taken:
            number += 1
        value = json.dumps({"iss": iss, "sub": sub, "name": name}, sort_keys=True)
        tx.secrets.set(row, value, KnownPerson(name, iss, sub).by, self.engine.clock())
        return name

    def _begin(self, tx: Tx, person: KnownPerson, text: str, address: str) -> None:
        """Keep the new session of the cookie ``text``."""
        now = self.engine.clock()
        self._end_old(tx, now)
        value = {
            "iss": person.iss,
            "sub": person.sub,
            "name": person.name,
            "groups": person.groups,
            "at": now.isoformat(),
            "ends_at": (now + timedelta(seconds=SESSION_S)).isoformat(),
        }
        tx.secrets.set(SESSION + _hash(text), json.dumps(value, sort_keys=True), person.by, now)
        tx.secrets.note_use(_SEEN + _hash(text), now.isoformat(), now)
        tx.settings_log.note(LOGGED_IN, f"{person.name} from {address}", person.by, now)

    def _end_old(self, tx: Tx, now: datetime) -> None:
        for name, value in tx.secrets.with_prefix(SESSION).items():
            person, ends_at = _person(json.loads(value))
            if ends_at <= now:
                _end(tx, name.removeprefix(SESSION), person.by, now)


def people(engine: Engine) -> list[tuple[KnownPerson, int]]:
    """Everyone who has ever logged in, by name, each with the number of open sessions."""
    with engine.store.read() as tx:
        now = engine.clock()
        open_ = Counter(
            (person.iss, person.sub)
            for person, ends_at in map(_person, map(json.loads, tx.secrets.with_prefix(SESSION).values()))
            if ends_at > now
        )
        return [(person, open_[person.iss, person.sub]) for person in _known_people(tx)]


def end_access(engine: Engine, by: By, name: str) -> tuple[int, int]:
    """End all sessions and tokens of a person, also one that a machine has not taken yet; how many of each.

    Refuses ``bad_argument``: no one of this name has logged in.
    """
    with engine.store.tx() as tx:
        person = known_as(tx, name)
        # First, as a machine that takes its token waits for the log last.
        forget_confirmed(tx, person.row, engine.clock())
        sessions = [
            row.removeprefix(SESSION)
            for row, value in tx.secrets.with_prefix(SESSION).items()
            if _person(json.loads(value))[0].name == name
        ]
        for row in sessions:
            _end(tx, row, by, engine.clock())
        names = [token.name for token in tokens_in(tx) if token.person == person.row]
        for token_name in names:
            revoke_in(tx, by, token_name, engine.clock())
        tx.settings_log.note(LOGGED_OUT, f"{name} by {by.actor}", by, engine.clock())
    return len(sessions), len(names)


def known_as(tx: Tx, name: str) -> KnownPerson:
    """The person of this name. Refuses ``bad_argument``: no one of it has logged in."""
    known = {person.name: person for person in _known_people(tx)}
    if name not in known:
        hint = nearest_hint(name, [*known], "Names are those of logins: wfe-mcp people list")
        raise Refused("bad_argument", f"No one called {name[:80]!r} has logged in.", hint)
    return known[name]


class Waiting:
    """What waits for the next request of one browser: a login at the provider, a challenge of a passkey. Each counts once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, kind: str, of: str, value: Mapping[str, Any]) -> str:
        """Keep ``value`` for ``WAITS_S``; the name by which it is taken. ``of``: the secret of a browser."""
        name, now = secrets.token_urlsafe(24), self._engine.clock()
        until = (now + timedelta(seconds=WAITS_S)).isoformat()
        row = {"until": until, "of": _hash(of), "value": value}
        with self._engine.store.tx() as tx:
            # In the database: anyone may begin a login, and thousands may wait.
            tx.secrets.forget_uses(_WAITS, now - timedelta(seconds=WAITS_S))
            tx.secrets.note_use(f"{_WAITS}{kind}:{_hash(name)}", json.dumps(row), now)
        return name

    def take(self, kind: str, of: str, name: str) -> dict[str, Any] | None:
        """What was kept, once; None for anything else."""
        row, now = f"{_WAITS}{kind}:{_hash(name)}", self._engine.clock()
        with self._engine.store.tx() as tx:
            tx.secrets.alone("secret", row)
            text = tx.secrets.get(row)
            if text is None:
                return None
            tx.secrets.note_use(row, None, now)
        kept = json.loads(text)
        is_ours = hmac.compare_digest(kept["of"], _hash(of)) and datetime.fromisoformat(kept["until"]) > now
        return cast("dict[str, Any]", kept["value"]) if is_ours else None


def _known_people(tx: Tx) -> list[KnownPerson]:
    """Everyone who has logged in, by name, with the groups of their last login."""
    last_login: dict[tuple[str, str], datetime] = {}
    for value in map(json.loads, tx.secrets.with_prefix(SESSION).values()):
        at, who = datetime.fromisoformat(value["at"]), (value["iss"], value["sub"])
        last_login[who] = max(at, last_login.get(who, at))
    persons: list[KnownPerson] = []
    groups = tx.secrets.with_prefix(_GROUPS)
    for value in map(json.loads, tx.secrets.with_prefix(_PERSON).values()):
        person = KnownPerson(value["name"], value["iss"], value["sub"])
        kept = tuple[str, ...](json.loads(groups.get(_GROUPS + person.row, "[]")))
        persons.append(replace(person, groups=kept, last_login=last_login.get((person.iss, person.sub))))
    return sorted(persons, key=lambda each: each.name.casefold())


def _person(value: Mapping[str, Any]) -> tuple[KnownPerson, datetime]:
    at, ends_at = datetime.fromisoformat(value["at"]), datetime.fromisoformat(value["ends_at"])
    return KnownPerson(value["name"], value["iss"], value["sub"], tuple(value["groups"]), at), ends_at


def _end(tx: Tx, row: str, by: By, now: datetime) -> None:
    if tx.secrets.get(SESSION + row) is not None:
        tx.secrets.set(SESSION + row, None, by, now)
    tx.secrets.note_use(_SEEN + row, None, now)


def _clean(text: str) -> str:
    """A name that can be shown and signed with: no letters that hide, and not long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFKC", text))
    return " ".join(shown.split())[:_LONGEST].strip()


def _hash(text: str) -> str:
    return sha256(text.encode(errors="replace")).hexdigest()
