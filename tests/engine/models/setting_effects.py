"""What a configuration key can change, each as one observation of a scene."""

from tests.engine.scene import AGENT, Scene, approval, command, expr, phase
from tests.engine.step_scene import steps, tool
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.files.checkpoints import take_checkpoint
from wfe_mcp.engine.maintenance.pruning import prunable
from wfe_mcp.engine.models.connections import connections_of


def what_a_check_shows(scene: Scene) -> object:
    run = scene.start(phase("plan", command("test"), on_fail=[{"do": "wait_human"}]))
    state = scene.do(run, "plan").state
    with scene.store.read() as tx:
        data = tx.evidence.of_run(RunId(run), PhasePath("plan"))[-1].data
    return (
        state,
        data.get("timed_out"),
        data.get("tests") is not None,
        data.get("coverage_percent"),
        data.get("security"),
    )


def what_a_call_answers(scene: Scene) -> object:
    call = tool("ask", "stub.environment", assign="seen")
    try:
        run = scene.start(steps(call, retry={"max_attempts": 1}), phase("after", expr("${has(vars.seen.WFE_SEEN)}")))
    except Refused as no:
        return no.code
    scene.work()
    if "after" not in [attempt.phase for attempt in scene.state(run).open_attempts if attempt.status == "ready"]:
        return scene.attempt(run, "ci").status
    return scene.do(run, "after").state


def what_is_handed_over(scene: Scene) -> object:
    scene.write("a.md", "## A-1 first\n\n## B-1 second\n")
    scene.write("b.md", "third")
    run = scene.start(phase("plan", context=[{"bundle": "standards", "scope": "s"}]))
    with scene.store.read() as tx:
        (bundle,) = tx.documents.load(scene.engine.load(tx, run).record.frozen_sha256)["context"]
        return [part["text"] for part in tx.documents.load(bundle["sha256"])]


def bundle(text: str) -> str:
    return f"[context.standards]\n{text}"


def how_a_phase_ends(scene: Scene) -> object:
    run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 3}")), phase("build"))
    deadline = scene.begin(run).data.get("deadline")
    tries = [scene.submit(run, "plan", {"title": "no"}).state]
    if tries[-1] == "running":
        tries += [scene.submit(run, "plan").state]
    return deadline, tries, scene.status(run).waiting_on


def who_is_asked(scene: Scene) -> object:
    return scene.do(scene.start(phase("plan", approval())), "plan").state


def whether_it_starts(scene: Scene) -> object:
    try:
        return scene.start(phase("plan")) != ""
    except Refused as no:
        return no.code


def what_the_environment_gives(scene: Scene) -> object:
    gate = expr("${has(env.WFE_SEEN)}")
    return scene.do(scene.start(phase("plan", gate, on_fail=[{"do": "wait_human"}])), "plan").state


def what_a_changed_file_does(scene: Scene) -> object:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"title": "Another"}', encoding="utf-8")
    return scene.status(run).waiting_on


def what_the_log_says_of_prompts(scene: Scene) -> object:
    run = scene.start(phase("plan"))
    scene.begin(run)
    with scene.store.read() as tx:
        (started,) = [event for event in tx.events.log(RunId(run)) if event.type == "PhaseStarted"]
    return started.payload["prompt_sha256"] is not None


def whether_it_is_stale(scene: Scene) -> object:
    run = scene.start(phase("plan"))
    scene.clock.advance(days=1)
    return scene.status(run).data.get("stale")


def whether_it_is_stuck(scene: Scene) -> object:
    run = scene.start(phase("plan"))
    scene.clock.advance(minutes=10)
    return scene.status(run).data.get("stuck")


def what_may_go(scene: Scene) -> object:
    runs = [scene.start(phase("plan")) for _ in range(2)]
    for run in runs:
        scene.do(run, "plan")
        scene.clock.advance(seconds=1)
    with scene.store.tx() as tx:
        tx.runs.archive(RunId(runs[1]), scene.clock())
    scene.clock.advance(days=2)
    try:
        return [runs.index(record.id) for record in prunable(scene.engine).runs if record.id in runs]
    except Refused as no:
        return no.code


def whether_it_continues(scene: Scene) -> object:
    run = scene.start(phase("plan"), phase("build"))
    return scene.do(run, "plan").waiting_on


def who_answers(scene: Scene) -> object:
    scene.engine.environment |= {"OPENAI_API_KEY": "a-key-of-openai", "OTHER_KEY": "another-key"}
    try:
        found = connections_of(scene.engine, "second")
    except Refused as no:
        return no.message
    return [(each, each.api_key) for each in found]


def who_fills_the_roles(scene: Scene) -> object:
    run = scene.start(phase("plan", role="maker"), roles={"maker": {"provider": "second"}})
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
        plan, frozen = scene.engine.plans.of_run(tx, record), tx.documents.load(record.frozen_sha256)
    role = plan.template.roles[plan.phases["plan"].role or ""].provider
    return connections_of(scene.engine, role or "", frozen=frozen)[0]


def whether_models_get_a_shell(scene: Scene) -> object:
    run = scene.start(phase("plan"))
    with scene.store.read() as tx:
        return tx.documents.load(scene.engine.load(tx, run).record.frozen_sha256)["shell"]


def what_a_checkpoint_leaves_out(scene: Scene) -> object:
    scene.write("new.txt", "x" * 2_000)
    scene.write("small/new.txt", "x")
    return take_checkpoint(scene.engine, scene.start(phase("plan")), AGENT).skipped
