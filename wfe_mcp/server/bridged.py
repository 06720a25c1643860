"""The server's end of a bridge: the files of a developer's machine before a call, and what the call changed there after it.

    Wfe-Bridge: 1             the request comes over a bridge; every answer says so, too
    Wfe-Tree: COMMIT          the snapshot of the developer's files that the call is about; pushed before. In an answer: the
                              snapshot of the folder, where the call left other files
    Wfe-Files: COMMIT         files that no snapshot has and that the call names

Refusals are JSON, with the code, reason and next step that the bridge gives the agent. 409 with ``now`` and ``seen``: the folder has
changes of its own, which the bridge takes back first.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from wfe_mcp.core.bridge import PROTOCOL
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.bridge.folders import BehindError, BridgedFolder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

_STATUS = {"unauthorized": 401, "forbidden": 403, "unavailable": 503}
_BRIDGE = b"wfe-bridge"
log = logging.getLogger("wfe_mcp.server")


def is_bridged(scope: Message) -> bool:
    """Whether a request comes over a bridge."""
    return any(name == _BRIDGE for name, _ in scope["headers"])


async def answer_bridged(app: App, folder: BridgedFolder, scope: Message, receive: Receive, send: Send) -> None:
    """Let ``app`` answer in ``folder``, which has the developer's files first."""
    asked = {name: value.decode("latin-1") for name, value in scope["headers"] if name.startswith(b"wfe-")}
    tree = asked.get(b"wfe-tree", "")
    try:
        _refuse_other_version(asked[_BRIDGE])
        if tree:
            await to_thread.run_sync(folder.take_over, tree, asked.get(b"wfe-files", ""))
    except BehindError as behind:
        await _send(send, 409, {"now": behind.now, "seen": behind.seen})
        return
    except Refused as refused:
        await refuse_bridged(send, refused)
        return

    async def with_tree(message: Message) -> None:
        if message["type"] == "http.response.start":
            changed = await to_thread.run_sync(_changed_commit, folder, tree) if tree else ""
            more = [(_BRIDGE, PROTOCOL.encode()), *([(b"wfe-tree", changed.encode())] if changed else [])]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    await app(scope, receive, with_tree)


def _refuse_other_version(version: str) -> None:
    if version != PROTOCOL:
        raise Refused(
            "unavailable",
            f"This server speaks version {PROTOCOL} of the bridge, and the developer's machine {version[:9]!r}.",
            "Ask the user to install the same version on both machines.",
        )


def _changed_commit(folder: BridgedFolder, tree: str) -> str:
    try:
        return folder.changed_since(tree)
    except Refused as refused:  # the call has its answer; the next one looks again
        log.warning("what a call left in %s could not be saved: %s", folder.engine.root, refused)
        return ""


async def refuse_bridged(send: Send, refused: Refused) -> None:
    """Answer with a refusal for the bridge."""
    error = {"code": refused.code, "message": refused.message, "hint": refused.hint}
    await _send(send, _STATUS.get(refused.code, 400), {"error": error})


async def _send(send: Send, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (_BRIDGE, PROTOCOL.encode())]})
    await send({"type": "http.response.body", "body": body})
