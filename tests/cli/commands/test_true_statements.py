"""What commands say of themselves is true: headings, dates, what needs trust, what is left behind."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.cli.scene import HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.scene import Terminal

CLAUDE = '{\n  "mcpServers": {\n    "github": {\n      "command": "gh"\n    }\n  }\n}\n'
ONE_LINE = '{"mcpServers":{"github":{"command":"gh"}}}'


def without_programs(path: Path) -> str:
    """A PATH with git alone, so that no client is installed here."""
    git = shutil.which("git")
    assert git is not None
    (path / "git").symlink_to(git)
    return str(path)


def test_doctor_calls_no_file_ok_that_has_a_problem(cli: Terminal) -> None:
    (cli.root / ".wfe" / "config.toml").write_text("[checks.test\n")
    levels = [each["level"] for each in cli.json("doctor").data["findings"] if each["topic"] == "configuration"]
    assert levels == ["problem"]


def test_doctor_says_that_no_client_is_connected(empty: Terminal) -> None:
    assert empty("init", "--yes", pin=PIN).code == 0
    (empty.root / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["git", "status"]\n')
    assert empty("trust", "--yes", pin=PIN).code == 0
    said = empty("doctor").out
    assert "No client is connected: wfe-mcp install --client NAME" in said
    assert empty("install", "--client", "claude-code", "--yes").code == 0
    assert "No client is connected" not in empty("doctor").out


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_init_without_a_client_proposes_to_connect_one(
    empty: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", without_programs(tmp_path))
    (empty.root / ".wfe").mkdir()
    (empty.root / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["git", "status"]\n')
    empty.git("init", "-q")
    assert "Next: wfe-mcp install --client NAME" in empty("init", "--yes", pin=PIN).err
    assert empty("install", "--client", "claude-code", "--yes").code == 0
    assert "tell your agent: Use wfe" in empty("init", "--yes", pin=PIN).err


def test_an_init_that_is_cancelled_leaves_nothing(empty: Terminal, answering: Callable[..., None]) -> None:
    (empty.root / "test_it.py").write_text("def test_it():\n    pass\n")
    (empty.root / "pytest.ini").write_text("[pytest]\n")
    answering("y", "n")
    refused = empty.json("init").document["error"]["message"]
    assert refused == "Cancelled. Nothing changed."
    assert not (empty.root / ".wfe").exists()


def test_a_template_with_errors_is_not_trusted(cli: Terminal) -> None:
    broken = template("broken", phase("draft", {"kind": "expr", "assert": "${nothing.here}"}))
    (cli.root / ".wfe" / "templates" / "broken.json").write_text(json.dumps(broken))
    (cli.root / ".wfe" / "templates" / "fine.json").write_text(json.dumps(template("fine", phase("draft"))))
    refused = cli.json("trust", "--yes", pin=PIN).document["error"]
    assert refused["code"] == "invalid_template"
    assert refused["hint"] == "See all: wfe-mcp templates lint broken ; to trust the rest: wfe-mcp trust fine"
    assert cli("templates", "lint", "broken").code == 1
    assert cli("trust", "fine", "--yes", pin=PIN).code == 0
    assert cli.json("start", "broken").code == 1


def test_a_rejection_is_headed_as_one(cli: Terminal) -> None:
    cli.save(template("post", phase("send", HUMAN)))
    run = cli.start("post")
    cli.submit_work(run, "send")
    shown = cli("reject", run, "send", "--feedback", "shorter", pin=PIN).out
    assert shown.startswith('Send back send of "A post"')
    assert "Approve send" not in shown


def test_an_import_says_that_it_takes_the_name_of_a_shipped_template(cli: Terminal) -> None:
    (cli.root / "mine.json").write_text(json.dumps(template("quick_fix", phase("draft"))))
    said = cli("templates", "import", "mine.json").out
    assert ": wfe-mcp brings a template quick_fix: once you trust this one, it starts in its place" in said
    assert "--name NAME" in said
    assert "brings a template" not in cli("templates", "import", "mine.json", "--name", "mine").out


def test_a_role_that_is_filled_needs_your_trust_and_says_so(cli: Terminal) -> None:
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    said = cli("providers", "role", "reviewer", "claude-code")
    assert "As a reviewer it counts once you trust your own configuration." in said.out
    assert said.err == "Next: wfe-mcp trust own\n"
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    assert "wfe-mcp trust" not in cli("providers", "list").out


def test_reports_without_times_have_the_date_of_their_file(cli: Terminal) -> None:
    report = {"role": "qa", "status": "pass", "summary": "Fine"}
    file = cli.root / "report.json"
    file.write_text(json.dumps([report, {**report, "created_at": "2026-01-03T08:00:00Z"}, report]))
    dated = cli.json("import", "report.json").document
    assert next(each["at"][:10] for each in cli.json("log", dated["run"]).data["events"]) == "2026-01-03"
    file.write_text(json.dumps(report))
    at = datetime(2026, 3, 4, tzinfo=UTC).timestamp()
    os.utime(file, (at, at))
    imported = cli("import", "report.json").out
    assert "the reports name no times (created_at): all of it is dated 2026-03-04, as the file is" in imported
    os.utime(file, (at + 100_000, at + 100_000))
    assert cli.json("import", "report.json").code == 0, "a copy has another date, and is the same import"


@pytest.mark.parametrize(
    ("before", "begin"), [(CLAUDE, '    "wfe": {\n'), (ONE_LINE, '"wfe":')], ids=["lines", "one line"]
)
def test_a_dry_run_shows_an_entry_from_its_key_on(empty: Terminal, before: str, begin: str) -> None:
    (empty.root / ".mcp.json").write_text(before)
    (planned,) = empty.json("install", "--client", "claude-code", "--dry-run").data["clients"]
    added = planned["changes"][0]["added"]
    assert added.replace('": {', '":{' if begin.endswith(":") else '": {').startswith(begin.rstrip()), added
    assert "github" not in added


def test_serve_names_no_option_that_does_nothing(empty: Terminal) -> None:
    assert "--hooks" not in empty("serve", "--help").out
    refused = empty.json("serve", "--hooks").document["error"]
    assert refused["hint"].endswith("wfe-mcp install --client NAME --hooks")


def test_a_gate_that_a_person_is_to_repair_says_so_to_the_person_who_reads_it(cli: Terminal) -> None:
    cli.save(template("boxed", phase("work", {"kind": "command", "check": "test", "level": "sandbox"})))
    run = cli.start("boxed")
    (cli.root / "mine.json").write_text('{"text": "mine"}')
    said = cli("submit", run, "work", "--path", "mine.json").err
    assert ("Next: set `where" in said, "ask the user" in said) == (True, False)
    assert "Next: ask the user to set" in cli.json("submit", run, "work", "--path", "mine.json").out
