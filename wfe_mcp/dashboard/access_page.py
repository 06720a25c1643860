"""The page of a person's access at a server: their tokens, the login of a machine by its code, their passkeys, and the way out.

    GET  /access             the tokens that they see, and the forms
    POST /access/make        a token, shown once in the answer
                /end         end a token
                /machine     who asks with this code
                /confirm     let that machine work in a project as them
                /away        be away until a day, or say it of others as an admin; back: be there again
                /address     where they get messages about decisions

Rules of tokens: ``engine/access/own_tokens.py``; of codes: ``engine/access/device.py``; of absence: ``engine/people/absence.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import not_ours
from wfe_mcp.dashboard.fields import field, hidden, select_field, submit, text_field
from wfe_mcp.dashboard.html import Html, document, named_row, table, tag
from wfe_mcp.dashboard.sessions import Sessions
from wfe_mcp.engine.access import device, own_tokens
from wfe_mcp.engine.access.people import Login, People
from wfe_mcp.engine.access.tokens import Token
from wfe_mcp.engine.maintenance.projects import known_projects
from wfe_mcp.engine.notifications.people import MOST_CHARS, has_address, set_address
from wfe_mcp.engine.people import absence
from wfe_mcp.views.approvals.words import second
from wfe_mcp.workspace.config.server_table import ROLES, Role

_COLUMNS = ("Token", "May", "Project", "Until", "Last used", "Made by", "")
_DAYS = ("90", "30", "7", "1", "365")


class AccessPage:
    """The handlers. ``login_of``: the session that a handler was called with, which is one."""

    def __init__(self, people: People, sessions: Sessions, login_of: Callable[[str], Login]) -> None:
        self._people, self._sessions, self._login_of = people, sessions, login_of
        self._engine = people.engine

    def show(self, request: Request, session: str) -> Response:
        """The page."""
        del request
        return self._page(session)

    def change(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """What one of its forms asks for."""
        do = str(request.path_params["do"])
        acts = {"make": self._make, "end": self._end, "machine": self._machine, "confirm": self._confirm}
        act = (acts | {"away": self._away, "back": self._go_back, "address": self._set_address}).get(do)
        if act is None or not self._sessions.accepts(session, f"access {do}", form):
            return not_ours()
        return act(form, session)

    def _make(self, form: Mapping[str, str], session: str) -> Response:
        days = form.get("days", "")
        token, text = own_tokens.make_own(
            self._engine,
            self._login_of(session),
            form.get("name", ""),
            form.get("scope", ""),
            form.get("project", ""),
            int(days) if days.isdecimal() and len(days) < 5 else 0,
        )
        html = tag(
            "div",
            tag("p", f"Token {token.name} is shown only now. Send it as Authorization: Bearer TOKEN."),
            tag("pre", text),
            class_="note yes",
            role="status",
        )
        return self._page(session, html)

    def _end(self, form: Mapping[str, str], session: str) -> Response:
        own_tokens.end_seen(self._engine, self._login_of(session), form.get("name", ""))
        return RedirectResponse("/access", 303)

    def _machine(self, form: Mapping[str, str], session: str) -> Response:
        request = device.pending_request(self._engine, form.get("code", ""))
        names = self._projects(self._login_of(session), "work")
        ask = self._form(
            "confirm",
            session,
            tag("p", request.warning),
            hidden("code", request.user_code),
            select_field("In the project", "project", names.items()),
            submit("It is mine, log it in"),
        )
        return self._page(session, tag("div", tag("h2", f"Code {request.user_code}"), ask, class_="note warn"))

    def _confirm(self, form: Mapping[str, str], session: str) -> Response:
        login, project = self._login_of(session), form.get("project", "")
        if project not in self._projects(login, "work"):
            raise Refused("forbidden", "You have no role author in this project.", "Choose another one.")
        person = login.person
        request = device.confirm_device(self._engine, person.by, form.get("code", ""), project, person.row)
        text = f"{request.user} on {request.machine} may work as you now. Its token is below once the machine has taken it."
        return self._page(session, tag("p", text, class_="note yes", role="status"))

    def _away(self, form: Mapping[str, str], session: str) -> Response:
        login, to = self._login_of(session), form.get("deputy", "")
        absence.refuse_strangers(self._people, login, name := form.get("who", ""), to)
        absence.go_away(self._engine, login.person.by, name, form.get("until", ""), to)
        return RedirectResponse("/access", 303)

    def _go_back(self, form: Mapping[str, str], session: str) -> Response:
        login = self._login_of(session)
        absence.refuse_strangers(self._people, login, name := form.get("who", ""))
        absence.come_back(self._engine, login.person.by, name)
        return RedirectResponse("/access", 303)

    def _set_address(self, form: Mapping[str, str], session: str) -> Response:
        set_address(self._engine, self._login_of(session), form.get("address", "").strip())
        return RedirectResponse("/access", 303)

    def _messages(self, login: Login, session: str) -> list[Html]:
        """Where this person gets messages; the address itself is never shown again."""
        now = "You get messages." if has_address(self._engine, login) else "You get no messages."
        about = f"A decision that waits for you sends a message to an https address of yours, such as a chat's webhook. {now}"
        control = tag("input", type="url", id="address", name="address", maxlength=MOST_CHARS, autocomplete="off")
        form = self._form(
            "address", session, field("Address, empty for no messages", "address", control), submit("Keep")
        )
        return [tag("h2", "Messages"), tag("p", about), form]

    def _absences(self, login: Login, session: str) -> list[Html]:
        """Who is away, and the forms for those of whom this person says it."""
        with self._engine.store.read() as tx:
            roles, away = self._people.roles(tx), absence.absences(tx, self._engine.clock())
        me, others = login.person.name, sorted(name for name, role in roles.items() if {*role} & {*login.roles})
        own = [name for name in others if name == me or any(login.is_("admin", project) for project in roles[name])]
        rows = [
            tag(
                "li",
                f"{name} is {away[name].text}. ",
                self._form("back", session, hidden("who", name), submit("Is back", "btn")) if name in own else None,
            )
            for name in others
            if name in away
        ]
        deputies = [(name, _deputy(name, roles[name])) for name in others if name != me]
        form = self._form(
            "away",
            session,
            select_field("Who", "who", ((name, name) for name in sorted(own, key=lambda each: each != me))),
            field("Away until", "until", tag("input", type="date", id="until", name="until", required=True)),
            select_field("Deputy", "deputy", [("", "no one"), *deputies]),
            submit("Be away"),
        )
        about = "Meanwhile a deputy has the decisions that wait for you, where they can decide them themselves."
        return [tag("h2", "Absence"), tag("p", about), tag("ul", *rows, class_="listing"), form]

    def _page(self, session: str, notice: Html | None = None) -> Response:
        login = self._login_of(session)
        names = self._projects(login, "read")
        tokens = own_tokens.tokens_seen(self._engine, login)
        own = [token for token in tokens if token.person == login.person.row]
        others = [token for token in tokens if token not in own]
        keys = [tag("li", tag("a", name, href=f"/approvers/{id_}")) for id_, name in names.items()]
        body = [
            tag("h1", f"Access of {login.person.name}"),
            notice,
            tag("h2", "Your tokens"),
            self._table(own, names, session) if own else tag("p", "You have none.", class_="quiet"),
            self._making(login, names, session),
            *(self._logging_in(session) if any(login.is_("author", project) for project in names) else ()),
            tag("h2", "Tokens of others in projects that you administer") if others else None,
            self._table(others, names, session) if others else None,
            *self._absences(login, session),
            *self._messages(login, session),
            tag("h2", "Passkeys of your projects"),
            tag("ul", *keys, class_="listing"),
            tag("p", tag("a", "Inbox", href="/"), " · ", tag("a", "Log out", href="/logout")),
        ]
        return HTMLResponse(document("Access", *body))

    def _making(self, login: Login, names: Mapping[str, str], session: str) -> Html:
        scopes = {scope for project in names for scope in own_tokens.scopes_in(login, project)}
        chosen = [scope_name for scope_name in ("work", "read", "manage", "runner") if scope_name in scopes]
        return self._form(
            "make",
            session,
            text_field("Name", "name", required=True),
            select_field("May", "scope", ((scope_name, scope_name) for scope_name in chosen)),
            select_field("In the project", "project", names.items()),
            select_field("For how many days", "days", ((day, day) for day in _DAYS)),
            submit("Make a token"),
        )

    def _logging_in(self, session: str) -> list[Html]:
        about = (
            "wfe-mcp login shows a code on your machine. Type it here; you are shown who asks before anything happens."
        )
        form = self._form("machine", session, text_field("Code", "code", required=True), submit("Show who asks", "btn"))
        return [tag("h2", "Log in a machine"), tag("p", about), form]

    def _table(self, rows: Sequence[Token], names: Mapping[str, str], session: str) -> Html:
        return table(
            _COLUMNS,
            (
                named_row(
                    _COLUMNS,
                    (
                        tag("code", row.name),
                        row.scope,
                        names.get(row.project, row.project),
                        self._end_of(row),
                        second(row.used_at) if row.used_at else "never",
                        row.owner,
                        self._form("end", session, hidden("name", row.name), submit("End", "btn")),
                    ),
                )
                for row in rows
            ),
        )

    def _end_of(self, token: Token) -> str:
        if token.expires_at is None:
            return "without an end"
        return f"{'expired ' if token.expires_at <= self._engine.clock() else ''}{second(token.expires_at)}"

    def _projects(self, login: Login, scope: str) -> dict[str, str]:
        """The projects in which they may make a token of ``scope``, with their names."""
        with self._engine.store.read() as tx:
            projects = known_projects(tx)
        return {project.id: project.name for project in projects if scope in own_tokens.scopes_in(login, project.id)}

    def _form(self, do: str, session: str, *content: Html) -> Html:
        token = hidden("token", self._sessions.token(session, f"access {do}"))
        return tag("form", token, *content, method="post", action=f"/access/{do}")


def _deputy(name: str, held: Mapping[str, Role]) -> str:
    """The option of a person: whose ``held`` roles decide in no project takes over nothing."""
    decides = any(ROLES.index(role) >= ROLES.index("approver") for role in held.values())
    return name if decides else f"{name} (decides nothing: no effect)"
