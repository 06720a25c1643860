"""``wfe-mcp inbox``: all that waits for the user, in every project of the database, as the page shows it."""

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.scene import CHECK, HUMAN, PIN, Terminal, phase, template
from tests.engine.scene import AGENT
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.workspace.system.location import project_at, user_config_file
from wfe_mcp.workspace.system.shell_words import shell_line


def lines(cli: Terminal) -> list[list[str]]:
    """The rows below the header, as cells."""
    answer = cli("inbox")
    assert answer.code == 0, answer.err
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in answer.out.splitlines()[2:]]


def waiting(cli: Terminal, root: Path, title: str, *, asks: bool) -> str:
    """A run of ``letter`` in the project ``root`` whose phase ``send`` awaits approval."""
    with closing(create_engine(project_at(root), clock=cli.clock)) as engine:
        run = answers.start_run(engine, AGENT, "letter", {}, title=title).run or ""
        for each in ("draft", "send"):
            answers.start_phase(engine, AGENT, run, each)
            answers.submit_artifact(engine, AGENT, run, each, artifact={"text": "hello"})
        if asks:
            ask_approval(engine, AGENT, run, "send")
    cli.clock.forward(minutes=1)
    return run


@pytest.fixture
def elsewhere(cli: Terminal) -> Path:
    """A second project of the same database."""
    root = cli.root.parent / "elsewhere"
    shutil.copytree(cli.root / ".wfe", root / ".wfe")
    subprocess.run(["git", "init", "-q", root], check=True)
    message = cli("trust", "--yes", "--project", str(root), pin=PIN)
    assert message.code == 0, message.err
    return root


def test_nothing_waits_and_that_is_said(cli: Terminal) -> None:
    cli.start("note")  # the agent's turn
    answer = cli("inbox")
    assert (answer.code, answer.out, answer.err) == (0, "Nothing waits for you.\n", "")
    assert cli.json("inbox").data == {"decisions": [], "stuck_in_s": 3601}


def test_all_that_waits_is_listed_oldest_first_over_all_projects(cli: Terminal, elsewhere: Path) -> None:
    cli.save(template("strict", phase("build", CHECK, on_fail=[{"do": "block"}])))
    cli.save(template("asks", phase("choose", kind="human", title="Choose a way")))
    asked = waiting(cli, elsewhere, "First", asks=True)
    stopped = cli.start("strict", "--title", "Second")
    assert cli.submit_work(stopped, "build").code == 1
    cli.clock.forward(minutes=1)
    task = cli.start("asks", "--title", "Third")
    cli.clock.forward(minutes=1)
    unasked = waiting(cli, cli.root, "Fourth", asks=False)
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[checks.more]\nargv = ["true"]\n')

    here, there = cli.root.name, elsewhere.name
    rows = lines(cli)
    assert [row[1:4] for row in rows] == [
        ["decision", there, asked],
        ["stopped", here, stopped],
        ["task", here, task],
        ["decision", here, unasked],
        ["trust", here, "-"],
    ]
    assert [row[-2] for row in rows[:1] + rows[2:]] == [
        'Approve send of "First"?',
        'Your task: Choose a way, of "Third"',
        'Approve send of "Fourth"?',
        "Review and trust: config",
    ]
    assert rows[1][-2].startswith("\"Second\" is blocked. Retry, skip or force-accept? 'build' failed: Check 'test' ")
    assert rows[1][-2].count("failed: ") == 1
    answer = cli("inbox")
    assert answer.out.startswith("5 things wait for you in 2 projects, oldest first.\n")
    assert [row[-1] for row in rows] == [
        f"wfe-mcp approve {asked} send --project {elsewhere}",
        f"wfe-mcp retry {stopped} build",
        f"wfe-mcp submit {task} choose --path FILE",
        f"wfe-mcp approve {unasked} send",
        "wfe-mcp trust",
    ], "a command for another project names it"


