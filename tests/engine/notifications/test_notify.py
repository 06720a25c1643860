"""Notifications: a person hears once that they are needed, in the ways of their own configuration, and never what it is about."""

import json
import os
import stat
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.approvals.people import ada
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, phase
from tests.engine.webhooks.receiver import Receiver
from wfe_mcp.core.commands import Pause
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.credentials.stored import add_credential
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.grants import give_grant
from wfe_mcp.engine.kernel.engine import SYSTEM, own_key
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.models.budgets import pause_over_budget
from wfe_mcp.engine.notifications.notify import desktop_command, last_failure, send
from wfe_mcp.engine.outbox.outbox import quiet_until
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.answers.starting import start_run
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.approvals.grants import seen_sha256
from wfe_mcp.workspace.system.location import user_config_file

pytestmark = pytest.mark.usefixtures("home")

SECRET = "words of a title"
NOTE_IT = "import os, sys; open(os.environ['HOME'] + '/heard.log', 'a').write(sys.stdin.read() + chr(10))"


def configure(scene: Scene, text: str, *, trusted: bool = True) -> None:
    """The user's own configuration."""
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if trusted:
        loaded = scene.engine.settings()
        with scene.store.tx() as tx:
            tx.trust.give(scene.engine.project_id, own_key(file), loaded.user_sha256, HUMAN, scene.clock())


def command(**keys: Any) -> str:
    lines = {"command": [sys.executable, "-S", "-c", NOTE_IT], **keys}
    return "[notify]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())


def heard(scene: Scene) -> list[dict[str, Any]]:
    file = Path(scene.environment["HOME"]) / "heard.log"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def asked(scene: Scene, **keys: Any) -> str:
    run = scene.start(phase("plan", approval(**keys)), title=SECRET)
    scene.do(run, "plan", {"title": SECRET})
    return run


@pytest.mark.requirement("S1-10")
def test_a_person_hears_once_that_a_decision_waits_and_not_what_about(scene: Scene) -> None:
    configure(scene, command())
    run = asked(scene)
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.work()

    (one,) = heard(scene)
    assert (one["event"], one["reference"], one["severity"]) == ("approval", f"{run} plan", "info")
    assert one["text"] == f"{run} plan waits for your decision"
    assert SECRET not in json.dumps(one)


def test_a_request_that_was_changed_is_a_new_one(scene: Scene) -> None:
    configure(scene, command())
    run = asked(scene)
    approvals.reject(scene.engine, HUMAN, run, "plan", "again")
    scene.do(run, "plan", {"title": "Another one"})

    assert [one["event"] for one in heard(scene)] == ["approval", "approval"]


def test_a_reminder_comes_before_the_end_of_an_open_request_only(scene: Scene) -> None:
    configure(scene, command(remind="30m"))
    first, second = asked(scene, expires="2h"), asked(scene, expires="2h")
    for run in (first, second):
        approvals.ask(scene.engine, HUMAN, run, "plan")
    scene.work()
    assert len(heard(scene)) == 2
    approvals.decide(scene.engine, HUMAN, second, "plan")
    scene.clock.advance(minutes=91)
    scene.work()

    (reminder,) = heard(scene)[2:]
    assert reminder["reference"] == f"{first} plan"
    assert reminder["expires_at"].startswith("2026-03-01T14:00:00")
    assert ", until " in reminder["text"]


def test_a_run_that_stopped_is_shown_as_a_warning(scene: Scene) -> None:
    configure(scene, command())
    run = scene.start(phase("plan", {"kind": "expr", "assert": "${false}"}, on_fail=[{"do": "wait_human"}]))
    scene.do(run, "plan")

    (one,) = heard(scene)
    assert (one["event"], one["severity"]) == ("stopped", "warning")


@pytest.mark.parametrize("end", ["wait_human", "pause", "block", "fail"])
def test_a_run_that_stops_since_a_phase_failed_is_shown_once(scene: Scene, end: str) -> None:
    configure(scene, command())
    run = scene.start(phase("plan", {"kind": "expr", "assert": "${false}"}, on_fail=[{"do": end}]))
    scene.do(run, "plan")

    assert [(one["event"], one["reference"]) for one in heard(scene)] == [("stopped", f"{run} plan")]


def test_a_pause_over_a_budget_is_shown_and_that_of_its_user_or_of_an_outage_is_not(scene: Scene) -> None:
    configure(scene, command())
    spent, paused, unreachable = (scene.start(phase("plan")) for _ in range(3))
    control.control(scene.engine, scene.human, paused, "pause")
    with change_run(scene.engine, unreachable, SYSTEM) as current:
        current.give(
            Pause(reason="The provider does not answer.", by=SYSTEM, at=current.at)
        )  # as engine/models/waits.py
    with scene.store.tx() as tx:
        pause_over_budget(scene.engine, tx, spent, "The run has spent what it may.")
    scene.work()

    assert [(one["event"], one["reference"]) for one in heard(scene)] == [("stopped", spent)]


