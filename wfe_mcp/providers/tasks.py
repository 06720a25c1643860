"""How does a model over HTTP, or behind the code of a package, work on a task with tools?"""

from __future__ import annotations

from wfe_mcp.providers.call import Connection, Listener, ProviderFault, ShouldStop, Silent, Task, Worked, never
from wfe_mcp.providers.cancellable import Tally, Watch, WorkCancelled, finish
from wfe_mcp.providers.faults import fault, plainly
from wfe_mcp.providers.questions import checked
from wfe_mcp.workspace.config.provider_kinds import facts_of

__all__ = ["work"]


def work(
    connection: Connection, task: Task, listener: Listener | None = None, should_stop: ShouldStop = never
) -> Worked:  # fmt: skip
    """How the task ended: done, or at one of its limits with what was said last.

    Raises ProviderFault when the provider fails; its usage is that of all calls so far. Blocks this thread, which must not
    be that of an event loop. What ``listener`` or ``task.validate`` raise comes out as it is.
    """
    if facts_of(connection.kind).is_installed:
        from wfe_mcp.providers.plugin_calls import work_package  # who has no such package never loads it

        return work_package(connection, task, listener, should_stop)
    checked(connection)
    heard, tally = listener or Silent(), Tally()

    async def working(watch: Watch) -> Worked:
        # 0.5 s of CPU and more, on the first call of a process: not before one is made.
        from wfe_mcp.providers.sdk.tasks import worked

        return await worked(connection, task, heard, tally, watch)

    def done() -> Worked:
        try:
            return finish(working, should_stop, task.limits.total_s)
        except ProviderFault as raised:
            raised.usage = tally.usage
            raise
        except WorkCancelled as ended:
            if ended.why == "too_slow":
                raise fault("too_slow", connection, usage=tally.usage) from None
            if ended.why == "stopped":
                return Worked("cancelled", None, tally.text, tally.usage, connection.model, "It was stopped.")
            why = f"It was not done after {task.limits.total_s:g} s, which is the limit."
            return Worked("timed_out", None, tally.text, tally.usage, connection.model, why)

    return plainly(done)
