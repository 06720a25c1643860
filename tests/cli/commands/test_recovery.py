"""Blockers at the terminal: reported by recoveries, listed, found, resolved; and a recovery that is aborted."""

import json
from typing import Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal, phase, template

GIVEN = {"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}}
RULE = {"do": "subflow", "template": "repair", "max_attempts": 9, "with": {"why": "red"}}
GATE = {"kind": "expr", "assert": "${artifacts.build.text == 'good'}"}
FIX = phase("fix", on_fail=[{"do": "wait_human"}])


def blocker(**more: Any) -> dict[str, Any]:
    found = {
        "class": "failed_checks",
        "fingerprint": "failed_checks:build",
        "human_required": False,
        "cause": "The list is read backwards",
        "evidence": ["test_order: [2, 1]"],
        "next_step": "Read it forwards",
    }
    return found | more


@pytest.fixture
@scene
def red(cli: Terminal) -> str:
    """A run whose phase ``build`` has failed; its recovery is open."""
    diagnose = {"id": "diagnose", "output": {"artifact": "diagnosis", "schema": "blocker@1"}}
    cli.save(template("repair", diagnose, FIX, inputs=GIVEN))
    cli.save(template("made", phase("build", GATE, on_fail=[RULE, {"do": "wait_human"}]), phase("end")))
    run = cli.start("made")
    assert cli.submit_work(run, "build", "bad").refusal == "gate_failed"
    return run


def recover(cli: Terminal, run: str, number: int, **more: Any) -> None:
    """Recovery ``number`` reports a blocker, and fixes it where that is still asked for."""
    place = f"build[recovery-{number}]"
    (cli.root / "found.json").write_text(json.dumps(blocker(**more)))
    assert cli.json("submit", run, f"{place}.diagnose", "--path", "found.json").code == 0
    if "fix" in str(cli.json("status", run).document.get("next")):
        assert cli.submit_work(run, f"{place}.fix").code == 0
        assert cli.submit_work(run, "build", "bad").refusal == "gate_failed"


@pytest.mark.requirement("S3-13", "S3-22")
def test_a_blocker_is_shown_by_status_show_list_and_find(cli: Terminal, red: str) -> None:
    recover(cli, red, 1)
    shown = cli.json("status", red).data["recoveries"]
    assert [(one["phase"], one["class"], one["fingerprint"], one["state"], one.get("times", 1)) for one in shown] == [
        ("build", "failed_checks", "failed_checks:build", "open", 1)
    ]
    assert shown[0]["reported_by"] == "build[recovery-1].diagnose"
    line = "blocker failed_checks:build of build (open): The list is read backwards. Next step: Read it forwards"
    assert line in cli("status", red).out
    assert line in cli("show", red).out
    assert "failed_checks:build" in cli("recovery", "list").out
    (of_run,) = cli.json("recovery", "list").data["runs"]
    assert (of_run["run"], len(of_run["blockers"])) == (red, 1)
    (hit,) = cli.json("find", "failed_checks:build", "--kind", "blocker").data["hits"]
    assert (hit["kind"], hit["title"]) == ("blocker", "blocker failed_checks:build")
    opened = cli(*hit["open"].replace("'", "").split()[1:])
    assert "read backwards" in opened.out


@pytest.mark.requirement("S3-13", "S3-22")
def test_the_third_time_the_same_blocker_ends_the_recovery_and_a_person_is_asked(cli: Terminal, red: str) -> None:
    recover(cli, red, 1)
    recover(cli, red, 2, cause="The list is sorted downwards")
    recover(cli, red, 3)
    document = cli.json("status", red).document
    assert (document["waiting_on"], document["data"]["recoveries"][0]["times"]) == ("human", 3)
    report = cli("recovery", "show", red, "build")
    assert report.out.count("blocker failed_checks:build") == 3
    assert "met 3 times" in report.out
    log = cli("log", red).out
    assert "build[recovery-3].diagnose reports a blocker for the third time: The list is read backwards" in log
    assert "it met the same blocker for the third time: failed_checks:build" in log
    assert cli.json("verify", red).code == 0


@pytest.mark.requirement("S3-22", "S3-28")
def test_a_project_says_how_often_the_same_blocker_is_met(cli: Terminal, red: str) -> None:
    assert cli.json("cancel", red).code == 0
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write("\n[templates.made.phases.build]\nsame_blocker = 1\n")
    assert cli("trust", "--yes", pin=PIN).code == 0
    run = cli.start("made")
    cli.submit_work(run, "build", "bad")
    recover(cli, run, 1)
    assert cli.json("status", run).document["waiting_on"] == "agent"
    recover(cli, run, 2)
    document = cli.json("status", run).document
    assert (document["waiting_on"], document["data"]["recoveries"][0]["times"]) == ("human", 2)


@pytest.mark.requirement("S3-13", "S3-22")
def test_a_person_resolves_a_blocker_with_the_pin_and_the_next_attempt_learns_of_it(cli: Terminal, red: str) -> None:
    for number in (1, 2, 3):
        recover(cli, red, number)
    assert cli.json("recovery", "resolve", red, "build", "--reason", "The database is back").refusal == "needs_human"
    assert cli.json("recovery", "resolve", red, "build", "--reason", "The database is back", pin=PIN).code == 0
    assert "The database is back" in cli("context", red).out
    assert cli.json("recovery", "list", red).data["runs"] == []
    assert "recoveries" not in cli.json("status", red).data
    assert cli.submit_work(red, "build", "good").code == 0
    assert cli.json("recovery", "list", red).data["runs"] == []
    (listed,) = cli.json("recovery", "list", red, "--all").data["runs"]
    assert {one["state"] for one in listed["blockers"]} == {"resolved"}
    no = cli.json("recovery", "resolve", red, "build", "--reason", "again", pin=PIN)
    hint = "See those that are over: wfe-mcp recovery list --all"
    assert (no.refusal, no.document["error"]["hint"]) == ("illegal_transition", hint)


@pytest.mark.requirement("S3-13")
def test_a_person_ignores_a_blocker_at_once_and_a_later_report_of_it_is_open_again(cli: Terminal, red: str) -> None:
    recover(cli, red, 1)
    no = cli.json("recovery", "ignore", red, "build", "--reason", "The list may be backwards")
    assert (no.refusal, len(cli.json("recovery", "list", red).data["runs"])) == ("needs_human", 1)
    done = cli("recovery", "ignore", red, "build", "--reason", "The list may be backwards", pin=PIN)
    assert "its blocker is ignored" in done.out
    assert cli.json("recovery", "list", red).data["runs"] == []
    (listed,) = cli.json("recovery", "list", red, "--all").data["runs"]
    assert [one["state"] for one in listed["blockers"]] == ["ignored"]
    assert "continue without removing it: The list may be backwards" in cli("context", red).out
    assert cli.submit_work(red, "build", "bad").refusal == "gate_failed"
    recover(cli, red, 3)
    (listed,) = cli.json("recovery", "list", red, "--all").data["runs"]
    assert [one["state"] for one in listed["blockers"]] == ["ignored", "open"]
    assert cli.json("verify", red).code == 0


@pytest.mark.requirement("S3-22")
def test_a_person_ends_a_recovery_that_is_running(cli: Terminal, red: str) -> None:
    assert cli.json("recovery", "abort", red, "build[recovery-1].fix", pin=PIN).code == 0
    assert cli.json("status", red).document["next"][0]["args"]["phase"] == "build"
    assert cli.json("recovery", "abort", red, "build", pin=PIN).refusal == "illegal_transition"
    assert "have reported no blocker" in cli("recovery", "show", red, "build").out


def test_a_phase_without_a_recovery_is_named_with_those_that_have_one(cli: Terminal, red: str) -> None:
    no = cli.json("recovery", "show", red, "end")
    assert (no.refusal, no.document["error"]["hint"]) == ("bad_argument", "Phases with a recovery: build.")
    assert cli.json("recovery", "show", red, "nothing").refusal == "unknown_phase"
    other = cli.start("note")
    hint = cli.json("recovery", "show", other, "draft").document["error"]["hint"]
    assert hint == "No phase of this run has recovered so far."


def test_a_blocker_survives_rollback_fork_and_export(cli: Terminal, red: str) -> None:
    recover(cli, red, 1)
    assert cli.json("rollback", red, "build", pin=PIN).code == 0
    kept = cli.json("status", red).data["recoveries"]
    assert [one["fingerprint"] for one in kept] == ["failed_checks:build"]
    assert cli.json("verify", red).code == 0
    forked = cli.json("start", "--from", red, pin=PIN).document["run"]
    assert cli.json("status", forked).data["recoveries"] == kept
    assert cli.json("export", red, "run.json").code == 0
    assert "BlockerFound" in (cli.root / "run.json").read_text()
