"""Characters that no one sees are named in a decision, whatever the files of the change are called and when they changed."""

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of


@pytest.mark.attack("a file is called as a part of the decision is, to hide its letters", "held", "A1")
def test_a_file_called_as_the_artifact_hides_none_of_its_letters(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write("the artifact", "nothing here\n")
    scene.submit(run, "plan", {"title": "Fine", "body": "Do\u200bthis"})
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert "Characters that no one sees are in the artifact (<U+200B> 1×)." in [one.text for one in view.unusual]


def test_letters_from_before_the_last_approval_are_named_where_the_file_changed_again(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build", approval()))
    scene.begin(run, "plan")
    scene.write("app.py", "name = 'a\u200bb'\n")
    scene.submit(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.begin(run, "build")
    scene.write("app.py", "name = 'a\u200bb'\nmore = 1\n")
    scene.submit(run, "build")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "build")
    assert view is not None
    assert len(view.changes) == 2
    assert "Characters that no one sees are in app.py (<U+200B> 1×)." in [one.text for one in view.unusual]
