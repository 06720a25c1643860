"""Tasks with tools reach their output, and every limit ends them with a readable result."""

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer, RecordedRequest
from tests.providers.conftest import VERDICT, Connect, Heard
from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import Connection, Estimate, Limits, ProviderFault, Task, Tool, ToolResult
from wfe_mcp.providers.questions import work

DONE = Turn(text="It is good.", calls=(Call("hand_in", {"verdict": "pass"}),))
PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


def reader(run: Callable[[dict[str, Any]], ToolResult]) -> Tool:
    return Tool("read", "Read a file.", PATH, run)


def contents(given: dict[str, Any]) -> ToolResult:
    return ToolResult(f"the content of {given['path']}")


def reading(*paths: str, text: str = "") -> Turn:
    return Turn(text=text, calls=tuple(Call("read", {"path": path}) for path in paths))


def test_a_model_reads_with_its_tools_and_submits_its_output(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([reading("a.py", "b.py", text="I look. "), DONE]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, "You review.", (reader(contents),)), heard)

    assert (worked.ending, worked.value, worked.text, worked.why) == ("done", {"verdict": "pass"}, "It is good.", "")
    assert worked.usage.requests == server.count == 2
    assert [name for _, name, _ in heard.tools] == ["read"] * 4
    assert [what for _, _, what in heard.tools] == [
        "started",
        "the content of a.py",
        "started",
        "the content of b.py",
    ]
    assert heard.given == [{"path": "a.py"}, {"path": "b.py"}]
    assert "".join(heard.texts) == 'I look. It is good.{"verdict": "pass"}'
    assert "the content of b.py" in str(server.asked[1].body)
    assert "You review." in str(server.asked[1].body)


def test_usage_is_summed_and_every_call_announced_with_what_it_grew_to(connect: Connect) -> None:
    heard = Heard()
    turns = [reading("a.py"), Turn(value={"verdict": "pass"}, input_tokens=70, output_tokens=5)]
    with ModelServer(turns) as server:
        worked = work(connect(server), Task("Review it", VERDICT, tools=(reader(contents),)), heard)

    assert worked.usage.input_tokens == sum(usage.input_tokens for usage, _ in heard.after)
    assert heard.ends == ["answered", "answered"]
    assert heard.before[1].input_tokens > heard.before[0].input_tokens > 0


def test_a_tool_that_refuses_or_breaks_is_reported_to_the_model_which_continues(connect: Connect) -> None:
    def picky(given: dict[str, Any]) -> ToolResult:
        match given["path"]:
            case "gone":
                return ToolResult("There is no file 'gone'.", ok=False)
            case "..":
                raise Refused("path_outside_project", "'..' leaves the project.", "Name a file in it.")
            case _:
                raise ValueError("a bug of the tool")

    heard = Heard()
    with ModelServer([reading("gone"), reading(".."), reading("x"), DONE]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, tools=(reader(picky),)), heard)

    assert worked.ending == "done"
    lines = [
        "There is no file 'gone'.",
        "'..' leaves the project. Name a file in it. [path_outside_project]",
        "a bug of the tool",
    ]
    assert [what for _, _, what in heard.tools if what != "started"] == [f"refused: {each}" for each in lines]
    assert all(each in str(server.asked[3].body) for each in ("leaves the project. Name a file", "a bug of the tool"))


@pytest.mark.parametrize("call", [Call("read", "[1]"), Call("read", '{"pa'), Call("unheard_of", {"a": 1})])
def test_a_call_that_makes_no_sense_reaches_no_tool_and_the_model_tries_again(connect: Connect, call: Call) -> None:
    heard = Heard()
    with ModelServer([Turn(calls=(call,)), DONE]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, tools=(reader(contents),)), heard)

    assert (worked.ending, heard.tools) == ("done", [])