def test_a_changed_configuration_is_one_thing_that_names_the_runs_that_wait_for_it(cli: Terminal) -> None:
    run = cli.start("code", "--title", "First")
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[checks.more]\nargv = ["true"]\n')
    cli.submit_work(run, "build")
    answer = cli("inbox")
    assert answer.out.startswith("1 thing waits for you in 1 project, oldest first.\n")
    (row,) = lines(cli)
    assert row[-2:] == ['Review and trust: config; "First" waits for it', "wfe-mcp trust"]
    assert "stopped" not in cli.json("inbox").data


def test_the_commands_work_as_they_are_shown(cli: Terminal, elsewhere: Path) -> None:
    waiting(cli, elsewhere, "First", asks=True)
    waiting(cli, cli.root, "Second", asks=False)
    for row in lines(cli):
        assert cli(*row[-1].removeprefix("wfe-mcp ").split(), pin=PIN).code == 0
    assert cli("inbox").out == "Nothing waits for you.\n"


def test_an_asked_decision_has_one_line_with_what_is_unusual_about_it(cli: Terminal) -> None:
    cancelled = cli.start("letter")
    cli("cancel", cancelled, "--reason", "not needed")
    cli.clock.forward(minutes=1)
    waiting(cli, cli.root, "First", asks=True)
    (row,) = lines(cli)
    assert row[4:-1] == ["1 note", 'Approve send of "First"?']
    assert [each["phase"] for each in cli.json("inbox").data["decisions"]] == ["send"]
    assert "unasked" not in cli.json("inbox").data


def test_a_request_that_expired_is_a_decision_still(cli: Terminal) -> None:
    cli.save(template("letter", phase("draft"), phase("send", {**HUMAN, "expires": "1h"})))
    run = waiting(cli, cli.root, "First", asks=True)
    assert "unasked" not in cli.json("inbox").data
    cli.clock.forward(hours=2)
    found = cli.json("inbox").data
    assert (found["decisions"], [each["run"] for each in found["unasked"]]) == ([], [run])


def test_it_waits_since_the_work_was_done_however_often_it_is_asked_for(cli: Terminal) -> None:
    cli.save(template("letter", phase("draft"), phase("send", {**HUMAN, "expires": "1h"}), phase("more", needs=[])))
    run = cli.start("letter")
    assert [cli.submit_work(run, each).code for each in ("draft", "send")] == [0, 0]
    cli.clock.forward(minutes=1)

    def since() -> str:
        found = cli.json("inbox").data
        return next(each.get("since") or each["asked_at"] for each in (*found["decisions"], *found.get("unasked", ())))

    at = since()
    assert cli.submit_work(run, "more").code == 0
    assert since() == at, "other work of the run changes nothing"
    for minutes in (1, 61, 1):  # asked, asked again, and again once the request has expired
        with closing(create_engine(project_at(cli.root), clock=cli.clock)) as engine:
            ask_approval(engine, AGENT, run, "send")
        assert since() == at
        cli.clock.forward(minutes=minutes)
        assert since() == at
    cli("reject", run, "send", "--feedback", "Shorter", pin=PIN)
    assert cli.submit_work(run, "send").code == 0
    assert since() > at, "another revision is another decision"


def test_a_run_that_stopped_waits_since_then_whatever_changes_in_it(cli: Terminal) -> None:
    cli.save(template("letter", phase("draft"), phase("more", needs=[])))
    paused, held = (cli.start("letter") for _ in range(2))
    cli("pause", paused)
    cli("auto", held, "off")
    cli.submit_work(held, "draft")

    def times(name: str) -> dict[str, str]:
        return {row["run"]: row[name] for row in cli.json("inbox").data["stopped"]}

    since, changed = times("since"), times("updated_at")
    assert set(since) == {paused, held}
    cli.clock.forward(minutes=5)
    for run in (paused, held):
        assert cli("checkpoint", run).code == 0
    assert times("since") == since
    assert all(times("updated_at")[run] > changed[run] for run in (paused, held))


