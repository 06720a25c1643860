"""What is accepted is sealed: a file that is changed afterwards is seen with the next call, and warns or blocks (B-04)."""

import json

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.engine.runs.sealed_file_repair import accept_edit, put_back

EDITED = {"title": "Another title"}


def sealed(scene: Scene, *more: dict[str, object], policy: str = "block", **keys: object) -> str:
    """A run whose plan is accepted, and whose file someone changed after that."""
    scene.write(".wfe/config.toml", f"[artifacts]\non_mismatch = '{policy}'\n")
    scene.trust_config()
    run = scene.start(phase("plan", **keys), *(more or (phase("build"),)))
    scene.do(run, "plan")
    change(scene, run)
    return run


def change(scene: Scene, run: str, value: object = EDITED) -> None:
    scene.mirror(run, "plan", 1, "artifact.json").write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.requirement("B-04", "S0-19")
def test_block_lets_nothing_new_start_and_names_the_file_and_its_fix(scene: Scene) -> None:
    run = sealed(scene)
    no = refused(phases.start_phase, scene.engine, AGENT, run, "build")
    assert (no.code, f".wfe/runs/{run}/plan/1/artifact.json" in no.message) == ("conflict", True)
    assert f"wfe-mcp artifact restore {run} plan" in no.hint
    assert f"wfe-mcp artifact accept {run} plan" in no.hint
    answer = scene.status(run)
    assert (answer.waiting_on, answer.next[0].tool) == ("human", "status")
    assert f".wfe/runs/{run}/plan/1/artifact.json" in answer.data["blockers"][-1]
    assert len(answer.data["warnings"]) == 1
    assert [one.code for one in verify(scene.engine, run).findings] == ["artifact_changed"]


@pytest.mark.requirement("B-04", "S0-19")
def test_the_inbox_has_a_quiet_run_as_soon_as_its_file_is_changed(scene: Scene) -> None:
    run = sealed(scene)
    put_back(scene.engine, HUMAN, run, "plan")
    engines = Engines(scene.engine)
    assert [len(everything_waiting(engines).stopped) for _ in range(2)] == [0, 0]

    change(scene, run)
    changed = everything_waiting(engines).stopped
    put_back(scene.engine, HUMAN, run, "plan")

    assert [(each.run, each.kind) for each in changed] == [(run, "changed_file")]
    assert everything_waiting(engines).stopped == ()


@pytest.mark.requirement("B-04", "S0-19")
def test_warn_only_reports(scene: Scene) -> None:
    run = sealed(scene, policy="warn")
    assert "differs from the accepted artifact of plan" in scene.status(run).data["warnings"][0]
    assert scene.do(run, "build").state == "completed"
    assert [one.code for one in verify(scene.engine, run).findings] == ["artifact_changed"]


@pytest.mark.requirement("S0-19")
@pytest.mark.parametrize(
    ("all_of_them", "own", "starts"), [("block", "warn", True), ("warn", "block", False), ("warn", "", True)]
)
def test_a_template_may_have_a_policy_of_its_own(scene: Scene, all_of_them: str, own: str, starts: bool) -> None:
    scene.write(
        ".wfe/config.toml",
        f"[artifacts]\non_mismatch = '{all_of_them}'\n"
        + (f"[templates.drill]\non_mismatch = '{own}'\n" if own else ""),
    )
    scene.trust_config()
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    change(scene, run)
    assert len(scene.status(run).data["warnings"]) == 1
    if starts:
        assert scene.begin(run, "build").ok
    else:
        assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"


@pytest.mark.usefixtures("home")
@pytest.mark.requirement("S0-19")
def test_a_project_that_no_one_trusts_makes_it_stricter_and_no_looser(scene: Scene) -> None:
    from wfe_mcp.engine.templates.trust import give_trust
    from wfe_mcp.workspace.system.location import user_config_file

    user_config_file().parent.mkdir(parents=True, exist_ok=True)
    user_config_file().write_text("[artifacts]\non_mismatch = 'warn'\n", encoding="utf-8")
    give_trust(scene.engine, HUMAN, [])
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    change(scene, run)
    assert scene.status(run).waiting_on == "agent"
    scene.write(".wfe/config.toml", "[templates.drill]\non_mismatch = 'block'\n")
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"
    scene.write(".wfe/config.toml", "[templates.other]\non_mismatch = 'block'\n")
    assert scene.begin(run, "build").ok


