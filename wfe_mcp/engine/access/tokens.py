"""Access over HTTP: access tokens of the API, and sessions of the page in a browser.

    read      look at runs, artifacts, templates, queues and history
    work      read, and do what an agent may: start runs, submit artifacts, ask for approval, pause, roll back
    manage    work, and store templates and cancel jobs
    runner    take checks and report what came of them (``runners.py``), and none of the above

Rules:
1. A token is shown once, when it is made. The database keeps its sha256: the token has 256 random bits, so no salt and no
   slow hash are needed.
2. The holder of a token has the assurance of an agent, never that of a person, whatever its scope.
3. Making and revoking one are entries of the settings log, which ``verify`` checks; when it was used last is in no log.
4. What a program holds by a token, it holds while the token counts (``Engine.token_counts``): another worker takes the phase over
   at once.

    a page starts ──► a key of its own, in a file that only its user reads
    a link is made, by any process of the user ──► a code signed with that key, after # in the address
    the page's script sends the code once ──► the token of a new session, which it keeps for that tab

Rules:
1. The fragment of an address is sent to no server, and the token is no cookie: another server on this machine, even one
   that an agent started, receives neither.
2. A code counts once, at the page whose key signed it, for ``CODE_S``. When that page ends, its codes end.
3. The database keeps the sha256 of a token, as for tokens of programs (``tokens.py``); a session survives a page that was
   killed, for ``SESSION_S``.
4. A session belongs to the user's browser and proves no identity: what only a person decides needs the PIN or a passkey.
5. After ``SESSION_S`` a session only looks, for ``LOOKS_S``, until the PIN is typed into it: a page that was left open decides.
6. What an agent reads has no code: the address of a decision shows that decision alone.
"""

import contextlib
import hmac
import json
import re
import secrets
import threading
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from wfe_mcp.artifacts.typed import as_text, from_text
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance, By, Channel, Person
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.settings import ACCESS, SET, USED
from wfe_mcp.workspace.files.project_files import replace_file

