"""A decision says what was not done before it, and calls unusual only what no template demands."""

from dataclasses import replace

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.views.approvals import ApprovalView, open_approval, shown_sha256, words
from wfe_mcp.views.approvals.model import NotDone
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import details_of
from wfe_mcp.views.runs.inputs import Input

OPINION = {"kind": "opinion", "reviewers": ["reviewer"], "criteria": "Is it good?", "if_missing": "note"}
ROLES = {"reviewer": {"provider": "reviewer", "description": "Another model"}}


def shown(scene: Scene, run: str, name: str) -> ApprovalView:
    found = open_approval(scene.engine, overview_of(scene.engine, run), name)
    assert found is not None
    return found


def left(view: ApprovalView) -> list[tuple[str, bool]]:
    return [(words.not_done(each), each.is_new) for each in view.not_done]


def approve(scene: Scene, run: str, name: str) -> None:
    approvals.ask(scene.engine, HUMAN, run, name)
    approvals.decide(scene.engine, HUMAN, run, name)
    scene.clock.advance(minutes=1)


def test_an_opinion_without_a_configured_reviewer_is_not_done_and_not_unusual(scene: Scene) -> None:
    gates = (OPINION, approval())
    run = scene.start(phase("plan", *gates), phase("build", *gates), roles=ROLES)
    scene.do(run, "plan")
    first = shown(scene, run, "plan")
    assert (first.unusual, words.not_done_about(first)) == ((), "in this run so far: 1")
    of_plan = "gate opinion of plan skipped: no reviewer is configured"
    assert left(first) == [(of_plan, True)]
    approve(scene, run, "plan")
    scene.do(run, "build")
    second = shown(scene, run, "build")
    assert left(second) == [("gate opinion of build skipped: no reviewer is configured", True), (of_plan, False)]
    assert words.not_done_about(second) == "in this run so far: 2, 1 since the last decision"


def test_a_skip_names_who_skipped_and_the_engine_never_reads_as_a_person(scene: Scene) -> None:
    run = scene.start(
        phase("docs", skip="agent"),
        phase("plan"),
        phase("extra", when="${size(artifacts.draft_note.title) > 99}", needs=["draft"]),
        phase("revise", enter="goto_only", needs=["draft"]),
        phase("draft", approval(), needs=["plan"]),
        phase("send", approval(), needs=["draft", "extra", "revise"]),
    )
    control.skip(scene.engine, AGENT, run, "docs", "none needed")
    scene.clock.advance(minutes=1)
    control.skip(scene.engine, HUMAN, run, "plan", "it is clear")
    scene.clock.advance(minutes=1)
    scene.do(run, "draft")
    assert left(shown(scene, run, "draft")) == [
        ("phase plan skipped by ada (cli): it is clear", True),
        ("phase docs skipped by agent (mcp): none needed", True),
    ]
    approve(scene, run, "draft")
    scene.do(run, "send")
    texts = [text for text, _ in left(shown(scene, run, "send"))]
    assert set(texts[:2]) == {
        "phase extra left out by the template: its condition 'when' is false",
        "phase revise left out by the template: it begins only where a jump leads to it, and none did",
    }
    decided = details_of(scene.engine, overview_of(scene.engine, run)).decisions
    assert [(each.phase, each.decision, each.actor) for each in decided] == [
        ("docs", "skipped", "agent"),
        ("plan", "skipped", "ada"),
        ("draft", "approved", "ada"),
    ]


def test_the_items_of_a_loop_are_one_line(scene: Scene) -> None:
    loop = {
        "id": "build",
        "kind": "loop",
        "for_each": {"in": "${['a', 'b']}", "as": "part", "key": "${part}"},
        "phases": [phase("code", OPINION)],
    }
    run = scene.start(loop, phase("end", approval()), roles=ROLES)
    for key in ("a", "b"):
        scene.do(run, f"build[{key}].code")
    scene.do(run, "end")
    assert left(shown(scene, run, "end")) == [
        ("gate opinion of build.code skipped, 2 times: no reviewer is configured", True)
    ]


