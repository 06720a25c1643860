"""A project at a terminal: setting it up, trust, templates, settings, health, truth."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import user_config_file


def test_trust_shows_what_would_run_and_is_lost_with_the_first_changed_byte(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text('[checks.test]\nargv = ["make", "evil"]\n[chekcs]\n')
    waiting = cli.json("trust")
    assert (waiting.code, waiting.refusal) == (1, "needs_human")
    assert waiting.data["pending"][0]["name"] == "config"
    answer = cli("trust", "--yes", pin=PIN)
    assert answer.code == 0
    assert "  check test: make evil\n" in answer.out
    assert "unknown key 'chekcs'" in answer.out
    assert "Nothing needs trust." in cli("trust").out
    config.write_text(f"{config.read_text()}\n")
    assert cli.json("config", "show").data["untrusted"] == [str(config)]
    assert "has no effect until you trust it" in cli("config", "show").out


def test_trust_takes_names_and_says_when_one_is_unknown(cli: Terminal) -> None:
    broken = template("broken", phase("draft", {"kind": "expr", "assert": "${nobody.knows}"}))
    for definition in (broken, template("fine", phase("draft", {"kind": "command", "check": "test"}))):
        (cli.root / ".wfe" / "templates" / f"{definition['name']}.json").write_text(json.dumps(definition))
    assert "draft, command gate 1: command; test" in cli("trust", "fine", "--yes", pin=PIN).out
    assert "! /phases/0/gates/0/assert" in cli("trust", "broken", "--yes", pin=PIN).out
    assert cli.json("trust", "fin", "--yes", pin=PIN).refusal == "bad_argument"


def test_trusting_again_what_is_trusted_asks_for_nothing(cli: Terminal) -> None:
    (cli.root / ".wfe" / "templates" / "new.json").write_text(json.dumps(template("new", phase("draft"))))
    assert cli("trust", "new", "--yes", pin=PIN).code == 0
    assert cli("trust", "new").out == "Trusted already: new.\n"
    assert cli.json("trust", "new", "nothere", "--yes", pin=PIN).refusal == "bad_argument"


def test_trust_needs_yes_where_no_one_can_be_asked(cli: Terminal) -> None:
    (cli.root / ".wfe" / "config.toml").write_text("auto = false\n")
    document = cli.json("trust", pin=PIN)
    assert document.refusal == "needs_human"
    assert "--yes" in document.document["error"]["hint"]


def test_what_changes_while_the_person_looks_is_not_trusted(
    cli: Terminal, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text("auto = false\n")

    def think(_prompt: str) -> str:
        config.write_text('[checks.test]\nargv = ["evil"]\n')
        return PIN

    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", think)
    for words in (("trust", "--yes"), ("init", "--yes")):
        config.write_text("auto = false\n")
        assert cli.json(*words).refusal == "stale_revision"
    assert cli.json("config", "show").data["untrusted"]


def test_templates_are_listed_with_where_they_come_from(cli: Terminal) -> None:
    names = {each["name"]: each.get("source", "shipped") for each in cli.json("templates", "list").data["templates"]}
    assert names["quick_fix"] == "shipped"
    assert names["letter"] == "project"
    assert "quick_fix" in cli("templates", "list", "bug").out
    assert "letter" not in cli("templates", "list", "bug").out


@pytest.mark.requirement("S0-45")
def test_a_template_is_shown_with_its_inputs_phases_and_gates(cli: Terminal) -> None:
    output = cli("templates", "show", "quick_fix").out
    for lines in (
        "input problem string, required: What happens",
        "reproduce -> failing_test",
        "command check test must fail",
        "approval you, with your PIN",
    ):
        assert lines in " ".join(output.split())
    assert cli.json("templates", "show", "quick_fix").data["template"]["format"] == "wfe/1"
    assert cli.json("templates", "show", "quick_fx").refusal == "unknown_template"
    assert "Next: wfe-mcp templates list" in cli("templates", "show", "quick_fx").err


def test_a_clean_template_lints_silently(cli: Terminal) -> None:
    assert cli("templates", "lint", "letter") == cli("templates", "lint", ".wfe/templates/letter.json")
    answer = cli("templates", "lint", "letter")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert cli.json("templates", "lint", "quick_fix").document == {
        "ok": True,
        "errors": [],
        "warnings": [],
        "requires": {
            "checks": ["test"],
            "roles": ["reviewer"],
            "servers": [],
            "context": [],
            "plugins": [],
            "templates": [],
        },
    }


def test_lint_names_every_fault_by_its_pointer(cli: Terminal) -> None:
    faulty = template("faulty", phase("draft", {"kind": "command", "check": "tset"}), phase("draft", colour="red"))
    (cli.root / "faulty.json").write_text(json.dumps(faulty))
    document = cli.json("templates", "lint", "faulty.json")
    assert (document.code, document.document["ok"]) == (1, False)
    found = {each["path"] for each in document.document["errors"]}
    assert {"/phases/0/gates/0/check", "/phases/1/id", "/phases/1/colour"} <= found
    assert "/phases/1/colour: " in cli("templates", "lint", "faulty.json").out


def test_lint_of_what_is_no_json_or_not_there(cli: Terminal) -> None:
    (cli.root / "bad.json").write_text("{")
    assert cli.json("templates", "lint", "bad.json").document["errors"]
    assert cli.json("templates", "lint", "none.json").refusal == "unknown_template"
    assert cli.json("templates", "lint", "nobody").refusal == "unknown_template"


def test_lint_has_nothing_to_say_on_what_is_shipped(empty: Terminal) -> None:
    from wfe_mcp.resources import shipped_folder

    for folder in sorted(shipped_folder("templates").glob("*/template.json")):
        answer = empty("templates", "lint", folder.parent.name)
        assert (answer.code, answer.out, answer.err) == (0, "", ""), folder.parent.name


def test_without_a_project_configuration_checks_are_only_listed(empty: Terminal) -> None:
    document = empty.json("templates", "lint", "quick_fix")
    assert (document.code, document.document["requires"]["checks"]) == (0, ["test"])


def test_an_imported_template_needs_trust(cli: Terminal) -> None:
    (cli.root / "mine.json").write_text(
        json.dumps(template("mine", phase("draft", {"kind": "command", "check": "test"})))
    )
    document = cli.json("templates", "import", "mine.json")
    assert (document.code, document.data["requires"]["checks"]) == (0, ["test"])
    assert "Needs checks: test." in cli("templates", "import", "mine.json").out
    assert cli.json("start", "mine").refusal == "needs_trust"
    assert cli("trust", "mine", "--yes", pin=PIN).code == 0
    assert cli("start", "mine").code == 0


def test_the_same_name_and_version_with_other_content_is_a_conflict(cli: Terminal) -> None:
    for words in ("Write.", "Write more."):
        (cli.root / "mine.json").write_text(json.dumps(template("mine", phase("draft") | {"prompt": words})))
        document = cli.json("templates", "import", "mine.json")
    assert document.refusal == "conflict"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("a.yaml", "a: 1", "invalid_template"), ("a.json", '{"jobs": []}', "invalid_template")],
)
def test_other_formats_are_recognised_and_refused(cli: Terminal, name: str, content: str, code: str) -> None:
    (cli.root / name).write_text(content)
    document = cli.json("templates", "import", name)
    assert (document.code, document.refusal) == (1, code)


@pytest.mark.parametrize(("content", "code"), [("{", "invalid_template"), ('{"format": "wfe/1"}', "invalid_template")])
def test_a_faulty_file_is_not_imported(cli: Terminal, content: str, code: str) -> None:
    (cli.root / "a.json").write_text(content)
    assert cli.json("templates", "import", "a.json").refusal == code
    assert cli.json("templates", "import", "nowhere").refusal == "unknown_template"


def test_an_exported_template_is_the_same_again(cli: Terminal) -> None:
    definition = json.loads(cli("templates", "export", "quick_fix").out)
    assert cli.json("templates", "export", "quick_fix").data["template"] == definition
    assert cli("templates", "export", "quick_fix", "out.json").code == 0
    assert json.loads((cli.root / "out.json").read_text()) == definition
    assert cli.json("templates", "export", "quick_fix", "out.json").refusal == "conflict"
    assert cli.json("templates", "export", "quick_fix", "no/where.json").refusal == "bad_argument"
    assert cli("templates", "import", "out.json").code == 0


def test_config_show_names_the_origin_of_each_value(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFE_AUTO", "off")
    settings = cli.json("config", "show", "--origin").data["settings"]
    assert settings["auto"] == {"value": False, "origin": "environment", "where": "WFE_AUTO"}
    assert settings["checks.test.argv"]["origin"] == "project"
    shown = cli("config", "show", "--origin").out
    assert "environment WFE_AUTO" in shown
    assert f"Your own configuration: {user_config_file()}, which is not there yet" in shown
    assert ["auto", "False"] in [line.split() for line in cli("config", "show").out.splitlines()]


def test_faults_in_the_configuration_are_reported(cli: Terminal) -> None:
    (cli.root / ".wfe" / "config.toml").write_text("autoo = true\n")
    assert cli.json("config", "show").data["problems"][0]["path"] == "/autoo"
    assert "Did you mean 'auto'?" in cli("config", "show").out


def test_doctor_misses_only_the_tests_in_an_empty_folder(empty: Terminal) -> None:
    document = empty.json("doctor")
    assert document.code == 1
    levels = {each["topic"]: each["level"] for each in document.data["findings"]}
    assert levels["PIN"] == levels["configuration"] == levels["git"] == levels["servers"] == "note"
    assert [topic for topic, level in levels.items() if level == "problem"] == ["check test"]


@pytest.mark.requirement("S3-29")
def test_doctor_names_what_stops_work(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text('autoo = 1\n[checks.test]\nargv = ["no-such-program"]\n[checks.own]\nargv = ["bin/check"]\n')
    answer = cli("doctor")
    assert answer.code == 1
    assert "no-such-program is not found on PATH; fix: " in answer.out
    assert "bin/check is not found; fix: " in answer.out
    assert "Did you mean 'auto'?" in answer.out
    assert (
        "config needs your review: 2 effects new or changed; its checks do not run before that, and gates wait; fix: "
        in answer.out
    )


def test_doctor_in_a_repository_with_a_server(cli: Terminal) -> None:
    from wfe_mcp.store.records.runs import ProcessRecord
    from wfe_mcp.workspace.system.location import project_at

    cli.git("init", "-q", "-b", "main")
    engine = create_engine(project_at(cli.root))
    me = engine.identity
    with engine.store.tx() as tx:
        tx.processes.register(ProcessRecord(me.host, me.pid, me.started_at, "serve", project_id=engine.project_id))
    engine.close()
    document = {each["topic"]: each["message"] for each in cli.json("doctor").data["findings"]}
    assert document["servers"] == "1 alive, 1 of this project"
    assert document["git"].endswith("branch main")


@pytest.mark.parametrize("url", ["postgresql://nobody@nowhere/wfe", "nonsense"])
def test_another_database_is_refused_by_every_command_and_named_by_doctor(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("WFE_DATABASE_URL", url)
    assert empty.json("status").refusal == "unavailable"
    document = empty.json("doctor")
    assert (document.code, document.data["findings"][-1]["topic"]) == (1, "database")


def test_verify_ends_with_0_and_says_when_the_pin_was_set(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    answer = cli("verify")
    assert answer.code == 0, answer.out
    assert "PIN: set 2026-11-20T08:00:00+00:00 by" in answer.out
    found = cli.json("verify", run).document
    assert (found["ok"], found["data"]["problems"], found["data"]["runs"]) == (True, [], 1)


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ("UPDATE run SET status = 'running'", "'status' is running"),
        ("UPDATE attempt SET status = 'failed'", "'status' is failed"),
        ("DROP TRIGGER event_no_update; UPDATE event SET actor = 'nobody' WHERE seq = 2", "event 2"),
        ("DROP TRIGGER event_no_delete; DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)", "is the last"),
        ("UPDATE secret SET value = '{}' WHERE name = 'pin'", "secret 'pin'"),
        ("DROP TRIGGER setting_event_no_delete; DELETE FROM setting_event", "secret 'pin'"),
    ],
    ids=["run row", "attempt row", "event", "tail", "PIN row", "PIN without an event"],
)
def test_verify_names_what_someone_changed_in_the_database(cli: Terminal, change: str, result: str) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    with closing(sqlite3.connect(cli.database)) as connection, connection:
        connection.executescript(change)
    connection.close()
    answer = cli("verify")
    assert answer.code == 1
    assert result in answer.out
    assert cli.json("verify", run).document["ok"] is False


def test_a_repository_that_is_made_after_the_first_run_lacks_no_anchor(cli: Terminal) -> None:
    run = cli.start("note")
    cli.git("init", "-q")
    assert cli.json("verify").code == 0
    cli.submit_work(run, "draft")
    cli.git("update-ref", "-d", "refs/wfe/audit")
    assert "[anchors_deleted]" in cli("verify").out


@pytest.mark.usefixtures("in_git")
def test_each_command_anchors_what_it_did_and_verify_says_how_far(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    found = cli.json("verify").data["anchors"]
    assert (found["count"] >= 2, found["behind"]) == (True, [])
    assert run in cli.git("log", "--format=%B", "refs/wfe/audit")
    cli.git("update-ref", "refs/wfe/pushed", "refs/wfe/audit")
    assert cli("verify", "--anchors", "refs/wfe/pushed").code == 0
    assert cli.json("verify", "--anchors", "refs/wfe/nowhere").refusal == "bad_argument"
    cli.git("update-ref", "-d", "refs/wfe/audit")
    (problem,) = cli.json("verify").data["problems"]
    assert (problem["code"], problem["where"], problem["since"]) == (
        "anchors_deleted",
        "refs/wfe/audit",
        "2026-11-20T08:00:00+00:00",
    )
    assert "[anchors_deleted]" in cli("verify").out


def test_a_changed_file_is_put_back_or_accepted_by_a_person(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    place = cli.root / f".wfe/runs/{run}/draft/1/artifact.json"
    place.write_text('{"text": "never said"}')
    document = cli("submit", run, "send", "--path", "draft.json")
    assert (document.code, f"wfe-mcp artifact restore {run} draft" in document.err) == (1, True)
    assert cli.json("artifact", "restore", run, "draft").data["restored"] == [place.relative_to(cli.root).as_posix()]
    assert cli("artifact", "restore", run).out.startswith("No file differs")
    assert cli.json("artifact", "accept", run, "draft").refusal == "illegal_transition", "no PIN makes that right"
    place.write_text('{"text": "better said"}')
    assert cli.json("artifact", "accept", run, "draft").code == 1
    assert cli.json("artifact", "accept", run, "draft", pin=PIN).document["state"] == "completed"
    assert "better said" in cli("artifact", "show", run, "draft").out
    assert cli("verify", run).code == 0


def test_verify_names_the_file_of_an_accepted_artifact_that_was_changed(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    place = f".wfe/runs/{run}/draft/1/artifact.json"
    (cli.root / place).write_text('{"text": "never said"}')
    answer = cli("verify", run)
    assert answer.code == 1
    assert place in answer.out
    assert "differs from the accepted artifact" in cli("status", run).out
    (cli.root / place).unlink()
    assert cli("verify", run).code == 0


def test_a_run_of_another_project_is_none_of_ours(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert cli.json("verify", run).refusal == "unknown_run"
    assert cli.json("list").data["runs"] == []
    assert cli.json("--project", str(cli.root), "list").data["runs"][0]["run"] == run


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
@pytest.mark.attack("the database or the key file was opened to other users of the machine", "detected", "T3")
@pytest.mark.parametrize("which", ["database", "key file"])
def test_doctor_names_a_file_that_others_may_read(cli: Terminal, which: str) -> None:
    from wfe_mcp.engine.models.secrets import KEY_FILE
    from wfe_mcp.workspace.system.location import data_dir

    assert "permissions" not in cli("doctor").out
    file = cli.database if which == "database" else data_dir() / KEY_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    file.chmod(0o644)
    document = cli.json("doctor")
    found, *_ = [each for each in document.data["findings"] if each["topic"] == "permissions"]
    assert (document.code, found["level"]) == (1, "problem")
    assert f"chmod 600 '{file}'" in found["message"]


def test_without_a_terminal_a_move_names_its_consent_and_the_pin_at_once(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names_both(*words: str) -> None:
        assert cli.json(*words).document["error"]["hint"].startswith("Add --yes and --pin-fd N, or run"), words
        assert cli.json(*words, pin=PIN).document["error"]["hint"].startswith("Add --yes, or run"), words

    cli.start("note")
    names_both("pin", "reset")
    old, cli.root = cli.root, cli.root.parent / "renamed"
    monkeypatch.chdir(old.parent)
    old.rename(cli.root)
    monkeypatch.chdir(cli.root)
    names_both("project", "move", str(old))
    names_both("project", "forget", str(old))
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0


def test_a_project_that_comes_back_into_the_lists_says_so(cli: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    assert cli("project", "forget", ".", "--yes", pin=PIN).code == 0
    cli("list")
    assert caplog.messages == [f"{cli.root} was taken out of the lists, and is in them again: a command ran in it."]
