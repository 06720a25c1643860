"""Work items that wait at the terminal: for a milestone, for a person, and for what they need."""

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.workspace.system.shell_words import shell_word


def added(cli: Terminal, title: str, *words: str) -> str:
    return cli.json("work", "add", title, "--body", "What is to be done", "--criterion", "it works", *words).data["id"]


def ready(cli: Terminal, title: str, *words: str) -> str:
    made = added(cli, title, *words)
    assert cli.json("work", "edit", made, "--status", "ready").code == 0
    return made


@pytest.mark.requirement("S4-19")
def test_an_agent_does_not_forget_how_often_an_item_failed(cli: Terminal) -> None:
    made = ready(cli, "Say thanks")
    cli("cancel", cli.json("work", "start", made, "--template", "note").document["run"])
    cli("work", "edit", made, "--status", "planned")
    cli("work", "edit", made, "--status", "ready")
    assert cli.json("work", "show", made).data["failures"] == 1


def test_an_item_needs_no_milestone_that_ends_after_it(cli: Terminal) -> None:
    milestone, other = added(cli, "Ship", "--kind", "milestone"), added(cli, "Plan", "--kind", "milestone")
    part = added(cli, "One", "--parent", milestone)
    assert cli.json("work", "edit", part, "--needs", milestone).refusal == "bad_argument"
    assert cli.json("work", "edit", part, "--needs", other).code == 0
    assert cli.json("work", "edit", other, "--needs", milestone).refusal == "bad_argument"
    loose = added(cli, "Two", "--needs", milestone)
    assert cli.json("work", "edit", loose, "--parent", milestone).refusal == "bad_argument"


def test_the_items_of_a_dropped_milestone_are_not_started(cli: Terminal) -> None:
    milestone = added(cli, "Ship", "--kind", "milestone")
    part = ready(cli, "One", "--parent", milestone)
    assert cli.json("work", "drop", milestone, "no more", pin=PIN).code == 0
    assert f"{part} is part of {milestone}, which was dropped." in cli("work", "next").out
    assert cli.json("work", "run", "--all-ready").data["started"] == []
    assert cli.json("work", "start", part, "--template", "note").refusal == "not_ready"
    assert f"{part} is part of {milestone}" in cli("work", "report").out
    assert cli("work", "edit", part, "--parent", "").code == 0
    assert f"Next: {part}" in cli("work", "next").out


def test_what_is_blocked_says_how_it_is_freed(cli: Terminal) -> None:
    made = ready(cli, "Say thanks")
    assert cli("work", "block", made, "no key").err == f"Next: wfe-mcp work edit {made} --status ready\n"


def test_the_command_for_the_person_has_the_reason_that_an_agent_gave(cli: Terminal) -> None:
    said = cli("work", "drop", added(cli, "Read"), "no one $reads it")
    assert f"wfe-mcp work edit W-1 --status dropped --reason {shell_word('no one $reads it')}\n" in said.err


def test_what_touches_the_same_paths_is_named_at_the_start(cli: Terminal) -> None:
    first, second = (ready(cli, title, "--scope", scope) for title, scope in (("One", "src/*"), ("Two", "src/a.py")))
    cli("work", "start", first, "--template", "note")
    assert f"{first} is active and touches src/a.py, too" in cli("work", "start", second, "--template", "note").out


def test_a_task_of_a_milestone_waits_for_what_that_needs_wherever_it_is_listed(cli: Terminal) -> None:
    first, milestone = added(cli, "Plan", "--kind", "milestone"), added(cli, "Ship", "--kind", "milestone")
    cli("work", "edit", milestone, "--needs", first)
    part = ready(cli, "One", "--parent", milestone)
    assert f"One  (waits for {first})" in cli("work", "list").out
    shown = cli("work", "show", part)
    assert (f"waits for  {first}" in shown.out, shown.err) == (True, f"Next: wfe-mcp work show {first}\n")


def test_a_list_of_one_kind_counts_no_other(cli: Terminal) -> None:
    ready(cli, "Say thanks")
    cli("decision", "add", "Use SQLite")
    assert cli("decision", "list").out.startswith("1 work item; in all: 1 proposed\n")
    assert cli("work", "list").out.startswith("2 work items; in all: 1 proposed, 1 ready\n")


def test_a_task_that_the_run_of_its_milestone_works_leads_to_that_run(cli: Terminal) -> None:
    plan = {"type": "object", "required": ["plan"], "properties": {"plan": {"type": "object"}}}
    tasks = {"in": "${inputs.plan.milestones[0].tasks}", "as": "task"}
    cli.save(
        template("drill", {"id": "task", "kind": "loop", "for_each": tasks, "phases": [phase("code")]}, inputs=plan)
    )
    milestone = added(cli, "Ship", "--kind", "milestone")
    cli("work", "edit", milestone, "--status", "ready")
    part = ready(cli, "One", "--parent", milestone)
    run = cli.json("work", "start", milestone, "--template", "drill").document["run"]
    assert f"One  (in work by run {run})" in cli("work", "list").out
    shown = cli("work", "show", part)
    assert (shown.out.splitlines()[0], shown.err) == (
        f"{part} 'One': ready task, in work by run {run}",
        f"Next: wfe-mcp status {run}\n",
    )
