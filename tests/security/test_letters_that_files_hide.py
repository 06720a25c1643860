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


def unusual(scene: Scene, path: str, text: str) -> list[str]:
    """What is unusual about a change that writes ``text`` into the file ``path``."""
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    (scene.root / path).write_bytes(text.encode())
    scene.submit(run, "plan")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    return [one.text for one in view.unusual]


@pytest.mark.attack("a name has a letter of another script that looks like a Latin one", "detected", "A1")
def test_letters_of_another_script_within_a_latin_word_are_named(scene: Scene) -> None:
    named = "Letters of another script that look like Latin ones are in words of "
    assert unusual(scene, "app.py", "def p\u0430y(): pass\n") == [f"{named}app.py (<U+0430> 1×)."]
    scene.git("checkout", "-q", "app.py")
    assert unusual(scene, "\u0441art.py", "1\n") == [f"{named}\u0441art.py (<U+0441> 1×)."]


@pytest.mark.parametrize(
    "text",
    [
        "# \u043e\u0431\u043e\u0440\u043e\u0442 API-\u043a\u043b\u044e\u0447\n",
        "\u0394t = 5\n",
        "\u03c0r\n",
        "caf\u00e9 = 1\n",
    ],
)
def test_words_of_one_script_and_signs_of_science_are_not_unusual(scene: Scene, text: str) -> None:
    assert unusual(scene, "app.py", text) == []


@pytest.mark.attack("a line of code stands behind a carriage return, in what looks like a comment", "held", "A1")
def test_a_carriage_return_within_a_line_is_named_and_one_at_its_end_is_not(scene: Scene) -> None:
    assert unusual(scene, "app.py", "# fine\rrun()\n") == ["Characters that no one sees are in app.py (<U+000D> 1×)."]
    scene.git("checkout", "-q", "app.py")
    assert unusual(scene, "win.py", "VALUE = 1\r\nMORE = 2\r\n") == []
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan", {"title": "What it printed", "body": "10 %\r20 %\n"})
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None and view.unusual == ()
