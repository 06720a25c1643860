"""Model calls by an installed package's code are recorded and limited, whatever that code does."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packages import install, on_the_path
from tests.providers.conftest import KEY, VERDICT, Heard
from wfe_mcp.providers import plugin_calls
from wfe_mcp.providers.call import Connection, Estimate, Limits, ProviderFault, Question, Task, Tool, ToolResult, Usage
from wfe_mcp.providers.probing import list_models, try_connection
from wfe_mcp.providers.questions import ask, work
from wfe_mcp.workspace.config.provider_kinds import InstalledKind

ODD = """
import threading
from types import SimpleNamespace as Provider
from wfe_mcp.providers.call import Answer, Estimate, ProviderFault, Usage, Worked

SEEN = []

def answer(value=None, usage=Usage(1, 10, 5), text=""):
    return lambda connection, question, listener, stop: Answer(text, value, usage, "m")

def announces(connection, question, listener, stop):
    for tokens in (10, 20):
        listener.before_call(connection, Estimate(tokens, 1))
        listener.after_call(connection, Usage(1, tokens, 1), None)
    return Answer("", {"verdict": "pass"}, Usage(2, 100, 2), "m")

def swallows(connection, question, listener, stop):
    for _ in range(3):
        try:
            listener.before_call(connection, Estimate(1, 1))
            listener.after_call(connection, Usage(1, 1, 1), None)
        except BaseException:
            pass
    return Answer("", {"verdict": "pass"}, Usage(), "m")

def raises(error):
    def ask(connection, question, listener, stop):
        raise error(connection)
    return ask

def hangs(connection, question, listener, stop):
    SEEN.append(threading.current_thread())
    while not GO.wait(0.05):
        pass
    try:
        listener.before_call(connection, Estimate(1, 1))
    except ProviderFault as fault:
        SEEN.append(fault.kind)
    return Answer("", None, Usage(1, 7, 7), "m")

GO = threading.Event()

def gives_up(connection, question, listener, stop):
    while not stop():
        GO.wait(0.01)
    return Answer("half", None, Usage(1, 7, 7), "m")

def works(connection, task, listener, stop):
    tool = task.tools[0]
    listener.said("I look.")
    said = [tool.run({"path": name}) for name in ("a", "b", "c")]
    listener.tool_started("x", tool.name, {})
    return Worked("done", {"verdict": "pass", "why": " ".join(each.text for each in said)}, "", Usage(1, 3, 3), "m")

def ends(ending, value=None):
    return lambda connection, task, listener, stop: Worked(ending, value, "so far", Usage(), "m", f"why {connection.api_key}")

passes = Provider(ask=answer({"verdict": "pass"}))
in_text = Provider(ask=answer(text='Sure:\\n```json\\n{"verdict": "fail"}\\n```'))
no_object = Provider(ask=answer(text="no idea"))
no_json = Provider(ask=answer({"verdict": {1, 2}}))
no_answer = Provider(ask=lambda *all: "pass")
odd_usage = Provider(ask=answer({}, Usage(1, -5, True, cost_usd=float("nan"))))
many = Provider(ask=announces)
deaf = Provider(ask=swallows)
leaks = Provider(ask=raises(lambda connection: ValueError(f"401 for {connection.api_key}")))
leaves = Provider(ask=raises(lambda connection: SystemExit(3)))
limited = Provider(ask=raises(lambda connection: ProviderFault("rate_limited", f"wait {connection.api_key}", retry_after_s=7)))
odd_fault = Provider(ask=raises(lambda connection: ProviderFault("stopped", "I want no more", usage=Usage(1, 4, 4))))
hanging = Provider(ask=hangs)
giving_up = Provider(ask=gives_up)
needy = Provider(ask=answer({}), needs_key=True, needs_model=True)
lists = Provider(ask=answer(text="ok"), list_models=lambda connection: ["big", "small", 3])
worker = Provider(ask=answer({}), work=works)
done_without = Provider(ask=answer({}), work=ends("done"))
too_many = Provider(ask=answer({}), work=ends("tool_limit"))
cancelled = Provider(ask=answer({}), work=ends("cancelled"))
no_worked = Provider(ask=answer({}), work=lambda *all: None)
WRONG = []

def learns(connection, question, listener, stop):
    WRONG.append(question.prompt)
    return Answer("", {"verdict": "pass" if "must be pass" in question.prompt else "fail"}, Usage(1, 1, 1), "m")

learner = Provider(ask=learns)

class Unmade:
    def ask(self): ...
