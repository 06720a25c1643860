"""One question to a model, or a task with tools, over HTTP or through a package's provider."""

from wfe_mcp.providers.call import (
    Answer,
    Connection,
    Listener,
    ProviderFault,
    Question,
    ShouldStop,
    Silent,
    Task,
    Worked,
    never,
)
from wfe_mcp.providers.cancellable import LOADING, Tally, Watch, WorkCancelled, finish
from wfe_mcp.providers.faults import VENDORS, fault, plainly
from wfe_mcp.workspace.config.origins import is_loopback, origin_fault
from wfe_mcp.workspace.config.provider_kinds import facts_of

HTTP_KINDS = ("anthropic", "openai", "openai-compatible", "gemini")
"""The kinds of provider that are called over HTTP."""


def ask(
    connection: Connection, question: Question, listener: Listener | None = None, should_stop: ShouldStop = never
) -> Answer:
    """The answer of a model, by one streamed request. Raises ProviderFault; ``stopped`` when ``should_stop`` is True.

    Blocks this thread, which must not run an event loop. An exception of ``listener.before_call`` is raised unchanged.
    """
    if facts_of(connection.kind).is_installed:
        from wfe_mcp.providers.plugin_calls import ask_package  # it imports this module

        return ask_package(connection, question, listener, should_stop)
    refuse_unusable(connection)
    receiver, tally = listener or Silent(), Tally()

    async def answer_question(watch: Watch) -> Answer:
        # 0.5 s of CPU and more, on the first call of a process: not before one is made.
        with LOADING:
            from wfe_mcp.providers.sdk.questions import answer

        return await answer(connection, question, receiver, tally, watch)

    def ask_model() -> Answer:
        try:
            return finish(answer_question, should_stop)
        except WorkCancelled as ended:
            raise fault("too_slow" if ended.why == "too_slow" else "stopped", connection, usage=tally.usage) from None

    return plainly(ask_model)


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


def refuse_unusable(connection: Connection) -> None:
    """Refuse a connection that cannot be used over HTTP: other kind, no key, no model, no address, unencrypted key."""
    if connection.kind not in HTTP_KINDS:
        raise fault("not_http", connection)
    if connection.kind in VENDORS and not connection.api_key:
        raise fault("no_key", connection)
    if not connection.model:
        raise fault("no_model", connection)
    if connection.base_url is None:
        if connection.kind not in VENDORS:
            raise fault("no_address", connection)
    elif not is_loopback(connection.base_url):
        why = origin_fault(connection.base_url, connection.allow)
        if why:
            raise fault("plain_http", connection, why=why)
