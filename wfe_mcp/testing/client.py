"""An in-process client of the real server, for tests.

    with connect(project, era) as agent:        the server, its worker and the SDK's client, all in this process
        agent.call("start_run", template=…)     the envelope, as JSON

Calls are plain functions: the event loop runs in a thread. Only the pipe is fake.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.testing.stdio_client import MODERN, Era, ProtocolError
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from anyio.from_thread import BlockingPortal
    from mcp import Client


_PATIENCE_S = 60.0


class Agent:
    """A connected client. ``calls`` are the tools it has called, in order."""

    def __init__(self, engine: Engine, client: Client, portal: BlockingPortal) -> None:
        self.engine = engine
        self.calls: list[str] = []
        self._client = client
        self._portal = portal

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its envelope. Raises ProtocolError when the answer is not an envelope."""
        self.calls.append(tool)
        envelope = self._portal.call(self._call, tool, arguments)
        if envelope is None:
            raise ProtocolError(f"{tool} answered without an envelope")
        return envelope

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        return (await self._client.call_tool(tool, arguments)).structured_content


@contextlib.contextmanager
def connect(
    where: Engine | Path,
    era: Era = MODERN,
    *,
    environment: Mapping[str, str] | None = None,
    answer_form: Callable[[str, dict[str, Any]], dict[str, Any] | None] | None = None,
    open_page: Callable[[str, str], bool] | None = None,
) -> Generator[Agent]:
    """An agent in the project ``where``: a folder, or an engine that the caller made and will close.

    ``environment`` is used with a folder, for example to name the database (default: this process's own).
    ``answer_form`` gets the message and schema of a form and answers with its content, or None to decline;
    ``open_page`` gets the message and address of a page and returns whether the person opens it. Without either the
    client shows no forms and no pages.
    """
    from anyio.from_thread import start_blocking_portal

    with contextlib.ExitStack() as stack:
        if isinstance(where, Engine):
            engine = where
        else:
            engine = create_engine(
                project_at(Path(where)), environment=os.environ if environment is None else environment
            )
            stack.callback(engine.close)
        portal = stack.enter_context(start_blocking_portal())
        client = stack.enter_context(portal.wrap_async_context_manager(_client(engine, era, answer_form, open_page)))
        yield Agent(engine, client, portal)


def _client(
    engine: Engine,
    era: Era,
    answer_form: Callable[[str, dict[str, Any]], dict[str, Any] | None] | None,
    open_page: Callable[[str, str], bool] | None,
) -> Client:
    # The SDK takes half a second to load: only with the first connection.
    from anyio import to_thread
    from mcp import Client
    from mcp_types import ElicitRequestURLParams, ElicitResult

    from wfe_mcp.server.app import WfeServer

    async def elicit(context: object, params: Any) -> ElicitResult:
        del context
        if isinstance(params, ElicitRequestURLParams):
            opens = open_page is not None and await to_thread.run_sync(open_page, params.message, params.url)
            return ElicitResult(action="accept" if opens else "decline")
        if answer_form is None:
            return ElicitResult(action="decline")
        content = answer_form(params.message, params.requested_schema)
        return ElicitResult(action="decline") if content is None else ElicitResult(action="accept", content=content)

    return Client(
        WfeServer(_place(engine)),
        mode="auto" if era == MODERN else "legacy",
        read_timeout_seconds=_PATIENCE_S,
        elicitation_callback=None if answer_form is None and open_page is None else elicit,
    )


def _place(engine: Engine) -> Any:
    """The engine's own project; closing the server leaves the caller's engine open."""
    from wfe_mcp.server.project_session import ProjectSession

    return ProjectSession(str(engine.root), engine.environment, engine.root)
