"""The command of each line of the inbox, and each fix that doctor names, is run in the state in which it is printed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cli.following import STANDS_FOR, follow
from tests.cli.scene import CHECK, HUMAN, PIN, phase
from tests.cli.test_next_steps import (
    STOP,
    begun,
    held,
    out_of_time,
    paused_for_a_person,
    prepared,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Said, Terminal


def own_task(cli: Terminal) -> Said:
    return cli("status", begun(cli, phase("work", kind="human")))


def refused_by_its_gate(cli: Terminal) -> Said:
    run = begun(cli, phase("work", CHECK, on_fail=STOP))
    cli.submit_work(run, "work")
    return cli("status", run)


def unasked(cli: Terminal) -> Said:
    run = begun(cli, phase("first", HUMAN), phase("last"))
    cli.submit_work(run, "first")
    return cli("status", run)


WAITING = (waiting, unasked, held, paused_for_a_person, out_of_time, own_task, refused_by_its_gate)


@pytest.mark.parametrize("bring", WAITING, ids=lambda each: each.__name__)
def test_the_command_of_each_line_of_the_inbox_does_what_is_asked(
    cli: Terminal, bring: Callable[[Terminal], Said]
) -> None:
    prepared(cli)
    bring(cli)
    data = cli.json("inbox").data
    commands = [each["command"] for kind in ("decisions", "unasked", "tasks", "stopped") for each in data.get(kind, ())]
    assert len(commands) == 1, data
    answer = follow(cli, commands[0].removeprefix("wfe-mcp "))
    assert answer.code == 0, f"{commands}: {answer.out}{answer.err}"
    assert "Next: " not in cli("inbox").err


def changed_configuration(cli: Terminal) -> None:
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write("\n[checks.more]\nargv = ['true']\n")


def no_configuration(cli: Terminal) -> None:
    (cli.root / ".wfe" / "config.toml").unlink()


def no_client(cli: Terminal) -> None:
    del cli


@pytest.mark.parametrize("bring", [changed_configuration, no_configuration, no_client], ids=lambda each: each.__name__)
def test_what_doctor_names_as_a_fix_fixes_it(cli: Terminal, bring: Callable[[Terminal], None]) -> None:
    bring(cli)
    found = [each["message"] for each in cli.json("doctor").data["findings"]]
    fixes = {fix for each in found for fix in re.findall(r"(?:fix|connected): wfe-mcp ([a-z][^,;]*)", each)}
    assert fixes, found
    for fix in sorted(fixes):  # trust comes last: what is installed may need it
        words = [STANDS_FOR.get(word, word) for word in shlex.split(fix)]
        answer = cli(*words, *(["--yes"] if words[0] in {"trust", "init"} else []), pin=PIN)
        if "No such option: --pin-fd" in answer.err:
            answer = cli(*words)
        assert answer.code == 0, f"{fix}: {answer.out}{answer.err}"
    after = [each["message"] for each in cli.json("doctor").data["findings"]]
    once = fixes - {"init"}  # where there is no test, init finds none
    assert not [each for each in after for fix in once if f"fix: wfe-mcp {fix}" in each], after
