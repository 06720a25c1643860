"""Git over HTTP: fetch and push of what a token is for, by the ordinary git of a runner or of a developer's machine.

GET  /git/PROJECT/info/refs?service=git-upload-pack|git-receive-pack      the refs that were granted
POST /git/PROJECT/git-upload-pack | git-receive-pack                      a fetch, a push

Who calls, and which refs that opens, says the caller of this module (``GrantOf``); git does the rest (``workspace/git/service.py``).
"""

from __future__ import annotations

import logging
import tempfile
import zlib
from collections.abc import Callable, Generator
from typing import IO, TYPE_CHECKING, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.service import GitGrant, Service, serve

if TYPE_CHECKING:
    GrantOf = Callable[[str, str], GitGrant]
    """Of an ``Authorization`` header and a project's id; refuses ``unauthorized`` and ``forbidden``."""

SENT_BYTES = 1 << 30
"""The most that a request may send, unpacked."""
_PIECE_BYTES = 1 << 16
_SERVICES: dict[str, Service] = {service_name: service_name for service_name in get_args(Service)}
_STATUS = {"unauthorized": 401, "forbidden": 403, "too_large": 413, "bad_argument": 400}
log = logging.getLogger("wfe_mcp.dashboard")


def git_routes(grant_of: GrantOf) -> list[Route]:
    """The paths below ``/git`` for callers that ``grant_of`` knows."""

    async def list_refs(request: Request) -> Response:
        return await _answer(request, grant_of, request.query_params.get("service", ""), lists=True)

    async def spoken(request: Request) -> Response:
        return await _answer(request, grant_of, request.path_params["service"], lists=False)

    return [
        Route("/git/{project}/info/refs", list_refs, methods=["GET"]),
        Route("/git/{project}/{service}", spoken, methods=["POST"]),
    ]


async def _answer(request: Request, grant_of: GrantOf, asked: str, *, lists: bool) -> Response:
    answer = tempfile.TemporaryFile()  # noqa: SIM115 - open until it is sent
    try:
        service, grant = await _grant(request, grant_of, asked)
        with tempfile.TemporaryFile() as random:
            await _receive(request, random)
            if lists:
                first = f"# service={service}\n"
                answer.write(f"{len(first) + 4:04x}{first}0000".encode())
                answer.flush()
            reason = await run_in_threadpool(serve, grant, service, random, answer, lists=lists)
        if reason:
            log.info("%s of %s: %s", service, request.path_params["project"], reason)
    except Refused as refused:
        answer.close()
        if refused.data:
            log.warning("git for %s: %s", request.path_params["project"], refused.data)
        return PlainTextResponse(f"{refused.text}\n", _STATUS.get(refused.code, 503))
    except BaseException:
        answer.close()
        raise
    kind = f"application/x-{service}-{'advertisement' if lists else 'result'}"
    return StreamingResponse(_pieces(answer), media_type=kind)


async def _grant(request: Request, grant_of: GrantOf, asked: str) -> tuple[Service, GitGrant]:
    service = _SERVICES.get(asked)
    if service is None:
        raise Refused("bad_argument", f"{asked[:40]!r} is no service of git.", f"Use one of: {', '.join(_SERVICES)}")
    header, project = request.headers.get("authorization", ""), request.path_params["project"]
    grant = await run_in_threadpool(grant_of, header, project)
    if not grant.allows(service):
        raise Refused("forbidden", f"This token opens no {service} here.", "Use a token that was made for it.")
    return service, grant


async def _receive(request: Request, to: IO[bytes]) -> None:
    """The body of the request, unpacked, from its beginning. Refuses ``too_large`` and ``bad_argument``."""
    packed = request.headers.get("content-encoding", "identity")
    if packed not in {"gzip", "x-gzip", "identity"}:
        raise Refused("bad_argument", f"The encoding {packed[:40]!r} is not known.", "Send it as it is, or as gzip.")
    unpack = None if packed == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 16)
    size = 0
    async for piece in request.stream():
        left = SENT_BYTES - size + 1
        try:
            content = piece if unpack is None else unpack.decompress(piece, left)
        except zlib.error as fault:
            raise Refused("bad_argument", "The body is not gzip as its header says.", "Send it again.") from fault
        size += len(content)
        if size > SENT_BYTES:
            raise Refused("too_large", f"More than {SENT_BYTES >> 20} MiB at once.", "Push fewer commits at once.")
        await run_in_threadpool(to.write, content)
    to.flush()
    to.seek(0)


def _pieces(answer: IO[bytes]) -> Generator[bytes]:
    with answer:
        answer.seek(0)
        while piece := answer.read(_PIECE_BYTES):
            yield piece
