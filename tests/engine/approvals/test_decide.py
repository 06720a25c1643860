"""Approval and rejection: who may decide, on which revision, and until when."""

import json
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, expr, moves, phase, refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.files import tree_binding
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.workspace.git.working_tree import tree_hash
from wfe_mcp.workspace.system.temporary import remove_folder

STOP = [{"do": "wait_human"}]


def asked(scene: Scene, *gates: dict[str, Any], **keys: Any) -> str:
    """A run whose phase ``plan`` is submitted."""
    run = scene.start(phase("plan", *gates, **keys))
    scene.do(run, "plan")
    return run


@pytest.mark.requirement("B-23", "S4-07")
def test_an_agent_stores_the_request_and_never_decides_it(scene: Scene) -> None:
    run = asked(scene, approval())
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan", comment="the user said yes")
    assert found.error is not None
    assert (found.ok, found.error.code, found.state) == (False, "needs_human", "awaiting")
    assert f"wfe-mcp approve {run} plan" in found.error.hint
    assert moves(found) == [("status", "")]
    for by in (AGENT, By("ada", Channel.MCP), approvals.FORM):
        assert refused(approvals.decide, scene.engine, by, run, "plan").code == "needs_human"
        assert scene.attempt(run, "plan").status == "awaiting"
    assert refused(approvals.reject, scene.engine, AGENT, run, "plan", "no").code == "needs_human"


@pytest.mark.requirement("B-23")
def test_asking_twice_is_one_request(scene: Scene) -> None:
    run = asked(scene, approval())
    first = decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"]
    assert decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"] == first
    assert scene.events(run).count("ApprovalAsked") == 1


def test_a_person_decides_once_and_only_about_the_open_revision(scene: Scene) -> None:
    run = asked(scene, approval())
    sha256 = scene.attempt(run, "plan").sha256 or ""
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan", sha256="0000").code == "stale_revision"
    assert refused(approvals.reject, scene.engine, HUMAN, run, "plan", "no", sha256="0000").code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan", sha256=sha256[:6].upper(), comment="fine")
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "illegal_transition"
    with scene.store.read() as tx:
        assert tx.approvals.open_requests() == []
        (event,) = [
            one for one in tx.events.of_run(scene.engine.load(tx, run).record.id) if one.type == "ApprovalGiven"
        ]
    assert (event.actor, event.channel, event.assurance) == ("ada", "cli", Assurance.HUMAN)


def test_an_agents_word_counts_where_the_gate_takes_it(scene: Scene) -> None:
    run = asked(scene, approval("agent"))
    assert refused(decisions.ask_approval, scene.engine, AGENT, run, "plan", "0000").code == "stale_revision"
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert (found.ok, found.state, found.run_state) == (True, "completed", "completed")


def test_an_edited_mirror_is_a_new_revision_that_is_judged_before_the_decision(scene: Scene) -> None:
    run = asked(scene, expr("${size(artifacts.plan_note.title) > 3}"), approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    mirror = scene.mirror(run, "plan", 1, "artifact.json")
    mirror.write_text(json.dumps({"title": "Better title"}), encoding="utf-8")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, "edited" in no.message) == ("stale_revision", True)
    attempt = scene.attempt(run, "plan")
    assert (attempt.revision, attempt.status, attempt.asked is not None) == (2, "awaiting", True)
    approvals.decide(scene.engine, HUMAN, run, "plan", sha256=(attempt.sha256 or "")[:8])
    read = answers.read_artifact(scene.engine, AGENT, run, artifact="plan_note").data
    assert (read["content"], read["sealed"], read["source"]) == ({"title": "Better title"}, True, "edit")


def test_an_edited_mirror_that_does_not_pass_fails_the_attempt(scene: Scene) -> None:
    run = asked(scene, expr("${size(artifacts.plan_note.title) > 3}"), approval(), on_fail=STOP)
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"title": "no"}', encoding="utf-8")
    refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status == "failed"


def test_an_edited_mirror_that_breaks_the_schema_is_refused(scene: Scene) -> None:
    run = asked(scene, approval())
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"titel": "x"}', encoding="utf-8")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, no.details[0].path) == ("invalid_artifact", "/titel")
    assert scene.attempt(run, "plan").revision == 1


