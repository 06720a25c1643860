"""Work items at the terminal: added, described, started, ended by their runs or by the person, and verified."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.store.scene import tamper


def lines(cli: Terminal, *words: str) -> list[dict[str, Any]]:
    return cli.json("work", "list", *words).data["items"]


def item(cli: Terminal, name: str) -> dict[str, Any]:
    return cli.json("work", "show", name).data


def added(cli: Terminal, title: str, *words: str) -> str:
    answer = cli.json("work", "add", title, *words)
    assert answer.code == 0, answer.out
    return answer.data["id"]


def ready(cli: Terminal, title: str, *words: str) -> str:
    made = added(cli, title, "--body", "What is to be done", "--criterion", "it works", *words)
    assert cli.json("work", "edit", made, "--status", "ready").code == 0
    return made


def test_what_is_ready_and_waits_leads_to_what_it_waits_for_and_starts_with_the_options_that_were_given(
    cli: Terminal,
) -> None:
    first = ready(cli, "Settle the format")
    assert f"Next: wfe-mcp work start {first}" in cli("work", "show", first).err
    second = ready(cli, "Write the page", "--needs", first)
    said = cli("work", "show", second)
    assert (f"Next: wfe-mcp work show {first}" in said.err, "work start" in said.err) == (True, False)

    start = ("work", "start", second, "--template", "note", "--reason", "x")
    refused = cli.json(*start).document["error"]
    assert refused["message"] == f"{second} waits for {first}. Only a person lets it start all the same."
    assert refused["hint"].endswith(f": wfe-mcp work start {second} --template note --reason x")

    cli("work", "edit", first, "--status", "done", pin=PIN)
    assert cli.json(*start).code == 0, "a reason is not needed, and changes nothing"
    assert "reason" not in item(cli, second)


def test_what_comes_next_and_what_is_under_a_milestone_have_the_time_of_their_last_change(cli: Terminal) -> None:
    ready(cli, "Write the page", "--parent", added(cli, "Export", "--kind", "milestone"))
    cli.clock.forward(minutes=4)
    line = "5         2026-11-20T08:00:00Z  Write the page"
    assert line in cli("work", "next").out
    assert line in cli("work", "show", "W-1").out


@pytest.mark.requirement("S3-10", "S4-16")
def test_an_item_is_added_described_listed_and_shown_with_its_history(cli: Terminal) -> None:
    first = added(
        cli, "Fix the login", "--kind", "bug", "--scope", "src/login/*", "--priority", "high", "--tag", "auth"
    )
    second = added(cli, "Write the page", "--needs", first, "--body", "Say how it works")
    cli("work", "edit", "1", "--body", "It fails with a long password", "--status", "ready")
    found = item(cli, first)

    assert (first, second) == ("W-1", "W-2")
    assert (found["kind"], found["status"], found["priority"], found["scopes"]) == ("bug", "ready", 8, ["src/login/*"])
    assert [list(each["values"]) for each in found["history"]][1:] == [["body"], ["status"]]
    assert lines(cli)[1]["waits_for"] == ["W-1"]
    assert "W-2   task  planned  5" in cli("work", "list").out
    assert "waits for  W-1" in cli("work", "show", "w-2").out


def test_what_is_wrong_is_named_and_changes_nothing(cli: Terminal) -> None:
    assert cli.json("work", "add", "Write", "--kind", "tsak").document["error"]["hint"] == "Did you mean 'task'?"
    assert cli.json("work", "add", "Write", "--priority", "99").refusal == "bad_argument"
    assert cli.json("work", "add", "Write", "--needs", "7").refusal == "bad_argument"
    assert cli.json("work", "add", "Write", "--scope", "../x").refusal == "bad_argument"
    assert cli.json("work", "list", "--status", "redy").document["error"]["hint"] == "Did you mean 'ready'?"
    for cursor in ("x", "9223372036854775808"):
        assert cli.json("work", "list", "--cursor", cursor).refusal == "bad_argument"
    assert cli.json("work", "show", "W-9").refusal == "bad_argument"
    assert cli.json("work", "show", "nine").refusal == "bad_argument"
    made = added(cli, "Write")
    assert cli.json("work", "edit", made).refusal == "bad_argument"
    assert cli.json("work", "block", made, "").refusal == "bad_argument"
    assert [each["id"] for each in lines(cli, "--status", "all")] == ["W-1"]


def test_an_item_never_comes_before_itself(cli: Terminal) -> None:
    first, second = added(cli, "One"), added(cli, "Two")
    assert cli.json("work", "edit", first, "--needs", second).code == 0
    assert cli.json("work", "edit", second, "--needs", first).refusal == "bad_argument"
    assert cli.json("work", "edit", first, "--parent", second).code == 0
    assert cli.json("work", "edit", second, "--parent", first).refusal == "bad_argument"
    assert cli.json("work", "edit", first, "--parent", first).refusal == "bad_argument"


@pytest.mark.requirement("S3-16", "S4-17")
def test_a_run_starts_for_an_item_and_its_end_is_that_of_the_item(cli: Terminal) -> None:
    cli("templates", "default", "note", pin=PIN)
    made = ready(cli, "Say thanks")
    said = cli("work", "next")
    started = cli.json("work", "start", made)
    run = started.document["run"]
    assert f"Next: wfe-mcp work start {made}" in said.err
    assert (item(cli, made)["status"], item(cli, made)["runs"]) == ("active", [run])
    assert cli.json("show", run).data["title"] == "Say thanks"
    again = cli.json("work", "start", made)
    assert (again.refusal, run in again.document["error"]["message"]) == ("illegal_transition", True)
    assert cli.submit_work(run, "draft").code == 0

    assert cli.json("show", run).document["state"] == "completed"
    assert item(cli, made)["status"] == "done"
    assert lines(cli) == []
    found = cli.json("verify")
    assert found.code == 0, found.out


def test_status_names_what_is_ready_where_no_run_is_open(cli: Terminal) -> None:
    assert "wfe-mcp templates list" in cli("status").err
    ready(cli, "Say thanks")
    said = cli("status")
    assert ("1 work item is ready." in said.out, "Next: wfe-mcp work next" in said.err) == (True, True)
    ready(cli, "Say it again")
    assert cli.json("status").document["summary"].endswith("2 work items are ready")


def test_what_is_so_already_is_said_to_be_so_and_asks_for_no_pin(cli: Terminal) -> None:
    made, decision = added(cli, "Write"), cli.json("decision", "add", "Use SQLite").data["id"]
    assert cli("decision", "accept", decision, pin=PIN).out.startswith("Changed W-2 ")
    assert cli("decision", "accept", decision).out.startswith("It is so already: W-2 'Use SQLite': accepted decision")
    assert cli("work", "edit", made, "--priority", "normal").out.startswith("It is so already: W-1 ")
    assert cli("work", "promote", made, "--kind", "task").out.startswith("It is so already: W-1 ")
    cli("work", "block", made, "no key")
    assert cli("work", "block", made, "no key").out.startswith("It is so already: W-1 ")
    assert cli("work", "block", made, "no time").out.startswith("Changed W-1 ")
    assert item(cli, made)["reason"] == "no time"


@pytest.mark.requirement("S4-19")
def test_an_item_whose_runs_end_three_times_without_success_is_blocked(cli: Terminal) -> None:
    made = ready(cli, "Say thanks")
    for number in range(1, 4):
        run = cli.json("work", "start", made, "--template", "note").document["run"]
        cli("cancel", run)
        assert item(cli, made)["failures"] == number
    assert item(cli, made)["status"] == "blocked"
    assert "3 runs" in item(cli, made)["reason"]
    assert cli.json("work", "start", made).refusal == "illegal_transition"
    assert cli.json("work", "edit", made, "--status", "ready").refusal == "needs_human"
    assert cli.json("work", "edit", made, "--status", "ready", pin=PIN).data["status"] == "ready"
    assert item(cli, made).get("failures", 0) == 0


@pytest.mark.requirement("S4-19", "S3-23")
def test_what_is_missing_or_waited_for_is_said_with_the_command_that_helps(cli: Terminal) -> None:
    assert "No work item can be started" in cli("work", "next").out
    bare = added(cli, "Write")
    nothing = cli("work", "run", "--all-ready")
    assert (nothing.out, "Next: wfe-mcp work next" in nothing.err) == ("0 runs started\n", True)
    planned = cli("work", "next")
    assert "No work item can be started now: none is ready, and 1 planned." in planned.out
    assert "Next: wfe-mcp work list --status planned\nNext: wfe-mcp work edit ITEM --status ready\n" in planned.err
    assert bare in cli("work", "list", "--status", "planned").out
    refused = cli.json("work", "edit", bare, "--status", "ready")
    assert (refused.refusal, [each["path"] for each in refused.document["error"]["details"]]) == (
        "not_ready",
        ["/item/body", "/item/criteria"],
    )
    waits = ready(cli, "Read", "--needs", bare)
    assert cli.json("work", "start", waits, "--template", "note").document["error"]["message"] == "W-2 waits for W-1."
    assert "newest is W-2" in cli.json("work", "show", "W-9").document["error"]["hint"]


@pytest.mark.requirement("S3-23")
def test_a_person_lets_an_item_start_that_waits_with_a_reason_that_is_signed_and_kept(cli: Terminal) -> None:
    waits = ready(cli, "Read", "--needs", ready(cli, "Write"))
    start = ("work", "start", waits, "--template", "note")
    no = cli.json(*start)
    assert (
        no.refusal,
        f"wfe-mcp work start {waits} --template note --reason TEXT" in no.document["error"]["hint"],
    ) == (
        "not_ready",
        True,
    )
    assert cli.json(*start, "--reason", "the format is settled").refusal == "needs_human"
    assert cli.json(*start, "--reason", "the format is settled", pin=PIN).code == 0
    found = item(cli, waits)
    assert (found["status"], found["reason"], found["waits_for"]) == ("active", "the format is settled", ["W-1"])
    assert found["history"][-1]["signed"]
    assert cli.json("verify").code == 0


@pytest.mark.requirement("S3-01")
def test_of_the_items_of_a_sequential_milestone_one_is_worked_at_a_time(cli: Terminal) -> None:
    milestone = added(cli, "Export", "--kind", "milestone", "--sequential")
    first, second = (ready(cli, title, "--parent", milestone) for title in ("One", "Two"))
    assert cli.json("work", "start", first, "--template", "note").code == 0
    refused = cli.json("work", "start", second, "--template", "note")
    assert (refused.refusal, first in refused.document["error"]["message"]) == ("not_ready", True)
    assert [each["id"] for each in item(cli, milestone)["children"]] == [first, second]


@pytest.mark.requirement("S3-10")
def test_a_milestone_starts_with_the_items_under_it_as_its_plan(cli: Terminal) -> None:
    cli.git("init", "-q")
    cli.git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "begin")
    milestone = added(cli, "Export", "--kind", "milestone", "--body", "A run becomes one file")
    assert cli.json("work", "edit", milestone, "--status", "ready").code == 0
    assert cli.json("work", "start", milestone).refusal == "not_ready"
    first = ready(cli, "Stream it", "--parent", milestone, "--scope", "src/archive")
    ready(cli, "Test it", "--parent", milestone, "--needs", first)
    started = cli.json("work", "start", milestone)
    assert started.code == 0, started.out
    run = started.document["run"]
    assert cli.json("show", run).data["template"] == "milestones"
    assert "Stream it" in json.dumps(cli.json("context", run).document)


@pytest.mark.requirement("S3-06")
def test_an_idea_is_promoted_and_what_has_begun_is_not(cli: Terminal) -> None:
    idea = added(cli, "Dark mode", "--kind", "idea")
    assert cli.json("work", "promote", idea, "--kind", "requirement").data["criteria"]
    assert (item(cli, idea)["kind"], item(cli, idea)["status"]) == ("requirement", "planned")
    busy = ready(cli, "Say thanks")
    cli("work", "start", busy, "--template", "note")
    assert cli.json("work", "promote", busy, "--kind", "bug").refusal == "illegal_transition"
    assert cli.json("work", "promote", idea, "--kind", "decision").refusal == "illegal_transition"


def test_what_touches_the_same_paths_is_named_before_the_work(cli: Terminal) -> None:
    first, second = (ready(cli, title, "--scope", scope) for title, scope in (("One", "src/*"), ("Two", "src/a.py")))
    cli("work", "start", first, "--template", "note")
    assert item(cli, second)["overlaps"] == [{"id": first, "title": "One", "scopes": ["src/a.py"]}]
    assert f"{first} is active and touches src/a.py: One" in cli("work", "show", second).out


@pytest.mark.attack("an agent says that its work item is done, dropped or taken up again", "held", "design §14")
def test_what_ends_an_item_without_a_run_is_a_decision_of_the_person(cli: Terminal) -> None:
    begun = ready(cli, "Say thanks", "--kind", "bug")
    cli.git("init", "-q")
    assert (
        "work start W-1. Or the user" in cli.json("work", "edit", begun, "--status", "done").document["error"]["hint"]
    )
    made = added(cli, "Write")
    for status in ("done", "dropped"):
        assert cli.json("work", "edit", made, "--status", status).refusal == "needs_human"
    assert cli.json("work", "drop", made, "no need", pin="wrong pin").refusal == "wrong_pin"
    assert item(cli, made)["status"] == "planned"
    dropped = cli.json("work", "drop", made, "no need", pin=PIN).data
    assert (dropped["status"], dropped["reason"]) == ("dropped", "no need")
    assert item(cli, made)["history"][-1]["signed"]
    assert cli.json("work", "edit", made, "--title", "Other").refusal == "illegal_transition"
    assert cli.json("work", "edit", made, "--status", "planned").refusal == "needs_human"
    assert cli.json("work", "edit", made, "--status", "planned", pin=PIN).data["status"] == "planned"
    assert cli.json("verify").code == 0


def test_a_signature_has_the_number_of_its_item_and_one_of_before_still_counts(cli: Terminal) -> None:
    first, second = added(cli, "Write"), added(cli, "Read")
    assert cli.json("work", "drop", second, "no need", pin=PIN).code == 0
    with closing(sqlite3.connect(cli.database)) as connection:
        rows = connection.execute("SELECT number, type FROM item_event ORDER BY seq").fetchall()
    assert rows == [(1, "ItemAdded"), (2, "ItemAdded"), (2, "ItemChanged"), (2, "DecisionSigned")]
    as_before(cli)
    assert [each.get("signed", False) for each in item(cli, second)["history"]] == [False, True]
    assert not any(each.get("signed") for each in item(cli, first)["history"])
    assert len(item(cli, first)["history"]) == 1
    # The anchor names the event as it is written now: chain, row and signature are as they should be.
    assert [each["code"] for each in cli.json("verify").data["problems"]] == ["chain_rewritten"]


def as_before(cli: Terminal) -> None:
    """The last signature as earlier versions wrote it, with the number 0."""
    from wfe_mcp.store import Store
    from wfe_mcp.store.integrity.chained_log import event_hash
    from wfe_mcp.store.items import chain_of

    store = Store.open(f"sqlite:///{cli.database}", clock=cli.clock)
    with store.read() as tx:
        (project,) = [each.id for each in tx.projects.all() if tx.items.counts(each.id)]
        last = tx.items.history(project)[-1]
    store.close()
    hash_ = event_hash(chain_of(project), last, f'{{"item":0,"values":{last.payload}}}')
    tamper(f"sqlite:///{cli.database}", f"UPDATE item_event SET number = 0, hash = '{hash_}' WHERE seq = {last.seq}")


@pytest.mark.requirement("S3-14")
@pytest.mark.attack("an agent accepts its own decision of architecture", "held", "design §14")
def test_a_decision_is_proposed_by_anyone_and_accepted_and_replaced_by_the_person(cli: Terminal) -> None:
    first = cli.json("decision", "add", "Use SQLite", "--body", "One file per user", "--scope", "src/store").data["id"]
    second = cli.json("decision", "add", "Use PostgreSQL").data["id"]
    assert cli.json("decision", "accept", first).refusal == "needs_human"
    assert cli.json("decision", "accept", first, pin=PIN).data["status"] == "accepted"
    assert cli.json("work", "edit", first, "--body", "Two files").refusal == "illegal_transition"
    assert [each["id"] for each in cli.json("decision", "list", "--status", "accepted").data["items"]] == [first]
    assert [each["id"] for each in cli.json("decision", "list").data["items"]] == [first, second]
    assert [each["id"] for each in lines(cli)] == [second], "on an accepted decision nothing is left to do"
    assert cli.json("decision", "replace", first, second, pin=PIN).data["reason"] == f"replaced by {second}"
    assert cli.json("decision", "deprecate", second, "--reason", "no server", pin=PIN).data["status"] == "deprecated"
    assert cli.json("decision", "list").data["items"] == []
    assert "Use SQLite" in cli("decision", "show", first).out
    assert cli.json("verify").code == 0


FORGED = {
    "its row": ("UPDATE item SET status = 'done', content = replace(content, 'planned', 'done')", "item_edited"),
    "its text": ("UPDATE item SET content = replace(content, 'Write', 'Delete')", "item_edited"),
    "its record": ("DELETE FROM item", "item_edited"),
    "its log": ("UPDATE item_event SET payload = replace(payload, 'Write', 'Delete')", "item_event_edited"),
    "the end of the log": ("DELETE FROM item_event WHERE seq = 2", "tail_cut"),
    "a log that is nested too deeply": (
        f"UPDATE item_event SET payload = '{'[' * 100_000}' WHERE seq = 2",
        "item_event_edited",
    ),
    "content that is nested too deeply": (f"UPDATE item SET content = '{'[' * 100_000}'", "item_edited"),
    "a log that is no JSON": ("UPDATE item_event SET payload = '{' WHERE seq = 2", "item_event_edited"),
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.attack("a work item or the log of its changes is edited in the database", "detected", "design §14")
def test_a_forged_item_is_named_by_verify(cli: Terminal, what: str) -> None:
    statement, code = FORGED[what]
    added(cli, "Write")
    added(cli, "Read")
    assert cli.json("verify").code == 0
    tamper(f"sqlite:///{cli.database}", statement)
    found = cli.json("verify")

    assert found.code == 1
    assert code in {each["code"] for each in found.data["problems"]}


@pytest.mark.attack(
    "a change that only a person makes is added to the log of work items as the engine would", "detected", "design §14"
)
def test_an_end_that_no_person_signed_is_named_by_verify(cli: Terminal) -> None:
    from wfe_mcp.core.items import ItemStatus
    from wfe_mcp.core.model import Assurance, By, Channel
    from wfe_mcp.store import Store

    made = added(cli, "Write")
    store = Store.open(f"sqlite:///{cli.database}", clock=cli.clock)
    with store.tx() as tx:
        (project,) = [each.id for each in tx.projects.all() if tx.items.counts(each.id)]
        forged = By("ada", Channel.CLI, Assurance.HUMAN)
        tx.items.change(project, tx.items.get(project, made), {"status": ItemStatus.DONE}, forged, cli.clock())
    store.close()
    found = cli.json("verify")
    assert [each["code"] for each in found.data["problems"]] == ["decision_unsigned"]


def test_pages_follow_each_other(cli: Terminal) -> None:
    made = [added(cli, f"Item {number}") for number in range(5)]
    first = cli.json("work", "list", "--limit", "2").data
    rest = cli.json("work", "list", "--cursor", first["cursor"]).data
    assert [each["id"] for each in first["items"] + rest["items"]] == made
    assert f"--cursor {first['cursor']}" in cli("work", "list", "--limit", "2").err
    with closing(sqlite3.connect(cli.database)) as database:
        assert database.execute("SELECT count(*) FROM item").fetchone() == (5,)


def test_the_command_for_the_next_page_keeps_what_the_list_is_of(cli: Terminal) -> None:
    for number in range(3):
        added(cli, f"Bug {number}", "--kind", "bug")
        added(cli, f"Task {number}")
    said = cli("work", "list", "--kind", "bug", "--status", "planned", "--limit", "2").err
    (command,) = [line for line in said.splitlines() if "--cursor" in line]
    assert [each["title"] for each in lines(cli, *command.split()[4:])] == ["Bug 2"]


def test_an_empty_value_removes_what_an_item_had_and_a_bad_priority_is_refused(cli: Terminal) -> None:
    first, parent = added(cli, "One"), added(cli, "Export", "--kind", "milestone")
    made = added(cli, "Two", "--needs", first, "--parent", parent, "--body", "Why", "--tag", "auth")
    assert cli.json("work", "edit", made, "--needs", "", "--parent", "", "--body", "", "--tag", "").code == 0
    found = item(cli, made)
    assert [found.get(name) for name in ("needs", "parent", "body", "tags")] == [None] * 4, found
    for bad, refusal in (("0", "bad_argument"), ("", "bad_argument"), ("9" * 5_000, "too_large")):
        assert cli.json("work", "edit", made, "--status", "planned", "--priority", bad).refusal == refusal


def test_a_decision_is_replaced_by_another_decision_that_is_there(cli: Terminal) -> None:
    for title in ("Use tabs", "Use spaces"):
        assert "Next: wfe-mcp decision accept W-" in cli("decision", "add", title, "--body", "Because").err
    cli("work", "add", "A task")
    assert "wfe-mcp decision accept W-1" in cli("decision", "accept", "W-1").err
    assert cli("decision", "accept", "W-1", pin=PIN).code == 0
    assert "no work item 'W-9'" in cli("decision", "replace", "W-1", "W-9", pin=PIN).err
    assert "W-3 is a task, no decision" in cli("decision", "replace", "W-1", "W-3", pin=PIN).err
    assert "W-1 is the decision itself" in cli("decision", "replace", "1", "W-1", pin=PIN).err
    assert "wfe-mcp decision replace W-1 ITEM" in cli("decision", "replace", "W-1", "W-2").err
    done = cli("decision", "replace", "W-1", "2", pin=PIN)
    assert (done.code, "replaced by W-2" in done.out) == (0, True)
