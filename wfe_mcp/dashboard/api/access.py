"""Who sends a request of the API: its token, its scope, and the engine that acts for it.

    a program's token    an agent of the channel ``http``, named after its token; never a person
    a page's session     the user at the page, without a proof; with the PIN in the request, the person. After 12 hours it
                         only looks, until the PIN is typed into it
    a login              a person at a server, by the cookie of their session; roles say in which projects (``engine/access/people.py``)

Every request needs ``Authorization: Bearer TOKEN`` or that cookie; what changes something by the cookie, also our ``Origin``. What a caller claims, it holds as ``api:<token>``, a person as ``api:person:<name>``.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance, By, Channel, Person, RunId
from wfe_mcp.core.units import duration
from wfe_mcp.dashboard.engines import Engines, ProjectWorkers
from wfe_mcp.dashboard.fields import refuse_pin
from wfe_mcp.dashboard.guard import COOKIE, SAFE
from wfe_mcp.dashboard.signing import ASK, HEADER, Signing, read_header
from wfe_mcp.engine.access import tokens
from wfe_mcp.engine.access.people import SCOPES_OF, Login, People
from wfe_mcp.engine.access.tokens import Entry, Scope, Token, token_of
from wfe_mcp.engine.approvals import pin as pins
from wfe_mcp.engine.approvals.passkey_decisions import Unsigned
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.kernel.evidence_seals import Process, ServerKey
from wfe_mcp.engine.kernel.identity import move_command, name_of
from wfe_mcp.engine.people.deciders import lacks_role, role_refused
from wfe_mcp.workspace.system.process import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wfe_mcp.engine.bridge.folders import BridgedFolder, BridgedFolders
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Store
    from wfe_mcp.workspace.config.server_table import Role

_HINT = "Make one{}. Send it as Authorization: Bearer TOKEN."


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. ``by``: for the log."""

    token: Token
    by: By
    access: Access
    login: Login | None = None
    needs: Scope = "read"
    signing: Signing | None = None
    signature: str = ""

    def sees(self, project: str) -> bool:
        """Whether the project exists for the caller."""
        return self.login.is_("reader", project) if self.login else self.token.project in {"", project}

    @property
    def projects(self) -> tuple[str, ...] | None:
        """The projects that a list of several is limited to, in the database itself: a page of it is whole. None: to none."""
        return None if self.login is None else tuple(self.login.roles)

    def list_project(self, project: str) -> str:
        """The project that a list is limited to; empty: to what the caller ``sees``."""
        return project or self.token.project

    @property
    def is_page(self) -> bool:
        """True for the session of a page, which the user opened."""
        return self.by.channel is Channel.DASHBOARD

    def person(self, engine: Engine, pin: str) -> Person:
        """The user, proven by the PIN typed at the page. Refuses ``forbidden`` for programs, and ``wrong_pin``."""
        self.refuse_program()
        if self.login is not None:
            raise Refused(
                "needs_human",
                "A passkey does not sign this, and this server takes no PIN.",
                "It is done at the terminal of the server.",
                data={"takes_pin": False},
            )
        refuse_pin(asks_pin=self.access.asks_pin)
        return pins.person_at_page(engine, pin, self.by.actor)

    def sender(self, engine: Engine, pin: str) -> By:
        """The caller; with a PIN the person, and a PIN that is given is always checked."""
        return self.person(engine, pin) if pin or self.signs else self.by

    @property
    def signs(self) -> bool:
        """Whether the request is signed with a passkey, or asks what to sign."""
        return self.signing is not None and bool(self.signature)

    def mover(self, engine: Engine, run: str, pin: str) -> By:
        """As ``sender``, for a change of ``run`` in one transaction: at a server, the person who signs it with a passkey."""
        if self.login is None or self.signing is None or not self.signature:
            return self.sender(engine, pin)
        if lacks := lacks_role(engine, self.signing.people, self.login):
            raise Refused("needs_human", lacks, "Nothing was done.")
        name = self.login.person.name
        if self.signature == ASK:
            return self.signing.require_signature(engine, run, name)
        return self.signing.person(engine, name, *read_header(self.signature))

    def asking(self, refused: Refused) -> Refused:
        """``refused``, or, where a passkey has to sign first, the refusal with what the browser has it sign."""
        if self.signing is None or not isinstance(refused, Unsigned):
            return refused
        return Refused(refused.code, refused.message, data={"sign": self.signing.asking(refused)})

    def refuse_program(self) -> None:
        """Refuse ``forbidden`` for what only the user at the page does."""
        if not self.is_page:
            raise Refused(
                "forbidden",
                f"Only a person does this; {self.token.name!r} is the token of a program.",
                "Ask the user to do it at the page or a terminal: wfe-mcp ui",
            )

    def engine(self, project: str = "") -> Engine:
        """The engine of a project by its id; without one, of the project that the page was started in, or of the token.

        Refuses ``forbidden`` (the token is for another project) and ``bad_argument`` (no such project, or no such folder).
        """
        engines = self.access.engines_of(self.token)
        wanted = project or self.token.project or engines.engine.project_id
        if self.login is not None and not self.sees(wanted):
            wanted = project or next(iter(self.login.roles), "")
        if self.token.project and wanted != self.token.project:
            raise Refused(
                "forbidden",
                f"The token {self.token.name!r} is for another project.",
                "Use a token of that project, or one of all projects.",
            )
        project_engine = engines.by_id(wanted) if self.sees(wanted) else None
        if project_engine is None:
            with engines.engine.store.read() as tx:
                known = {record.id: record for record in tx.projects.all() if self.sees(record.id)}
            if record := known.get(wanted):
                gone = f"The folder of {name_of(record)!r} is gone: {record.root}"
                raise Refused("bad_argument", gone, move_command(record.root, "NEW"), data={"folder": record.root})
            hint = nearest_hint(wanted, known, "List them: GET /api/v1/projects")
            raise Refused("bad_argument", f"There is no project {wanted!r}, or its folder is gone.", hint)
        if self.login is not None and not tokens.includes(SCOPES_OF[self.login.roles[wanted]], self.needs):
            raise self.access.too_little(self.login, wanted, self.needs)
        return project_engine

    def engine_for(self, project: str) -> Engine:
        """An engine to change what is known of ``project``, whose folder may be gone; a person needs it there."""
        return self.engine(project if self.login else "")

    def engine_of(self, run: str) -> Engine:
        """The engine of the project of ``run``, a full id. Refuses ``unknown_run``, also where it is of another project."""
        project = self.access.project_of(run)
        if not project or not self.sees(project):
            raise Refused("unknown_run", f"There is no run {run[:80]!r}.", "List them: GET /api/v1/runs")
        return self.engine(project)

    def works(self, project: str = "") -> Engine:
        """As ``engine``; this process works the jobs of that project from now on: no server may run there."""
        engine = self.engine(project)
        self.access.workers.work(engine)
        return engine

    def at_work(self, run: str) -> Engine:
        """The engine of the project of ``run``, whose jobs this process works."""
        return self.works(self.engine_of(run).project_id)


