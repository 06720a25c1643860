"""Tokens that people who are logged in make for their agents and machines, and end.

    scope of a token            read      work      manage, runner
    role in its project         reader    author    admin             (``people.ROLE_FOR``)

Rules:
1. A token opens one project, and lasts ``MOST_DAYS`` at most.
2. Its maker ends it, and so does an admin of its project, who sees all of the project's.
3. It counts while its maker has the role (``People.allow``).
"""

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.engine.access.people import ROLE_FOR, Login
from wfe_mcp.engine.access.tokens import SCOPES, Scope, Token, create_token, revoke_in, tokens_in
from wfe_mcp.engine.kernel.engine import Engine

MOST_DAYS = 365
_DAY_S = 86_400.0


def scopes_in(login: Login, project: str) -> list[Scope]:
    """The scopes that this person may give a token in a project."""
    return [scope for scope in SCOPES if login.is_(ROLE_FOR[scope], project)]


def make_own(engine: Engine, login: Login, name: str, scope: str, project: str, days: int) -> tuple[Token, str]:
    """A token of this person and its text. Refuses ``bad_argument``, ``forbidden`` (the role) and ``conflict`` (the name)."""
    if not 1 <= days <= MOST_DAYS:
        raise Refused("bad_argument", f"{days} is no number of days.", f"From 1 to {MOST_DAYS}.")
    may = scopes_in(login, project)
    if not may:
        raise Refused("bad_argument", f"There is no project {project[:80]!r}.", "Choose one of the list.")
    chosen: Scope | None = next((word for word in SCOPES if word == scope), None)
    if chosen is None:
        raise Refused(
            "bad_argument", f"There is no scope {scope[:20]!r}.", nearest_hint(scope, may, f"Choose {may[0]}.")
        )
    if chosen not in may:
        raise Refused(
            "forbidden",
            f"The role {login.roles[project]} makes no token of the scope {chosen}: it needs the role {ROLE_FOR[chosen]}.",
            f"Choose one of: {', '.join(may)}.",
        )
    by, row = login.person.by, login.person.row
    return create_token(engine, by, name, chosen, project=project, expires_s=days * _DAY_S, person=row)


def tokens_seen(engine: Engine, login: Login) -> list[Token]:
    """Their own tokens, and those of the projects that they administer; by name."""
    with engine.store.read() as tx:
        return [token for token in tokens_in(tx) if _is_seen(token, login)]


def end_seen(engine: Engine, login: Login, name: str) -> None:
    """End one of ``tokens_seen``. Refuses ``bad_argument``, also for a token that exists and is not seen."""
    with engine.store.tx() as tx:
        known = [token.name for token in tokens_in(tx) if _is_seen(token, login)]
        if name not in known:
            hint = nearest_hint(name, known, "Reload the page: it may have ended meanwhile.")
            raise Refused("bad_argument", f"There is no token {name[:80]!r} of yours.", hint)
        revoke_in(tx, login.person.by, name, engine.clock())


def _is_seen(token: Token, login: Login) -> bool:
    return token.person == login.person.row or (bool(token.project) and login.is_("admin", token.project))
