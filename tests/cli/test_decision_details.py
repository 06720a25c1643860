"""What the decision view says of revisions and opinions at a terminal, and that its sha256 follows what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.commands.test_opinion import FINDING, models, opinion
from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Terminal
    from tests.fake_models.server import ModelServer

__all__ = ["models"]


@scene
def waiting(cli: Terminal) -> str:
    """A run whose letter waits for a person."""
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    return run


def test_a_revision_that_is_the_same_again_is_called_unchanged(cli: Terminal):
    run = waiting(cli)
    cli("reject", run, "send", "--feedback", "Again.", pin=PIN)
    cli("retry", run, "send", pin=PIN)
    cli.submit_work(run, "send")
    shown = cli("show", run, "--decision").out
    assert "Unchanged since revision 1" in shown
    assert "0 parts" not in shown


@pytest.mark.usefixtures("in_git")
def test_earlier_attempts_stand_below_each_other_with_all_of_what_was_said(cli: Terminal):
    cli.save(template("look", phase("fix", {"kind": "files", "changed": ["app.py"]}, HUMAN)))
    run = cli.start("look")
    for text in ("", "VALUE = 2\n"):  # the first changes nothing, so its gate fails
        if text:
            (cli.root / "app.py").write_text(text, encoding="utf-8")
        cli.submit_work(run, "fix")
    cli("reject", run, "fix", "--feedback", "Two things:\nthe name, the unit", pin=PIN)
    cli.submit_work(run, "fix")
    lines = cli("show", run, "--decision").out.splitlines()
    first, second = (next(line for line in lines if line.startswith(f"  {number}  ")) for number in (1, 2))
    assert (first[5:13], second[5:13]) == ("failed  ", "rejected")
    assert first[13:15] == second[13:15] == "  "
    at = lines.index(second)
    assert lines[at + 1 : at + 3] == ["      Two things:", "      the name, the unit"]


def test_an_earlier_attempt_that_was_undone_is_called_as_on_the_page(cli: Terminal):
    run = waiting(cli)
    cli("undo", run)
    cli.submit_work(run, "send")
    assert "  1  rolled back" in cli("show", run, "--decision").out.splitlines()


def test_findings_of_a_reviewer_are_shown_and_change_the_sha256_of_what_is_shown(
    cli: Terminal, models: Callable[..., ModelServer]
):
    models(opinion("concerns", findings=[FINDING]))
    run = waiting(cli)
    before = cli.json("show", run, "--decision").data["shown_sha256"]
    assert cli.json("show", run, "--decision").data["shown_sha256"] == before
    cli("opinion", "ask", run, "send", "--reviewer", "first")
    shown = cli("show", run, "--decision").out
    assert "first (claude)" in shown
    assert "- high: stats.py:12: It divides by zero (Refuse [])" in shown
    assert cli.json("show", run, "--decision").data["shown_sha256"] != before


def test_a_decision_names_the_project_as_its_user_does_and_its_folder(cli: Terminal) -> None:
    run = cli.start("letter", "--title", "Thanks")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert f'Approve send of "Thanks" (project, {run}, attempt 1)?' in cli("show", run, "--decision").out
    assert cli("project", "rename", ".", "The shop").code == 0

    assert f'"Thanks" (The shop (project), {run}, attempt 1)?' in cli("show", run, "--decision").out
    assert "letter@1.0.0 in The shop (project), phase send" in cli("show", run, "--decision", "--full").out
    assert cli.json("show", run, "--decision").data["decision"]["project"] == "The shop (project)"