def test_a_number_that_is_none_reaches_no_tool(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([Turn(calls=(Call("read", '{"path": NaN}'),)), DONE]) as server:
        try:
            worked = work(connect(server), Task("Review it", VERDICT, tools=(reader(contents),)), heard)
        except ProviderFault as fault:  # some APIs cannot even say it back
            assert fault.kind == "unparsable"
        else:
            assert worked.ending == "done"

    assert heard.tools == []


def test_tools_of_one_answer_run_one_after_the_other_outside_the_thread_of_the_call(connect: Connect) -> None:
    threads: list[int] = []
    inside: list[int] = []

    def slow(given: dict[str, Any]) -> ToolResult:
        inside.append(1)
        threads.append(threading.get_ident())
        threading.Event().wait(0.02)
        together = len(inside)
        inside.pop()
        return ToolResult(str(together))

    heard = Heard()
    with ModelServer([reading("a", "b", "c"), DONE]) as server:
        work(connect(server), Task("Review it", VERDICT, tools=(reader(slow),)), heard)

    assert [what for _, _, what in heard.tools if what != "started"] == ["1", "1", "1"]
    assert threading.get_ident() not in threads


def test_an_argument_may_have_any_name(connect: Connect) -> None:
    names = {"ctx": 1, "self": 2, "class": 3, "ein Wort": 4}
    heard = Heard()
    with ModelServer([Turn(calls=(Call("read", names),)), DONE]) as server:
        work(connect(server), Task("Do it", VERDICT, tools=(reader(lambda given: ToolResult(str(given))),)), heard)

    assert heard.tools[1][2] == str(names)


def test_an_output_that_is_not_valid_goes_back_to_the_model_with_what_is_wrong(connect: Connect) -> None:
    def valid(output: dict[str, Any]) -> list[str]:
        return [] if output.get("why") else ["/why: is missing", "say why"]

    good = Turn(value={"verdict": "fail", "why": "no tests"})
    with ModelServer([DONE, Turn(text='{"verdict": "pass"}'), good]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, validate=valid))

    assert (worked.ending, worked.value) == ("done", {"verdict": "fail", "why": "no tests"})
    assert "/why: is missing" in str(server.asked[1].body)
    assert server.count == 3


@pytest.mark.requirement("S1-09")
def test_an_output_that_never_becomes_valid_ends_readable(connect: Connect) -> None:
    with ModelServer([DONE] * 9) as server:
        task = Task("Review it", VERDICT, limits=Limits(invalid_outputs=2), validate=lambda _: ["never"])
        worked = work(connect(server), task)

    assert (worked.ending, worked.value, worked.text) == ("no_answer", None, '{"verdict": "pass"}')
    assert worked.why == "Its output was invalid 3 times, which is the limit."
    assert server.count == 3


def test_a_model_that_only_talks_is_asked_for_its_output_and_then_given_up(connect: Connect) -> None:
    with ModelServer([Turn(text=f"Thinking {n}.") for n in range(9)]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, limits=Limits(invalid_outputs=1)))

    assert (worked.ending, worked.text) == ("no_answer", "Thinking 1.")
    assert "hand_in" in str(server.asked[1].body)


@pytest.mark.requirement("S1-09")
@pytest.mark.parametrize(
    ("limits", "why", "tools"),
    [
        (Limits(tool_calls=2), "The model reached its limit of 2 tool calls.", 2),
        (Limits(requests=2), "The model reached its limit of 2 requests.", 4),
    ],
)
def test_a_loop_ends_at_its_limit_with_what_was_said(connect: Connect, limits: Limits, why: str, tools: int) -> None:
    heard = Heard()
    turns = [reading("a", "b", text=f"Step {n}.") for n in range(9)]
    with ModelServer(turns) as server:
        worked = work(connect(server), Task("Review it", VERDICT, tools=(reader(contents),), limits=limits), heard)

    assert (worked.ending, worked.value, worked.why) == ("tool_limit", None, why)
    assert worked.text.startswith("Step ")
    assert len([what for _, _, what in heard.tools if what == "started"]) == tools
    assert worked.usage.requests == server.count == len(heard.after)


@pytest.mark.requirement("S1-09")
def test_a_task_out_of_time_ends_in_the_middle_of_an_answer_with_what_was_said(connect: Connect) -> None:
    heard = Heard()
    with ModelServer([DONE]) as server:  # what a first task loads takes part of its second
        work(connect(server), Task("Review it", VERDICT), Heard())
    with ModelServer([Turn(text="I think that it could be", stall=True)]) as server:
        worked = work(connect(server), Task("Review it", VERDICT, limits=Limits(total_s=1.0)), heard)

    assert (worked.ending, worked.value) == ("timed_out", None)
    assert worked.text
    assert "I think that it could be".startswith(worked.text)
    assert worked.why == "The work did not finish within its limit of 1 s."
    assert heard.ends == ["stopped"]


