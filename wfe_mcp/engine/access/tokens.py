"""Access tokens for the HTTP API.

    read      look at runs, artifacts, templates, queues and history
    work      read, and do what an agent may: start runs, submit artifacts, ask for approval, pause, roll back
    manage    work, and store templates and cancel jobs

Rules:
1. A token is shown once, when it is made. The database keeps its sha256: the token has 256 random bits, so no salt and no
   slow hash are needed.
2. The holder of a token has the assurance of an agent, never that of a person, whatever its scope.
3. Making and revoking one are entries of the settings log, which ``verify`` checks.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, get_args

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine

Scope = Literal["read", "work", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each scope includes those before it."""

_PREFIX = "token:"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BEGINNING = "wfe_"
_MOST = 100


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret part. ``project``: the id of the only project it opens; empty: every project."""

    name: str
    scope: Scope
    project: str
    created_at: datetime
    expires_at: datetime | None
    sha256: str

    def allows(self, scope: Scope) -> bool:
        """True when ``scope`` is included in that of this token."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


def create_token(
    engine: Engine, by: By, name: str, scope: Scope = "read", *, project: str = "", expires_s: float | None = None
) -> tuple[Token, str]:
    """A new token, and the text that a program sends; the text is stored nowhere.

    Refuses ``bad_argument`` (the name, the number of tokens) and ``conflict`` (the name is taken).
    """
    if not _NAME.fullmatch(name):
        raise Refused(
            "bad_argument",
            f"{name!r} is not a name for a token.",
            "Use up to 40 small letters, digits and hyphens: ci, release-bot.",
        )
    text = _BEGINNING + secrets.token_urlsafe(32)
    now = engine.clock()
    ends = None if expires_s is None else now + timedelta(seconds=expires_s)
    made = Token(name, scope, project, now, ends, _hash(text))
    with engine.store.tx() as tx:
        known = tx.secrets.named(_PREFIX)
        if _PREFIX + name in known:
            raise Refused(
                "conflict", f"A token {name!r} exists.", f"Choose another name, or: wfe-mcp token revoke {name}"
            )
        if len(known) >= _MOST:
            raise Refused("bad_argument", f"There are {_MOST} tokens already.", "Revoke one: wfe-mcp token list")
        tx.secrets.set(_PREFIX + name, _written(made), by, now)
    return made, text


def tokens(engine: Engine) -> list[Token]:
    """Every token, by name; expired ones too."""
    with engine.store.read() as tx:
        rows = tx.secrets.named(_PREFIX)
    return [_read(name.removeprefix(_PREFIX), value) for name, value in sorted(rows.items())]


def revoke_token(engine: Engine, by: By, name: str) -> None:
    """Remove a token: from now on it opens nothing. Refuses ``bad_argument`` for an unknown name."""
    with engine.store.tx() as tx:
        names = [each.removeprefix(_PREFIX) for each in tx.secrets.named(_PREFIX)]
        if name not in names:
            hint = nearest_hint(name, names, "List them: wfe-mcp token list")
            raise Refused("bad_argument", f"There is no token {name!r}.", hint)
        tx.secrets.set(_PREFIX + name, None, by, engine.clock())


def token_of(engine: Engine, text: str) -> Token | None:
    """The token that ``text`` is; None for an unknown, a revoked or an expired one."""
    given = _hash(text)
    found = next((each for each in tokens(engine) if hmac.compare_digest(each.sha256, given)), None)
    if found is None or (found.expires_at is not None and found.expires_at <= engine.clock()):
        return None
    return found


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _written(token: Token) -> str:
    ends = None if token.expires_at is None else token.expires_at.isoformat()
    return json.dumps(
        {
            "sha256": token.sha256,
            "scope": token.scope,
            "project": token.project,
            "created_at": token.created_at.isoformat(),
            "expires_at": ends,
        },
        sort_keys=True,
    )


def _read(name: str, value: str) -> Token:
    stored = json.loads(value)
    ends = stored["expires_at"]
    return Token(
        name,
        stored["scope"],
        stored["project"],
        datetime.fromisoformat(stored["created_at"]),
        None if ends is None else datetime.fromisoformat(ends),
        stored["sha256"],
    )
