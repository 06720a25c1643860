"""A task with tools for a model, over HTTP or through a package's provider."""

from wfe_mcp.providers.call import Connection, Listener, ProviderFault, ShouldStop, Silent, Task, Worked, never
from wfe_mcp.providers.cancellable import LOADING, Tally, Watch, WorkCancelled, finish
from wfe_mcp.providers.faults import fault, plainly
from wfe_mcp.providers.questions import refuse_unusable
from wfe_mcp.workspace.config.provider_kinds import facts_of


def work(
    connection: Connection, task: Task, listener: Listener | None = None, should_stop: ShouldStop = never
) -> Worked:
    """How the task ended: done, or at one of its limits with the model's last text.

    Raises ProviderFault when the provider fails; its usage is that of all calls so far. Blocks this thread, which must not
    run an event loop. Exceptions of ``listener`` or ``task.validate`` are raised unchanged.
    """
    if facts_of(connection.kind).is_installed:
        from wfe_mcp.providers.plugin_calls import work_package  # loaded only for such a package

        return work_package(connection, task, listener, should_stop)
    refuse_unusable(connection)
    receiver, tally = listener or Silent(), Tally()

    async def working(watch: Watch) -> Worked:
        # 0.5 s of CPU and more, on the first call of a process: not before one is made.
        with LOADING:
            from wfe_mcp.providers.sdk.tasks import work_task

        return await work_task(connection, task, receiver, tally, watch)

    def work_done() -> Worked:
        try:
            return finish(working, should_stop, task.limits.total_s)
        except ProviderFault as raised:
            raised.usage = tally.usage
            raise
        except WorkCancelled as ended:
            if ended.why == "too_slow":
                raise fault("too_slow", connection, usage=tally.usage) from None
            if ended.why == "stopped":
                return Worked("cancelled", None, tally.text, tally.usage, connection.model, "The work was stopped.")
            why = f"The work did not finish within its limit of {task.limits.total_s:g} s."
            return Worked("timed_out", None, tally.text, tally.usage, connection.model, why)

    return plainly(work_done)
