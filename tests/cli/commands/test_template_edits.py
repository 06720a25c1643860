"""What is written in the editor for a template, and versions that are checked by their names."""

import shlex
from pathlib import Path

import pytest

from tests.cli.commands.test_templates import editor, kept
from tests.cli.scene import Terminal


def test_what_was_written_in_the_editor_survives_its_refusal(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(cli)
    monkeypatch.setattr("tempfile.tempdir", str(cli.root))
    editor(cli, monkeypatch, "d['title'] = 'Long work'; d['version'] = '1.0.0'")
    hint = cli.json("templates", "edit", "mine").document["error"]["hint"]
    command = shlex.split(hint.rpartition("What you wrote is kept: wfe-mcp ")[2])
    file = Path(command[-1])
    file.write_text(file.read_text().replace("1.0.0", "1.0.1"))
    assert cli.json(*command).data["version"] == "1.0.1"


def test_lint_takes_a_version_by_its_name(cli: Terminal) -> None:
    kept(cli)
    answer = cli.json("templates", "lint", "mine@1.0.0")
    assert answer.document["ok"], answer
