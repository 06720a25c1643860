"""Criteria of success of S1 that no page has part in, each played whole; the others are in tests/dashboard."""

import jsonschema_rs
import pytest

from tests.engine.model_scene import ROLES, configure, server
from tests.engine.scene import AGENT, GOOD, HUMAN, NOTE, Scene, phase
from tests.fake_models.script import Call, Turn
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.phases.edit import edit
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.requirement("S1-SC-01", "S1-SC-06")
def test_sc01_sc06_every_artifact_has_its_schema_and_what_is_not_valid_passes_no_boundary(scene: Scene) -> None:
    wrong = {"titel": 3}
    with server([Turn(value=wrong)] * 9) as models:
        configure(scene, models)
        modelled = phase("check", kind="llm", role="one", needs=["build"], on_fail=[{"do": "wait_human"}])
        run = scene.start(phase("plan"), phase("build", needs=["plan"]), modelled, roles=ROLES)
        scene.begin(run, "plan")
        with pytest.raises(Refused) as by_agent:
            scene.submit(run, "plan", wrong)
        scene.submit(run, "plan")
        with pytest.raises(Refused) as by_person:
            edit(scene.engine, HUMAN, run, PhasePath("build"), wrong)
        scene.do(run, "build")
        scene.work()
    assert (by_agent.value.code, by_person.value.code) == ("invalid_artifact", "invalid_artifact")
    assert "title" in str(by_agent.value.details)
    assert (scene.attempt(run, "check").status, scene.attempt(run, "check").human_only) == ("failed", True)

    kept = [answers.read_artifact(scene.engine, AGENT, run, phase=name) for name in ("plan", "build")]
    for each in kept:
        jsonschema_rs.validator_for(NOTE).validate(each.data["content"])
    for file in (scene.root / ".wfe").rglob("*.json"):  # what is there mirrors the record, and is no state
        file.unlink()
    again = [answers.read_artifact(scene.engine, AGENT, run, phase=name) for name in ("plan", "build")]
    assert [each.data for each in again] == [each.data for each in kept]


@pytest.mark.requirement("S1-SC-05")
def test_sc05_a_model_reads_writes_edits_runs_and_commits_files(scene: Scene) -> None:
    calls = [
        ("read", {"path": "app.py"}),
        ("write", {"path": "new.py", "content": "NEW = 1\n"}),
        ("edit", {"path": "new.py", "old": "NEW = 1", "new": "NEW = 2"}),
        ("bash", {"command": "cat new.py"}),
        ("git", {"command": "status"}),
        ("git_commit", {"message": "Add new.py"}),
    ]
    turns = [*(Turn(calls=(Call(name, given),)) for name, given in calls), Turn(value=GOOD)]
    scene.git("config", "user.name", "Ada")
    scene.git("config", "user.email", "ada@example.org")
    with server(turns) as models:
        configure(scene, models, extra="[tools]\nbash = true\n")
        tools = sorted({name for name, _ in calls})
        run = scene.start(phase("plan", kind="llm", role="one", tools_allowed=tools), roles=ROLES)
        scene.work()
    assert scene.state(run).status == "completed"
    assert (scene.root / "new.py").read_text() == "NEW = 2\n"
    with scene.store.read() as tx:
        used = tx.tool_calls.filter(scene.engine.load(tx, run).record.id)
    assert [(each.name, each.ok) for each in used] == [(name, True) for name, _ in calls], used[-1].output
    assert "NEW = 2" in str(used[3].output)
    assert "Add new.py" in scene.git("log", "-1", "--format=%s")