no_ask = Provider()
odd_fact = Provider(ask=answer({}), needs_key="yes")
no_function = Provider(ask=answer({}), work=3)
"""
TASK = Task("Look", VERDICT)


@pytest.fixture(autouse=True)
def package(tmp_path: Path) -> Iterator[Any]:
    """A package with a provider for each way to be odd; its module."""
    import ast

    names = [
        node.targets[0].id
        for node in ast.parse(ODD).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    entries = {f"acme.{name}": f"odd_models:{name}" for name in [*names, "Unmade", "gone"]}
    with on_the_path(tmp_path / "site") as site:
        install(site, "acme-odd", {"wfe_mcp.providers": entries}, {"odd_models.py": ODD})
        import importlib

        yield importlib.import_module("odd_models")


def to(name: str, **more: Any) -> Connection:
    given: dict[str, Any] = {"api_key": KEY, **more}
    return Connection("mine", InstalledKind(f"acme.{name}"), **given)


def failed(call: Any, *args: Any, **more: Any) -> ProviderFault:
    with pytest.raises(ProviderFault) as caught:
        call(*args, **more)
    return caught.value


def test_its_answer_is_an_answer_and_the_call_is_announced_and_reported_by_us() -> None:
    heard = Heard()

    given = ask(to("passes"), Question("Is it right?", schema=VERDICT), heard)

    assert (given.value, given.usage, given.model) == ({"verdict": "pass"}, Usage(1, 10, 5), "m")
    assert (len(heard.before), heard.before[0].output_tokens, heard.after) == (
        1,
        8_192,
        [(Usage(1, 10, 5), "answered")],
    )
    assert heard.before[0].input_tokens > 30, "the question and its schema"


def test_what_a_listener_prevents_never_reaches_the_package(package: Any) -> None:
    class No(Heard):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        ask(to("learner"), Question("?"), No())
    assert package.WRONG == []


def test_calls_that_it_announces_are_rows_of_their_own_and_no_usage_is_lost() -> None:
    heard = Heard()

    given = ask(to("many"), Question("?", schema=VERDICT), heard)

    assert [usage.input_tokens for usage, _ in heard.after] == [10, 90], "70 it did not report are on the last one"
    assert len(heard.before) == 2
    assert given.usage.input_tokens == 100


def test_a_refusal_of_a_later_call_ends_the_whole_though_the_package_passes_over_it() -> None:
    class Once(Heard):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            if self.before:
                raise ConnectionAbortedError
            super().before_call(connection, estimate)

    heard = Once()
    with pytest.raises(ConnectionAbortedError):
        ask(to("deaf"), Question("?"), heard)
    assert (len(heard.before), len(heard.after)) == (1, 1)


def test_an_object_in_its_text_counts_and_without_a_schema_only_the_text_does() -> None:
    assert ask(to("in_text"), Question("?", schema=VERDICT)).value == {"verdict": "fail"}
    assert ask(to("passes"), Question("?")).value is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("no_object", "unparsable", "no JSON object"),
        ("no_json", "unparsable", "it is not JSON"),
        ("no_answer", "other", "returned str instead of an Answer"),
        ("leaks", "other", "ValueError: 401 for"),
        ("leaves", "other", "SystemExit: 3"),
        ("limited", "rate_limited", "wait"),
        ("odd_fault", "other", "I want no more"),
        ("gone", "not_configured", "AttributeError"),
        ("nowhere", "not_configured", "no installed package provides"),
        ("Unmade", "not_configured", "must be an instance"),
        ("no_ask", "not_configured", "has no function 'ask'"),
        ("odd_fact", "not_configured", "needs_key must be True or False"),
        ("no_function", "not_configured", "its work must be a function"),
    ],
)
def test_whatever_it_does_is_a_fault_that_holds_no_key(
    name: str, kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    with caplog.at_level(logging.DEBUG):
        fault = failed(ask, to(name), Question("?", schema=VERDICT), heard)

    assert (fault.kind, words in fault.message) == (kind, True), fault.message
    assert KEY not in fault.message + fault.hint + repr(fault) + caplog.text
    assert (fault.__cause__, fault.__context__) == (None, None), "no frame of the package, which holds the connection"
    assert heard.ends == ([] if kind == "not_configured" else [kind])


def test_what_its_own_fault_says_of_waiting_and_usage_is_kept() -> None:
    assert failed(ask, to("limited"), Question("?")).retry_after_s == 7
    assert failed(ask, to("odd_fault"), Question("?")).usage.input_tokens == 4


def test_usage_that_is_no_number_counts_as_nothing() -> None:
    assert ask(to("odd_usage"), Question("?", schema=VERDICT)).usage == Usage(1, 0, 1)


def test_it_is_not_called_without_the_key_and_the_model_that_it_says_it_needs() -> None:
    assert "has no key" in failed(ask, to("needy", api_key=None), Question("?")).message
    assert "No model is set" in failed(ask, to("needy"), Question("?")).message
    assert ask(to("needy", model="big"), Question("?")).model == "m"


def test_a_stop_ends_it_and_what_it_used_until_then_counts() -> None:
    heard = Heard()
    fault = failed(ask, to("giving_up"), Question("?"), heard, lambda: True)
    assert (fault.kind, fault.usage.input_tokens, heard.ends) == ("stopped", 7, ["stopped"])


def test_code_that_does_not_end_is_left_and_can_announce_nothing_any_more(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "_GRACE_S", 0.01)
    heard = Heard()

    fault = failed(ask, to("hanging", total_s=0.01), Question("?"), heard)
    package.GO.set()
    package.SEEN[0].join(60)

    assert (fault.kind, package.SEEN[1:]) == ("timeout", ["stopped"])
    assert (len(heard.before), heard.ends) == (1, ["timeout"])


def test_the_models_that_it_lists_are_names_and_one_without_a_list_is_tried_all_the_same() -> None:
    assert list_models(to("lists")) == ("big", "small")
    assert list_models(to("passes")) == ()
    heard = Heard()
    tried = try_connection(to("lists"), heard)
    assert (tried.ok, tried.models, len(heard.before)) == (True, ("big", "small"), 1)
    assert failed(list_models, to("gone")).kind == "not_configured"


def looking(run: Any) -> Tool:
    return Tool("look", "Looks.", {"type": "object"}, run)


def test_its_use_of_our_tools_is_reported_by_us_and_bounded() -> None:
    heard = Heard()

    def sees(given: dict[str, Any]) -> ToolResult:
        return ToolResult(f"seen {given['path']}")

    tool = looking(sees)
    made = work(to("worker"), Task("Look", VERDICT, tools=(tool,), limits=Limits(tool_calls=2)), heard)

    assert (made.ending, (made.value or {})["why"]) == (
        "done",
        "seen a seen b The limit of 2 tool calls is reached.",
    )
    assert [(name, what) for _, name, what in heard.tools] == [
        ("look", "started"),
        ("look", "seen a"),
        ("look", "started"),
        ("look", "seen b"),
    ]
    assert (heard.texts, heard.after) == (["I look."], [(Usage(1, 3, 3), "answered")])


def test_a_tool_that_fails_is_a_refusal_that_the_model_reads() -> None:
    def fails(given: dict[str, Any]) -> ToolResult:
        raise LookupError(f"no {given['path']}")

    made = work(to("worker"), Task("Look", VERDICT, tools=(looking(fails),)))
    assert (made.value or {})["why"] == "no a no b no c"


@pytest.mark.parametrize(
    ("name", "ending"), [("done_without", "no_answer"), ("too_many", "tool_limit"), ("cancelled", "no_answer")]
)
def test_work_without_an_output_says_what_there_is_and_why(name: str, ending: str) -> None:
    made = work(to(name), TASK)
    assert (made.ending, made.value, made.text, KEY in made.why) == (ending, None, "so far", False)


def test_work_that_ends_with_something_else_is_a_fault() -> None:
    assert "instead of a Worked" in failed(work, to("no_worked"), TASK).message


def test_one_that_only_answers_is_asked_for_the_output_until_it_is_right(package: Any) -> None:
    def wrong(value: dict[str, Any]) -> list[str]:
        return [] if value["verdict"] == "pass" else ["/verdict: must be pass"]

    heard = Heard()
    made = work(to("learner"), Task("Look", VERDICT, validate=wrong), heard)

    assert (made.ending, made.value, made.usage) == ("done", {"verdict": "pass"}, Usage(2, 2, 2))
    assert "What was wrong" in package.WRONG[1]
    assert len(heard.before) == len(heard.after) == 2


def test_one_that_never_learns_ends_without_an_answer() -> None:
    made = work(to("learner"), Task("Look", VERDICT, limits=Limits(invalid_outputs=1), validate=lambda _: ["no"]))
    assert (made.ending, made.text, made.usage.requests) == ("no_answer", '{"verdict": "fail"}', 2)


def test_work_that_is_stopped_is_cancelled_and_work_out_of_time_is_timed_out(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "_GRACE_S", 0.01)
    package.worker.work = package.hangs

    assert work(to("worker"), TASK, should_stop=lambda: True).ending == "cancelled"
    assert work(to("worker"), Task("Look", VERDICT, limits=Limits(total_s=0.01))).ending == "timed_out"
    package.GO.set()
    for seen in [each for each in package.SEEN if isinstance(each, threading.Thread)]:
        seen.join(60)
