"""What a command proposes next is run as it is printed, in the state in which it is printed."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import CHECK, HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Said, Terminal

STOP = [{"do": "wait_human"}]
PLAN = "# Milestones\n\n## M1 - Write it\nGoal: One file\nTasks:\n- [ ] Write it\n  Acceptance: It is there\n  Conflict: a\n"
STANDS_FOR = {
    "TEMPLATE": "note",
    "JSON": "{}",
    "FILE": "mine.json",
    "TEXT": "because",
    "NAME": "claude-code",
    "QUERY": "hello",
}
"""What a person puts in the place of a word in capitals."""


def begun(cli: Terminal, *phases: dict[str, Any], **more: Any) -> str:
    cli.save(template("stops", *phases, **more))
    return cli.start("stops")


def imported_plan(cli: Terminal) -> Said:
    cli.git("init", "-q")
    (cli.root / "milestones.md").write_text(PLAN)
    return cli("plan", "import", "milestones.md")


def imported_template(cli: Terminal) -> Said:
    (cli.root / "mine.json").write_text(json.dumps(template("mine", phase("draft"))))
    return cli("templates", "import", "mine.json")


def cloned_template(cli: Terminal) -> Said:
    return cli("templates", "clone", "quick_fix", "my_fix")


def imported_report(cli: Terminal) -> Said:
    (cli.root / "report.json").write_text(json.dumps({"role": "qa", "status": "pass", "summary": "Fine"}))
    return cli("import", "report.json")


def filled_role(cli: Terminal) -> Said:
    return cli("providers", "role", "reviewer", "claude-code")


def long_log(cli: Terminal) -> Said:
    return cli("log", begun(cli, phase("work")), "--limit", "1")


def waiting(cli: Terminal) -> Said:
    run = begun(cli, phase("work", HUMAN))
    cli.submit_work(run, "work")
    return cli("status", run)


def foreseen_rollback(cli: Terminal) -> Said:
    run = begun(cli, phase("work"), phase("last"))
    cli.submit_work(run, "work")
    return cli("rollback", run, "work", "--dry-run")


def out_of_time(cli: Terminal) -> Said:
    run = begun(cli, phase("work"), limits={"timeout": "1m"})
    cli.clock.forward(minutes=2)
    return cli("status", run)


def unknown_run(cli: Terminal) -> Said:
    return cli("show", "nothere000")


def untrusted(cli: Terminal) -> Said:
    (cli.root / ".wfe" / "templates" / "new.json").write_text(json.dumps(template("new", phase("draft"))))
    return cli("start", "new")


def stopped(cli: Terminal) -> Said:
    run = begun(cli, phase("work", CHECK, on_fail=STOP))
    cli.submit_work(run, "work")
    return cli("approve", run, "work", pin=PIN)


def failed_steps(cli: Terminal) -> Said:
    fail = {"id": "stop", "builtin": "fail", "params": {"message": "no"}}
    run = begun(cli, {"id": "work", "kind": "steps", "steps": [fail], "on_fail": STOP})
    cli("watch", run)
    return cli("submit", run, "work", "--path", "mine.json")


def held(cli: Terminal) -> Said:
    run = begun(cli, phase("work", auto_proceed=False), phase("last"))
    cli.submit_work(run, "work")
    return cli("status", run)


def broken_template(cli: Terminal) -> Said:
    broken = template("broken", phase("draft", {"kind": "expr", "assert": "${nothing.here}"}))
    (cli.root / ".wfe" / "templates" / "broken.json").write_text(json.dumps(broken))
    (cli.root / ".wfe" / "templates" / "fine.json").write_text(json.dumps(template("fine", phase("draft"))))
    return cli("trust", "--yes", pin=PIN)


def absent_project(cli: Terminal) -> Said:
    (cli.root / ".wfe" / "config.toml").unlink()
    return cli("doctor")


STATES: dict[Callable[[Terminal], Said], int] = {
    imported_plan: 0,
    imported_template: 0,
    cloned_template: 0,
    imported_report: 0,
    filled_role: 0,
    long_log: 0,
    waiting: 0,
    foreseen_rollback: 0,
    out_of_time: 0,
    unknown_run: 0,
    untrusted: 0,
    stopped: 0,
    failed_steps: 0,
    held: 0,
    broken_template: 1,
}
"""How a state is brought about, and the exit code of what is proposed there: lint of a broken template ends with 1."""


def proposed(said: Said) -> list[str]:
    """The first command of each line that says what comes next, ready to be pasted."""
    lines = [line for line in said.err.splitlines() if line.startswith("Next: ")]
    return [found[1] for line in lines if (found := re.search(r"wfe-mcp ([a-z][^;(]*?)(?=,| ;| or | \(|\)|$)", line))]


def follow(cli: Terminal, command: str) -> Said:
    """Run ``command`` as a person would: with their values, and their PIN where it asks for it."""
    words = [STANDS_FOR.get(word, word) for word in shlex.split(command.rstrip("."))]
    answer = cli(*words)
    needs_pin = answer.code != 0 and "needs_human" in answer.err
    if needs_pin and words[0] == "trust":
        words.append("--yes")
    return cli(*words, pin=PIN) if needs_pin else answer


@scene
def prepared(cli: Terminal) -> None:
    (cli.root / "mine.json").write_text('{"text": "mine"}')


@pytest.mark.parametrize("bring", STATES, ids=lambda each: each.__name__)
def test_what_is_proposed_works_where_it_is_proposed(cli: Terminal, bring: Callable[[Terminal], Said]) -> None:
    prepared(cli)
    said = bring(cli)
    commands = proposed(said)
    assert commands, f"nothing is proposed: {said.out}{said.err}"
    answer = follow(cli, commands[0])
    assert answer.code == STATES[bring], f"{commands[0]}: {answer.out}{answer.err}"
