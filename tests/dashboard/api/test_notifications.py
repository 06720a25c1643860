"""Notifications through the API: what is configured, what was not shown last, and a test."""

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.engine.conftest import home
from tests.engine.notifications.test_notify import asked, command, configure, heard
from tests.engine.scene import Scene

__all__ = ["home"]

pytestmark = pytest.mark.usefixtures("home")


def test_a_program_sees_how_its_user_is_notified_and_sends_a_test(
    scene: Scene, program: Program, connect: Connect
) -> None:
    nothing = program.post("/notifications/test")
    assert (nothing.code, nothing.body["error"]["message"]) == ("unavailable", "No way is configured.")
    assert program.get("/notifications").data["ways"] == ""
    configure(scene, command(quiet="22:00-07:00", remind="30m", apprise=["ntfy"], terminal=True))
    view = program.get("/notifications").data
    assert view == {
        "ways": "command, ntfy and terminal",
        "events": ["approval", "stopped", "deployment"],
        "quiet": "22:00-07:00",
        "remind": "30m",
    }

    assert connect("read", "reader").post("/notifications/test").code == "forbidden"
    failed = program.post("/notifications/test")
    assert failed.data_of_refusal["shown"] == ["command"]
    assert failed.body["error"]["message"].startswith("apprise ntfy: There is no credential 'ntfy'")
    configure(scene, command())
    assert program.post("/notifications/test").body["summary"] == "Notified you by command."
    assert [one["event"] for one in heard(scene)] == ["test", "test"]


def test_a_way_that_is_not_trusted_yet_is_named_with_the_command_that_trusts_it(scene: Scene, program: Program) -> None:
    configure(scene, command(), trusted=False)
    error = program.post("/notifications/test").body["error"]
    assert (error["code"], error["message"]) == (
        "needs_trust",
        "Your own configuration names notify.command, which you have not trusted yet.",
    )
    assert error["hint"].endswith("look at it and run: wfe-mcp trust")


def test_a_terminal_alone_is_rung_by_no_program(scene: Scene, program: Program) -> None:
    configure(scene, "[notify]\nterminal = true\n")
    assert program.post("/notifications/test").body["error"]["message"] == "terminal: none is here to ring."


def test_the_last_notification_that_was_not_shown_is_said_with_the_reason(scene: Scene, program: Program) -> None:
    configure(scene, command(command=["/nowhere/at-all"]))
    asked(scene)
    scene.work()
    assert "was not shown: command: /nowhere/at-all" in program.get("/notifications").data["last_failure"]


def test_what_a_project_says_about_notifications_is_named_as_what_does_not_count(
    scene: Scene, program: Program
) -> None:
    scene.write(".wfe/config.toml", "[notify]\ndesktop = true\n")
    scene.trust_config()
    view = program.get("/notifications").data
    assert view["ways"] == ""
    assert view["faults"][0].startswith("[notify] desktop decides how you are notified")
