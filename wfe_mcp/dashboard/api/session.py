"""Operations on the session of a page: begin it with the code of a link, look at it, end it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.api.access import Access, Bearer, Reads
from wfe_mcp.dashboard.api.bodies import Body, Pin
from wfe_mcp.dashboard.api.replies import answer_of, view_reply
from wfe_mcp.engine.access import tokens
from wfe_mcp.views.values.model import second, view_model
from wfe_mcp.workspace.system.process import user_name

router = APIRouter(tags=["session"])


@view_model
class SessionView:
    """Whose session it is. ``project``: the id of that which the page was started in. ``asks_pin``: this page takes the PIN. ``token``: only when the session begins.

    ``scope``: ``read`` looks, and ``manage`` does what an agent may; only the PIN decides. ``login``: a person at a server, who decides by passkey; ``roles``: theirs, by the id of the project.
    """

    user: str
    asks_pin: bool
    scope: str
    project: str = ""
    token: str = ""
    ends_at: str = ""
    login: bool = False
    roles: Mapping[str, str] = field(default_factory=dict[str, str])


class Code(Body):
    """The code of a link: what follows ``#code=``."""

    code: str = Field(max_length=300)


class Proof(Body):
    """The user's PIN."""

    pin: Pin


def _access(request: Request) -> Access:
    access: Access = request.state.access
    return access


@router.post("/session", response_model=answer_of(SessionView), openapi_extra={"security": []})
def begin_session(body: Code, access: Annotated[Access, Depends(_access)]) -> JSONResponse:
    """Exchange the code of a link for the token of a session, once. Links come from `wfe-mcp ui` and from hints."""
    token = access.begin_session(body.code)
    view = SessionView(user=user_name(), asks_pin=access.asks_pin, scope="manage", token=token)
    return view_reply("The session has begun.", view)


@router.get("/session", response_model=answer_of(SessionView))
def show_session(caller: Reads) -> JSONResponse:
    """Who this session or token acts as, and whether this page takes the PIN."""
    asks_pin = caller.is_page and caller.access.asks_pin
    user, token = caller.by.actor, caller.token
    here = caller.engine().project_id
    view = SessionView(
        user=user,
        asks_pin=asks_pin,
        scope=token.scope,
        project=here,
        ends_at=second(token.expires_at),
        login=caller.login is not None,
        roles=caller.login.roles if caller.login else {},
    )
    return view_reply(user, view)


@router.post("/session/confirm", response_model=answer_of(SessionView))
def confirm_session(caller: Reads, credentials: Bearer, body: Proof) -> JSONResponse:
    """Let a session that only looks, 12 hours after it began, do what a new one may, with the PIN."""
    engine = caller.engine()
    person = caller.person(engine, body.pin)
    assert credentials is not None, "a person with a PIN has a token"
    tokens.confirm_session(engine, person, credentials.credentials)
    view = SessionView(user=caller.by.actor, asks_pin=True, scope="manage")
    return view_reply("The session may do what a new one may.", view)


@router.post("/session/end", response_model=answer_of(SessionView))
def end_session(caller: Reads, credentials: Bearer) -> JSONResponse:
    """End this session: its token opens nothing any more."""
    caller.refuse_program()
    if caller.login is not None:
        raise Refused("forbidden", "A person logs out at /logout.", "Press Log out.")
    assert credentials is not None, "the caller has a token"
    tokens.end_session(caller.engine(), caller.by, credentials.credentials)
    return view_reply(
        "The session has ended.", SessionView(user=caller.by.actor, asks_pin=False, scope=caller.token.scope)
    )
