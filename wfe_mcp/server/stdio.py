"""The transport between the wire and the SDK.

    reader thread ── call_soon_threadsafe ──► stream ──► SDK ──► Outgoing ──► wire

The SDK's own stdio transport is not used: it decodes every frame again, and does not answer a frame it cannot read.
"""

import asyncio
import logging
import math
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import ValidationError

from wfe_mcp.artifacts.isolated import end_children
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.fast_start import FastStart
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.server.served_project import ServedProject
from wfe_mcp.server.wire import INVALID_REQUEST, Malformed

THREADS_S = 0.5
"""How long the end of the process waits for threads whose request has ended."""


def run(front: FastStart, served: ServedProject, opened: Engine | None) -> int:
    """Serve until the client disconnects or a signal ends the process. The exit code is always 0.

    ``opened``: the engine of calls that are answered already.
    """
    take_streams(sys.platform)
    place = ProjectSession(
        served.flag, served.environment, served.cwd, starts_page=True, streams=front.wire.streams, opened=opened
    )
    with suppress(KeyboardInterrupt):
        anyio.run(_serve, front, WfeServer(place))
    front.wire.flush()
    _leave_threads()
    return 0


def take_streams(platform: str) -> None:
    """On Windows, connect the descriptors 0 and 1 to the standard handles again."""
    if platform == "win32":
        from mcp.os.win32.utilities import rebind_std_handle_to_fd

        for number in (0, 1):
            with suppress(OSError):
                rebind_std_handle_to_fd(number)


def _leave_threads() -> None:
    """End the process here when a thread still works for a client that has left: the interpreter would wait for it."""
    end = time.monotonic() + THREADS_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                end_children()
                logging.shutdown()
                os._exit(0)


async def _serve(front: FastStart, server: WfeServer) -> None:
    loop = asyncio.get_running_loop()
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](math.inf)

    def take(frame: dict[str, Any] | None) -> None:
        if frame is None:
            send.close()
            return
        try:
            message = jsonrpc_message_adapter.validate_python(frame, by_name=False)
        except ValidationError:
            front.wire.refuse(Malformed(INVALID_REQUEST, "the message is not a JSON-RPC 2.0 message", frame.get("id")))
            return
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # the server is stopping
            send.send_nowait(SessionMessage(message))

    def deliver(frame: dict[str, Any] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(take, frame)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows: the client ends the process
            loop.add_signal_handler(getattr(signal, name), take, None)
    front.attach(deliver)
    await server.serve(receive, Outgoing(front), greeted=front.has_greeted)


class Outgoing:
    """The stream to which the SDK writes."""

    def __init__(self, front: FastStart) -> None:
        self._front = front

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, unless the front has already answered its request."""
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError) and self._front.drops(message.id):
            return
        self._front.wire.write(message.model_dump_json(by_alias=True, exclude_unset=True))

    async def aclose(self) -> None:
        """Do nothing: the wire outlives the SDK."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
