"""A restore while the clock of the machine was set: what was anchored before it, and what is anchored after it."""

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
