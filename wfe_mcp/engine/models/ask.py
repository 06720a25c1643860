"""One question to a connection: a model over HTTP, or a command-line agent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.providers.call import Answer, Connection, Listener, ProviderFault, Question
from wfe_mcp.workspace.config.provider_kinds import facts_of

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.providers.agents import LaunchContext


def answer(
    engine: Engine, context: JobContext, connection: Connection, question: Question, listener: Listener
) -> Answer:
    """The answer of ``connection``. Raises ProviderFault; ``stopped`` when the job must stop."""
    if facts_of(connection.kind).is_network:
        from wfe_mcp.providers.questions import ask

        reply = ask(connection, question, listener, should_stop=lambda: context.stop.is_asked)
        return replace(reply, source=_source(connection))
    if connection.kind == "manual":
        raise ProviderFault(
            "not_configured",
            f"Provider {connection.provider!r} is a person: it answers no question by itself.",
            "Name a model. A person gives an opinion at a gate: its role asks for it by a file.",
        )
    from wfe_mcp.providers.agents import ask_agent

    launch = launch_context(engine, context, engine.root)
    return ask_agent(connection, question, launch, listener, should_stop=lambda: context.stop.is_asked)


def _source(connection: Connection) -> dict[str, str]:
    from wfe_mcp.providers.faults import VENDORS
    from wfe_mcp.workspace.config.origins import without_user

    named = {"address": connection.base_url or VENDORS.get(connection.kind, ""), "proxy": connection.proxy}
    return {name: without_user(url) for name, url in named.items() if url}


def launch_context(engine: Engine, context: JobContext, root: Path, log: Path | None = None) -> LaunchContext:
    """The environment of a CLI agent: working folder ``root``, child of the job, allowed variables."""
    from wfe_mcp.jobs.environment import MARK, child_env
    from wfe_mcp.jobs.job_context import mark_of
    from wfe_mcp.providers.agents import LaunchContext

    mark = {MARK: mark_of(context.job.id, context.job.fence)}
    return LaunchContext(root, context.run_child, lambda names: child_env(names, engine.environment) | mark, log)
