"""Templates at a terminal: new versions, what is in use, and what comes from elsewhere."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal, phase, template

AFU9: dict[str, Any] = {
    "name": "say_hello",
    "owner": "ada",
    "steps": [{"name": "ask", "tool": "github.getIssue", "params": {"number": "${input.number}"}, "assign": "issue"}],
}
MILESTONES = """\
# Milestones
Two words first.
## M1 - Write the archive
Tasks:
- Stream artifacts into a zip
  Acceptance: The archive lists every artifact
"""


def put(cli: Terminal, name: str, content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (cli.root / name).write_text(text, encoding="utf-8")
    return name


def kept(cli: Terminal, version: str = "1.0.0", prompt: str = "Write it.") -> None:
    """A trusted version of the template ``mine``."""
    made = template("mine", phase("draft") | {"prompt": prompt}) | {"version": version}
    assert cli("templates", "import", put(cli, "mine.json", made)).code == 0
    assert cli("trust", "mine", "--yes", pin=PIN).code == 0


def editor(cli: Terminal, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """$EDITOR runs ``code`` with the definition as ``d``; what it leaves there is saved."""
    lines = [
        "import json, sys",
        "path = sys.argv[1]",
        "d = json.load(open(path))",
        code,
        "json.dump(d, open(path, 'w'))",
    ]
    script = cli.root / "editor.py"
    script.write_text("\n".join(lines))
    monkeypatch.setenv("EDITOR", shlex.join([Path(sys.executable).as_posix(), "-S", script.as_posix()]))


# versions


def test_a_copy_has_its_own_name_and_needs_trust(cli: Terminal) -> None:
    answer = cli("templates", "clone", "quick_fix", "my_fix", "--version", "7")
    assert answer.out.splitlines() == [
        "Copied quick_fix to my_fix.",
        "Needs checks: test; roles: reviewer.",
    ]
    assert answer.err == "Next: wfe-mcp trust my_fix\n"
    assert cli.json("templates", "show", "my_fix").data["template"]["version"] == "7"
    assert cli.json("templates", "clone", "quick_fix", "note").refusal == "conflict"


def test_an_edited_file_is_a_new_version_and_shows_how_it_differs(cli: Terminal) -> None:
    kept(cli)
    new = template("mine", phase("draft") | {"prompt": "Write it well."}) | {
        "version": "1.1.0",
        "description": "x" * 400,
    }
    document = cli("templates", "edit", "mine", "--file", put(cli, "new.json", new))
    assert document.out.startswith("Stored mine 1.1.0; 1.0.0 is unchanged.")

    output = cli("templates", "diff", "mine").out.splitlines()
    assert output[0] == "mine 1.0.0 -> mine 1.1.0: 3 changes"
    assert '- /phases/0/prompt: "Write it."' in output
    assert '+ /phases/0/prompt: "Write it well."' in output
    assert any(line.startswith('+ /description: "xxx') and line.endswith("…") for line in output)
    data = cli.json("templates", "diff", "mine@1.0.0", "mine").data
    assert {change["path"] for change in data["changes"]} == {"/version", "/phases/0/prompt", "/description"}
    assert cli.json("templates", "diff", "mine@1.0.0").refusal == "bad_argument"

    rows = cli.json("templates", "show", "mine").data["versions"]
    assert [(row["version"], row["source"], "parent" in row) for row in rows] == [
        ("1.1.0", "edited", True),
        ("1.0.0", "imported", False),
    ]
    assert "MADE FROM" in cli("templates", "show", "mine").out


def test_the_editor_opens_the_next_version(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(cli)
    editor(cli, monkeypatch, "d['phases'][0]['prompt'] = 'Write ' + d['version']")
    assert cli.json("templates", "edit", "mine").data["version"] == "1.0.1"
    assert cli.json("templates", "show", "mine").data["template"]["phases"][0]["prompt"] == "Write 1.0.1"


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("", "bad_argument"),
        ("sys.exit(3)", "bad_argument"),
        ("d['phases'] = []", "invalid_template"),
        ("d['version'] = '1.0.0'; d['title'] = 'Other'", "conflict"),
    ],
)
def test_an_edit_that_comes_to_nothing_keeps_nothing(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, code: str, refusal: str
) -> None:
    kept(cli)
    editor(cli, monkeypatch, code)
    assert cli.json("templates", "edit", "mine").refusal == refusal
    assert len(cli.json("templates", "show", "mine").data["versions"]) == 1


def test_without_an_editor_that_starts_there_is_a_way_by_file(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(cli)
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    assert "--file FILE" in cli("templates", "edit", "mine").err
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    assert "'no-such-editor' cannot be started" in cli("templates", "edit", "mine").err


@pytest.mark.skipif(sys.platform == "win32", reason="the editor is a script for sh")
def test_an_editor_whose_path_has_a_space_needs_no_quotes(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(cli)
    program = cli.root / "my editors" / "edit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nsed -i.old 's/Write it/Write it well/' \"$1\"\n")
    program.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(program))
    assert cli.json("templates", "edit", "mine").document["ok"] is True
    assert len(cli.json("templates", "show", "mine").data["versions"]) == 2


# what is in use


def test_the_default_is_listed_first_and_marked(cli: Terminal) -> None:
    assert cli("templates", "default", "note").out == "note is now the default.\n"
    listed = cli("templates", "list").out.splitlines()
    assert listed[1].split()[:4] == ["note", "1.0.0", "project", "default"]
    assert cli.json("templates", "list").data["templates"][0]["default"] is True


@pytest.mark.parametrize(("word", "state"), [("disable", "disabled"), ("archive", "archived")])
def test_a_template_out_of_use_is_hidden_and_does_not_start_until_it_is_enabled(
    cli: Terminal, word: str, state: str
) -> None:
    assert cli("templates", word, "note").code == 0
    assert "note" not in {each["name"] for each in cli.json("templates", "list").data["templates"]}
    everything = {each["name"]: each.get("state") for each in cli.json("templates", "list", "--all").data["templates"]}
    assert (everything["note"], everything["letter"]) == (state, None)
    assert f"note (project, {state})" in cli("templates", "show", "note").out.replace("note 1.0.0", "note")
    assert cli.json("start", "note").refusal == "unavailable"
    assert cli.json("templates", "enable", "note").data == {"template": "note", "state": "enabled"}
    assert cli.start("note")


def test_a_version_that_was_archived_makes_room_for_the_one_before(cli: Terminal) -> None:
    kept(cli, "1")
    kept(cli, "2")
    assert cli.json("templates", "archive", "mine@2").data["template"] == "mine@2"
    assert cli.json("templates", "show", "mine").data["template"]["version"] == "1"
    states = {each["version"]: each.get("state") for each in cli.json("templates", "show", "mine").data["versions"]}
    assert states == {"2": "archived", "1": None}


# importing


@pytest.mark.requirement("S2-01")
def test_an_afu9_workflow_is_stored_with_what_could_not_be_carried(cli: Terminal) -> None:
    document = cli.json("templates", "import", put(cli, "hello.json", AFU9))
    assert (document.code, document.data["format"], document.data["template"]) == (0, "AFU-9", "say_hello")
    assert document.data["requires"]["servers"] == ["github"]
    assert [each["path"] for each in document.data["not_carried"]] == ["/owner"]

    put(cli, "hello.json", AFU9 | {"description": "Another one"})
    other = cli("templates", "import", "hello.json").err
    assert "Next: store it as another version: wfe-mcp templates import hello.json --version 1.0.1" in other
    again = cli("templates", "import", "hello.json", "--version", "2")
    assert again.out.startswith("Stored say_hello 2, from AFU-9.\n")
    assert "! not carried: /owner: 'owner' has no meaning here" in again.out
    assert cli.json("start", "say_hello").code == 1, "nobody trusts it yet"


@pytest.mark.requirement("S2-22")
def test_a_workflow_that_was_stored_without_its_name_takes_one(cli: Terminal) -> None:
    put(cli, "row.json", {key: value for key, value in AFU9.items() if key != "name"})
    document = cli.json("templates", "import", "row.json")
    assert document.refusal == "invalid_template"
    assert "the name is missing" in document.document["error"]["details"][0]["message"]
    assert "--name NAME" in document.document["error"]["details"][0]["message"]
    assert cli.json("templates", "import", "row.json", "--name", "say_hello").data["template"] == "say_hello"


@pytest.mark.requirement("S2-22")
def test_a_name_renames_any_template_and_is_refused_where_it_has_no_effect(cli: Terminal) -> None:
    put(cli, "hello.json", AFU9)
    put(cli, "mine.json", template("mine", phase("draft")))
    put(cli, "milestones.md", MILESTONES)
    assert cli.json("templates", "import", "hello.json", "--name", "other").data["template"] == "other"
    assert cli.json("templates", "import", "mine.json", "--name", "ours").data["template"] == "ours"
    document = cli.json("templates", "import", "milestones.md", "--name", "ours")
    assert (document.refusal, document.document["error"]["hint"]) == ("bad_argument", "Leave --name out.")
    assert not (cli.root / ".wfe" / "plans").exists()


@pytest.mark.requirement("S2-22", "S2-28")
def test_a_row_of_a_table_is_stored_by_its_name(cli: Terminal) -> None:
    put(
        cli,
        "table.json",
        [{"name": name, "definition": {"steps": AFU9["steps"]}, "version": 2} for name in ("one", "two")],
    )
    many = cli.json("templates", "import", "table.json")
    assert many.refusal == "invalid_template"
    assert "There are one, two." in many.document["error"]["hint"]
    assert cli("templates", "import", "table.json", "--name", "two").out.startswith("Stored two 2.0.0, from AFU-9.\n")


def test_a_template_ahead_of_this_version_is_stored_and_says_what_it_waits_for(cli: Terminal) -> None:
    ahead = template("ahead", phase("draft"), webhooks=[{"url": "https://example.org"}])
    document = cli("templates", "import", put(cli, "ahead.json", ahead))
    assert document.code == 0
    assert "! /webhooks: 'webhooks' is not available yet" in document.out
    assert cli("trust", "ahead", "--yes", pin=PIN).code == 0
    assert cli.json("start", "ahead").refusal == "invalid_template"


def test_a_weakness_that_lint_warns_of_and_a_shadow_are_reported(cli: Terminal) -> None:
    rules = [{"do": "wait_human"}, {"do": "retry"}]
    document = cli(
        "templates", "import", put(cli, "odd.json", template("note", phase("draft", on_fail=rules)) | {"version": "9"})
    )
    assert "! /phases/0/on_fail/1: never reached" in document.out
    assert "! .wfe/templates has another note, which takes precedence." in document.out


def test_lint_warns_of_a_gate_that_any_failure_satisfies_and_of_a_last_check_without_a_level(cli: Terminal) -> None:
    gate = {"kind": "command", "check": "test", "expect": {"exit_code": "nonzero"}}
    name = put(cli, "weak.json", template("weak", phase("draft", gates=[gate])))
    answer = cli("templates", "lint", name)
    assert (answer.code, answer.out.splitlines()[0]) == (0, f"{name}: 2 warnings")
    assert "/phases/0/gates/0/expect: any failure of this check satisfies the gate; name the test" in answer.out
    assert "/phases/0/gates/0: the template's last check 'test' may have run in the agent's own folder" in answer.out
    found = cli.json("templates", "lint", name)
    assert [each["path"] for each in found.document["warnings"]] == ["/phases/0/gates/0", "/phases/0/gates/0/expect"]
    strict = gate | {"level": "worktree", "expect": {"exit_code": "nonzero", "fails": "test_a"}}
    assert (
        cli("templates", "lint", put(cli, "strict.json", template("strict", phase("draft", gates=[strict])))).out == ""
    )


@pytest.mark.requirement("S3-04")
def test_milestones_become_an_artifact_that_can_be_submitted(cli: Terminal) -> None:
    put(cli, "milestones.md", MILESTONES)
    answer = cli("templates", "import", "milestones.md")
    path = cli.root / ".wfe" / "plans" / "milestones.json"
    assert answer.out.splitlines() == [
        f"1 milestone with 1 task, score 96: {path}",
        "! line 5: task 'Stream artifacts into a zip' names no conflict scope",
        "! not carried: line 2: introduction: 'Two words first.'",
    ]
    start = "wfe-mcp start milestones --inputs @.wfe/plans/milestones.inputs.json"
    assert answer.err == f"Next: run git init, since milestones needs git; then {start}\n"
    cli.git("init", "-q")
    started = cli.json("start", "milestones", "--inputs", "@.wfe/plans/milestones.inputs.json")
    assert started.code == 0, started.out
    data = cli.json("templates", "import", "milestones.md").data
    assert json.loads(path.read_text()) == data["artifact"]

    output = {"artifact": "plan", "schema": "milestone_plan@1"}
    cli.save(template("planned", {"id": "plan", "prompt": "Plan it.", "output": output}))
    run = cli.start("planned")
    assert cli.json("submit", run, "plan", "--path", str(path)).document["run_state"] == "completed"


@pytest.mark.requirement("B-19")
def test_a_line_that_is_not_understood_is_named_and_nothing_is_written(cli: Terminal) -> None:
    answer = cli("templates", "import", put(cli, "milestones.md", f"{MILESTONES}Owner: ada\n"))
    assert answer.code == 1
    assert "line 7: 'Owner: ada' is not understood" in answer.err
    assert not (cli.root / ".wfe" / "plans").exists()


def test_a_plan_never_takes_the_place_of_another_file(cli: Terminal) -> None:
    put(cli, "milestones.md", MILESTONES)
    put(cli, "mine.json", {})
    assert cli.json("templates", "import", "milestones.md", "--to", "mine.json").refusal == "conflict"
    assert cli.json("templates", "import", "milestones.md", "--to", "mine.json/x.json").refusal == "bad_argument"
    assert cli("templates", "import", "milestones.md", "--to", "plans/a.json").code == 0


@pytest.mark.requirement("S0-36", "B-08")
def test_gate_settings_of_another_program_are_shown_as_configuration(cli: Terminal) -> None:
    document = cli("templates", "import", put(cli, "gates.json", {"plan.prompt": "skip", "plan.response": "manual"}))
    assert document.out.splitlines() == [
        "1 phase of plan_generate_review; add this to .wfe/config.toml:",
        "[templates.plan_generate_review.phases.plan.prompt]",
        'approver = "skip"',
        "",
        "[templates.plan_generate_review.phases.plan.response]",
        'approver = "human"',
        "",
    ]
    data = cli.json("templates", "import", "gates.json").data
    assert data["settings"]["templates"]["plan_generate_review"]["phases"] == {
        "plan": {"prompt": {"approver": "skip"}, "response": {"approver": "human"}}
    }


@pytest.mark.requirement("B-08", "S0-37")
def test_the_workflow_section_of_a_config_yml_has_an_effect(cli: Terminal) -> None:
    template = "plan_generate_review"
    text = "workflow:\n  plan:\n    response: {approval_provider: skip, approval_max_retries: 0}\n"
    toml = cli.json("templates", "import", put(cli, "config.yml", text)).data["toml"]
    config = cli.root / ".wfe" / "config.toml"

    plan = {"steps": [{"id": "S-1", "title": "sub()", "acceptance": ["it is"], "files": ["a.py"]}], "files": ["a.py"]}

    def planned() -> str:
        run = cli.start(template, "-i", "goal=g", "-i", "folder=src")
        return cli.json("submit", run, "plan", "--path", put(cli, "plan.json", plan)).document["state"]

    assert planned() == "awaiting"
    config.write_text(f"{config.read_text()}\n{toml}")
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert planned() == "completed"
    origins = cli.json("config", "show", "--origin").data["settings"]
    assert origins[f"templates.{template}.phases.plan.response.approver"] == {
        "value": "skip",
        "origin": "project",
        "where": str(config.resolve()),
    }


@pytest.mark.requirement("S3-28")
def test_settings_of_aiw_are_shown_with_what_a_start_takes(cli: Terminal) -> None:
    text = "git:\n  base_branch: develop\n  closeout_mode: direct_merge\nagent:\n  checks: [pytest]\n"
    answer = cli("templates", "import", put(cli, ".ai-workflow.yaml", text))
    assert answer.out.splitlines() == [
        "1 check, 0 phases of milestones; add this to .wfe/config.toml:",
        "[checks.test]",
        'argv = ["pytest"]',
        "",
        *("[delivery]", 'mode = "merge"', 'base = "develop"', ""),
        "To start it: wfe-mcp start milestones -i base=develop …",
    ]
    assert cli.json("templates", "import", ".ai-workflow.yaml").data["inputs"] == {"base": "develop"}
    assert "It has no configuration of" in cli("templates", "import", put(cli, "b.yml", "git: {enabled: true}")).out


def test_start_without_a_template_takes_the_default_of_the_user_then_of_the_project_then_the_shipped_one(
    cli: Terminal,
) -> None:
    shipped = cli.json("templates", "list").data["templates"][0]
    assert f"Invalid inputs for template '{shipped['name']}'" in cli("start", "-i", "no_such_input=x").err
    cli.save(template("mine", phase("draft")) | {"default": True})
    assert cli("start").out.splitlines()[0].endswith("(mine 1.0.0).")
    cli.save(template("other", phase("draft")) | {"default": True})
    two = cli.json("start")
    assert (two.refusal, "mine, other" in two.document["error"]["message"]) == ("conflict", True)
    assert cli("templates", "default", "note").code == 0
    assert cli("start").out.splitlines()[0].endswith("(note 1.0.0).")
    for name in ("note", "mine", "other", shipped["name"]):
        assert cli("templates", "disable", name).code == 0
    answer = cli("start")
    assert (answer.code, "none is the default of this project" in answer.err) == (1, True)
    assert "letter" in answer.err and "mine" not in answer.err


def test_a_terminal_lists_special_cases_apart_and_says_what_the_default_is(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = cli("templates", "list").out
    assert "More" not in piped and piped.index("spec_driven") < piped.index("ci_failure_handler")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    first, more = cli("templates", "list").out.split("\nMore, for special cases\n")
    assert "spec_driven" in first and "jpa_mt" not in first
    assert "default: starts where no template is named, as in `wfe-mcp start`" in first
    assert "jpa_mt" in more and "quick_fix" not in more
    assert "More" not in cli("templates", "list", "bug").out
    cli("templates", "default", "incident", pin=PIN)
    assert cli("templates", "list").out.index("incident") < cli("templates", "list").out.index("compound")


def test_words_that_no_template_has_are_answered(cli: Terminal) -> None:
    answer = cli("templates", "list", "zzz")
    assert (answer.code, answer.out) == (0, "No template has these words: zzz\n")
    assert answer.err == "Next: wfe-mcp templates list --all\n"