class Access:
    """The tokens of a database, an engine for each project and token, and the workers of the projects in use.

    ``own_engine``: that of the page or the server itself.
    """

    def __init__(
        self,
        engine: Engine,
        visited: Callable[[], object],
        entry: Entry,
        people: People | None = None,
        by: Process = "page",
    ) -> None:
        self.own_engine, self._visited, self._entry, self.people = engine, visited, entry, people
        if people is not None:
            engine.people_at, engine.token_counts = people.origin, people.token_counts
        engine.state_of(ServerKey).process = by
        self._engines: dict[str, Engines] = {}
        self.workers = ProjectWorkers(lambda: self._engines_as("server"))
        self._folders: BridgedFolders | None = None
        self._lock = threading.Lock()
        self.is_ending = False
        """The streams of events end where this is true: what still streams holds up the end of the page, and is cut off with an error."""

    @property
    def asks_pin(self) -> bool:
        """Whether the page takes the PIN: the user opened it."""
        return self._entry.asks_pin

    @property
    def store(self) -> Store:
        """The database."""
        return self.own_engine.store

    def project_of(self, run: str) -> str:
        """The id of the project of a run, also of one that was pruned; empty where there is none."""
        with self.store.read() as tx:
            return tx.runs.projects([RunId(run)]).get(RunId(run), "") or tx.retention.project_of_pruned(run)

    def too_little(self, login: Login, project: str, needs: Scope) -> Refused:
        """That the role of ``login`` in ``project`` does not include ``needs``, and who can do it; empty: in any project."""
        assert self.people is not None, "someone is logged in"
        return role_refused(self.people, login, project, needs)

    def begin_session(self, code: str) -> str:
        """The token of a new session for a code from a link. Refuses ``unauthorized``."""
        self._entry.codes.take(code, self.own_engine.clock())
        self._visited()
        return tokens.begin_session(self.own_engine, tokens.sender(user_name()))

    def caller(self, request: Request) -> Caller:
        """The sender of a request, by its token or the cookie of a login. Refuses ``unauthorized`` and ``forbidden``."""
        header = request.headers.get("authorization", "")
        if header or self.people is None:
            return self.sender(header)
        asks_alone = request.url.path.endswith("/present")  # a page that is only open does not keep its session in use
        cookie = request.cookies.get(COOKIE, "")
        login = self.people.login_of(cookie, counts=not asks_alone)
        if login is None:
            raise Refused("unauthorized", "You are not logged in.", "Log in: GET /login", data={"login": True})
        if request.method not in SAFE and request.headers.get("origin") != self.people.origin:
            raise Refused("forbidden", "Only a page of this server changes something by its cookie.", "Use a token.")
        name = login.person.name
        # No token of a program has this name, so that neither holds what the other has claimed.
        token = Token(f"person:{name}", login.scope, "", self.own_engine.clock(), login.ends_at, login.row, name)
        signing, signature = Signing(self.people, cookie, request.url.path), request.headers.get(HEADER, "")
        return Caller(token, login.person.by, self, login, signing=signing, signature=signature)

    def sender(self, authorization: str) -> Caller:
        """The sender of a request with this header. Refuses ``unauthorized``."""
        session, token = self._known_tokens(authorization)
        if token is None:
            unknown = "is unknown, revoked or expired, or its owner lost the role for it"
            what = unknown if bearer(authorization) else "is missing"
            where = f" at {self.people.origin}/access" if self.people else ": wfe-mcp token create NAME --scope work"
            raise Refused("unauthorized", f"The access token {what}.", _HINT.format(where))
        if token.scope == "runner":
            raise Refused(
                "forbidden",
                f"The token {token.name!r} is for a runner, which takes checks and nothing else.",
                "Make one for this: wfe-mcp token create NAME --scope work",
            )
        self._visited()
        if session is None:
            tokens.note_use(self.own_engine, token)
        by = By(token.name, Channel.HTTP, Assurance.AGENT)
        return Caller(token, by if session is None else tokens.sender(user_name()), self)

    def maker_of(self, scope: Scope) -> str:
        """Where a token of ``scope`` is made, after "Make one"."""
        if self.people:
            return f" with the scope {scope} at {self.people.origin}/access"
        return f": wfe-mcp token create NAME --scope {scope}"

    def still_opens(self, authorization: str, cookie: str = "", roles: Mapping[str, Role] | None = None) -> bool:
        """Whether the token or the login of a stream's request is neither ended nor expired since. No visit: only the stream asks.

        ``roles``: those that the login had.
        """
        if self.people is not None and not authorization:
            login = self.people.login_of(cookie, counts=False)
            return login is not None and login.roles == roles
        return self._known_tokens(authorization)[1] is not None

    def _known_tokens(self, authorization: str) -> tuple[Token | None, Token | None]:
        """The session that a header has, and the token that it acts by."""
        text = bearer(authorization)
        session = tokens.session_of(self.own_engine, text)
        return session, session or (self.token_of(text) if text else None)

    def token_of(self, given: str) -> Token | None:
        """The token with this text; None for any other text, and where who made it has not the role for it any more."""
        token = token_of(self.own_engine, given)
        return token if token is None or self.people is None or self.people.allow(token) else None

    def engines_of(self, token: Token) -> Engines:
        """The engines that act for ``token``."""
        return self._engines_as(f"api:{token.name}")

    def engine_for(self, token: Token) -> Engine:
        """The engine that acts for ``token`` in its project. Refuses one for all projects, and one whose project is gone."""
        if not token.project:
            raise Refused(
                "forbidden",
                f"The token {token.name!r} is for every project; an MCP client works on one.",
                "Make one in the folder of the project: wfe-mcp token create NAME --scope work",
            )
        engine = self.engines_of(token).by_id(token.project)
        if engine is None:
            raise Refused(
                "unavailable",
                f"The folder of the project of {token.name!r} is not there any more.",
                "Ask the user to say where it is now: wfe-mcp project move OLD NEW",
            )
        return engine

    def folder_of(self, token: Token) -> BridgedFolder:
        """The work folder of the developer with this token. Refuses ``forbidden`` to one that only reads."""
        if not token.allows("work"):
            raise Refused(
                "forbidden",
                f"The token {token.name!r} has the scope {token.scope}; a bridge needs work.",
                "Ask the user for another one: wfe-mcp login URL",
            )
        engine = self.engine_for(token)
        with self._lock:
            if self._folders is None:
                from wfe_mcp.engine.bridge.folders import BridgedFolders

                self._folders = BridgedFolders()
        return self._folders.folder_of(engine, token.name)

    def engines_of_people(self) -> Engines:
        """The engines of the pages that people see."""
        return self._engines_as("people")

    def engine_of_runner(self, project: str) -> Engine | None:
        """The engine that gives out and judges the checks of a project; None where its folder is gone."""
        return self._engines_as("runners").by_id(project)

    def engine_of_senders(self, project: str) -> Engine | None:
        """The engine for signed messages of other systems, which have no token; ``project`` empty: that of the page."""
        return self._engines_as("incoming").by_id(project or self.own_engine.project_id)

    def _engines_as(self, holder: str) -> Engines:
        with self._lock:
            if holder not in self._engines:
                self._engines[holder] = Engines(create_beside(self.own_engine, self.own_engine.project, holder))
            return self._engines[holder]

    def close(self) -> None:
        """End the background work; running jobs are taken over by another process."""
        with self._lock:
            kept = [*self._engines.values()]
        for engines in kept:
            engines.close()
        self.workers.stop()


