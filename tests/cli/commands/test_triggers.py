"""``wfe-mcp incoming`` and ``schedule``: a person sees what may start templates here, and makes the secret."""

import pytest

from tests.cli.scene import PIN, Terminal

CONFIG = """\
[checks.test]
argv = ["true"]

[incoming.tracker]
template = "quick_fix"
from_body = { problem = "/issue/title" }

[schedule.weekdays]
cron = "0 7 * * 1-5"
timezone = "Europe/Berlin"
template = "quick_fixx"
"""


def configured(cli: Terminal, text: str = CONFIG) -> str:
    config = cli.root / ".wfe" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(text, encoding="utf-8")
    return cli("trust", "config", "--yes", pin=PIN).out


@pytest.mark.requirement("S4-28")
def test_trust_shows_what_starts_templates_and_doctor_names_what_does_not_work(cli: Terminal) -> None:
    shown = configured(cli)
    assert "incoming tracker" in shown
    assert "schedule weekdays" in shown
    assert "0 7 * * 1-5" in shown

    assert "wfe-mcp incoming rotate tracker" in cli("incoming", "list").out
    assert cli("incoming", "rotate", "tracker").code == 1  # needs the PIN
    made = cli("--json", "incoming", "rotate", "tracker", pin=PIN).data
    assert made["secret"].startswith("whsec_")
    assert (made["incoming"], made["credential"]) == ("tracker", "incoming-tracker")
    assert "!" not in cli("incoming", "list").out
    assert "/api/v1/incoming/tracker?project=p-" in cli("incoming", "list").out

    listed = cli("schedule", "list").out
    assert "No template is called 'quick_fixx'. Did you mean 'quick_fix'?" in listed
    doctor = cli("doctor").out
    assert "schedule weekdays" in doctor
    assert "quick_fixx" in doctor
    (one,) = cli.json("schedule", "list").data["schedules"]
    assert one["next"][11:16] in {"05:00", "06:00"}


def test_where_nothing_is_configured_the_next_step_is_said(cli: Terminal) -> None:
    assert cli("incoming", "list").out.startswith("Nothing comes in. Add [incoming.NAME]")
    assert cli("schedule", "list").out.startswith("No schedules. Add [schedule.NAME]")
    assert "There is no [incoming] 'tracker'." in cli("incoming", "rotate", "tracker").err


def test_a_schedule_that_does_not_count_is_named_in_the_list(cli: Terminal) -> None:
    configured(cli, '[schedule.nightly]\ncron = "61 3 * * *"\ntemplate = "quick_fix"\n')

    assert "'61 3 * * *' is no cron expression" in cli("schedule", "list").out


def test_a_schedule_whose_driver_no_one_configured_would_start_nothing(cli: Terminal) -> None:
    configured(cli, '[schedule.nightly]\ncron = "1 3 * * *"\ntemplate = "note"\ndriver = "coder"\n')

    assert "No role or provider 'coder' is configured." in cli("schedule", "list").out
    assert "No role or provider 'coder' is configured." in cli("doctor").out
