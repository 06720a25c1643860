"""What doctor and start say about checks that templates need."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.scene import CHECK, PIN, Terminal, phase, template
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.jobs import sandbox
from wfe_mcp.workspace.system.location import user_config_file


def findings(cli: Terminal) -> dict[str, tuple[str, str]]:
    return {each["topic"]: (each["level"], each["message"]) for each in cli.json("doctor").data["findings"]}


def configure(cli: Terminal, **checks: list[str]) -> None:
    lines = [f"[checks.{name}]\nargv = {json.dumps(argv)}\n" for name, argv in checks.items()]
    (cli.root / ".wfe" / "config.toml").write_text("".join(lines))
    assert cli("trust", "config", "--yes", pin=PIN).code == 0


def test_doctor_is_ready_only_when_every_check_that_templates_need_is_there(cli: Terminal) -> None:
    answer = cli("doctor")
    assert answer.code == 0
    assert answer.out.splitlines()[-1].startswith("Ready to run, except templates that need check push or security.")
    assert findings(cli)["check push"][0] == "note"
    configure(cli, test=[sys.executable], push=[sys.executable], security=[sys.executable])
    assert cli("doctor").out.splitlines()[-1].startswith("Ready to run.")


def test_doctor_names_a_check_that_the_default_template_lacks(cli: Terminal) -> None:
    configure(cli, **{"test-web": [sys.executable], "push": [sys.executable]})
    answer = cli("doctor")
    assert (answer.code, "Ready" in answer.out) == (1, False)
    level, message = findings(cli)["check test"]
    assert level == "problem"
    assert message.startswith("not configured (there is test-web); needed by compound, ")
    assert message.endswith("fix: rename one of them in .wfe/config.toml: [checks.test-web] -> [checks.test]")


def test_doctor_is_not_ready_while_changed_configuration_is_not_trusted(cli: Terminal) -> None:
    configure(cli, test=[sys.executable])
    assert cli("doctor").code == 0
    file = cli.root / ".wfe" / "config.toml"
    file.write_text(file.read_text().replace("]\n", "]\nenv = ['HOME']\n"))
    answer = cli("doctor")
    assert (answer.code, "Ready to run" in answer.out) == (1, False)
    level, message = findings(cli)["trust"]
    assert level == "problem"
    assert message.startswith("config needs your review: ")
    assert "its checks do not run before that, and gates wait; fix: wfe-mcp trust" in message


def test_doctor_has_one_line_for_a_template_that_needs_trust(cli: Terminal) -> None:
    cli.save(template("mine", phase("build", CHECK), phase("review")))
    file = cli.root / ".wfe" / "templates" / "mine.json"
    file.write_text(file.read_text().replace("Write it.", "Write all of it."))
    found = [one["message"] for one in cli.json("doctor").data["findings"] if one["topic"].startswith("trust")]
    assert [each.partition(": ")[0] for each in found] == ["mine needs your review"]


def test_start_warns_at_the_terminal_too(cli: Terminal) -> None:
    configure(cli, test=["no-such-program"])
    cli.save(template("careful", phase("build", CHECK)))
    answer = cli("start", "careful")
    assert (
        "  ! check test cannot start here, so its gates cannot pass: no-such-program is not found on PATH\n"
        in answer.out
    )
    (cli.root / ".wfe" / "config.toml").unlink()
    assert (
        "! check test is not configured, so its gates cannot pass; fix it with: wfe-mcp init"
        in cli("start", "careful").out
    )


def test_init_says_that_a_configured_check_cannot_start(cli: Terminal) -> None:
    configure(cli, test=["no-such-program"])
    answer = cli("init", "--yes", pin=PIN)
    assert "Not ready: check test cannot start: no-such-program is not found on PATH.\n" in answer.out
    assert "Next: wfe-mcp doctor" in answer.err


def ask_for_a_sandbox(cli: Terminal) -> None:
    keys = 'where = "checkout"\nsandbox = true\n'
    (cli.root / ".wfe" / "config.toml").write_text(f"[checks.test]\nargv = {json.dumps([sys.executable])}\n{keys}")
    assert cli("trust", "config", "--yes", pin=PIN).code == 0


def test_doctor_names_no_sandbox_that_no_check_asks_for(cli: Terminal) -> None:
    assert "sandbox" not in findings(cli)


@NEEDS_SANDBOX
def test_doctor_says_that_bubblewrap_works_where_a_check_asks_for_a_sandbox(cli: Terminal) -> None:
    ask_for_a_sandbox(cli)
    assert findings(cli)["sandbox"] == ("ok", f"{sandbox.bubblewrap()} works, for check test")


def test_doctor_is_not_ready_where_a_check_asks_for_a_sandbox_that_cannot_be_made(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_a_sandbox(cli)
    refusing = tmp_path / "bwrap"
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    for places, text in (((), "bubblewrap is not installed"), ((str(refusing),), "cannot make a sandbox here")):
        monkeypatch.setattr(sandbox, "_PLACES", places)
        monkeypatch.setenv("PATH", str(tmp_path))
        level, message = findings(cli)["sandbox"]
        assert (level, text in message) == ("problem", True), message
        assert message.endswith("Needed for check test")
        refusing.write_text("no program")


@NEEDS_SANDBOX
@pytest.mark.attack("a project, or configuration that no one trusted, names another bubblewrap", "held", "T4; T6; A3")
def test_bubblewrap_is_named_in_trusted_configuration_of_ones_own_only(cli: Terminal, tmp_path: Path) -> None:
    ask_for_a_sandbox(cli)
    elsewhere = Path(shutil.copy(sandbox.bubblewrap() or "", tmp_path / "bwrap"))
    table = f'[sandbox]\nbubblewrap = "{elsewhere}"\nsha256 = "{"0" * 64}"\n'
    with (cli.root / ".wfe" / "config.toml").open("a") as file:
        file.write(table)
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    found = findings(cli)
    assert found["sandbox"] == ("ok", f"{sandbox.bubblewrap()} works, for check test")
    assert "[sandbox] sha256 decides what makes your sandboxes" in found["configuration"][1]  # and so bubblewrap, above

    own = user_config_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(table)
    assert findings(cli)["sandbox"][1].startswith(f"{sandbox.bubblewrap()} works")
    assert cli("trust", "--yes", pin=PIN).code == 0
    sha256 = hashlib.sha256(elsewhere.read_bytes()).hexdigest()
    level, message = findings(cli)["sandbox"]
    assert level == "problem" and f"has the sha256 {sha256}, and [sandbox] names {'0' * 64}" in message

    own.write_text(table.replace("0" * 64, sha256))
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert findings(cli)["sandbox"] == ("ok", f"{elsewhere} works, for check test")