def test_what_is_not_committed_is_said_until_it_is(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write("one.py", "ONE = 1\n")
    scene.write("two.py", "TWO = 2\n")
    scene.submit(run, "plan")
    before = scene.git("rev-parse", "HEAD")[:12]
    view = shown(scene, run, "plan")
    assert view.changes[0].commits == f"Nothing of it is committed: HEAD is {before}."
    scene.git("add", "one.py")
    scene.git("commit", "-qm", "one")
    half = scene.git("rev-parse", "HEAD")[:12]
    assert shown(scene, run, "plan").changes[0].commits == f"1 of 2 files not committed, HEAD is {half}: two.py."
    scene.git("add", "two.py")
    scene.git("commit", "-qm", "two")
    done = shown(scene, run, "plan")
    assert done.changes[0].commits == f"All of it is committed: HEAD is {scene.git('rev-parse', 'HEAD')[:12]}."
    assert shown_sha256(done) != shown_sha256(view)


def test_line_ends_that_git_changes_are_no_missing_commit(scene: Scene) -> None:
    scene.git("config", "core.autocrlf", "input")
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    (scene.root / "one.py").write_bytes(b"ONE = 1\r\n")
    scene.submit(run, "plan")
    scene.git("add", "one.py")
    scene.git("commit", "-qm", "one")
    assert shown(scene, run, "plan").changes[0].commits.startswith("All of it is committed")


TEST = "def test_one():\n    assert True\n"
DEMANDED = {"kind": "files", "exist": ["tests/test_app.py"]}


@pytest.mark.parametrize(
    ("path", "text", "later", "flagged"),
    [
        ("tests/test_app.py", f"{TEST}\n\ndef test_two():\n    assert True\n", "", []),
        ("tests/test_app.py", "def test_two():\n    assert True\n", "", ["tests/test_app.py"]),
        ("tests/test_app.py", f"{TEST}\n# more\n", f"{TEST}\n# less\n", ["tests/test_app.py"]),
        ("tests/test_other.py", TEST, "", ["tests/test_other.py"]),
        ("tests/conftest.py", "x = 1\n", "", ["tests/conftest.py"]),
    ],
)
def test_a_test_that_the_template_demanded_is_no_warning_and_every_other_one_is(
    scene: Scene, path: str, text: str, later: str, flagged: list[str]
) -> None:
    scene.write("tests/test_app.py", TEST)
    scene.git("add", "tests")
    scene.git("commit", "-qm", "tests")
    scene.check("ok", "pass")
    run = scene.start(phase("show", DEMANDED), phase("fix", command("ok"), approval()))
    scene.begin(run, "show")
    scene.write(path, text)
    scene.submit(run, "show")
    scene.begin(run, "fix")
    scene.write("app.py", "VALUE = 1\n")
    if later:
        scene.write(path, later)
    scene.submit(run, "fix")
    found = [each.text for each in shown(scene, run, "fix").unusual]
    assert found == [f"{each} changed since the run began." for each in flagged]


def test_what_sets_up_a_runner_is_never_demanded(scene: Scene) -> None:
    run = scene.start(phase("show", {"kind": "files", "exist": ["conftest.py"]}), phase("fix", approval()))
    scene.begin(run, "show")
    scene.write("conftest.py", "x = 1\n")
    scene.submit(run, "show")
    scene.do(run, "fix")
    assert [each.text for each in shown(scene, run, "fix").unusual] == ["conftest.py changed since the run began."]


def test_inputs_that_are_as_in_the_template_come_last_and_in_short(scene: Scene) -> None:
    globs = ["a/**", "b/**", "c/**", "d/**"]
    inputs = {
        "type": "object",
        "properties": {
            "globs": {"type": "array", "items": {"type": "string"}, "default": globs},
            "goal": {"type": "string"},
            "own": {"type": "array", "items": {"type": "string"}},
            "map": {"type": "object"},
        },
    }
    given = {"goal": "go", "own": globs, "map": {"x": 1, "y": 2}}
    run = scene.start(phase("plan", approval()), schema=inputs, inputs=given)
    scene.do(run, "plan")
    view = shown(scene, run, "plan")
    assert {each.name: words.input_short(each) for each in view.inputs} == {
        "goal": "go",
        "own": "a/**, b/**, c/** and 1 more",
        "map": "x, y (2 fields)",
        "globs": "as in the template (4 values)",
    }
    assert view.inputs[-1] == Input("globs", globs, is_default=True)
    assert words.input_texts(view.inputs[-1], is_full=True)[0] == "globs (as in the template)"
    assert words.input_texts(view.inputs[-1], is_full=False) == ("globs", "as in the template (4 values)")


def test_what_was_not_done_is_new_or_as_before_with_its_time_where_it_is_known() -> None:
    line = NotDone("plan", "skipped", "it is clear", at="2026-11-28T17:20:25+00:00")
    assert words.not_done_when(line) == "as before, 2026-11-28 17:20 UTC"
    assert words.not_done_when(replace(line, at="", is_new=True)) == "new"
