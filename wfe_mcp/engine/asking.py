"""How is one question put to whatever fills a role: a model over HTTP, or the CLI of another agent?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.providers.call import Answer, Connection, Listener, ProviderFault, Question

if TYPE_CHECKING:
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.jobs.handling import JobContext

__all__ = ["answer"]


def answer(
    engine: Engine, context: JobContext, connection: Connection, question: Question, listener: Listener
) -> Answer:
    """The answer of ``connection``. Raises ProviderFault; ``stopped`` when the job must stop."""
    from wfe_mcp.workspace.kinds import KIND_FACTS

    if KIND_FACTS[connection.kind].is_network:
        from wfe_mcp.providers.asking import ask

        return ask(connection, question, listener, should_stop=lambda: context.stop.is_asked)
    if connection.kind == "manual":
        raise ProviderFault(
            "not_configured",
            f"Provider {connection.provider!r} is a person: it answers no question by itself.",
            "Name a model for the role, or use an approval gate.",
        )
    raise ProviderFault("not_configured", f"Provider {connection.provider!r} cannot be asked yet.")
