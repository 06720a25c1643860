"""Steps that reach out: HTTP requests, checks, gates on the files that they changed, large results."""

from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import artifact, configure, rows, step_states, steps
from tests.tools.stub import Stub
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.runs import control
from wfe_mcp.store.records.runs import NO_GATE


def test_an_http_step_reaches_an_allowed_origin_and_nothing_else_inside(scene: Scene, stub: Stub) -> None:
    run = scene.start(
        steps(
            {
                "id": "ask",
                "http": {"url": f"{stub.origin}/nowhere", "status": 404},
                "assign": "asked",
                "idempotency_key": "k",
            },
            {"id": "read", "builtin": "set", "params": {"status": "${vars.asked.status}"}},
            {
                "id": "inside",
                "http": {"url": "http://127.0.0.1:1/", "method": "POST", "body": {"a": "${vars.asked.status}"}},
            },
        )
    )
    scene.work()
    assert rows(scene, run)["read"].output == {"status": 404}
    assert step_states(scene, run)["inside"] == "failed"
    assert "is not allowed: use https" in scene.attempt(run, "ci").reason


def test_an_origin_that_a_person_allows_after_the_start_is_reached_by_the_next_attempt(
    scene: Scene, running: Stub
) -> None:
    run = scene.start(steps({"id": "ask", "http": {"url": f"{running.origin}/nowhere", "status": 404}}))
    scene.work()
    assert "name it in [http] allow of trusted configuration" in scene.attempt(run, "ci").reason
    configure(scene, f'[http]\nallow = ["{running.origin}"]')
    control.retry(scene.engine, HUMAN, run, "ci")
    scene.work()
    assert step_states(scene, run)["ask"] == "done"


def test_a_check_is_run_under_our_eyes_and_its_failure_can_be_read(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    scene.check("bad", "raise SystemExit(3)")
    run = scene.start(
        steps(
            {"id": "good", "check": "good", "assign": "good"},
            {"id": "bad", "check": "bad", "assign": "bad", "continue_on_error": True},
            {
                "id": "say",
                "builtin": "set",
                "params": {"code": "${vars.bad.exit_code}", "verdict": "${vars.good.verdict}"},
            },
        )
    )
    scene.work()
    assert rows(scene, run)["say"].output == {"code": 3, "verdict": "pass"}
    assert scene.state(run).phase(scene.attempt(run, "ci").phase).exclusive
    assert scene.attempt(run, "ci").tree is None, "no gate reads the files"


def test_a_check_that_is_run_again_is_named_in_one_line_without_what_an_agent_would_do(scene: Scene) -> None:
    scene.check("bad", "raise SystemExit(3)")
    retry = {"max_attempts": 3, "initial": "60s", "backoff": "fixed"}
    run = scene.start(steps({"id": "bad", "check": "bad", "retry": retry}))
    scene.work()
    (sentence,) = [text for text in scene.status(run).data["blockers"] if "step bad" in text]
    assert "exit 3" in sentence
    assert "\n" not in sentence and "Next:" not in sentence


def test_a_check_that_takes_longer_than_the_step_may_is_ended(scene: Scene) -> None:
    scene.check("slow", "import time; time.sleep(60)")
    run = scene.start(steps({"id": "slow", "check": "slow", "timeout": "300ms"}))
    scene.work()
    assert "reached its timeout of 0.3 s" in scene.attempt(run, "ci").reason


def test_gates_on_files_judge_what_the_steps_changed(scene: Scene) -> None:
    scene.check("write", "open('new.txt', 'w').write('x')")
    inside = {"kind": "files", "exist": ["new.txt"], "within": ["new.txt"]}
    run = scene.start(steps({"id": "write", "check": "write"}, gates=[inside]))
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.tree_at_start is not None, tried.tree is not None) == (
        AttemptStatus.COMPLETED,
        True,
        True,
    )
    assert tried.tree_at_start != tried.tree


def test_a_gate_before_the_first_step_may_look_at_the_files(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    run = scene.start(steps({"id": "good", "check": "good"}, prompt_gates=[{"kind": "git", "branch": "*"}]))
    scene.work()
    assert step_states(scene, run) == {"good": "done"}
    assert scene.state(run).status is RunStatus.COMPLETED


def test_results_that_are_too_much_together_are_left_out_largest_first(scene: Scene) -> None:
    def said(step: str, text: str) -> dict[str, object]:
        return {"id": step, "builtin": "set", "params": {"text": text}}

    twice = said("b", "${inputs.goal}${inputs.goal}")
    run = scene.start(steps(said("a", "${inputs.goal}"), twice, said("c", "x")), inputs={"goal": "x" * 350_000})
    scene.work()
    made = artifact(scene, run)["steps"]
    assert (len(made["a"]["text"]), made["b"], made["c"]) == (350_000, {"left_out_bytes": 700_011}, {"text": "x"})


def test_a_check_that_runs_as_a_step_leaves_evidence_like_a_gate_each_time(scene: Scene) -> None:
    code = "import pathlib, sys; sys.exit(0 if pathlib.Path('ignored/seen').exists() else pathlib.Path('ignored/seen').write_text('x'))"
    (scene.root / "ignored").mkdir()
    scene.check("test", code)
    retry = {"max_attempts": 2, "backoff": "none"}
    run = scene.start(steps({"id": "tests", "check": "test", "retry": retry}))
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    with scene.store.read() as tx:
        first, second = tx.evidence.of_run(scene.engine.load(tx, run).record.id)
    assert (first.data["verdict"], second.data["verdict"]) == ("fail", "pass")
    assert (second.kind, second.gate, second.data["step"], second.phase) == ("command", NO_GATE, "tests", "ci")
    assert (second.data["check"], second.data["exit_code"]) == ("test", 0)
    assert second.tree == second.data["tree"]["after"]
    assert second.head == scene.git("rev-parse", "HEAD").strip()
    assert second.log_path is not None