def test_a_gate_that_needs_trust_is_shown_once(scene: Scene) -> None:
    scene.check("ok", "pass")
    configure(scene, command())
    run = scene.start(phase("plan", {"kind": "command", "check": "ok"}))
    scene.check("ok", "print('changed')", trusted=False)
    scene.do(run, "plan")
    scene.work()

    assert scene.status(run).waiting_on == "human"
    assert [(one["event"], one["reference"]) for one in heard(scene)] == [("stopped", f"{run} plan")]


def test_a_person_is_notified_only_of_the_configured_kinds(scene: Scene) -> None:
    configure(scene, command(events=["stopped"]))
    asked(scene)
    run = scene.start(phase("plan", {"kind": "expr", "assert": "${false}"}, on_fail=[{"do": "wait_human"}]))
    scene.do(run, "plan")
    assert [one["event"] for one in heard(scene)] == ["stopped"]


def test_quiet_hours_hold_back_until_their_end(scene: Scene) -> None:
    local = scene.clock().astimezone()
    begin, end = ((local + timedelta(hours=each)).strftime("%H:%M") for each in (-1, 2))
    configure(scene, command(quiet=f"{begin}-{end}"))
    asked(scene)
    assert heard(scene) == []
    scene.clock.advance(hours=2)
    scene.work()
    assert len(heard(scene)) == 1


def test_quiet_hours_over_midnight() -> None:
    def at(hour: int) -> datetime:
        return datetime(2026, 3, 1, hour).astimezone().astimezone(UTC)

    assert quiet_until("22:00-07:00", at(21)) == at(21)
    assert quiet_until("22:00-07:00", at(23)) == at(23) + timedelta(hours=8)
    assert quiet_until("22:00-07:00", at(3)) == at(7)
    assert quiet_until("09:00-10:00", at(9)) == at(10)
    assert quiet_until("", at(9)) == at(9)


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows has the time zone of its system")
def test_quiet_hours_end_by_the_clock_in_the_night_of_the_change_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        late = datetime(2026, 3, 28, 22, tzinfo=UTC)  # 23:00 there, before the night with 23 hours
        assert quiet_until("22:00-07:00", late) == datetime(2026, 3, 29, 5, tzinfo=UTC)
    time.tzset()


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="notify-send is a program of Linux")
def test_the_desktop_is_asked_by_its_own_program_outside_the_project(scene: Scene, tmp_path: Path) -> None:
    def stub(folder: Path, word: str) -> None:
        folder.mkdir(exist_ok=True)
        file = folder / "notify-send"
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" {word} "$@" >> "{tmp_path}/desktop.log"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    stub(scene.root / "bin", "project")
    stub(tmp_path / "system", "system")
    path = os.pathsep.join([str(scene.root / "bin"), str(tmp_path / "system"), scene.environment["PATH"]])
    scene.engine.environment["PATH"] = path
    configure(scene, "[notify]\ndesktop = true\n")
    run = asked(scene)

    lines = (tmp_path / "desktop.log").read_text().splitlines()
    assert lines[0] == "system"
    assert lines[-2:] == ["wfe-mcp", f"{run} plan waits for your decision"]


def test_text_is_never_code_of_the_system_s_program() -> None:
    evil = 'x"; do shell script "evil"; $(evil)'
    for platform in ("linux", "darwin", "win32"):
        _, arguments, variables = desktop_command(platform, evil, "info")
        assert [each for each in arguments if evil in each] in ([evil], [])
        assert evil in (*arguments, *variables.values())


def test_one_way_that_fails_keeps_none_from_the_others(scene: Scene) -> None:
    configure(scene, command(apprise=["ntfy"]))
    asked(scene)
    assert len(heard(scene)) == 1
    with scene.store.read() as tx:
        (job,) = [each for each in tx.jobs.filter() if each.kind == "notify"]
    assert job.result is not None
    assert job.result["shown"] == ["command"]
    assert "There is no credential 'ntfy'" in job.result["failed"][0]
    assert "[" not in job.result["failed"][0], "the command that prints it adds its code"


def test_a_program_that_is_not_there_is_named_with_the_table_to_correct(scene: Scene) -> None:
    (scene.root.parent / "empty").mkdir()
    missing = scene.root.parent / "empty" / "beep"
    configure(scene, f"[notify]\ncommand = [{json.dumps(str(missing))}]\n")
    _, (fault,) = send(scene.engine, scene.engine.settings().settings.notify, {"kind": "test", "reference": "wfe-mcp"})
    assert f"{missing} cannot be started: " in fault
    assert fault.endswith(" Correct [notify] in your own configuration, then: wfe-mcp trust")
    assert ".." not in fault