def test_a_call_of_a_task_that_lasts_too_long_is_a_fault_of_the_provider(connect: Connect) -> None:
    heard = Heard()
    with (
        ModelServer([reading("a"), Turn(text="slow " * 20, drip_s=0.3)]) as server,
        pytest.raises(ProviderFault) as fault,
    ):
        work(connect(server, total_s=1.0), Task("Review it", VERDICT, tools=(reader(contents),)), heard)

    assert (fault.value.kind, fault.value.usage.requests) == ("timeout", 2)
    assert heard.ends == ["answered", "timeout"]


def test_a_task_is_cancelled_in_the_middle_of_an_answer(connect: Connect) -> None:
    stop = threading.Event()
    heard = Heard(spoken=lambda _: stop.set())
    with ModelServer([reading("a"), Turn(text="I think that it could be", stall=True)]) as server:
        task = Task("Review it", VERDICT, tools=(reader(contents),))
        worked = work(connect(server), task, heard, stop.is_set)

    assert (worked.ending, worked.value, worked.why) == ("cancelled", None, "The work was stopped.")
    assert heard.ends == ["answered", "stopped"]
    assert worked.usage.requests == 2


def test_a_task_is_cancelled_in_the_middle_of_a_tool_which_ends_first(connect: Connect) -> None:
    begun, ended = threading.Event(), threading.Event()

    def long(_: dict[str, Any]) -> ToolResult:
        begun.set()
        # As a tool of ours does: it asks the same question as the loop, and ends by itself.
        stopped = threading.Event()
        while not stopped.wait(0.3):
            stopped.set()
        ended.set()
        return ToolResult("half of it")

    heard = Heard()
    with ModelServer([reading("a")]) as server:
        worked = work(connect(server), Task("Do it", VERDICT, tools=(reader(long),)), heard, begun.is_set)

    assert worked.ending == "cancelled"
    assert ended.is_set()
    assert [what for _, _, what in heard.tools] == ["started", "half of it"]


