"""A phase of steps that is there to stop the run: what a person is offered first."""

from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal, phase, template

STOP: dict[str, Any] = {"id": "stop", "builtin": "fail", "params": {"message": "HOLD: a person looks"}}


def _stopped(cli: Terminal, *steps: dict[str, Any], on_fail: str = "wait_human") -> str:
    cli.save(
        template("held", {"id": "hold", "kind": "steps", "steps": steps, "on_fail": [{"do": on_fail}]}, phase("go"))
    )
    run = cli.start("held")
    cli("watch", run)
    return run


@pytest.mark.parametrize("on_fail", ["wait_human", "pause"])
def test_where_a_retry_stops_in_the_same_way_the_skip_is_offered_first(cli: Terminal, on_fail: str) -> None:
    run = _stopped(cli, STOP, on_fail=on_fail)
    first = f"wfe-mcp skip {run} hold --reason TEXT"
    assert f"decide: {first} (or: retry)" in cli("status", run).out
    assert first in cli("inbox").out
    if on_fail == "pause":
        assert cli("resume", run, pin=PIN).code == 0
    assert cli("skip", run, "hold", "--reason", "looked", pin=PIN).code == 0
    cli.submit_work(run, "go")
    assert cli.state(run) == "completed"


def test_where_a_step_before_the_stop_looks_again_the_retry_is_offered_first(cli: Terminal) -> None:
    run = _stopped(cli, {"id": "look", "check": "test", "assign": "seen"}, STOP)
    assert f"wfe-mcp retry {run} hold (or: skip)" in cli("status", run).out
