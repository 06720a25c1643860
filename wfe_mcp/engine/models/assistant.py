"""The assistant: a model answers a person's question with tools that only read.

Rules:
1. It changes nothing: its tools read, and what it proposes is text for the person.
2. The role ``assistant`` names the model; without it ``default`` does. A program with tools of its own is refused.
3. Every call is recorded and counts against the budgets of the day, as any other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wfe_mcp.core.errors import Code, Refused
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.budgets import OverBudget
from wfe_mcp.engine.models.call_log import Recording
from wfe_mcp.engine.models.connections import connections_of
from wfe_mcp.providers.call import Connection, Limits, ProviderFault, Task, Tool, Worked
from wfe_mcp.store.records.calls import CallPurpose
from wfe_mcp.workspace.config.provider_kinds import ProviderKind, facts_of

ROLE = "assistant"
LIMITS = Limits(tool_calls=24, requests=12, total_s=300.0)
"""Of one question: what it may read, and for how long."""
_TEXT: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def ask_assistant(
    engine: Engine,
    prompt: str,
    system: str,
    tools: Sequence[Tool],
    on_text: Callable[[str], None],
    on_read: Callable[[str, Mapping[str, Any]], None],
    should_stop: Callable[[], bool],
) -> tuple[Connection, Worked]:
    """Who answered, and how it ended. ``on_text`` gets each piece of text, ``on_read`` each tool before it is called.

    Refuses ``unavailable``: the provider failed, or cannot work with our tools; ``needs_human``: over a budget; and what
    ``connections_of`` refuses.
    """
    from wfe_mcp.providers.questions import work

    task = Task(prompt, _TEXT, system, tuple(tools), LIMITS, is_text=True)
    failed: ProviderFault | None = None
    for connection in connections_of(engine, ROLE, declared=True):
        if failed is not None and not facts_of(connection.kind).is_network:
            continue  # no fallback of the assistant: what is wrong is the one before
        refuse_own_tools("unavailable", connection.provider, connection.kind)
        try:
            return connection, work(connection, task, _Reported(engine, on_text, on_read), should_stop)
        except OverBudget as over:
            raise over.as_refused() from None
        except ProviderFault as fault:
            failed = fault
            if not fault.passes:
                break
    assert failed is not None, "there is at least one connection"
    raise Refused("unavailable", failed.message, failed.hint)


def refuse_own_tools(code: Code, provider: str, kind: ProviderKind) -> None:
    """Refuse a provider that cannot be the assistant: a program or a person, which the record does not restrict."""
    if not facts_of(kind).is_network:
        raise Refused(
            code,
            f"Provider '{provider}' ({kind}) works with tools of its own; the assistant has only ours, which read.",
            f"Name a model over HTTP: wfe-mcp providers role {ROLE} PROVIDER MODEL",
        )


class _Reported(Recording):
    """Records the calls, and passes on what happens meanwhile."""

    def __init__(
        self, engine: Engine, on_text: Callable[[str], None], on_read: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        super().__init__(engine, None, CallPurpose.QUESTION, ROLE)
        self._on_text, self._on_read = on_text, on_read

    def _show(self, text: str) -> None:
        if text:
            self._on_text(text)

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        self._on_read(name, given)
