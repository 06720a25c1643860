"""Steps wait: for trust, for their server, for the working tree and for another phase."""

import pytest

from tests.engine.phases.test_steps_survive import HI, SET
from tests.engine.scene import HUMAN, Scene, approval, command, phase, refused
from tests.engine.step_scene import configure, rows, steps, tool
from tests.tools.stub import Stub
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates.trust import give_trust


def test_a_step_needs_trust_and_burns_no_try(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(SET, tool("say", **HI)))
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    scene.work()
    row = rows(scene, run)["say"]
    assert (str(row.status), row.tries, stub.called()) == ("waiting", 0, [])
    found = scene.status(run)
    assert (found.waiting_on, scene.attempt(run, "ci").status) == ("human", AttemptStatus.RUNNING)
    assert "step say needs trust: the project's configuration changed" in found.data["blockers"][0]
    give_trust(scene.engine, HUMAN, [])
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


@pytest.mark.parametrize("waiting", ["a gate", "a step"])
def test_what_needs_trust_continues_when_the_configuration_is_put_back(scene: Scene, stub: Stub, waiting: str) -> None:
    del stub
    scene.check("ok", "pass")
    config = scene.root / ".wfe" / "config.toml"
    trusted = config.read_text(encoding="utf-8")
    run = scene.start(phase("code", command("ok")) if waiting == "a gate" else steps(tool("say", **HI)))
    config.write_text(f"{trusted}# changed\n", encoding="utf-8")
    if waiting == "a gate":
        scene.do(run, "code")
    scene.work()
    found = scene.status(run)
    assert (found.waiting_on, "needs trust" in found.data["blockers"][0]) == ("human", True)
    events = scene.events(run)
    assert (scene.status(run).waiting_on, scene.events(run)) == ("human", events), "looking changes nothing"
    config.write_text(trusted, encoding="utf-8")
    assert scene.status(run).waiting_on == "job"
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_without_configuration_a_step_waits_for_the_first_trust(scene: Scene, running: Stub) -> None:
    running.calls.unlink(missing_ok=True)
    run = scene.start(steps(tool("say", **HI)))
    scene.work()
    assert "this project has no trusted MCP server 'stub' yet" in rows(scene, run)["say"].error
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(
        f'[mcp_servers.stub]\nurl = "{running.url}"\n[http]\nallow = ["{running.origin}"]\n', encoding="utf-8"
    )
    give_trust(scene.engine, HUMAN, [])
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_run_is_refused_where_the_project_lacks_the_server(scene: Scene) -> None:
    configure(scene, "[mcp_servers.other]\ncommand = 'x'")
    no = refused(scene.start, steps(tool("say", **HI)))
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/0/steps/0/tool")


def test_a_run_keeps_the_server_it_was_started_with(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps({"id": "rest", "wait": "1m"}, tool("say", **HI)))
    config = scene.root / ".wfe" / "config.toml"
    config.write_text("[mcp_servers.stub]\ncommand = 'no-such-program'\n", encoding="utf-8")
    scene.trust_config()
    scene.clock.advance(minutes=1)
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_server_that_a_trusted_configuration_has_lost_is_a_fault(scene: Scene) -> None:
    run = scene.start(steps({"id": "rest", "wait": "1m"}, tool("say", **HI)))
    configure(scene, "[mcp_servers.other]\ncommand = 'x'")
    scene.clock.advance(minutes=1)
    scene.work()
    assert "no MCP server 'stub' is configured" in scene.attempt(run, "ci").reason


def test_gates_before_work_show_the_steps_that_will_run(scene: Scene) -> None:
    later = {"id": "later", "wait": "1m", "assign": "later"}
    both = {**SET, "params": {"to": "${inputs.goal}", "of": "${vars.later}"}}
    known = {"id": "known", "builtin": "set", "params": {"to": "${inputs.goal}"}}
    run = scene.start(steps(later, both, known, prompt_gates=[approval()]), inputs={"goal": "prod"})
    assert scene.attempt(run, "ci").status is AttemptStatus.AWAITING
    shown = scene.mirror(run, "ci", 1, "prompt.md").read_text(encoding="utf-8")
    assert '1. later: {"wait":"1m"}' in shown
    assert '2. set: {"builtin":"set","params":{"of":"${vars.later}","to":"${inputs.goal}"}}' in shown
    assert '3. known: {"builtin":"set","params":{"to":"prod"}}' in shown
    approvals.decide(scene.engine, HUMAN, run, "ci")
    scene.clock.advance(minutes=1)
    scene.work()
    assert rows(scene, run)["set"].input == {"to": "prod", "of": {"waited": "1m"}}


def test_a_phase_with_checks_waits_until_another_run_leaves_the_tree(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    first = scene.start(phase("code", command("good")))
    scene.begin(first, "code")
    second = scene.start(steps({"id": "good", "check": "good"}), name="second")
    assert scene.work() == 1
    assert scene.attempt(second, "ci").status is AttemptStatus.READY
    assert scene.submit(first, "code").state == "completed"
    scene.clock.advance(seconds=5)
    scene.work()
    assert scene.state(second).status is RunStatus.COMPLETED


def test_one_phase_at_a_time_holds_for_the_server_too(scene: Scene) -> None:
    run = scene.start(phase("plan"), steps(SET, needs=[]), limits={"max_parallel": 1})
    assert scene.attempt(run, "ci").status is AttemptStatus.RUNNING
    assert refused(scene.begin, run, "plan").code == "not_ready"
    scene.work()
    scene.do(run, "plan")
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_phase_that_is_skipped_before_its_files_are_read_is_not_claimed(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    run = scene.start(steps({"id": "good", "check": "good"}))
    control.skip(scene.engine, HUMAN, run, "ci", "not now")
    scene.work()
    assert scene.attempt(run, "ci").status is AttemptStatus.SKIPPED