def test_a_run_that_paused_since_its_phase_failed_is_one_thing(cli: Terminal) -> None:
    cli.save(template("strict", phase("build", CHECK, on_fail=[{"do": "pause"}])))
    run = cli.start("strict", "--title", "Build it")
    cli.submit_work(run, "build")

    answer = cli("inbox")

    assert answer.out.startswith("1 thing waits for you in 1 project"), answer.out
    assert 'Resume "Build it"? Retry, skip or force-accept?' in answer.out
    assert f"wfe-mcp retry {run} build" in answer.out


def test_two_projects_of_one_name_are_named_by_their_paths(cli: Terminal, elsewhere: Path) -> None:
    same = cli.root.parent / "more" / cli.root.name
    shutil.copytree(elsewhere, same)
    assert cli("trust", "--yes", "--project", str(same), pin=PIN).code == 0
    waiting(cli, same, "First", asks=True)
    waiting(cli, cli.root, "Second", asks=True)
    assert [row[2] for row in lines(cli)] == [str(same), str(cli.root)]


def test_a_project_whose_folder_is_gone_has_no_line(cli: Terminal, elsewhere: Path) -> None:
    waiting(cli, elsewhere, "First", asks=True)
    assert cli("inbox").out.startswith("1 thing waits")
    shutil.rmtree(elsewhere)
    assert cli("inbox").out == "Nothing waits for you.\n"


@pytest.mark.attack("a title hides characters where only a line of a list names the decision", "held", "A1")
@pytest.mark.parametrize("asks", [True, False])
def test_characters_that_no_one_sees_are_named_in_the_list(cli: Terminal, asks: bool) -> None:
    waiting(cli, cli.root, "Send\u200b it", asks=asks)
    (row,) = lines(cli)
    assert "1 warning" in row
    assert any("Send<U+200B> it" in cell for cell in row)
    if asks:
        (told,) = cli.json("inbox").data["decisions"][0]["unusual"]
        assert told["text"] == "Characters that no one sees are in the title (<U+200B> 1×)."


def test_a_task_whose_title_hides_characters_is_named_too(cli: Terminal) -> None:
    cli.save(template("asks", phase("choose", kind="human", title="Choose\u3164 a way")))
    cli.start("asks")
    (row,) = lines(cli)
    assert "1 warning" in row


def test_ones_own_configuration_that_waits_for_a_review_is_named(cli: Terminal) -> None:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# one\n")
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    file.write_text("# two\n")
    assert [row[-2] for row in lines(cli)] == ["Review and trust: your own configuration"]
    assert cli.json("inbox").data["trust"][0]["names"] == ["own"], "as `wfe-mcp trust` takes it"


def test_the_commands_of_an_answer_name_the_project_that_another_folder_would_not_find(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.save(template("signed", phase("draft", HUMAN)))
    run, here = cli.start("signed"), ("--project", str(cli.root))
    cli.submit_work(run, "draft")
    (cli.root / ".wfe" / "templates" / "mine.yaml").write_text("format: wfe/1\n")
    assert f"  wfe-mcp approve {run} draft\n" in cli("inbox", *here).out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    named = f"wfe-mcp {shell_line(here)}"

    for words, command in (
        (["inbox"], f"approve {run} draft"),
        (["show", run, "--decision"], f"show {run} --decision --phase draft --full"),
        (["doctor"], "inbox"),
        (["templates", "list"], "templates show mine"),
        (["credential", "list"], "credential add NAME --kind token"),
        (["webhook", "list"], "trust"),
    ):
        said = cli(*words, *here).out
        assert f"{named} {command}" in said
        assert f"wfe-mcp {command}" not in said
    title = cli("show", cli.start("note", "--title", "wfe-mcp trust", *here), *here).out
    assert '"wfe-mcp trust"' in title, "what is not ours stays as it is"
