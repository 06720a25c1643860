"""What ``wfe-mcp server`` serves to runners: work, signs of life, reports, and how much waits.

POST /runner/v1/claim                          a runner's token; answers within ``wait_s``
GET  /runner/v1/waiting                        a runner's token; for an autoscaler
POST /runner/v1/jobs/ID/heartbeat|end|back     the token of the claim alone
     /git/PROJECT                              the same, for the tree of the job

A runner's token opens nothing else here, and no other token opens these paths.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.api.access import Access, bearer
from wfe_mcp.dashboard.api.replies import status_of
from wfe_mcp.engine.access.tokens import Token, note_use
from wfe_mcp.engine.background import runners
from wfe_mcp.engine.background.queues import projects_with_jobs
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.gates.runner_protocol import MAX_BODY_BYTES, AllWaiting, Claim, Heartbeat, Message, Offer, Report, Task
from wfe_mcp.workspace.git.service import GitGrant

_POLL_S = 0.5
_SMALL_BYTES = 100_000
_HINT = "Make one: wfe-mcp token create NAME --scope runner"
log = logging.getLogger("wfe_mcp.dashboard")
M = TypeVar("M", bound=Message)


def runner_routes(access: Access) -> list[Route]:
    """The paths below ``/runner/v1``."""

    async def claim(request: Request) -> Message:
        token = await run_in_threadpool(_runner, access, request)
        asked = await _read(request, Claim, _SMALL_BYTES)
        end = anyio.current_time() + asked.wait_s
        # Once: a question that outlives its runner says nothing about the one that was started in its place.
        await run_in_threadpool(runners.meet, access.own_engine, token, asked)
        while True:
            task = await run_in_threadpool(_next_task, access, token, asked)
            if task is not None or access.is_ending or anyio.current_time() >= end or await request.is_disconnected():
                return Offer(task=task)
            await anyio.sleep(min(_POLL_S, max(0.0, end - anyio.current_time())))

    async def waiting(request: Request) -> Message:
        token = await run_in_threadpool(_runner, access, request)
        waitings = await run_in_threadpool(lambda: runners.waiting_jobs(_engines(access, token)))
        return AllWaiting(waiting=tuple(waitings))

    async def heartbeat(request: Request) -> Message:
        beat = await _read(request, Heartbeat, _SMALL_BYTES)
        return await run_in_threadpool(lambda: runners.heartbeat(*_job(access, request), beat))

    async def end(request: Request) -> Message:
        await run_in_threadpool(_job, access, request)  # before 32 MB are read of anyone
        report = await _read(request, Report, MAX_BODY_BYTES)
        return await run_in_threadpool(lambda: runners.end(*_job(access, request), report))

    async def return_job(request: Request) -> Message:
        return await run_in_threadpool(lambda: runners.give_back(*_job(access, request)))

    return [
        Route("/runner/v1/claim", _answering(claim), methods=["POST"]),
        Route("/runner/v1/waiting", _answering(waiting), methods=["GET"]),
        *(
            Route(f"/runner/v1/jobs/{{job}}/{name}", _answering(action), methods=["POST"])
            for name, action in {"heartbeat": heartbeat, "end": end, "back": return_job}.items()
        ),
    ]


def git_grant(access: Access, authorization: str, project: str) -> GitGrant:
    """What the token of a claim opens of a repository. Refuses ``unauthorized`` and ``forbidden``."""
    return runners.job_grant(access.own_engine, bearer(authorization), project)


def _answering(handle: Callable[[Request], Awaitable[Message]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            message = await handle(request)
        except Refused as refused:
            if request.url.path.endswith("/end"):
                log.warning("a runner's report was refused: %s", refused.message)
            error = {"code": refused.code, "message": refused.message, "hint": refused.hint}
            return JSONResponse({"ok": False, "error": error}, status_of(refused.code))
        return Response(message.model_dump_json(), media_type="application/json")

    return answer


async def _read(request: Request, kind: type[M], most: int) -> M:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > most:
            raise Refused("too_large", f"The message has more than {most:,} bytes.", "Send less.")
    try:
        return await run_in_threadpool(kind.model_validate_json, bytes(content))
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(
            "bad_argument", f"{kind.__name__}: {place}: {first['msg']}", "Update the program there."
        ) from None


def _runner(access: Access, request: Request) -> Token:
    text = bearer(request.headers.get("authorization", ""))
    token = access.token_of(text) if text else None
    if token is None:
        raise Refused("unauthorized", "The token of the runner is missing, unknown, revoked or expired.", _HINT)
    if not token.allows("runner"):
        raise Refused("forbidden", f"The token {token.name!r} has the scope {token.scope}, not runner.", _HINT)
    note_use(access.own_engine, token)
    return token


def _job(access: Access, request: Request) -> tuple[Engine, str, str]:
    """The engine of the project of a claim, its token and its job. Refuses ``unauthorized`` and ``unavailable``."""
    text = bearer(request.headers.get("authorization", ""))
    project = runners.project_of(access.own_engine, text)
    engine = access.engine_of_runner(project)
    if engine is None:
        raise Refused("unavailable", "The folder of this project is not there any more.", "Ask who runs the server.")
    return engine, text, request.path_params["job"]


def _engines(access: Access, token: Token) -> list[Engine]:
    projects = [token.project] if token.project else sorted(projects_with_jobs(access.own_engine, ("runner",)))
    engines = [access.engine_of_runner(project) for project in projects]
    return [engine for engine in engines if engine is not None]


def _next_task(access: Access, token: Token, claim: Claim) -> Task | None:
    for engine in _engines(access, token):
        access.workers.work(engine)
        if (task := runners.next_task(engine, token, claim)) is not None:
            return task
    return None
