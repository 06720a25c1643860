"""What the decision view says of revisions and opinions at a terminal, and that its sha256 follows what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.commands.test_opinion import FINDING, models, opinion
from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN

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
