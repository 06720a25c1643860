"""Calls to providers of installed packages.

    loaded at the first use ──► announced ──► ask | work, in a separate thread ──► Answer | Worked
                                                 └ stopped, or out of time: after a short grace period, abandoned

Rules:
1. The package's answer is checked: its type, its usage, that it is JSON. The schema is checked where every answer's is.
2. An exception of its code becomes a fault: a ``ProviderFault`` keeps its kind, any other is ``other``. Neither
   contains a key.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, Literal, TypeVar, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.call import (
    Answer,
    Connection,
    Estimate,
    Listener,
    ProviderFault,
    Question,
    ShouldStop,
    Silent,
    Task,
    Tool,
    Usage,
    Worked,
    never,
)
from wfe_mcp.providers.call_events import CallEvents
from wfe_mcp.providers.faults import count_usage, fault, in_our_words, plainly, quote_message
from wfe_mcp.providers.output import value_in
from wfe_mcp.providers.plugin import OfferedProvider, Work, load_provider
from wfe_mcp.providers.prices import IMAGE_TOKENS, tokens_of
from wfe_mcp.resources import PlugInFault
from wfe_mcp.workspace.system.redaction import hide, without_hidden

_TICK_S = 0.2
_GRACE_S = 5.0
"""Grace period for code that was asked to stop, in seconds."""

_LIST_S = 30.0
_ENDINGS = ("done", "tool_limit", "timed_out", "no_answer")
_WRONG = "{prompt}\n\n# What was wrong with your last output\n{output}\n\n{faults}"
_log = logging.getLogger(__name__)
T = TypeVar("T", Answer, Worked)


def ask_package(
    connection: Connection, question: Question, listener: Listener | None = None, should_stop: ShouldStop = never
) -> Answer:
    """The answer of the package's provider. Raises ProviderFault; an error of ``listener.before_call`` is raised unchanged."""

    def answer() -> Answer:
        provider = _usable(connection)
        events = CallEvents(listener or Silent(), connection)
        events.begin(_estimate(connection, question.prompt, question.system, question.schema, len(question.images)))
        watched = _WatchedCall(connection, should_stop, connection.total_s)
        return watched.reported_by(
            events,
            lambda stop: provider.ask(connection, question, events, stop),
            lambda given: _answer(connection, question, given),
        )

    return plainly(answer)


def work_package(
    connection: Connection, task: Task, listener: Listener | None = None, should_stop: ShouldStop = never
) -> Worked:
    """How the task ended. A provider without ``work`` is asked for the output, and again with the errors found."""

    def run_task() -> Worked:
        work = _usable(connection).work
        if work is None:
            return _asked_for(connection, task, listener, should_stop)
        return _worked_with(work, connection, task, listener or Silent(), should_stop)

    return plainly(run_task)


def models_of_package(connection: Connection) -> tuple[str, ...]:
    """The models that the package's provider lists; none where it lists none. Raises ProviderFault."""

    def package_models() -> tuple[str, ...]:
        list_models = _usable(replace(connection, model=connection.model or "any")).list_models
        if list_models is None:
            return ()
        models = _WatchedCall(connection, never, _LIST_S).run_call(lambda _: list_models(connection))
        every = cast("list[object]", models) if isinstance(models, (list, tuple)) else []
        return tuple(quote_message(model, connection) for model in every if isinstance(model, str))

    return plainly(package_models)


def _usable(connection: Connection) -> OfferedProvider:
    """The package's functions, loaded at the first use. Raises ProviderFault when the connection is incomplete."""
    if connection.api_key:
        hide(connection.api_key)
    try:
        provider = load_provider(connection.kind)
    except PlugInFault as broken:
        raise fault("no_package", connection, why=without_hidden(str(broken))) from None
    if provider.needs_key and not connection.api_key:
        raise fault("no_key", connection)
    if provider.needs_model and not connection.model:
        raise fault("no_model", connection)
    return provider


def _estimate(
    connection: Connection, prompt: str, system: str, schema: object, images: int = 0, tools: Sequence[Tool] = ()
) -> Estimate:
    texts = [prompt, system, "" if schema is None else json.dumps(schema)]
    texts += [f"{tool.name}{tool.description}{json.dumps(dict(tool.parameters))}" for tool in tools]
    return Estimate(sum(tokens_of(text) for text in texts) + images * IMAGE_TOKENS, connection.max_tokens)


def _worked_with(work: Work, connection: Connection, task: Task, listener: Listener, should_stop: ShouldStop) -> Worked:
    events = CallEvents(listener, connection)
    events.begin(_estimate(connection, task.prompt, task.system, task.schema, tools=task.tools))
    watched_task = replace(task, tools=tuple(events.tool(tool, task.limits.tool_calls) for tool in task.tools))
    total_s = min(connection.total_s, task.limits.total_s or connection.total_s)
    watched = _WatchedCall(connection, should_stop, total_s)
    try:
        return watched.reported_by(
            events, lambda stop: work(connection, watched_task, events, stop), lambda made: _output(connection, made)
        )
    except ProviderFault as raised:
        if not watched.ended:
            raise
        text = watched.late.text if isinstance(watched.late, Worked) else events.text
        if watched.ended == "stopped":
            return Worked("cancelled", None, text, raised.usage, connection.model, "The work was stopped.")
        why = f"The work did not finish within its limit of {total_s:g} s."
        return Worked("timed_out", None, text, raised.usage, connection.model, why)


