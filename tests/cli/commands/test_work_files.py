"""Work items as files: a plan that can be imported again, pages for the next session, reports; and many runs at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands.test_work_import import PLAN, imported, items
from tests.cli.scene import PIN, Terminal

PAGES = ["START_HERE.md", "roadmap.md", "current-status.md", "next-handoff.md"]


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.md")}


@pytest.fixture
def planned(cli: Terminal) -> Terminal:
    cli("templates", "default", "note", pin=PIN)
    imported(cli, PLAN, "--ready")
    return cli


def test_a_milestone_of_a_plan_stays_planned_and_says_how_it_is_made_ready(planned: Terminal) -> None:
    assert "Next: wfe-mcp work edit W-1 --status ready\n" in planned("work", "show", "W-1").err
    assert "a milestone stays planned" in " ".join(planned("work", "import", "--help").out.split())
    assert planned("work", "edit", "W-1", "--status", "ready").code == 0
    said = planned("work", "show", planned.json("work", "add", "Read").data["id"])
    assert "--body TEXT --criterion TEXT --status ready" in said.err, "what is missing is part of the command"


@pytest.mark.requirement("S3-16", "S3-01")
def test_what_is_ready_starts_by_priority_as_far_as_its_rules_and_limits_let_it(planned: Terminal) -> None:
    for title, scope, priority in (
        ("Read", "src/a", "low"),
        ("Write", "src/a/b.py", "high"),
        ("Draw", "web", "normal"),
    ):
        words = ("--body", "What is to be done", "--criterion", "there", "--scope", scope, "--priority", priority)
        planned("work", "edit", planned.json("work", "add", title, *words).data["id"], "--status", "ready")
    tried = planned.json("work", "run", "--all-ready", "--dry-run", "--most", "2").data
    assert [each["title"] for each in tried["started"]] == ["Write", "Add the table of a harbour"]
    assert [each["status"] for each in planned.json("work", "list").data["items"]].count("active") == 0
    made = planned.json("work", "run", "--all-ready").data
    why = {each["title"]: each["why"] for each in made["waiting"]}

    assert [each["title"] for each in made["started"]] == ["Write", "Add the table of a harbour", "Draw"]
    assert why == {
        "Read": "3 items of at most 3 are active.",
        "Check the table on reading": "W-3 waits for W-2.",
        "Define the format of a line": "W-5 waits for W-1, which W-4 needs.",
        "Describe the command in the guide": "W-6 waits for W-1, which W-4 needs.",
    }
    again = planned.json("work", "run", "--all-ready", "--most", "9").data
    assert (again["started"], again["waiting"][0]["why"]) == ([], "W-8 is active and touches src/a, too.")
    assert "waits: W-7 Read: W-8 is active" in planned("work", "run", "--all-ready", "--most", "9").out
    assert planned.json("work", "run").refusal == "bad_argument"
    assert planned.json("verify").code == 0


def test_an_item_whose_run_cannot_start_is_named_and_the_others_start(planned: Terminal) -> None:
    words = ("--kind", "requirement", "--body", "What is to be done", "--priority", "high")
    planned("work", "edit", planned.json("work", "add", "Offline", *words).data["id"], "--status", "ready")
    made = planned.json("work", "run", "--all-ready").data
    assert [each["title"] for each in made["started"]] == ["Add the table of a harbour"]
    assert [each["title"] for each in made["refused"]] == ["Offline"]
    assert made["refused"][0]["next"]


@pytest.mark.requirement("S4-17", "S3-09")
def test_a_milestone_is_done_when_its_items_are_and_the_next_one_begins(planned: Terminal) -> None:
    for title in ("Add the table of a harbour", "Check the table on reading"):
        (started,) = planned.json("work", "run", "--all-ready").data["started"]
        assert started["title"] == title
        assert planned.submit_work(started["run"], "draft").code == 0
    found = items(planned)
    assert (found["Read the tide tables"]["status"], found["Read the tide tables"]["reason"]) == (
        "done",
        "all items under it are over",
    )
    started = planned.json("work", "run", "--all-ready", "--dry-run").data["started"]
    assert [each["title"] for each in started] == ["Define the format of a line"]
    assert planned.json("verify").code == 0


@pytest.mark.requirement("S3-07")
def test_a_milestone_shows_the_score_of_its_items_as_a_plan(cli: Terminal) -> None:
    imported(cli, PLAN)
    cli("work", "add", "Polish it", "--parent", "W-1")
    found = cli.json("work", "show", "W-1").data["plan"]
    assert found["score"] == 100 - 12 - 10 - 6 - 4 - 4 - 10
    assert "task 'Polish it' has no acceptance (−12)" in found["problems"]
    assert "plan: score 54 of 100" in cli("work", "show", "W-1").out
    assert "missing before it starts: criteria" in cli("work", "show", "W-7").out


def test_a_milestone_whose_items_are_over_has_no_score_as_a_plan(cli: Terminal) -> None:
    cli("work", "add", "Write letters", "--kind", "milestone")
    assert cli.json("work", "show", "W-1").data["plan"]["problems"] == ["milestone W-1 has no tasks (−25)"]
    cli("work", "add", "Thank Ada", "--parent", "W-1")
    cli("work", "add", "Thank Grace", "--parent", "W-1")
    for item in ("W-2", "W-3"):
        assert cli.json("work", "show", "W-1").data["plan"]
        assert cli("work", "drop", item, "not needed", pin=PIN).code == 0
    assert "plan" not in cli.json("work", "show", "W-1").data


@pytest.mark.requirement("S4-19")
def test_what_is_missing_is_filled_in_by_the_text_of_the_kind_where_asked(cli: Terminal) -> None:
    made = cli.json("work", "add", "The login fails", "--kind", "bug").data
    refused = cli.json("work", "edit", made["id"], "--status", "ready").document["error"]
    assert (refused["details"][0]["path"], "what happens" in refused["details"][0]["expected"]) == ("/item/body", True)
    assert f"wfe-mcp work edit {made['id']} --fill" in refused["hint"]
    ready = cli.json("work", "edit", made["id"], "--fill", "--status", "ready").data
    assert (ready["status"], "Find the cause" in ready["body"], len(ready["criteria"])) == ("ready", True, 1)
    plain = cli.json("work", "add", "Write").data["id"]
    assert cli.json("work", "edit", plain, "--fill", "--status", "ready").refusal == "not_ready"
    assert "does not say what is to be done and when it is done." in cli("work", "edit", plain, "--fill").err
    assert cli.json("work", "edit", plain, "--fill", "--tag", "refactor", "--status", "ready").data["status"] == "ready"


def test_the_address_of_an_issue_is_kept_and_shown_and_a_wrong_one_refused(cli: Terminal) -> None:
    address = "https://github.com/ada/tides/issues/7"
    made = cli.json("work", "add", "Write", "--source", address).data
    assert (made["source"], address in cli("work", "show", made["id"]).out) == (address, True)
    assert cli.json("work", "edit", made["id"], "--source", "https://ada:key@example.org/7").refusal == "bad_argument"


@pytest.mark.requirement("S3-04", "S3-27")
@pytest.mark.parametrize("name", ["copy.md", "copy.json"])
def test_a_plan_that_is_written_is_read_again_in_another_project(planned: Terminal, name: str) -> None:
    planned("work", "add", "Dark colours", "--kind", "idea")
    before = {title: item for title, item in items(planned).items() if item["kind"] != "idea"}
    made = planned.json("work", "export", name).data
    assert planned.json("work", "export", name).refusal == "conflict"
    again = planned.json("work", "import", name)
    assert again.code == 0, again.out
    copies = {each["title"]: planned.json("work", "show", each["id"]).data for each in again.data["added"]}

    assert made["not_carried"] == ["W-7 'Dark colours' is in no milestone with tasks"]
    assert {title: (item["body"], item["criteria"]) for title, item in copies.items() if "criteria" in item} == {
        title: (item["body"], item["criteria"]) for title, item in before.items() if "criteria" in item
    }
    assert [item["kind"] for item in copies.values()] == [item["kind"] for item in before.values()]


def test_what_a_plan_cannot_hold_is_named(cli: Terminal) -> None:
    assert cli.json("work", "export", "plan.json").refusal == "not_ready"
    cli("work", "add", "Export", "--kind", "milestone")
    cli("work", "add", "Elsewhere", "--priority", "high")
    cli(
        "work",
        "add",
        "Stream it",
        "--parent",
        "1",
        "--needs",
        "2",
        "--tag",
        "io",
        "--priority",
        "low",
        "--body",
        "All of it",
    )
    assert cli.json("work", "export", "plan.md").data["not_carried"] == [
        "W-2 'Elsewhere' is in no milestone with tasks",
        "W-3 needs W-2, which the plan does not have",
        "W-3: tags, body, priority",
    ]
    assert "! not carried: W-3: tags" in cli("work", "export", "plan.json").out


@pytest.mark.requirement("S3-02", "S3-31")
def test_pages_are_written_on_request_and_an_earlier_roadmap_stays(planned: Terminal) -> None:
    made = planned.json("work", "export", "docs")
    assert (made.code, made.data["written"]) == (0, [f"docs/{name}" for name in PAGES])
    first = texts(planned.root / "docs")
    assert all(len(text.encode()) <= 8_192 + 200 for text in first.values())
    assert "## W-1 Read the tide tables: planned, 0 of 2 tasks over (0 %)" in first["roadmap.md"]
    assert "- W-2 Add the table of a harbour: `wfe-mcp work start W-2`" in first["next-handoff.md"]
    planned("work", "export", "docs")
    assert texts(planned.root / "docs") == first
    assert not (planned.root / "docs" / "roadmap-archive").exists()
    run = planned.json("work", "start", "W-2").document["run"]
    planned("work", "export", "docs")
    (kept,) = (planned.root / "docs" / "roadmap-archive").iterdir()

    assert kept.read_text() == first["roadmap.md"]
    assert f"W-2 Add the table of a harbour, run {run} running" in texts(planned.root / "docs")["current-status.md"]
    assert f"# Hand-off of run {run}" in texts(planned.root / "docs")["next-handoff.md"]


@pytest.mark.requirement("S3-02", "S3-26")
@pytest.mark.attack("a page of the roadmap that was edited changes the plan", "held", "design §14")
@pytest.mark.parametrize("command", [("work", "export", "docs"), ("handoff", "--write", "docs")])
def test_a_page_that_was_edited_is_not_written_over_and_never_read_back(
    planned: Terminal, command: tuple[str, ...]
) -> None:
    planned.start("note")
    page = planned.root / "docs" / "current-status.md"
    assert planned(*command).code == 0
    page.write_text(page.read_text().replace("tatus\n", "tatus: All is done\n"))
    before = items(planned)
    refused = planned.json(*command)
    assert (refused.refusal, "All is done" in page.read_text()) == ("conflict", True)
    assert "docs/current-status.md was edited" in refused.document["error"]["message"]
    assert planned.json(*command, "--force").code == 0
    assert ("All is done" in page.read_text(), items(planned)) == (False, before)
    page.write_text("# Mine\n")
    assert planned.json(*command, "--force").refusal == "conflict"
    assert page.read_text() == "# Mine\n"


def test_a_roadmap_that_was_edited_and_is_written_over_stays_in_the_archive(planned: Terminal) -> None:
    planned("work", "export", "docs")
    page = planned.root / "docs" / "roadmap.md"
    page.write_text(page.read_text() + "And more\n")
    made = planned("work", "export", "docs", "--force")
    (kept,) = (planned.root / "docs" / "roadmap-archive").iterdir()
    assert (kept.read_text().endswith("And more\n"), "And more" in page.read_text()) == (True, False)
    assert "docs/roadmap.md, over what was edited" in made.out


@pytest.mark.attack("a title of a work item that gives orders on a page of the repository", "held", "T10")
def test_titles_and_reasons_open_nothing_on_a_page(cli: Terminal) -> None:
    made = cli.json("work", "add", "[Read](http://evil) `rm` <b>").data["id"]
    cli("work", "edit", made, "--title", "x](http://evil) `rm` <b>")
    cli("work", "block", made, "no key](http://evil) <script>")
    text = cli.json("work", "report", "all").data["markdown"]
    assert ("](http" in text, "<script>" in text, "`rm`" in text) == (False, False, False)


@pytest.mark.requirement("S3-31")
def test_pages_of_many_items_stay_within_8_kib(cli: Terminal) -> None:
    tasks: list[dict[str, Any]] = [
        {"id": f"T{number}", "title": f"Task {number} " + "with many words " * 8, "acceptance": ["there"]}
        for number in range(40)
    ]
    milestones = [
        {"id": f"M{at}", "title": f"Milestone {at}", "tasks": [each | {"id": f"{each['id']}-{at}"} for each in tasks]}
        for at in range(3)
    ]
    (cli.root / "plan.json").write_text(json.dumps({"milestones": milestones}))
    assert cli.json("work", "import", "plan.json", "--ready").code == 0
    cli("work", "export", "docs")
    found = texts(cli.root / "docs")
    assert all(len(text.encode()) <= 8_192 + 200 for text in found.values())
    assert "more lines" in found["roadmap.md"]


@pytest.mark.requirement("S3-31", "S3-27")
def test_reports_say_where_the_work_is_what_was_checked_and_what_git_has(planned: Terminal) -> None:
    run = planned.json("work", "start", "W-2").document["run"]
    planned.submit_work(run, "draft")
    planned("work", "block", "W-5", "no format yet")
    status = planned("work", "report").out
    tasks = planned("work", "report", "tasks").out
    assert "W-5 Define the format of a line: no format yet" in status
    assert f"- [x] W-2 Add the table of a harbour (done); run {run}" in tasks
    assert "W-1 Read the tide tables: planned, 1 of 2 tasks over (50 %)" in planned("work", "report", "milestones").out
    assert "in no git repository" in planned("work", "report", "git").out
    planned.git("init", "-q", "-b", "main")
    assert "- on main, at no commit" in planned("work", "report", "all").out
    refused = planned.json("work", "report", "gti")
    assert (refused.refusal, refused.document["error"]["hint"]) == ("bad_argument", "Did you mean 'git'?")


def test_reports_of_nothing_are_not_empty(cli: Terminal) -> None:
    text = cli.json("work", "report", "all").data["markdown"]
    for part in ("There are no work items.", "No task is open.", "There is no milestone.", "Nothing is ready"):
        assert part in text


def test_what_is_planned_becomes_ready_by_the_one_command_that_says_what_is_missing(cli: Terminal) -> None:
    made = cli.json("work", "add", "ab").data["id"]
    assert cli("work", "list").err == f"Next: wfe-mcp work show {made}\n"
    next_line = f"wfe-mcp work edit {made} --title TEXT --body TEXT --criterion TEXT --status ready\n"
    assert cli("work", "show", made).err == f"Next: {next_line}"
    assert cli("work", "start", made, "--template", "note").err.endswith(f"make it ready first: {next_line}")
    words = ("--title", "Write it", "--body", "The page, because readers ask for it.", "--criterion", "It is there")
    assert cli("work", "edit", made, *words).err == f"Next: wfe-mcp work edit {made} --status ready\n"
    assert cli("work", "edit", made, "--body", "Because readers ask for it.", "--status", "ready").code == 0
