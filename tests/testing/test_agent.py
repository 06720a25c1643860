"""The scripted agent follows its script exactly."""

import pytest

from wfe_mcp.testing.agent import ScriptEnded, Work, drive, resume
from wfe_mcp.testing.playground import Playground

GOOD = Work({"text": "Hello Ada"})


def test_a_script_is_played_to_the_end_of_the_run(playground: Playground):
    with playground.agent() as agent:
        played = drive(
            agent.call, playground.root, "hello", {"who": "Ada"}, {"draft": [GOOD]}, person=playground.approve
        )

    assert played.last["run_state"] == "completed"
    assert played.codes == ["needs_human"]
    assert playground.problems(played.run) == []


def test_each_attempt_does_what_the_script_says_for_it(playground: Playground):
    tries = [Work({"text": "Hi"}, {"other.txt": "x"}), Work({"text": "no"}, {"other.txt": None}), GOOD]

    with playground.agent() as agent:
        played = drive(
            agent.call, playground.root, "hello", {"who": "Ada"}, {"draft": tries}, person=playground.approve
        )

    assert played.codes == ["gate_failed", "gate_failed", "needs_human"]
    assert not (playground.root / "other.txt").exists()


def test_without_a_person_the_agent_stops_where_one_is_needed_and_can_continue_later(playground: Playground):
    with playground.agent() as agent:
        played = drive(agent.call, playground.root, "hello", {"who": "Ada"}, {"draft": [GOOD]})
        assert played.last["error"]["code"] == "needs_human"
        playground.approve(played.run, "draft")

        assert resume(agent.call, playground.root, played.run, {}).last["run_state"] == "completed"


def test_a_person_answers_what_was_asked_before_the_agent_continues(playground: Playground):
    with playground.agent() as agent:
        asked = drive(agent.call, playground.root, "hello", {"who": "Ada"}, {"draft": [GOOD]})
        assert asked.last["error"]["code"] == "needs_human", "and no one heard it: the server died there"
        played = resume(agent.call, playground.root, asked.run, {}, person=playground.approve)

    assert [tool for tool, _ in played.steps] == ["status", "status"]
    assert played.last["run_state"] == "completed"


def test_what_a_person_rejects_comes_back_with_their_words(playground: Playground):
    with playground.agent() as agent:
        played = drive(
            agent.call,
            playground.root,
            "hello",
            {"who": "Ada"},
            {"draft": [GOOD, Work({"text": "Dear Ada"})]},
            person=_RejectOnce(playground),
        )

    result = [answer["data"].get("feedback", []) for tool, answer in played.steps if tool == "start_phase"][-1]
    assert "more polite" in result[0]["message"]
    assert played.last["run_state"] == "completed"


def test_an_attempt_the_script_does_not_have_is_reported_with_the_reason(playground: Playground):
    with playground.agent() as agent, pytest.raises(ScriptEnded, match=r"attempt 2.*other\.txt"):
        drive(
            agent.call, playground.root, "hello", {"who": "Ada"}, {"draft": [Work({"text": "Hi"}, {"other.txt": "x"})]}
        )


def test_a_run_that_cannot_start_says_why(playground: Playground):
    with playground.agent() as agent, pytest.raises(AssertionError, match="unknown_template"):
        drive(agent.call, playground.root, "helo", {}, {})


class _RejectOnce:
    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._rejected = False

    def __call__(self, run: str, phase: str) -> None:
        if self._rejected:
            self._playground.approve(run, phase)
        else:
            self._rejected = True
            self._playground.reject(run, phase, "more polite, please")
