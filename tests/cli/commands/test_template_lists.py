"""What lists and descriptions of templates say at a terminal."""

import json

from tests.cli.client_files import findings
from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.testing.client import connect


def kept(cli: Terminal, version: str) -> None:
    """A trusted version of the template ``mine``."""
    (cli.root / "mine.json").write_text(json.dumps(template("mine", phase("draft")) | {"version": version}))
    assert cli("templates", "import", "mine.json").code == 0
    assert cli("trust", "mine", "--yes", pin=PIN).code == 0


def test_a_list_of_more_templates_than_an_agent_reads_at_once_is_whole_for_the_user(cli: Terminal) -> None:
    for number in range(10):
        cli.save(template(f"own_{number}", phase("work")))
    names = {each["name"] for each in cli.json("templates", "list").data["templates"]}
    assert {"own_0", "own_9", "role_pipeline"} <= names


def test_a_template_whose_versions_are_all_archived_is_shown_and_enabled_by_its_name(cli: Terminal) -> None:
    kept(cli, "1")
    kept(cli, "2")
    for version in "12":
        assert cli("templates", "archive", f"mine@{version}").code == 0
    assert "mine" not in cli("templates", "list").out
    assert "mine" in {each["name"] for each in cli.json("templates", "list", "--all").data["templates"]}
    assert cli("templates", "show", "mine").out.startswith("mine 2 (stored, archived)")
    assert cli.json("start", "mine").refusal == "unavailable"
    assert cli("templates", "enable", "mine").out == "Enabled mine@2.\n"
    assert "mine" in cli("templates", "list").out


def test_a_template_that_cannot_be_read_is_named_by_lists_and_doctor_and_says_why(
    cli: Terminal,
) -> None:
    """One in YAML was left out without a word, by every command."""
    (cli.root / ".wfe" / "templates").mkdir(exist_ok=True)
    (cli.root / ".wfe" / "templates" / "mine.yaml").write_text("format: wfe/1\nname: mine\n")
    why = "is not a template: no JSON value begins at line 1 column 2; it looks like YAML, and a template is JSON."
    assert why in cli("start", "mine").err
    ((level, message),) = findings(cli, "template mine")
    assert (level, message) == (
        "note",
        f"ROOT/.wfe/templates/mine.yaml {why} To see more: wfe-mcp templates show mine",
    )
    assert why in cli("templates", "show", "mine").err
    assert "! mine cannot be read: wfe-mcp templates show mine" in cli("templates", "list").out


def test_doctor_names_what_the_configuration_says_of_templates_and_phases_that_are_not_there(cli: Terminal) -> None:
    cli.save(template("strict", phase("work")))
    (cli.root / ".wfe" / "config.toml").write_text(
        '[policy]\ntemplates = ["strict", "quikc_fix"]\n[templates.strikt.phases.work]\ntimeout = "1h"\n'
        '[templates.strict.phases.wrok]\ntimeout = "1h"\n[templates.quick_fix]\non_mismatch = "block"\n'
    )
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert findings(cli, "[policy] templates") == [
        ("note", "no template is called 'quikc_fix'; did you mean 'quick_fix'?")
    ]
    assert findings(cli, "[templates.strikt]") == [("note", "no template is called 'strikt'; did you mean 'strict'?")]
    ((level, message),) = findings(cli, "[templates.strict]")
    assert level == "problem"
    assert "(the template has no phase 'wrok'; did you mean 'work'?). Fix the [templates] tables" in message
    assert findings(cli, "[templates.quick_fix]") == []


def test_show_says_what_each_gate_requires(cli: Terminal) -> None:
    cli.save(template("strict", phase("work", {"kind": "files", "within": ["src/**"]}, {"kind": "git", "clean": True})))
    shown = cli("templates", "show", "strict").out
    assert "within: src/**" in shown
    assert "clean: true" in shown


def test_an_input_whose_schema_is_true_is_shown_listed_and_started(cli: Terminal) -> None:
    inputs = {"type": "object", "required": ["any"], "properties": {"any": True}}
    cli.save(template("loose", phase("work")) | {"inputs": inputs})
    assert "input any" in cli("templates", "show", "loose").out
    assert "loose" in cli("templates", "list").out
    assert cli("start", "loose", "-i", "any=1").code == 0


def test_a_start_names_the_table_that_does_not_count(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(
        config.read_text() + '\n[context.guide]\nfiles = ["*.md"]\n[context.guide.scopes]\napi = ["web"]\n'
    )
    asked = phase("work") | {"context": [{"bundle": "guide"}]}
    cli.save(template("guided", asked))
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert "[context.guide] does not count: scope 'api' names the layer 'web'" in cli("start", "guided").err


def test_an_import_of_what_is_stored_says_so_and_names_the_version_that_needs_trust(cli: Terminal) -> None:
    for version in "12":
        (cli.root / f"mine{version}.json").write_text(
            json.dumps(template("mine", phase("draft")) | {"version": version})
        )
        assert cli("templates", "import", f"mine{version}.json").err == "Next: wfe-mcp trust mine\n"

    again = cli("templates", "import", "mine1.json")
    assert (again.out, again.err) == ("mine 1 is stored already.\n", "Next: wfe-mcp trust mine@1\n")
    assert cli("trust", "mine@1", "--yes", pin=PIN).code == 0
    assert cli("templates", "import", "mine1.json").err == ""
    assert cli("templates", "export", "mine@1", "out.json").out == "mine 1 written to out.json\n"


def test_an_import_under_a_file_of_the_project_names_the_version_to_trust(cli: Terminal) -> None:
    cli.save(template("mine", phase("draft")) | {"version": "1"})
    (cli.root / "mine.json").write_text(json.dumps(template("mine", phase("draft")) | {"version": "2"}))
    assert cli("templates", "import", "mine.json").err == "Next: wfe-mcp trust mine@2\n"


def test_a_template_whose_check_is_missing_is_offered_once_the_check_is_configured(cli: Terminal) -> None:
    cli.save(template("checked", phase("build", {"kind": "command", "check": "proof"})))
    with connect(cli.root) as agent:
        alone, listed = agent.call("list_templates", name="checked"), agent.call("list_templates", query="checked")
    assert "next" not in alone
    assert listed["next"][0]["why"] == "a check that it needs is not configured"
    fix = "fix: add [checks.proof] to .wfe/config.toml and run: wfe-mcp trust."
    assert alone["summary"].endswith(f"It needs check proof, which is not configured; {fix}")
    cli.save(template("outside", {"id": "inside", "kind": "flow", "template": "checked"}))
    with connect(cli.root) as agent:
        around = agent.call("list_templates", name="outside")
    assert around["summary"].endswith(f"It needs check proof, which is not configured; {fix}")
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write("\n[templates.checked.phases.build]\nmissing_checks = ['proof']\n")
    assert cli("trust", "--yes", pin=PIN).code == 0
    with connect(cli.root) as agent:
        assert agent.call("list_templates", name="checked")["next"][0]["tool"] == "start_run"