def test_the_last_notification_that_was_not_shown_is_remembered_until_one_is(scene: Scene) -> None:
    configure(scene, command())
    asked(scene)
    scene.work()
    assert last_failure(scene.engine) == ""
    configure(scene, command(command=["/nowhere/at-all"]))
    scene.clock.advance(minutes=1)
    asked(scene)
    scene.work()
    assert "the last one, at 2026-03-01 12:01 UTC, was not shown: command: /nowhere/at-all" in last_failure(
        scene.engine
    )
    configure(scene, command())
    scene.clock.advance(minutes=1)
    asked(scene)
    scene.work()
    assert last_failure(scene.engine) == ""


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a module of apprise imports it
def test_apprise_gets_it_at_the_address_of_a_credential(scene: Scene) -> None:
    receiver = Receiver()
    receiver.start()
    try:
        address = {"token": f"json://127.0.0.1:{receiver.port}/secret-path"}
        add_credential(scene.engine, HUMAN, "chat", "token", address, kept_in="stored")
        configure(scene, '[notify]\napprise = ["chat"]\n')
        run = asked(scene)
    finally:
        receiver.stop()

    (one,) = receiver.heard
    assert one.body["message"] == f"{run} plan waits for your decision"
    assert SECRET not in one.content.decode()


@pytest.mark.attack("a program is named for notifications in bytes that no person trusts", "held", "T4; A3")
def test_own_configuration_that_no_person_trusted_starts_no_program(scene: Scene) -> None:
    configure(scene, command(), trusted=False)
    asked(scene)
    assert heard(scene) == []


@pytest.mark.parametrize(("when", "calls"), [("${size(change.files) <= 1}", 0), ("${size(change.files) > 1}", 1)])
def test_a_person_is_called_only_to_a_decision_that_no_grant_takes(scene: Scene, when: str, calls: int) -> None:
    configure(scene, command())
    scene.define(phase("plan", approval()))
    grant = draft_grant(scene.engine, "drill", "plan", when, 1, scene.clock() + timedelta(hours=1))
    give_grant(scene.engine, ada(scene), grant, seen_sha256(grant))
    run = start_run(scene.engine, AGENT, "drill", {}).run or ""
    scene.do(run, "plan")
    assert heard(scene) == [], "the agent has not asked yet"
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.clock.advance(minutes=1)
    scene.work()
    assert [one["reference"] for one in heard(scene)] == [f"{run} plan"] * calls


def test_who_decided_in_quiet_hours_is_not_called_at_their_end(scene: Scene) -> None:
    local = scene.clock.now.astimezone()
    quiet = f"{(local - timedelta(hours=1)):%H:%M}-{(local + timedelta(hours=1)):%H:%M}"
    configure(scene, command(quiet=quiet))
    run = asked(scene)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.clock.advance(hours=2)
    scene.work()
    assert heard(scene) == []


def test_a_task_and_a_held_phase_call_their_person_once_each(scene: Scene) -> None:
    configure(scene, command())
    run = scene.start(phase("look", kind="human"), phase("build"), auto=False)
    scene.work()
    answers.submit_artifact(scene.engine, HUMAN, run, "look", artifact=GOOD)
    scene.work()
    assert [(one["event"], one["reference"]) for one in heard(scene)] == [("stopped", f"{run} look")] * 2


def test_who_reopened_a_phase_before_the_call_is_not_called(scene: Scene) -> None:
    configure(scene, command())
    run = scene.start(phase("plan", timeout="10m", on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    scene.clock.advance(minutes=11)
    assert scene.status(run).waiting_on == "human"
    control.retry(scene.engine, HUMAN, run, "plan")
    scene.work()
    assert heard(scene) == []


def test_what_a_person_did_before_the_call_is_not_shown(scene: Scene) -> None:
    configure(scene, command())
    run = scene.start(phase("look", kind="human"))
    answers.submit_artifact(scene.engine, HUMAN, run, "look", artifact=GOOD)
    scene.work()
    assert heard(scene) == []


def test_a_run_that_its_person_ended_or_continued_before_the_call_is_not_shown(scene: Scene) -> None:
    configure(scene, command())
    ended, goes_on, spent = (scene.start(phase("plan")) for _ in range(3))
    for run in (ended, goes_on, spent):
        with scene.store.tx() as tx:
            pause_over_budget(scene.engine, tx, run, "The run has spent what it may.")
    control.control(scene.engine, HUMAN, ended, "cancel")
    control.control(scene.engine, HUMAN, goes_on, "resume", max_tokens=10)
    scene.work()
    assert [one["reference"] for one in heard(scene)] == [spent]


def test_who_trusted_what_a_gate_needs_before_the_call_is_not_called(scene: Scene) -> None:
    configure(scene, command())
    scene.check("ok", "pass")
    run = scene.start(phase("plan", {"kind": "command", "check": "ok"}))
    (scene.root / ".wfe" / "config.toml").unlink()
    scene.check("ok", "print('changed')", trusted=False)
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    while scene.status(run).waiting_on != "human":
        assert scene.work_one()
    give_trust(scene.engine, scene.human, [])
    scene.work()
    assert (scene.status(run).state, heard(scene)) == ("completed", [])


def test_an_approval_that_the_agent_gives_calls_no_one(scene: Scene) -> None:
    configure(scene, command())
    asked(scene, assurance="agent")
    scene.work()
    assert heard(scene) == []