Scope = Literal["read", "work", "manage", "runner"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each of the first three includes those before it; ``runner`` includes none, and none includes it."""

_USE_PREFIX = f"{USED}token:"
USE_S = 60
"""How exact the last use of a token is kept, in seconds: a write for each request would make agents wait for each other."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TEXT_PREFIX = "wfe_"
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret part. ``project``: the id of the only project it opens; empty: every project.

    ``owner``: who made it; empty for one of an earlier version. ``person``: their row, where they had logged in to the server
    (``people.py``). ``used_at``: to ``USE_S``.
    """

    name: str
    scope: Scope
    project: str
    created_at: datetime
    expires_at: datetime | None
    sha256: str
    owner: str = ""
    used_at: datetime | None = None
    person: str = ""

    def allows(self, scope: Scope) -> bool:
        """True when ``scope`` is included in that of this token."""
        return includes(self.scope, scope)

    def is_valid(self, now: datetime) -> bool:
        """False once its time is over."""
        return self.expires_at is None or now < self.expires_at


def includes(scope: Scope, other: Scope) -> bool:
    """Whether who has ``scope`` may do what needs ``other``."""
    if "runner" in {scope, other}:
        return scope == other
    return SCOPES.index(other) <= SCOPES.index(scope)


def create_token(
    engine: Engine,
    by: By,
    name: str,
    scope: Scope = "read",
    *,
    project: str = "",
    expires_s: float | None = None,
    person: str = "",
) -> tuple[Token, str]:
    """A new token, and the text that a program sends; the text is stored nowhere. ``person``: as in ``Token``.

    Refuses ``bad_argument`` (the name, the number of tokens) and ``conflict`` (the name is taken, or was another person's).
    """
    with engine.store.tx() as tx:
        tx.secrets.alone("tokens")
        return create_in(tx, engine.clock(), by, name, scope, project=project, expires_s=expires_s, person=person)


def create_in(
    tx: Tx, now: datetime, by: By, name: str, scope: Scope, *, project: str, expires_s: float | None, person: str
) -> tuple[Token, str]:
    """The same in a transaction in which no other one makes a token: ``alone("tokens")``."""
    if not _NAME.fullmatch(name):
        raise Refused(
            "bad_argument",
            f"{name!r} is not a name for a token.",
            "Use up to 40 small letters, digits and hyphens: ci, release-bot.",
        )
    text = _TEXT_PREFIX + secrets.token_urlsafe(32)
    ends = None if expires_s is None else now + timedelta(seconds=expires_s)
    token = Token(name, scope, project, now, ends, sha256_hex(text), by.actor, person=person)
    known = tx.secrets.with_prefix(ACCESS)
    if ACCESS + name in known:
        hint = "Choose another name." if person else f"Choose another name, or: wfe-mcp token revoke {name}"
        raise Refused("conflict", f"A token {name!r} exists.", hint)
    if owner_of_token(tx, name, now) not in {"", by.actor}:  # its claims, and the files of its bridge, go by the name
        raise Refused(
            "conflict", f"Another person had a token {name!r}; its files stay theirs.", "Choose another name."
        )
    expired = [token.name for token in tokens_in(tx) if token.expires_at is not None and token.expires_at <= now]
    for old in expired if len(known) >= _MOST else ():
        revoke_in(tx, SYSTEM, old, now)
    if len(known) - len(expired) >= _MOST:
        raise Refused("bad_argument", f"There are {_MOST} tokens already.", "Revoke one: wfe-mcp token list")
    tx.secrets.set(ACCESS + name, as_text(token, "name", "used_at"), by, now)
    return token, text


def tokens(engine: Engine) -> list[Token]:
    """Every token, by name; expired ones too."""
    with engine.store.read() as tx:
        return tokens_in(tx)


def tokens_in(tx: Tx) -> list[Token]:
    """The same, in a transaction."""
    rows, uses = tx.secrets.with_prefix(ACCESS), tx.secrets.with_prefix(_USE_PREFIX)
    token_rows = ((name.removeprefix(ACCESS), value) for name, value in sorted(rows.items()))
    return [from_text(value, Token, name=name, used_at=uses.get(_USE_PREFIX + name)) for name, value in token_rows]


def owner_of_token(tx: Tx, name: str, at: datetime) -> str:
    """Who had made the token that had the name ``name`` at this time, by the log: it may be revoked, or another's, since."""
    return tx.settings_log.last_noted_by(SET, ACCESS + name, at)


def note_use(engine: Engine, token: Token) -> None:
    """Keep that ``token`` is used now, unless that is known to ``USE_S``. A database that takes no writes now keeps nothing."""
    now = engine.clock()
    if token.used_at is not None and now - token.used_at < timedelta(seconds=USE_S):
        return
    with contextlib.suppress(Refused), engine.store.tx() as tx:
        if tx.secrets.get(ACCESS + token.name) is not None:  # not revoked meanwhile
            tx.secrets.note_use(_USE_PREFIX + token.name, now.isoformat(), now)


def revoke_token(engine: Engine, by: By, name: str) -> None:
    """Remove a token: from now on it opens nothing. Refuses ``bad_argument`` for an unknown name."""
    with engine.store.tx() as tx:
        names = [row.removeprefix(ACCESS) for row in tx.secrets.with_prefix(ACCESS)]
        if name not in names:
            hint = nearest_hint(name, names, "List them: wfe-mcp token list")
            raise Refused("bad_argument", f"There is no token {name!r}.", hint)
        revoke_in(tx, by, name, engine.clock())


def revoke_in(tx: Tx, by: By, name: str, at: datetime) -> None:
    """The same for a token that is there, in a transaction."""
    tx.secrets.set(ACCESS + name, None, by, at)
    tx.secrets.note_use(_USE_PREFIX + name, None, at)


class _Names:
    """The names of tokens by their sha256, as this process read them last: a request reads one row, not that of each token."""

    def __init__(self) -> None:
        self.by_sha256: dict[str, str] = {}


def token_of(engine: Engine, text: str) -> Token | None:
    """The token that ``text`` is; None for an unknown, a revoked or an expired one."""
    digest, names = sha256_hex(text), engine.state_of(_Names)
    with engine.store.read() as tx:
        token = _find_token(tx, names.by_sha256.get(digest, ""), digest)
        if token is None:
            names.by_sha256 = {token.sha256: token.name for token in tokens_in(tx)}
            token = _find_token(tx, names.by_sha256.get(digest, ""), digest)
    return token if token is not None and token.is_valid(engine.clock()) else None


def token_in(tx: Tx, name: str) -> Token | None:
    """The token of this name; also one that has expired."""
    value = tx.secrets.get(ACCESS + name) if name else None
    return None if value is None else from_text(value, Token, name=name, used_at=tx.secrets.get(_USE_PREFIX + name))


def _find_token(tx: Tx, name: str, given: str) -> Token | None:
    token = token_in(tx, name)
    return token if token is not None and hmac.compare_digest(token.sha256, given) else None


CODE_S = 60
"""Seconds for which a code counts (T2). A link that is opened later leads to the page that names the command."""
SESSION_S = 12 * 3600
"""Seconds for which a session does what an agent may."""
LOOKS_S = 14 * 24 * 3600
"""Seconds for which it looks after that."""

NAME = "session:page"
"""The name of the token that a session acts as, which no token of a program has; they hold theirs as ``api:NAME``."""

_SESSION_ROW_PREFIX = "session:"
_SESSION_TEXT_PREFIX = "wfes_"
_NONCE_BYTES = 16
_LOOKS = timedelta(seconds=LOOKS_S)


@dataclass(frozen=True, slots=True)
class PageKey:
    """The key of one page process. ``file``: where other processes of the user read it."""

    file: Path
    key: bytes


def begin_page(engine: Engine, port: int) -> PageKey:
    """A new key for the page at ``port``; it replaces that of an earlier page there."""
    file, key = _file(engine, port), secrets.token_bytes(32)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, key)
    return PageKey(file, key)


def end_page(page: PageKey) -> None:
    """Remove the key, unless another page has replaced it."""
    with contextlib.suppress(OSError):
        if page.file.read_bytes() == page.key:
            page.file.unlink()


def fresh_code(engine: Engine, port: int) -> str:
    """A code for the page at ``port``; empty where that page takes none."""
    try:
        key = _file(engine, port).read_bytes()
    except OSError:
        return ""
    payload = f"{int(engine.clock().timestamp()) + CODE_S}.{secrets.token_urlsafe(_NONCE_BYTES)}"
    return f"{payload}.{_sign_payload(key, payload)}"


class Codes:
    """The codes that one page takes, each once."""

    def __init__(self, page: PageKey) -> None:
        self._key = page.key
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, code: str, now: datetime) -> None:
        """Use ``code``. Refuses ``unauthorized``: unknown, of another page, too old, or used before."""
        payload, _, signature = code.rpartition(".")
        until = payload.partition(".")[0]
        at = int(now.timestamp())
        is_ours = hmac.compare_digest(_sign_payload(self._key, payload).encode(), signature.encode(errors="replace"))
        with self._lock:
            self._used = {other: end for other, end in self._used.items() if end > at}
            if not is_ours or int(until) <= at or payload in self._used:
                raise Refused(
                    "unauthorized",
                    f"This link was used before, is older than {CODE_S} seconds, or belongs to another page.",
                    "Open a new one: wfe-mcp ui, or wfe-mcp status where a page runs",
                )
            self._used[payload] = int(until)


