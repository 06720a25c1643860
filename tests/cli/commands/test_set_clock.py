"""A restore while the clock of the machine was set: what was anchored before it, and what is anchored after it."""

import re

from tests.cli.scene import PIN, Terminal


def backed_up(cli: Terminal) -> str:
    """A backup with a run that is over; an hour before it, an hour after it."""
    cli.submit_work(cli.start("note"), "draft", "first")
    cli.clock.forward(hours=1)
    file = cli.json("backup").data["file"]
    cli.clock.forward(hours=1)
    return file


def test_a_restore_accuses_no_one_when_the_clock_was_set_back_before_it(cli: Terminal) -> None:
    copy = backed_up(cli)
    for _ in range(2):
        cli.submit_work(cli.start("note"), "draft", "second")
        cli.clock.forward(minutes=-20)

        assert cli("restore", copy, pin=PIN).code == 0

        assert cli("verify").code == 0


def test_work_after_a_restore_is_anchored_also_when_the_clock_is_set_back(cli: Terminal) -> None:
    copy = backed_up(cli)
    cli.clock.forward(hours=48)
    assert cli("restore", copy, pin=PIN).code == 0
    cli.clock.forward(hours=-47)
    cli.submit_work(cli.start("note"), "draft", "second")

    assert cli.json("verify").data["anchors"]["behind"] == []


def test_no_duration_is_negative_after_the_clock_was_set_back(cli: Terminal) -> None:
    runs = [cli.start("note"), cli.start("note")]
    cli.clock.forward(hours=-2)
    for run in runs:
        cli.submit_work(run, "draft", "first")

    assert [run["total_s"] for run in cli.json("compare", *runs).data["runs"]] == [0, 0]
    for words in (("compare", *runs), ("status", runs[0]), ("list",), ("show", runs[0]), ("jobs", "list"), ("stats",)):
        printed = cli(*words)
        assert (printed.code, re.findall(r"-\d[\d.]* (?:ms|s|min|h|d)\b", printed.out)) == (0, [])