def test_a_tool_that_does_not_end_is_left_behind(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.providers.sdk.tasks._GRACE_S", 0.2)
    begun, over = threading.Event(), threading.Event()

    def deaf(_: dict[str, Any]) -> ToolResult:
        begun.set()
        over.wait(60)
        return ToolResult("at last")

    heard = Heard()
    with ModelServer([reading("a")]) as server:
        worked = work(connect(server), Task("Do it", VERDICT, tools=(reader(deaf),)), heard, begun.is_set)
    over.set()

    assert worked.ending == "cancelled"
    assert heard.tools[-1][2] == "refused: The tool was still running when the work was stopped."


def test_a_provider_that_fails_after_some_calls_says_what_they_used(connect: Connect) -> None:
    turns = [reading("a"), Turn(status=429, retry_after="30")]
    with ModelServer(turns) as server, pytest.raises(ProviderFault) as fault:
        work(connect(server), Task("Do it", VERDICT, tools=(reader(contents),)))

    assert (fault.value.kind, fault.value.retry_after_s) == ("rate_limited", 30.0)
    assert fault.value.usage.requests == server.count == 2
    assert fault.value.usage.input_tokens > 0


def test_a_model_that_declines_is_a_fault(connect: Connect) -> None:
    with ModelServer([Turn(text="I cannot.", stop="refusal")] * 9) as server, pytest.raises(ProviderFault) as fault:
        work(connect(server), Task("Do it", VERDICT, limits=Limits(invalid_outputs=1)))

    assert fault.value.kind == "refused"
    assert server.count == 1


def test_a_model_cut_off_in_its_output_ends_readable(connect: Connect) -> None:
    cut = Turn(text="So far.", calls=(Call("hand_in", '{"verdict": "pa'),), stop="length")
    with ModelServer([cut] * 9) as server:
        worked = work(connect(server), Task("Do it", VERDICT, limits=Limits(invalid_outputs=1)))

    assert (worked.ending, worked.text) == ("no_answer", "So far.")


def test_a_listener_may_prevent_a_later_call(connect: Connect) -> None:
    class Over(Exception):
        pass

    class Cap(Heard):
        def before_call(self, connection: Connection, estimate: Estimate) -> None:
            super().before_call(connection, estimate)
            if len(self.before) > 1:
                raise Over

    cap = Cap()
    with ModelServer([reading("a"), DONE]) as server, pytest.raises(Over):
        work(connect(server), Task("Do it", VERDICT, tools=(reader(contents),)), cap)

    assert server.count == len(cap.after) == 1


def test_a_schema_that_holds_itself_is_worked_with_all_the_same(connect: Connect) -> None:
    tree = {
        "$defs": {"node": {"type": "object", "properties": {"below": {"$ref": "#/$defs/node"}}}},
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
    }
    with ModelServer([Turn(value={"root": {"below": {}}})]) as server:
        worked = work(connect(server), Task("Do it", tree))

    assert worked.value == {"root": {"below": {}}}
    assert "#/$defs/node" in str(server.asked[0].body)


def test_a_long_conversation_is_kept_by_the_vendor_between_its_calls() -> None:
    with ModelServer([reading("a"), DONE]) as server:
        connection = Connection("second", "anthropic", "claude-x", "k", server.origin)
        work(connection, Task("Do it", VERDICT, tools=(reader(contents),)))

    assert all("cache_control" in str(asked.body) for asked in server.asked)


@pytest.mark.requirement("S1-12")
def test_older_tool_results_are_left_out_when_the_context_fills_and_the_task_never_is(connect: Connect) -> None:
    def long(given: dict[str, Any]) -> ToolResult:
        if given["path"] == "3":
            return ToolResult("THE LAST ERROR " + "e" * 2_000, ok=False)
        return ToolResult(f"BEGIN-{given['path']} " + "x" * 6_000)

    heard = Heard()
    turns = [*(reading(str(n)) for n in range(6)), DONE]
    with ModelServer(turns) as server:
        task = Task("THE TASK", VERDICT, tools=(reader(long),), limits=Limits(context_tokens=12_000, context_share=0.6))
        worked = work(connect(server), task, heard)

    assert worked.ending == "done"
    sent = [str(asked.body) for asked in server.asked]
    assert all("THE TASK" in body and "verdict" in body for body in sent)
    assert "Left out to save space: read returned 6,008 characters, starting: BEGIN-0" in sent[-1]
    assert "Left out" not in sent[1]
    assert "x" * 6_000 in sent[-1]  # the newest
    assert "THE LAST ERROR " + "e" * 2_000 in sent[-1]
    assert max(map(len, sent)) < 36_000
    assert len([what for _, _, what in heard.tools if len(what) > 6_000]) == 5  # the originals were reported


def test_no_more_is_left_out_than_must_be_and_it_stays_so(connect: Connect) -> None:
    def said(given: dict[str, Any]) -> ToolResult:
        return ToolResult(f"BEGIN-{given['path']} " + "x" * 1_500)

    with ModelServer([*(reading(str(n)) for n in range(9)), DONE]) as server:
        limits = Limits(context_tokens=10_000, context_share=0.4)
        work(connect(server), Task("Do it", VERDICT, tools=(reader(said),), limits=limits))

    whole = [{n for n in range(9) if f"BEGIN-{n} {'x' * 200}" in str(asked.body)} for asked in server.asked]
    gone = [set(range(turn)) - seen for turn, seen in enumerate(whole)]
    assert gone[-1]
    assert all(before <= after for before, after in pairwise(gone))  # what is gone stays gone, so the rest stays cached
    assert len({frozenset(each) for each in gone}) < 5
    assert 8 in whole[-1]


def test_a_conversation_that_fits_is_left_alone(connect: Connect) -> None:
    bodies: list[RecordedRequest] = []

    def remember(asked: RecordedRequest) -> Turn:
        bodies.append(asked)
        return DONE

    with ModelServer([reading("a"), remember]) as server:
        work(connect(server), Task("Do it", VERDICT, tools=(reader(lambda _: ToolResult("x" * 3_000)),)))

    assert "x" * 3_000 in str(bodies[0].body)
