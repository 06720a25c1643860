"""``edit`` before work: a person edits the prompt, the agent gets it, and a rejected one is not asked about again."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands.test_opinion import GATE, models, opinion
from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, phase, template
from tests.fake_models.script import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Terminal
    from tests.fake_models.server import ModelServer

__all__ = ["models"]

AGAIN = [{"do": "retry", "max_attempts": 4}]


@scene
def asked(cli: Terminal, *before: dict[str, Any], **more: Any) -> str:
    """A run whose only phase waits with its prompt."""
    written = phase(
        "draft", prompt="Write about ${inputs.topic}.\nBe short.", prompt_gates=[*before, HUMAN], on_fail=AGAIN
    )
    inputs = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    cli.save(template("asked", written | more, inputs=inputs))
    return cli.start("asked", "--input", "topic=owls")


def prompt(cli: Terminal, run: str) -> dict[str, Any]:
    return cli.json("show", run, "--decision", "--phase", "draft").data["decision"]["prompt"]


def edited(cli: Terminal, run: str, text: str | bytes, pin: str | None = PIN) -> Any:
    file = cli.root / "mine.md"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return cli.json("edit", run, "draft", "--path", "mine.md", pin=pin)


def handed_out(cli: Terminal, run: str) -> str:
    """The prompt file of the attempt that a worker gets."""
    attempt = cli.json("status", run).data["phases"][0]["attempt"]
    return (cli.root / ".wfe" / "runs" / run / "draft" / str(attempt) / "prompt.md").read_text()


def test_the_edited_prompt_is_what_is_decided_on_and_what_the_agent_gets(cli: Terminal):
    run = asked(cli)
    before = cli.json("show", run, "--decision", "--phase", "draft").data
    done = edited(cli, run, "Write about owls.\r\nBe long.\n")
    after = cli.json("show", run, "--decision", "--phase", "draft").data
    assert (done.code, done.document["state"], prompt(cli, run)["text"]) == (
        0,
        "awaiting",
        "Write about owls.\nBe long.",
    )
    assert after["shown_sha256"] != before["shown_sha256"]
    assert after["decision"]["sha256"] == done.data["prompt"]["sha256"] != before["decision"]["sha256"]
    assert cli("approve", run, "draft", "--sha256", before["decision"]["sha256"], pin=PIN).code == 1
    assert cli("approve", run, "draft", pin=PIN).code == 0
    assert handed_out(cli, run) == "Write about owls.\nBe long."


def test_the_decision_view_says_that_it_was_edited_and_how_it_differs(cli: Terminal):
    run = asked(cli)
    assert "edited" not in prompt(cli, run)
    edited(cli, run, "Write about owls.\nBe long.")
    shown = cli("show", run, "--decision", "--phase", "draft").out
    assert "You edited it. Against the prompt that the template makes:" in shown
    assert "    -Be short.\n      +Be long.\n" in shown
    assert f"wfe-mcp edit {run} draft" in shown
    assert prompt(cli, run)["edited"] is True


def test_the_editor_opens_the_prompt(cli: Terminal, monkeypatch: pytest.MonkeyPatch):
    run = asked(cli)
    program = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text().replace('short', 'brief'))"
    )
    (cli.root / "editor.py").write_text(program)
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(cli.root / "editor.py")]))
    assert cli.json("edit", run, "draft", pin=PIN).code == 0
    assert prompt(cli, run)["text"] == "Write about owls.\nBe brief."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" \n", "is empty"),
        ("x" * 300_001, "at most 300,000 are allowed"),
        ("a\0b", "NUL"),
        ("About ${inputs.topic}", "${inputs.topic}, which is not filled in any more"),
        ("Write about owls.\nBe short.", "the same as before"),
    ],
)
def test_an_edit_that_cannot_be_a_prompt_is_refused_and_changes_nothing(cli: Terminal, text: str, answer: str):
    run = asked(cli)
    before = prompt(cli, run)
    refused = edited(cli, run, text)
    assert (refused.code, refused.refusal) == (1, "bad_argument")
    assert answer in refused.document["error"]["message"]
    assert prompt(cli, run) == before


def test_only_a_person_edits_it(cli: Terminal):
    run = asked(cli)
    assert edited(cli, run, "Mine", pin=None).refusal == "needs_human"
    assert edited(cli, run, "Mine", pin="not the pin").refusal == "wrong_pin"


def test_once_work_has_begun_there_is_no_prompt_to_edit(cli: Terminal):
    run = asked(cli)
    cli("approve", run, "draft", pin=PIN)
    assert edited(cli, run, "Mine").refusal == "illegal_transition"
    assert cli.json("edit", run, "nothing", pin=PIN).refusal == "unknown_phase"


def test_sources_of_an_edit_exclude_each_other(cli: Terminal):
    run = asked(cli)
    assert cli.json("edit", run, "draft", "--draft", "1", "--take", "one", pin=PIN).refusal == "bad_argument"
    assert cli.json("edit", run, "draft", "--draft", "1", pin=PIN).refusal == "bad_argument"
    missing = cli.json("edit", run, "draft", "--path", "nowhere.md", pin=PIN)
    assert "cannot be read" in missing.document["error"]["message"]


def test_a_prompt_of_steps_is_not_edited_since_no_agent_gets_it(cli: Terminal):
    step = {"id": "go", "check": "test"}
    written = {"id": "draft", "kind": "steps", "steps": [step], "prompt_gates": [HUMAN]}
    cli.save(template("asked", written))
    run = cli.start("asked")
    refused = edited(cli, run, "Mine")
    assert refused.refusal == "illegal_transition"
    assert "no agent gets its prompt" in refused.document["error"]["message"]


def test_a_rejected_prompt_comes_back_with_what_was_said_about_it(cli: Terminal):
    run = asked(cli)
    first = prompt(cli, run)
    cli("reject", run, "draft", "--feedback", "Say for whom.", pin=PIN)
    second = prompt(cli, run)
    assert second["sha256"] != first["sha256"]
    assert second["text"].startswith(first["text"])
    assert "Say for whom." in second["text"]
    assert "It carries what was said about it before" in cli("show", run, "--decision", "--phase", "draft").out
    cli("reject", run, "draft", "--feedback", "Say for whom.", pin=PIN)
    assert prompt(cli, run)["sha256"] not in {first["sha256"], second["sha256"]}


def test_an_edited_prompt_that_is_rejected_is_kept_with_what_was_said_since(cli: Terminal):
    run = asked(cli)
    cli("reject", run, "draft", "--feedback", "Too vague.", pin=PIN)
    edited(cli, run, "Write about barn owls.")
    cli("reject", run, "draft", "--feedback", "Name a source.", pin=PIN)
    found = prompt(cli, run)
    assert found["text"].startswith("Write about barn owls.\n")
    assert ("Name a source." in found["text"], "Too vague." in found["text"], found["edited"]) == (True, False, True)


def test_a_rejected_prompt_is_not_put_unchanged_by_an_edit_either(cli: Terminal):
    run = asked(cli)
    cli("reject", run, "draft", "--feedback", "Say for whom.", pin=PIN)
    refused = edited(cli, run, "Write about owls.\nBe short.")
    assert refused.refusal == "conflict"
    assert "rejected in attempt 1: Say for whom." in refused.document["error"]["message"]


def test_a_prompt_that_failed_for_good_is_edited_and_asked_about_again(cli: Terminal):
    run = asked(cli, on_fail=[{"do": "wait_human"}])
    cli("reject", run, "draft", "--feedback", "No.", pin=PIN)
    assert cli.state(run) == "waiting"
    done = edited(cli, run, "Write about barn owls.")
    assert (done.code, done.document["state"]) == (0, "awaiting")


def test_the_agent_gets_what_its_prompt_carries_once(cli: Terminal):
    run = asked(cli)
    cli("reject", run, "draft", "--feedback", "Say for whom.", pin=PIN)
    cli("approve", run, "draft", pin=PIN)
    assert handed_out(cli, run).count("Say for whom.") == 1


@pytest.mark.requirement("S0-31")
def test_a_model_that_rejects_the_prompt_is_asked_about_another_text(cli: Terminal, models: Callable[..., ModelServer]):
    server = models(opinion("fail"))
    roles = {"one": {"provider": "first"}}
    written = phase(
        "draft", prompt="Write about owls.", prompt_gates=[GATE], on_fail=[{"do": "retry", "max_attempts": 2}]
    )
    cli.save(template("judged", written, roles=roles))
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    run = cli.start("judged")
    cli.json("watch", run)
    bodies = [str(each.body) for each in server.asked]
    assert len(bodies) == len(set(bodies)) == 2


@pytest.mark.requirement("S0-31")
def test_a_reviewers_suggestion_becomes_the_prompt_in_one_step(cli: Terminal, models: Callable[..., ModelServer]):
    models(opinion("concerns", suggestion="Write about barn owls, for children."))
    run = asked(cli)
    assert cli.json("edit", run, "draft", "--take", "first", pin=PIN).refusal == "unknown_artifact"
    cli("opinion", "ask", run, "draft", "--reviewer", "first")
    assert cli.json("edit", run, "draft", "--take", "second", pin=PIN).document["error"]["hint"].endswith("first.")
    assert cli.json("edit", run, "draft", "--take", "first", pin=PIN).code == 0
    assert prompt(cli, run)["text"] == "Write about barn owls, for children."


def test_a_reviewers_suggestion_becomes_the_artifact_and_a_bad_one_is_refused_with_its_fault(
    cli: Terminal, models: Callable[..., ModelServer]
):
    models(opinion("concerns", suggestion='```json\n{"text": "better"}\n```'), Turn(value=_bad()))
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    for reviewer in ("first", "second"):
        cli("opinion", "ask", run, "send", "--reviewer", reviewer)
    bad = cli.json("edit", run, "send", "--take", "second", pin=PIN)
    assert (bad.refusal, bad.document["error"]["details"][0]["path"]) == ("invalid_artifact", "/text")
    assert cli.json("edit", run, "send", "--take", "first", pin=PIN).data["revision"] == 2
    assert cli.json("artifact", "show", run, "send").data["content"] == {"text": "better"}


def _bad() -> dict[str, Any]:
    return {"verdict": "concerns", "findings": [], "summary": "no", "suggestion": '{"text": 1}'}


def test_a_run_with_an_edited_prompt_moves_with_it(cli: Terminal, monkeypatch: pytest.MonkeyPatch):
    run = asked(cli)
    edited(cli, run, "Write about barn owls.")
    assert cli("verify", run).code == 0
    assert cli("export", run, "run.wfe").code == 0
    monkeypatch.setenv("WFE_DATABASE_URL", f"sqlite:///{(cli.root / 'other.db').as_posix()}")
    assert cli("import", "run.wfe").code == 0
    assert prompt(cli, run)["text"] == "Write about barn owls."


def rewritten(cli: Terminal, models: Callable[..., ModelServer], gate: dict[str, Any], **more: Any) -> tuple[str, Any]:
    """A run whose prompt a reviewer rejects twice, each time with the same suggestion; then a person decides."""
    server = models(opinion("fail", **{"suggestion": "Write about barn owls,\r\nfor children.\n"} | more))
    two = [{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]
    written = phase("draft", prompt="Write about owls.", prompt_gates=[GATE | gate, HUMAN], on_fail=two)
    cli.save(template("judged", written, roles={"one": {"provider": "first"}}))
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    run = cli.start("judged")
    cli.json("watch", run)
    assert cli("opinion", "overrule", run, "draft", "--reason", "good enough", pin=PIN).code == 0
    return run, server


@pytest.mark.requirement("S0-31")
def test_a_rejected_prompt_is_replaced_by_the_reviewers_where_the_gate_allows_a_rewrite(
    cli: Terminal, models: Callable[..., ModelServer]
):
    run, server = rewritten(cli, models, {"allow_rewrite": True})
    found = prompt(cli, run)
    assert found["text"] == "Write about barn owls,\nfor children."
    assert (found["suggested_by"], "edited" in found) == ("one", False)
    assert "Write about barn owls" in str(server.asked[1].body), "the rewrite is judged like any prompt"
    assert "one rewrote it. Against the prompt that the template makes:" in cli("show", run, "--decision").out
    assert cli("approve", run, "draft", pin=PIN).code == 0
    assert handed_out(cli, run) == "Write about barn owls,\nfor children."
    assert cli("verify", run).code == 0


@pytest.mark.parametrize(
    ("gate", "suggestion"),
    [({}, "Write about barn owls."), ({"allow_rewrite": True}, " \n"), ({"allow_rewrite": True}, "About ${inputs.x}")],
)
def test_without_leave_or_a_usable_suggestion_the_prompt_carries_what_was_said(
    cli: Terminal, models: Callable[..., ModelServer], gate: dict[str, Any], suggestion: str
):
    run, _ = rewritten(cli, models, gate, suggestion=suggestion)
    found = prompt(cli, run)
    assert found["text"].startswith("Write about owls.\n\n# Said about this prompt before")
    assert "suggested_by" not in found


def test_a_prompt_that_a_person_edited_is_not_replaced_by_a_reviewer(cli: Terminal, models: Callable[..., ModelServer]):
    run, _ = rewritten(cli, models, {"allow_rewrite": True})
    edited(cli, run, "Mine.")
    cli.json("watch", run)
    assert cli("retry", run, "draft", pin=PIN).code == 0
    cli.json("watch", run)
    assert cli("opinion", "overrule", run, "draft", "--reason", "mine", pin=PIN).code == 0
    assert prompt(cli, run)["text"].startswith("Mine.")
    assert prompt(cli, run)["edited"] is True
