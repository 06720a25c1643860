"""How often a decision on honest work has something unusual: a warning that is always there is read by no one.

Every shipped template is played with honest work and without a reviewer, the default. ``RED`` are the tests of what must be
flagged; ``tests/templates/conftest.py`` compares what each of these decisions promises with what it does.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.promises import Promises
from tests.templates.test_shipped import TEMPLATES
from tests.templates.test_with_models import PLAYED_ELSEWHERE, PLAYS, made, play
from wfe_mcp.engine.approvals import decide
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

LEAST = 0.9
"""The share of decisions with nothing unusual."""
RED = (
    "cli/commands/test_inbox.py::test_an_asked_decision_has_one_line_with_what_is_unusual_about_it",
    "dashboard/api/test_inbox.py::test_everything_unusual_that_the_record_holds_is_in_the_line_as_in_the_decision",
    "dashboard/test_ways_on.py::test_the_preview_of_a_chosen_line_loads_its_change_and_what_is_unusual_about_the_files",
    "security/test_threats.py::test_a_cancelled_run_is_named_at_the_next_approval",
    "security/test_trust_list.py::test_a_change_of_the_persons_own_configuration_is_reported_at_the_approval_and_by_verify",
    "security/test_trust_list.py::test_a_template_that_was_enabled_again_is_reported_at_the_approval_and_by_verify",
    "security/test_weakened_gates.py::test_a_weakened_gate_is_shown_in_status_show_the_approval_and_the_hand_off",
    "views/test_approval.py::test_a_check_that_ran_another_program_than_at_first_is_unusual",
    "views/test_without_git.py::test_a_run_that_lost_its_git_is_unusual",
    "views/test_approval.py::test_the_bytes_and_what_moved_the_goalposts_are_shown",
    "views/test_approval.py::test_watched_files_are_named_without_their_content",
    "views/test_approval.py::test_what_changed_before_the_first_claim_is_named_in_the_decision_and_in_the_status",
    "views/test_not_done.py::test_a_test_that_the_template_demanded_is_no_warning_and_every_other_one_is",
    "views/test_not_done.py::test_what_sets_up_a_runner_is_never_demanded",
)
"""Each shows something that must be flagged, and that it still is."""


def test_nine_of_ten_decisions_on_honest_work_have_nothing_unusual(
    playgrounds: Playgrounds, promises: Promises, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unusual: dict[str, list[str]] = {}
    real = decide.decide

    def looked(engine: Engine, by: Any, run: str, phase: str, **more: Any) -> Any:
        view = open_approval(engine, overview_of(engine, run), phase)
        assert view is not None
        unusual[f"{view.template}, {phase}"] = [f"{each.weight}: {each.text}" for each in view.unusual]
        return real(engine, by, run, phase, **more)

    monkeypatch.setattr(decide, "decide", looked)
    for name in PLAYS:
        with made(playgrounds, name) as project:
            assert play(project, name).last["run_state"] == "completed", name
    calm = sum(not found for found in unusual.values())
    with capsys.disabled():
        print(f"\n{calm} of {len(unusual)} decisions have nothing unusual ({calm / len(unusual):.0%}); {len(RED)} red")
        for place, found in unusual.items():
            print(*(f"  {place}: {each}" for each in found), sep="\n", end="\n" if found else "")
    assert set(PLAYS) == set(TEMPLATES) - PLAYED_ELSEWHERE.keys()
    assert calm / len(unusual) >= LEAST, unusual
    assert len(promises.made) >= len(unusual), "each of them did what it promised"


@pytest.mark.parametrize("test", RED)
def test_what_must_be_flagged_has_a_test(test: str) -> None:
    file, _, name = test.partition("::")
    text = (Path(__file__).parent.parent / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {re.escape(name)}\(", text, re.MULTILINE)
