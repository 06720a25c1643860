"""What init found is a document that a person and an agent can ask for."""

import json

import pytest

from tests.cli.scene import Terminal


@pytest.mark.requirement("S4-31")
def test_the_project_is_shown_with_its_languages_folders_and_checks(cli: Terminal) -> None:
    (cli.root / "go.mod").write_text("module m\n")
    (cli.root / "main.go").write_text("package main\n")
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_bytes()

    document = cli.json("config", "project")

    assert document.code == 0
    data = document.data
    assert {"name": "Go", "files": 1, "folders": ["."]} in data["languages"]
    assert {"path": ".", "manifests": ["go.mod"]} in data["packages"]
    checks = {each["name"]: each for each in data["checks"]}
    assert checks["test"]["configured"] is True
    assert (checks["build"]["argv"], checks["build"]["configured"]) == (["go", "build", "./..."], False)
    assert data["stack"] == [
        {
            "folder": ".",
            "language": "Go",
            "manager": "go",
            "runner": "go test",
            "command": ["go", "test", "./..."],
            "check": "test",
        }
    ]
    assert config.read_bytes() == before, "nothing is written"
    text = cli("config", "project").out
    assert "Go" in text and "not configured" in text
    row = next(line for line in text.splitlines() if line.startswith(".") and "go test" in line)
    assert row.split() == [".", "Go", "go", "go", "test"]


def test_an_empty_project_has_no_known_language(empty: Terminal) -> None:
    answer = empty("config", "project")
    assert (answer.code, "no known language" in answer.out) == (0, True)
    assert json.loads(empty("config", "project", "--json").out)["data"]["git"] is False
