"""What a command proposes next is run as it is printed, in the state in which it is printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.following import RECORD, follow, followed
from tests.cli.kept_scenes import scene
from tests.cli.scene import CHECK, HUMAN, PIN, phase, template
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.cli.scene import Said, Terminal

STOP = [{"do": "wait_human"}]
PLAN = "# Milestones\n\n## M1 - Write it\nGoal: One file\nTasks:\n- [ ] Write it\n  Acceptance: It is there\n  Conflict: a\n"


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


def paused(cli: Terminal) -> Said:
    run = begun(cli, phase("work"))
    cli("pause", run)
    return cli("submit", run, "work", "--path", "mine.json")


def paused_for_a_person(cli: Terminal) -> Said:
    run = begun(cli, phase("work"))
    cli("pause", run, "--reason", "lunch", pin=PIN)
    return cli("status", run)


def late_approval(cli: Terminal) -> Said:
    run = begun(cli, phase("work", HUMAN), limits={"timeout": "1m"})
    cli.submit_work(run, "work")
    cli.clock.forward(minutes=2)
    cli("watch", run)
    return cli("approve", run, "work", pin=PIN)


def late_submission(cli: Terminal) -> Said:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    return cli("submit", run, "draft", "--path", "mine.json")


def finished(cli: Terminal) -> Said:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    return cli("undo", run)


def disabled(cli: Terminal) -> Said:
    cli("templates", "disable", "note")
    return cli("start", "note")


def disabled_as_default(cli: Terminal) -> Said:
    cli("templates", "disable", "note")
    return cli("templates", "default", "note", pin=PIN)


def unknown_template(cli: Terminal) -> Said:
    return cli("start", "nothere")


def unknown_to_trust(cli: Terminal) -> Said:
    return cli("trust", "nothere", "--yes", pin=PIN)


def trust_without_a_terminal(cli: Terminal) -> Said:
    return cli("trust", "own")


def template_of_that_name(cli: Terminal) -> Said:
    return cli("templates", "clone", "quick_fix", "note")


def edited_under_another_name(cli: Terminal) -> Said:
    return cli("templates", "edit", "quick_fix", "--file", "mine.json")


def original_template(cli: Terminal) -> Said:
    return cli("templates", "diff", "note")


def unknown_job(cli: Terminal) -> Said:
    return cli("jobs", "cancel", "nothere")


def unknown_token(cli: Terminal) -> Said:
    return cli("token", "revoke", "nothere")


def second_token(cli: Terminal) -> Said:
    cli("token", "create", "ci", "--scope", "read")
    return cli("token", "create", "ci", "--scope", "read")


def unknown_project(cli: Terminal) -> Said:
    return cli("project", "forget", "nothere", pin=PIN)


def open_to_prune(cli: Terminal) -> Said:
    return cli("prune", begun(cli, phase("work")), pin=PIN)


def kept(cli: Terminal) -> Said:
    run = begun(cli, phase("work"))
    cli("cancel", run)
    cli("keep", run)
    return cli("prune", run, pin=PIN)


def nothing_to_decide(cli: Terminal) -> Said:
    return cli("show", begun(cli, phase("work")), "--decision")


def two_notes(cli: Terminal) -> list[str]:
    runs = [cli.start("note"), cli.start("note")]
    for number, run in enumerate(runs):
        cli.submit_work(run, "draft", f"hello {number}")
    return runs


def more_results(cli: Terminal) -> Said:
    two_notes(cli)
    return cli("find", "hello", "--limit", "1")


def unlike_runs(cli: Terminal) -> Said:
    return cli("compare", *two_notes(cli))


def unknown_event(cli: Terminal) -> Said:
    return cli("start", "--from", f"{cli.start('note')}@999")


def unknown_provider(cli: Terminal) -> Said:
    return cli("providers", "role", "reviewer", "nothere")


def unknown_role(cli: Terminal) -> Said:
    return cli("providers", "test", "nothere")


def no_model_to_ask(cli: Terminal) -> Said:
    return cli("opinion", "ask", cli.start("note"), "draft")


def empty_project(cli: Terminal) -> Said:
    return cli("status")


def planned_work(cli: Terminal) -> Said:
    cli("work", "add", "Write", "--body", "It is missing.", "--criterion", "It is there.")
    return cli("work", "list")


def no_plan(cli: Terminal) -> Said:
    return cli("plan", "prompt")


STATES: dict[Callable[[Terminal], Said], tuple[int, ...]] = {
    imported_plan: (0,),
    imported_template: (0,),
    cloned_template: (0,),
    imported_report: (0,),
    filled_role: (0,),
    long_log: (0,),
    waiting: (0,),
    foreseen_rollback: (0,),
    out_of_time: (0,),
    unknown_run: (0,),
    untrusted: (0, 0),
    stopped: (0,),
    failed_steps: (0,),
    held: (0,),
    broken_template: (1, 0),
    paused: (0,),
    late_approval: (0,),
    late_submission: (0,),
    finished: (0,),
    disabled: (0, 0),
    disabled_as_default: (0,),
    unknown_template: (0,),
    unknown_to_trust: (0,),
    trust_without_a_terminal: (0, 0),
    template_of_that_name: (0,),
    edited_under_another_name: (0,),
    original_template: (0,),
    unknown_job: (0,),
    unknown_token: (0,),
    second_token: (0,),
    unknown_project: (0,),
    open_to_prune: (0,),
    kept: (0,),
    nothing_to_decide: (0,),
    more_results: (0,),
    unlike_runs: (0,),
    unknown_event: (0,),
    unknown_provider: (0,),
    unknown_role: (0,),
    no_model_to_ask: (0, 0),
    empty_project: (0,),
    planned_work: (0,),
    no_plan: (0,),
}
"""How a state is brought about, and the exit codes of what is proposed there: lint of a broken template ends with 1."""

_COMMAND = re.compile(r"wfe-mcp ([a-z].*?)(?=,| ;|;| or | opens |: | \(|\)|\.$|$)")
_STARTS_SOMETHING = ("ui", "serve")
"""What does not end by itself."""


def proposed(said: Said) -> list[str]:
    """The commands of the lines that say what comes next, ready to be pasted."""
    lines = [line for line in said.err.splitlines() if line.startswith("Next: ")]
    found = [each for line in lines for each in _COMMAND.findall(line)]
    return [each for each in found if not each.startswith(_STARTS_SOMETHING)]


@scene
def prepared(cli: Terminal) -> None:
    """A person has a file to submit, and an editor that changes a word."""
    change = "import pathlib, sys; it = pathlib.Path(sys.argv[-1]); it.write_text(it.read_text().replace('A note', 'A word'))"
    (cli.root / "editor.py").write_text(change)
    (cli.root / "mine.json").write_text('{"text": "mine"}')


def in_each(states: Sequence[Callable[[Terminal], None]]) -> pytest.MarkDecorator:
    """A test for each of these states, called as its function is."""
    return pytest.mark.parametrize("bring", states, ids=lambda each: each.__name__)


def follow_in(cli: Terminal, bring: Callable[[Terminal], None], request: pytest.FixtureRequest) -> None:
    """Bring about a state in which ``tests/proposals.toml`` has texts to follow; the fixture of the terminal follows them."""
    assert RECORD or sys.platform == "win32" or followed().get(request.node.nodeid), "this state follows nothing"
    prepared(cli)
    bring(cli)


@pytest.mark.parametrize(
    ("bring", "number"),
    [(bring, number) for bring, codes in STATES.items() for number in range(len(codes))],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_what_is_proposed_works_where_it_is_proposed(
    cli: Terminal, bring: Callable[[Terminal], Said], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", shlex.join([sys.executable, str(cli.root / "editor.py")]))
    prepared(cli)
    said = bring(cli)
    commands = proposed(said)
    assert len(commands) == len(STATES[bring]), f"{commands} are proposed: {said.out}{said.err}"
    answer = follow(cli, commands[number])
    assert answer.code == STATES[bring][number], f"{commands[number]}: {answer.out}{answer.err}"


def test_show_proposes_what_status_proposes(cli: Terminal) -> None:
    run = begun(cli, phase("draft"))
    assert cli("show", run).err == cli("status", run).err == "Next: tell your agent: Continue with wfe.\n"


def test_a_refusal_that_says_the_step_itself_has_one_next_line(cli: Terminal) -> None:
    run = cli.start("note")
    for words in (["prune", run], ["auto", run, "on"], ["show", run, "--decision"]):
        answer = cli(*words)
        assert (answer.code, answer.err.count("Next: ")) == (1, 1), answer.err


def test_a_command_that_comes_next_names_the_project_that_another_folder_would_not_find(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = cli.start("letter"), ("--project", str(cli.root))
    (tmp_path / "a folder").mkdir()
    monkeypatch.chdir(tmp_path / "a folder")
    named = f"wfe-mcp {shell_line(here)}"

    assert cli("work", "list", *here).err == f"Next: {named} work add TITLE\n"
    assert cli(*here, "templates", "trust", "zzzzzzz").err.endswith(
        f"Next: see what is there: {named} templates list\n"
    )
    assert f"Next: {named} submit {run} draft --path FILE\n" in cli("approve", run, "draft", *here).err
    assert cli("status", "--project", "nothere").err.count("--project") == 2, "no command can name what is not there"
    monkeypatch.setenv("WFE_PROJECT", str(cli.root))
    assert cli("work", "list", *here).err == "Next: wfe-mcp work add TITLE\n", "this one is found without it"
    monkeypatch.delenv("WFE_PROJECT")
    monkeypatch.chdir(cli.root)
    assert cli("work", "list", *here).err == "Next: wfe-mcp work add TITLE\n"


def test_a_command_that_comes_next_in_a_folder_of_the_repository_needs_no_project(
    in_git: None, cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.root / "src").mkdir()
    monkeypatch.chdir(cli.root / "src")
    assert cli("work", "list", "--project", "..").err == "Next: wfe-mcp work add TITLE\n"
