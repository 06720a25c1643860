"""The application of the HTTP API, and its OpenAPI document."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request

from wfe_mcp import __version__
from wfe_mcp.core.errors import Detail, Refused, nearest_hint, pointer
from wfe_mcp.core.limits import MESSAGE_BYTES
from wfe_mcp.dashboard.api import (
    assistant,
    authoring,
    credentials,
    decisions,
    forms,
    grants,
    library,
    live,
    runs,
    session,
    setup,
    steering,
    webhooks,
    work,
)
from wfe_mcp.dashboard.api.access import Access
from wfe_mcp.dashboard.api.replies import (
    TOO_LARGE,
    on_bug,
    on_http,
    on_long_path,
    on_malformed,
    on_refused,
    reader_is_person,
    refusals,
)
from wfe_mcp.dashboard.guard import App, Message, Receive, Scope, Send

ROOT = "/api/v1"
OPEN = {("GET", "/openapi.json"), ("POST", "/session"), ("POST", "/incoming/{name}")}
"""What needs no token: the description, the exchange of a code for one, and messages, whose access is their signature."""
_DESCRIPTION = """\
What wfe-mcp's tools and commands answer, over HTTP.

Every request needs `Authorization: Bearer TOKEN`; make a token with `wfe-mcp token create`. A token has the assurance of an
agent: where a person must decide first the answer is `needs_human`, what only a person does is `forbidden`. Answers have the
keys of a tool's answer; `next` names the calls that are legal now, by the names of the operations. A request that changes
something has the header `Content-Type: application/json`, also without a body.
"""

_ROUTERS = (
    session.router,
    grants.router,
    decisions.inbox,
    decisions.router,
    runs.router,
    forms.router,
    steering.router,
    authoring.router,
    library.router,
    setup.router,
    credentials.router,
    work.router,
    assistant.router,
    webhooks.router,
    live.router,
)


class BodyLimit:
    """Ends a request whose body is larger than a message of an MCP client may be, before it is in memory."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MESSAGE_BYTES.most:
                raise HTTPException(TOO_LARGE)
            return message

        await self._app(scope, receive_counted, send)


class Authenticated:
    """Answers no path but those of ``OPEN`` without a valid token: also none that does not exist."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = re.sub(r"^/incoming/[^/]+$", "/incoming/{name}", scope["path"].removeprefix(scope.get("root_path", "")))
        if scope["type"] != "http" or (scope["method"], path) in OPEN:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            caller = await run_in_threadpool(request.state.access.caller, request)
        except Refused as refused:
            await on_refused(request, refused)(scope, receive, send)
            return
        request.state.caller = caller
        reader_is_person.set(caller.is_page)
        await self._app(scope, receive, send)


def api(access: Access) -> App:
    """The API with the tokens and engines of ``access``."""
    app = described_app()

    async def with_access(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["access"] = access
        await app(scope, receive, send)

    return with_access


def _parameters(of: Dependant) -> Iterator[str]:
    """The names of the query parameters of an operation, with those of what it depends on."""
    yield from (parameter.alias for parameter in of.query_params)
    for inner in of.dependencies:
        yield from _parameters(inner)


async def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a question with a parameter that its operation lacks: a filter that is ignored gives a wrong answer."""
    if request.method != "GET" or not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    known = list(_parameters(route.dependant))
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        its = f"Its parameters: {', '.join(known)}." if known else "It has none."
        raise Refused(
            "bad_argument",
            f"GET {request.url.path} has no parameter {unknown[0]!r:.80}.",
            nearest_hint(unknown[0], known, its),
            details=tuple(Detail(pointer("query", name), "unknown parameter") for name in unknown),
        )


@cache
def described_app() -> FastAPI:
    """The paths and their description, made once per process: a request finds its ``Access`` in its state."""
    app = FastAPI(
        title="wfe-mcp",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses=refusals(),
        generate_unique_id_function=lambda route: route.name,
        servers=[{"url": ROOT}],
        dependencies=[Depends(_refuse_unknown_parameters)],
    )
    for router in _ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(RequestValidationError, on_malformed)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(OSError, on_long_path)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(Authenticated)
    app.add_middleware(BodyLimit)
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return described_app().openapi()