def test_a_mirror_that_may_not_be_edited_is_not_read(scene: Scene) -> None:
    output = {"artifact": "plan_note", "schema": {"type": "object"}}
    run = asked(scene, approval(), output=output)
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"title": "forged"}', encoding="utf-8")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").revision == 1
    assert "differs" in answers.status(scene.engine, AGENT, run).data["warnings"][0]
    assert answers.read_artifact(scene.engine, AGENT, run, artifact="plan_note").data["content"] == GOOD


def test_a_broken_mirror_of_what_was_accepted_is_a_warning(scene: Scene) -> None:
    run = asked(scene)
    scene.mirror(run, "plan", 1, "artifact.json").write_text("{", encoding="utf-8")
    assert answers.status(scene.engine, AGENT, run).data["warnings"]


def test_a_rejection_is_a_failed_attempt_with_feedback(scene: Scene) -> None:
    run = asked(scene, approval())
    approvals.reject(scene.engine, HUMAN, run, "plan", "too short", sha256=scene.attempt(run, "plan").sha256)
    begun = scene.begin(run)
    assert begun.data["attempt"] == 2
    assert "too short" in begun.data["feedback"][0]["message"]
    with scene.store.read() as tx:
        assert tx.approvals.open_requests() == []


def test_a_person_sends_the_run_back_to_an_earlier_phase(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", approval()))
    scene.do(run, "plan")
    scene.do(run, "build")
    assert refused(decisions.reject, scene.engine, AGENT, run, "build", "back", "plan").code == "needs_human"
    found = decisions.reject(scene.engine, HUMAN, run, "build", "the plan is wrong", "plan")
    assert (found.run_state, scene.state(run).iteration) == ("running", 2)
    begun = scene.begin(run)
    assert (begun.phase, begun.data["iteration"]) == ("plan", 2)
    assert begun.data["feedback"][0]["from"] == "build"
    assert begun.data["feedback"][0]["artifact"] == "build_note"


def test_rejecting_what_is_finished_is_refused(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    assert refused(approvals.reject, scene.engine, HUMAN, run, "plan", "no").code == "illegal_transition"
    assert refused(approvals.reject, scene.engine, HUMAN, run, "plam", "no").code == "unknown_phase"
    assert refused(decisions.ask_approval, scene.engine, AGENT, run, "plan").code == "illegal_transition"
    assert refused(decisions.reject, scene.engine, AGENT, run, "plan", "mine").code == "illegal_transition"
    assert refused(decisions.reject, scene.engine, AGENT, run, "plam", "mine").code == "unknown_phase"


def test_what_needs_trust_can_be_sent_back_by_a_person(scene: Scene) -> None:
    run = asked(scene, {"kind": "command", "check": "ok"}, on_fail=STOP)
    approvals.reject(scene.engine, HUMAN, run, "plan", "never mind")
    assert scene.attempt(run, "plan").status == "failed"


def test_an_expired_request_takes_no_form_and_is_asked_again(scene: Scene) -> None:
    run = asked(scene, approval("client", expires="10m"))
    request = decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"]
    sha256 = scene.attempt(run, "plan").sha256 or ""
    scene.clock.advance(minutes=10)
    form = {"decision": "approve", "sha256": sha256[:4]}
    no = refused(decisions.answer_form, scene.engine, run, "plan", request, "accept", form)
    assert (no.code, "expired" in no.message) == ("stale_revision", True)
    again = decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"]
    assert again != request
    assert decisions.answer_form(scene.engine, run, "plan", again, "accept", form).state == "completed"


def test_a_form_counts_with_the_first_characters_typed(scene: Scene) -> None:
    run = asked(scene, approval("client"))
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    request, sha256 = found.data["request"], found.data["sha256"]
    nothing: list[tuple[str, dict[str, Any] | None]] = [
        ("decline", None),
        ("cancel", None),
        ("accept", None),
        ("accept", {}),
        ("accept", {"decision": "approve"}),
        ("accept", {"decision": "approve", "sha256": sha256[:3]}),
        ("accept", {"decision": "approve", "sha256": "zzzz"}),
        ("accept", {"decision": "perhaps", "sha256": sha256[:4]}),
        ("decline", {"decision": "approve", "sha256": sha256[:4]}),
    ]
    for action, content in nothing:
        undecided = decisions.answer_form(scene.engine, run, "plan", request, action, content)
        assert undecided.error is not None
        assert (undecided.error.code, undecided.state) == ("needs_human", "awaiting")
    content = {"decision": "approve", "sha256": sha256[:5].upper(), "comment": "yes"}
    assert decisions.answer_form(scene.engine, run, "plan", request, "accept", content).state == "completed"


def test_a_form_can_reject(scene: Scene) -> None:
    run = asked(scene, approval("client"), on_fail=STOP)
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    content = {"decision": "reject", "sha256": found.data["sha256"][:4]}
    no = decisions.answer_form(scene.engine, run, "plan", found.data["request"], "accept", content)
    assert no.state == "failed"
    assert "without a comment" in scene.attempt(run, "plan").reason


def test_a_form_about_another_revision_is_stale(scene: Scene) -> None:
    run = asked(scene, approval("client"))
    request = decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"]
    decisions.reject(scene.engine, AGENT, run, "plan", "better")
    scene.submit(run, "plan", {"title": "Better"})
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    content = {"decision": "approve", "sha256": (scene.attempt(run, "plan").sha256 or "")[:4]}
    no = refused(decisions.answer_form, scene.engine, run, "plan", request, "accept", content)
    assert no.code == "stale_revision"
    forged = refused(decisions.answer_form, scene.engine, run, "plan", "rq-0", "accept", content)
    assert forged.code == "stale_revision"


def test_a_form_never_decides_a_gate_for_a_human_channel(scene: Scene) -> None:
    run = asked(scene, approval("human"))
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    content = {"decision": "approve", "sha256": found.data["sha256"][:4]}
    no = refused(decisions.answer_form, scene.engine, run, "plan", found.data["request"], "accept", content)
    assert no.code == "needs_human"


def test_a_gate_with_a_phrase_wants_it_word_for_word(scene: Scene) -> None:
    run = asked(scene, approval(phrase="ship it"))
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan", phrase="Ship it")
    assert (no.code, "ship it" in no.message) == ("bad_argument", True)
    approvals.decide(scene.engine, HUMAN, run, "plan", phrase="ship it")
    assert scene.state(run).status == "completed"


def test_a_form_has_no_place_for_a_phrase(scene: Scene) -> None:
    run = asked(scene, approval("client", phrase="ship it"))
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    content = {"decision": "approve", "sha256": found.data["sha256"][:4]}
    no = refused(decisions.answer_form, scene.engine, run, "plan", found.data["request"], "accept", content)
    assert no.code == "bad_argument"


@pytest.mark.requirement("S0-03")
def test_approval_before_work_is_bound_to_the_prompt_and_opens_the_phase(scene: Scene) -> None:
    run = scene.start(phase("deploy", prompt="Ship ${inputs.goal}.", prompt_gates=[approval()]), inputs={"goal": "v1"})
    assert scene.attempt(run, "deploy").status == "awaiting"
    assert scene.mirror(run, "deploy", 1, "prompt.md").read_text(encoding="utf-8") == "Ship v1."
    assert refused(scene.begin, run, "deploy").code == "illegal_transition"
    found = decisions.ask_approval(scene.engine, AGENT, run, "deploy")
    assert found.error is not None
    assert "the prompt of phase 'deploy'" in found.data["question"]
    assert refused(decisions.reject, scene.engine, AGENT, run, "deploy", "x").code == "illegal_transition"
    approvals.decide(scene.engine, HUMAN, run, "deploy")
    assert scene.do(run, "deploy").state == "completed"


def test_a_prompt_under_gates_that_cannot_be_rendered_fails_the_attempt_only(scene: Scene) -> None:
    deploy = phase("deploy", prompt="Ship ${inputs.goal}.", prompt_gates=[approval()], on_fail=STOP)
    run = scene.start(deploy)
    attempt = scene.attempt(run, "deploy")
    assert (attempt.status, attempt.fail_kind) == ("failed", "error")
    assert "cannot be rendered" in attempt.reason


def test_a_retry_before_approved_work_asks_again(scene: Scene) -> None:
    run = scene.start(phase("deploy", expr("${false}"), prompt_gates=[approval("agent")]))
    decisions.ask_approval(scene.engine, AGENT, run, "deploy")
    scene.do(run, "deploy")
    assert (scene.attempt(run, "deploy").number, scene.attempt(run, "deploy").status) == (2, "awaiting")


def test_a_withdrawal_by_the_process_that_outlives_the_submitter(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    neighbour, other = scene.neighbour()
    scene.begin(run, "plan", other)
    scene.submit(run, "plan", engine=other)
    neighbour.end()
    found = decisions.reject(scene.engine, AGENT, run, "plan", "nobody is there")
    assert (found.state, found.data["attempt"]) == ("ready", 2)


# -- what an approval is about: the files ----------------------------------------------------------------------------


def asked_about(scene: Scene, run: str) -> tuple[str, str | None]:
    """The open request of ``plan``, and the tree that it is about."""
    with scene.store.read() as tx:
        found = tx.approvals.open_request(scene.engine.load(tx, run).record.id, PhasePath("plan"), 1)
    assert found is not None
    assert scene.attempt(run, "plan").asked == found.id
    return found.id, found.tree


def test_an_approval_without_a_gate_on_files_is_about_the_files_too(scene: Scene) -> None:
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert asked_about(scene, run)[1] == scene.attempt(run, "plan").asked_tree == tree_hash(scene.root)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").approved_tree == tree_hash(scene.root)


@pytest.mark.attack("change files between the question and the decision", "held", "T15")
def test_files_that_change_between_the_question_and_the_decision_are_named_and_asked_about_again(scene: Scene) -> None:
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    first, _ = asked_about(scene, run)
    scene.write("money.py", "RATE = 2\n")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan", request=first)
    assert (no.code, no.data["changed"]) == ("stale_revision", ["money.py"])
    assert no.message == "money.py changed since the approval of 'plan' was asked for; it is asked for again."
    second, tree = asked_about(scene, run)
    assert (second != first, tree) == (True, tree_hash(scene.root))
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan", request=first).code == "stale_revision"
    assert refused(approvals.reject, scene.engine, HUMAN, run, "plan", "no", request=first).code == "stale_revision"
    assert approvals.decide(scene.engine, HUMAN, run, "plan", request=second).state.status == "completed"


@pytest.mark.attack("add an ignored conftest.py while a person decides", "held", "T15")
def test_an_ignored_conftest_that_appears_under_a_question_is_noticed(scene: Scene) -> None:
    scene.write(".gitignore", "conftest.py\n.wfe/runs/\n")
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.write("tests/conftest.py", "import os; os._exit(0)\n")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, no.data["changed"]) == ("stale_revision", ["tests/conftest.py"])


def test_approval_before_work_is_about_the_files_too(scene: Scene) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.write("money.py", "RATE = 2\n")
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").data["changed"] == ["money.py"]
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status == "ready"


def test_gates_that_read_no_files_do_not_run_again_for_changed_files(scene: Scene) -> None:
    run = asked(scene, expr("${size(artifacts.plan_note.title) > 3}"), approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.write("money.py", "RATE = 2\n")
    refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert scene.events(run).count("GateJudged") == 1
    assert "TreeChanged" not in scene.events(run)


def test_a_question_after_an_edit_is_about_the_files_that_were_asked_about(scene: Scene) -> None:
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    _, tree = asked_about(scene, run)
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"title": "edited"}', encoding="utf-8")
    assert "edited" in refused(approvals.decide, scene.engine, HUMAN, run, "plan").message
    assert asked_about(scene, run)[1] == tree


def test_many_changed_files_are_counted(scene: Scene) -> None:
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    for number in range(7):
        scene.write(f"f{number}.txt", "x")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert no.message.startswith("f0.txt, f1.txt, f2.txt, f3.txt, f4.txt and 2 more changed since")


def test_without_git_an_approval_is_about_the_artifact_alone(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert asked_about(scene, run)[1] is None
    scene.write("money.py", "RATE = 2\n")
    assert approvals.decide(scene.engine, HUMAN, run, "plan").state.status == "completed"


def test_git_that_is_gone_at_the_decision_does_not_go_unnoticed(scene: Scene) -> None:
    run = asked(scene, approval())
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.git("config", "core.bare", "true")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, no.data["changed"]) == ("stale_revision", [])
    assert "The files can no longer be read" in no.message


def test_trees_that_are_no_longer_stored_are_no_reason_to_take_a_decision(scene: Scene) -> None:
    run = asked(scene, approval())
    scene.write("new.py", "no checkpoint has it")
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    remove_folder(scene.root / ".git" / "wfe")
    scene.write("money.py", "RATE = 2\n")
    assert "Files changed since" in refused(approvals.decide, scene.engine, HUMAN, run, "plan").message


def no_tree(*_: object) -> None:
    return None


def test_a_question_of_an_older_version_binds_the_files_at_its_decision(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tree_binding, "_tree", no_tree)
        run = asked(scene, approval())
        decisions.ask_approval(scene.engine, AGENT, run, "plan")
    old, tree = asked_about(scene, run)
    assert tree is None
    approvals.decide(scene.engine, HUMAN, run, "plan", request=old)
    assert scene.attempt(run, "plan").approved_tree == tree_hash(scene.root)
