"""What a person sees before they approve."""

from tests.engine.scene import AGENT, GOOD, Scene, approval, command, phase
from wfe_mcp.views import tool_answers as answers
from wfe_mcp.views.approval import open_approval
from wfe_mcp.views.envelopes import standing_of


def test_the_bytes_and_what_moved_the_goalposts_are_shown(scene: Scene) -> None:
    scene.check("ok", "pass")
    first = scene.start(phase("plan", command("ok"), approval(phrase="ship it")))
    answers.control_run(scene.engine, AGENT, first, "cancel")
    scene.clock.advance(minutes=1)
    run = answers.start_run(scene.engine, AGENT, "drill").run or ""
    scene.begin(run)
    scene.write("tests/test_app.py", "def test_nothing(): pass\n")
    scene.write("src/app.py", "VALUE = 2\n")
    scene.submit(run, "plan")
    shown = open_approval(scene.engine, standing_of(scene.engine, run), "plan")
    assert shown is not None
    assert (shown.assurance, shown.phrase) == ("human", "ship it")
    assert shown.data["content"] == GOOD
    assert shown.data["checks_changed"] == ["tests/test_app.py"]
    assert shown.data["cancelled_before"] == [first]
    assert [said["gate"] for said in shown.data["verdicts"]] == ["command"]


def test_a_prompt_is_shown_without_content(scene: Scene) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    shown = open_approval(scene.engine, standing_of(scene.engine, run), "plan")
    assert shown is not None
    assert (shown.data["revision"], "content" in shown.data, "checks_changed" in shown.data) == (0, False, False)


def test_what_asks_nothing_of_a_person_shows_nothing(scene: Scene) -> None:
    run = scene.start(phase("plan", command("ok")))
    found = standing_of(scene.engine, run)
    assert open_approval(scene.engine, found, "plan") is None
    assert open_approval(scene.engine, found, "nope") is None
    scene.do(run, "plan")
    assert open_approval(scene.engine, standing_of(scene.engine, run), "plan") is None, "it waits for trust"