def bearer(authorization: str) -> str:
    """The token in a header; empty where there is none."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


_BEARER = HTTPBearer(
    auto_error=False,
    description="A token made by: wfe-mcp token create NAME --scope read|work|manage; or that of a page's session",
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def _needs(scope: Scope) -> Callable[[Request, Bearer], Caller]:
    def caller(request: Request, credentials: Bearer) -> Caller:
        del credentials  # read by ``app.Authenticated``, before the path was even looked at
        request_caller: Caller = replace(request.state.caller, needs=scope)
        if not request_caller.token.allows(scope):
            if request_caller.login is not None:
                project = request_caller.access.project_of(request.path_params.get("run", ""))
                raise request_caller.access.too_little(request_caller.login, project, scope)
            if request_caller.is_page:
                raise Refused(
                    "forbidden",
                    f"This page was opened more than {duration(tokens.SESSION_S)} ago, so it only looks.",
                    "Type your PIN into it once, or open a new one: wfe-mcp ui",
                    data={"read_only": True},
                )
            raise Refused(
                "forbidden",
                f"The token {request_caller.token.name!r} has the scope {request_caller.token.scope}; this needs {scope}.",
                f"Make another one{request_caller.access.maker_of(scope)}",
            )
        return request_caller

    return caller


Reads = Annotated[Caller, Depends(_needs("read"))]
Works = Annotated[Caller, Depends(_needs("work"))]
Manages = Annotated[Caller, Depends(_needs("manage"))]