@pytest.mark.requirement("S0-19")
def test_a_run_is_blocked_where_nothing_is_configured(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    change(scene, run)
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"


@pytest.mark.requirement("B-04")
def test_what_is_claimed_already_may_be_submitted(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"), phase("after"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    change(scene, run)
    assert scene.begin(run, "build").ok
    assert scene.submit(run, "build").state == "completed"
    assert refused(phases.start_phase, scene.engine, AGENT, run, "after").code == "conflict"


def test_a_file_that_is_put_back_lets_the_run_continue(scene: Scene) -> None:
    run = sealed(scene)
    (done,) = put_back(scene.engine, AGENT, run)
    assert done.path == f".wfe/runs/{run}/plan/1/artifact.json"
    assert json.loads(scene.mirror(run, "plan", 1, "artifact.json").read_text(encoding="utf-8")) == GOOD
    assert scene.do(run, "build").run_state == "completed"
    assert put_back(scene.engine, AGENT, run, "plan") == []


def test_a_file_that_is_gone_blocks_nothing(scene: Scene) -> None:
    run = sealed(scene)
    scene.mirror(run, "plan", 1, "artifact.json").unlink()
    assert scene.do(run, "build").run_state == "completed"


def test_an_accepted_edit_restarts_the_phase_with_its_gates(scene: Scene) -> None:
    gate = {"kind": "expr", "assert": "${artifacts.plan_note.title != 'never'}"}
    run = scene.start(phase("plan", gate, approval()), phase("build"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    change(scene, run)
    receipt = accept_edit(scene.engine, HUMAN, run, PhasePath("plan"))
    assert (receipt.attempt, receipt.revision) == (2, 2)
    assert scene.attempt(run, "plan").status == "awaiting"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.begin(run, "build").ok
    assert [one.code for one in verify(scene.engine, run).findings] == []


@pytest.mark.parametrize(("value", "code"), [({"title": ""}, "invalid_artifact"), (GOOD, "illegal_transition")])
def test_an_edit_that_is_no_artifact_or_none_at_all_is_not_accepted(scene: Scene, value: object, code: str) -> None:
    run = sealed(scene)
    change(scene, run, value)
    assert refused(accept_edit, scene.engine, HUMAN, run, PhasePath("plan")).code == code
    assert scene.attempt(run, "plan").number == 1


def test_an_edit_of_a_phase_that_does_not_exist_or_has_nothing_accepted_is_refused_as_that(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    for call in (accept_edit, put_back):
        no = refused(call, scene.engine, HUMAN, run, PhasePath("plam"))
        assert (no.code, no.hint) == ("unknown_phase", "Did you mean 'plan'?")
    no = refused(accept_edit, scene.engine, HUMAN, run, PhasePath("plan"))
    assert no.message == "'plan' has no accepted artifact: it is ready."
    assert no.hint == "Call status to see what it waits for."


def test_only_a_person_accepts_an_edit(scene: Scene) -> None:
    run = sealed(scene)
    assert refused(accept_edit, scene.engine, AGENT, run, PhasePath("plan")).code == "needs_human"


def test_the_servers_own_phases_wait_too_and_continue_by_themselves(scene: Scene) -> None:
    run = scene.start(
        phase("plan"), phase("hold"), steps({"id": "nap", "wait": "1s"}, id="ci"), phase("after", needs=["ci"])
    )
    scene.do(run, "plan")
    scene.begin(run, "hold")
    change(scene, run)
    scene.submit(run, "hold")
    assert scene.attempt(run, "ci").status == "ready"
    put_back(scene.engine, AGENT, run)
    scene.clock.advance(seconds=6)
    scene.work()
    assert scene.attempt(run, "ci").status in {"running", "completed"}


def test_a_mirror_of_an_earlier_revision_is_a_crash_and_no_edit(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    before = scene.mirror(run, "plan", 1, "artifact.json").read_bytes()
    change(scene, run)
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.mirror(run, "plan", 1, "artifact.json").write_bytes(before)
    assert scene.begin(run, "build").ok


@pytest.mark.requirement("S0-18")
def test_an_edit_before_approval_is_what_is_sealed(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    change(scene, run)
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    with scene.store.read() as tx:
        first, second = tx.artifacts.revisions(scene.engine.load(tx, run).record.id, PhasePath("plan"))
    assert (first.sealed_at, second.source, second.sealed_at) == (None, "edit", scene.clock.now)


@pytest.mark.requirement("S0-18")
def test_what_is_sealed_on_submit_takes_no_edit(scene: Scene) -> None:
    draft = phase("plan", approval())
    draft["output"] |= {"seal": "on_submit"}
    run = scene.start(draft, phase("build"))
    scene.do(run, "plan")
    change(scene, run)
    assert "differs" in scene.status(run).data["warnings"][0]
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").revision == 1
    assert refused(phases.start_phase, scene.engine, AGENT, run, "build").code == "conflict"


@pytest.mark.requirement("S0-18")
@pytest.mark.parametrize("asked", [True, False])
def test_the_hash_of_a_prompt_is_in_the_log_where_it_was_asked_for(scene: Scene, asked: bool) -> None:
    from wfe_mcp.core.canonical import sha256_hex

    scene.write(".wfe/config.toml", f"[artifacts]\nhash_prompts = {str(asked).lower()}\n")
    scene.trust_config()
    run = scene.start(phase("plan"), steps({"id": "nap", "wait": "1s"}, id="ci"))
    prompt = scene.do(run, "plan") and scene.mirror(run, "plan", 1, "prompt.md").read_text(encoding="utf-8")
    with scene.store.read() as tx:
        started = [
            event.payload
            for event in tx.events.log(scene.engine.load(tx, run).record.id)
            if event.type == "PhaseStarted"
        ]
    assert started[0]["prompt_sha256"] == (sha256_hex(prompt) if asked else None)
    assert (started[1]["prompt_sha256"] is not None) is asked
    scene.mirror(run, "plan", 1, "prompt.md").write_text("Do something else.", encoding="utf-8")
    assert [one.code for one in verify(scene.engine, run).findings] == (["prompt_changed"] if asked else [])
