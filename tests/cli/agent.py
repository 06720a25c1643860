"""What an agent and a program are answered in the project of a terminal: their texts are followed as those of commands."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client

from tests.dashboard.api.client import Program
from wfe_mcp.core.model import By, Channel
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cli.scene import Terminal
    from wfe_mcp.engine.access.tokens import Scope
    from wfe_mcp.engine.kernel.engine import Engine


@contextmanager
def engine_of(cli: Terminal) -> Generator[Engine]:
    """The project as another process has it."""
    made = create_engine(project_at(cli.root), clock=cli.clock, holder="another")
    try:
        yield made
    finally:
        made.close()


def agent(cli: Terminal, tool: str, **arguments: Any) -> dict[str, Any]:
    """The envelope that the server answers a client with."""

    async def call() -> dict[str, Any]:
        opened = create_engine(project_at(cli.root), clock=cli.clock)
        session = ProjectSession(str(cli.root), os.environ, cli.root, opened=opened)
        async with Client(WfeServer(session), mode="auto") as client:
            found = await client.call_tool(tool, arguments)
            assert found.structured_content is not None
            return found.structured_content

    return cli.hear(anyio.run(call))


@contextmanager
def page_of(cli: Terminal, *, on_demand: bool = False) -> Generator[tuple[Engine, Page]]:
    """A decision page of the project, with its engine."""
    with engine_of(cli) as engine, serve_page(engine, None if on_demand else 0, on_demand=on_demand) as page:
        assert isinstance(page, Page)
        yield engine, page


def tab(engine: Engine, page: Page) -> Program:
    """A person's session, which the link of ``wfe-mcp ui`` opens."""
    code = link(engine, page.port).partition("#code=")[2]
    return Program(page.port, Program(page.port).post("/session", code=code).data["token"])


def program(cli: Terminal, method: str, path: str, scope: Scope = "work", **given: Any) -> dict[str, Any]:
    """What the HTTP API answers a program with a token; ``given``: ``fill`` of the path, and the body or the query."""
    with page_of(cli) as (engine, page):
        _, token = create_token(engine, By("ci", Channel.CLI), f"program-{len(cli.typed)}", scope)
        reply = getattr(Program(page.port, token), method)(path, **given)
    return cli.hear(reply.body)