@dataclass(frozen=True, slots=True)
class Entry:
    """How browsers enter: the ``port`` of the page, the ``codes`` it takes, and whether it takes the PIN."""

    port: int
    codes: Codes
    asks_pin: bool


def begin_session(engine: Engine, by: By) -> str:
    """The token of a new session, stored as its sha256; sessions that are over are removed."""
    text = _SESSION_TEXT_PREFIX + secrets.token_urlsafe(32)
    digest, now = sha256_hex(text), engine.clock()
    with engine.store.tx() as tx:
        known = {name: _times(value) for name, value in tx.secrets.with_prefix(_SESSION_ROW_PREFIX).items()}
        newest = sorted(known, key=lambda name: known[name][0])[-(_MOST - 1) :]
        for name in known:
            if known[name][1] + _LOOKS <= now or name not in newest:
                tx.secrets.set(name, None, by, now)
        kept = {"created_at": now.isoformat()} | _managing(now)
        tx.secrets.set(_SESSION_ROW_PREFIX + digest, json.dumps(kept, sort_keys=True), by, now)
    return text


def confirm_session(engine: Engine, by: Person, text: str) -> None:
    """Let the session of a token do what a new one may, for as long: a person has proven to be there."""
    name = _SESSION_ROW_PREFIX + sha256_hex(text)
    with engine.store.tx() as tx:
        value = tx.secrets.get(name)
        if value is not None:
            now = engine.clock()
            tx.secrets.set(name, json.dumps(json.loads(value) | _managing(now), sort_keys=True), by, now)


def end_session(engine: Engine, by: By, text: str) -> None:
    """End the session of a token; from now on it opens nothing."""
    name = _SESSION_ROW_PREFIX + sha256_hex(text)
    with engine.store.tx() as tx:
        if tx.secrets.get(name) is not None:
            tx.secrets.set(name, None, by, engine.clock())


def session_of(engine: Engine, text: str) -> Token | None:
    """The session that ``text`` opens, as a token that may do what an agent may, or look; None for any other text."""
    if not text.startswith(_SESSION_TEXT_PREFIX):
        return None
    digest = sha256_hex(text)
    with engine.store.read() as tx:
        value = tx.secrets.get(_SESSION_ROW_PREFIX + digest)
    if value is None:
        return None
    (begun, ends), now = _times(value), engine.clock()
    # One of an earlier version may say that it only looks.
    manages = json.loads(value).get("scope") == "manage" and now < ends
    return None if ends + _LOOKS <= now else Token(NAME, "manage" if manages else "read", "", begun, ends, digest)


def sender(user: str) -> By:
    """The user at the page without a proof: no more than an agent."""
    return By(user, Channel.DASHBOARD, Assurance.AGENT)


def _managing(now: datetime) -> dict[str, str]:
    return {"expires_at": (now + timedelta(seconds=SESSION_S)).isoformat(), "scope": "manage"}


def _times(value: str) -> tuple[datetime, datetime]:
    stored = json.loads(value)
    return datetime.fromisoformat(stored["created_at"]), datetime.fromisoformat(stored["expires_at"])


def _sign_payload(key: bytes, payload: str) -> str:
    return hmac.new(key, payload.encode(errors="replace"), sha256).hexdigest()


def _file(engine: Engine, port: int) -> Path:
    path = engine.store.place
    return path.with_name(f"{path.name}.pages") / f"{port}.key"