def _asked_for(connection: Connection, task: Task, listener: Listener | None, should_stop: ShouldStop) -> Worked:
    """The output as the answer to a question; errors of an output are part of the next question."""
    until = monotonic() + (task.limits.total_s or connection.total_s)
    question = Question(task.prompt, task.system, task.schema)
    usage, text, model = Usage(), "", connection.model
    for _ in range(task.limits.invalid_outputs + 1):
        left_s = until - monotonic()
        if left_s <= 0:
            return Worked("timed_out", None, text, usage, model, "The work did not finish within its time limit.")
        try:
            answer = ask_package(
                replace(connection, total_s=min(connection.total_s, left_s)), question, listener, should_stop
            )
        except ProviderFault as raised:
            raised.usage = usage = usage + raised.usage
            if raised.kind == "stopped":
                return Worked("cancelled", None, text, usage, model, "The work was stopped.")
            if raised.kind != "unparsable":
                raise
            faults = [raised.message]
        else:
            usage, model, value = usage + answer.usage, answer.model, answer.value or {}
            text = json.dumps(value, ensure_ascii=False)
            faults = task.validate(value) if task.validate else []
            if not faults:
                return Worked("done", value, answer.text, usage, model)
        wrong = _WRONG.format(prompt=task.prompt, output=text, faults="\n".join(faults))
        question = replace(question, prompt=wrong)
    why = f"Its output was invalid {task.limits.invalid_outputs + 1} times, which is the limit."
    return Worked("no_answer", None, text, usage, model, why)


@dataclass(slots=True)
class _WatchedCall:
    """Runs code of a package with a time limit and a stop signal.

    ``ended``: why it was abandoned. ``late``: what it returned within the grace period.
    """

    connection: Connection
    should_stop: ShouldStop
    total_s: float
    ended: Literal["", "stopped", "too_slow"] = ""
    late: object = None

    def reported_by(self, events: CallEvents, call: Callable[[ShouldStop], object], read: Callable[[object], T]) -> T:
        """``read`` applied to the result of ``call``, with the total usage. Raises ProviderFault."""
        try:
            result = read(self.run_call(call))
        except ProviderFault as raised:
            raised.usage = events.end(raised.usage, raised)
            if events.refusal is not None:
                raise events.refusal from None
            raise
        except BaseException:
            events.end(Usage(), fault("stopped", self.connection))
            raise
        usage = events.end(result.usage)
        if events.refusal is not None:
            raise events.refusal
        return replace(result, usage=usage)

    def run_call(self, call: Callable[[ShouldStop], object]) -> object:
        """The result of ``call``, within the time limit. Raises ProviderFault for any exception of the package."""
        running, is_over = _Running(call), threading.Event()
        until = monotonic() + self.total_s
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(running, is_over.is_set), name="wfe-package", daemon=True
        )
        thread.start()
        try:
            while not self.ended:
                thread.join(_TICK_S)
                if not thread.is_alive():
                    return self._result_of(running)
                self.ended = "stopped" if self.should_stop() else "too_slow" if monotonic() >= until else ""
        finally:
            is_over.set()
        thread.join(_GRACE_S)
        self.late = running.value
        raise fault(self.ended, self.connection, usage=count_usage(getattr(running.value, "usage", None)))

    def _result_of(self, running: _Running) -> object:
        error = running.error
        if error is None:
            return running.value
        if isinstance(error, ProviderFault):
            ours = in_our_words(error, self.connection)
            ours.kind = "other" if ours.kind == "stopped" else ours.kind  # no stop was requested
            raise ours from None
        # The traceback without the error itself, whose text may hold anything.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("the provider %s failed: %s\n%s", self.connection.kind, type(error).__name__, where)
        message = without_hidden(f"{type(error).__name__}: {error}")
        raise fault("other", self.connection, detail=message) from None


@dataclass(slots=True)
class _Running:
    """The call in its thread, and how it ended."""

    call: Callable[[ShouldStop], object]
    value: object = None
    error: BaseException | None = None

    def __call__(self, stop: ShouldStop) -> None:
        try:
            self.value = self.call(stop)
        except BaseException as error:
            self.error = error


def _answer(connection: Connection, question: Question, given: object) -> Answer:
    """The answer of a package, checked."""
    if not isinstance(given, Answer):
        raise fault("other", connection, detail=f"it returned {type(given).__name__} instead of an Answer")
    usage = count_usage(given.usage)
    value = None if question.schema is None else _object(connection, given.value, given.text, usage)
    if question.schema is not None and value is None:
        raise fault("unreadable", connection, usage=usage, why="it contains no JSON object")
    return Answer(str(given.text), value, usage, _model(connection, given.model))


def _output(connection: Connection, given: object) -> Worked:
    """The result of a package's task, checked."""
    if not isinstance(given, Worked):
        raise fault("other", connection, detail=f"it returned {type(given).__name__} instead of a Worked")
    usage, model = count_usage(given.usage), _model(connection, given.model)
    ending = given.ending if given.ending in _ENDINGS else "no_answer"
    value = _object(connection, given.value, given.text, usage) if ending == "done" else None
    if ending == "done" and value is None:
        return Worked("no_answer", None, str(given.text), usage, model, "Its output contains no JSON object.")
    return Worked(ending, value, str(given.text), usage, model, quote_message(str(given.why), connection))


def _object(connection: Connection, value: object, text: object, usage: Usage) -> dict[str, Any] | None:
    """The value of an answer, else the JSON object in its text."""
    data = value if value is not None else value_in(str(text))
    if not isinstance(data, dict):
        return None
    try:
        return cast("dict[str, Any]", json.loads(canonical_json(cast("object", data))))
    except (TypeError, ValueError, RecursionError) as wrong:
        raise fault("unreadable", connection, usage=usage, why=f"it is not JSON: {wrong}") from None


def _model(connection: Connection, model: object) -> str:
    return (quote_message(model, connection) if isinstance(model, str) else "") or connection.model
