"""Comments on lines of the change at a terminal."""

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal

pytestmark = pytest.mark.usefixtures("in_git")


@scene
def waiting(cli: Terminal) -> str:
    """A run whose letter waits for a person, with a changed file."""
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    (cli.root / "app.py").write_text("def speed():\n    return 3\n", encoding="utf-8")
    cli.submit_work(run, "send")
    return run


def test_a_comment_on_a_line_is_part_of_the_decision_in_show(cli: Terminal) -> None:
    run = waiting(cli)

    document = cli.json("reject", run, "send", "--comment", "app.py:2=Name the unit.", pin=PIN)

    assert document.code == 0, document.out
    (decision,) = [each for each in cli.json("show", run).data["decisions"] if each["decision"] == "rejected"]
    assert decision["comments"] == [{"file": "app.py", "line": 2, "side": "new", "text": "Name the unit."}]


def test_show_keeps_the_comments_on_lines_when_the_attempt_is_long_over(cli: Terminal) -> None:
    run = waiting(cli)
    words = ("reject", run, "send", "--feedback", "Nearly.", "--comment", "app.py:2=Name the unit.\nIn SI.")
    assert cli(*words, pin=PIN).code == 0
    cli.submit_work(run, "send")

    output = cli("show", run).out

    assert ": Nearly.\n" in output
    assert "     - app.py:2 (new): Name the unit.\n       In SI.\n" in output
    handed = cli("handoff", run).out
    assert "assurance human): Nearly.\n- its comment on app.py:2 (new): Name the unit. In SI.\n" in handed


def test_a_comment_elsewhere_is_refused_and_decides_nothing(cli: Terminal) -> None:
    run = waiting(cli)

    assert "Did you mean 'app.py'?" in cli("reject", run, "send", "--comment", "app.pi:2=x", pin=PIN).err
    assert cli.json("reject", run, "send", "--comment", "app.py:-1=x", pin=PIN).refusal == "bad_argument"
    assert cli.json("reject", run, "send", "--comment", "app.py=x", pin=PIN).refusal == "bad_argument"
    assert cli.json("reject", run, "send", "--comment", f"app.py:{'9' * 5_000}=x", pin=PIN).refusal == "bad_argument"
    assert cli("reject", run, "send", pin=PIN).code == 2
    assert cli.json("status", run).data["phases"]
