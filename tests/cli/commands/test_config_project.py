"""What init found is a document that a person and an agent can ask for."""

import json

import pytest

from tests.cli.scene import PIN, Terminal
from tests.tokenizer import tokens


@pytest.mark.requirement("S4-31")
def test_the_project_is_shown_with_its_languages_folders_and_checks(cli: Terminal) -> None:
    (cli.root / "go.mod").write_text("module m\n")
    (cli.root / "main.go").write_text("package main\n")
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_bytes()

    document = cli.json("project", "show")

    assert document.code == 0
    data = document.data
    assert {"name": "Go", "files": 1, "folders": ["."], "example": "main.go"} in data["languages"]
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
    text = cli("project", "show").out
    assert text == cli("config", "project").out, "its older name"
    assert "Go" in text and "not configured" in text
    row = next(line for line in text.splitlines() if line.startswith(".") and "go test" in line)
    assert row.split() == [".", "Go", "go", "go", "test"]


def test_a_command_is_shown_as_it_can_be_typed(cli: Terminal) -> None:
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write('\n[checks.greet]\nargv = ["echo", "two words"]\n')
    assert cli("trust", "--yes", pin=PIN).code == 0
    assert "echo 'two words'" in cli("project", "show").out
    checks = cli.json("context").data["checks"]
    assert {"name": "greet", "command": "echo 'two words'"} in checks


def test_an_empty_project_has_no_known_language(empty: Terminal) -> None:
    answer = empty("config", "project")
    assert (answer.code, "no known language" in answer.out) == (0, True)
    assert json.loads(empty("config", "project", "--json").out)["data"]["git"] is False


FILES = {
    "requirements.txt": "django\npsycopg\n",
    "manage.py": "execute_from_command_line()\n",
    "justfile": "".join(f"task{number}:\n    x\n" for number in range(12)),
    "package.json": "{\n  broken\n}\n",
}


@pytest.mark.requirement("S4-31")
def test_each_finding_is_shown_with_its_file_and_line_and_one_kind_whole(cli: Terminal) -> None:
    for name, text in FILES.items():
        (cli.root / name).write_text(text, encoding="utf-8")

    lines = cli("project", "show").out.splitlines()
    rows = [line.split() for line in lines]

    assert ["framework", "Django", "requirements.txt:1", "by", "django"] in rows
    assert ["database", "PostgreSQL", "requirements.txt:2", "likely,", "by", "psycopg"] in rows
    assert ["entry", "point", "manage.py", "manage.py:1"] in rows
    assert ["port", "8000", "requirements.txt:1", "default,", "of", "Django"] in rows
    assert any(row[:3] == ["problem", "package.json", "cannot"] and "package.json:2" in row for row in rows)
    assert ["task", "and", "4", "more", "wfe-mcp", "project", "show", "'task'"] in rows
    assert cli("project", "show", "task").out.count("just task") == 12
    none = cli.json("project", "show", "databse")
    assert (none.refusal, "'database'" in none.document["error"]["hint"]) == ("bad_argument", True)


@pytest.mark.requirement("S4-31")
def test_a_kind_that_a_person_corrects_stays_as_they_said_until_they_undo_it(cli: Terminal) -> None:
    for name, text in FILES.items():
        (cli.root / name).write_text(text, encoding="utf-8")
    assert cli("config", "fact", "database", "MySQL 8", pin=PIN).code == 0

    def databases() -> list[tuple[str, str, str]]:
        found = cli.json("project", "show").data["findings"]
        return [
            (each["value"], each.get("sure", "declared"), each["file"]) for each in found if each["kind"] == "database"
        ]

    assert databases() == [("MySQL 8", "person", ".wfe/config.toml")]
    (cli.root / "compose.yml").write_text("services:\n  db:\n    image: mongo\n", encoding="utf-8")
    assert databases() == [("MySQL 8", "person", ".wfe/config.toml")], "a new scan keeps it"
    assert cli("config", "fact", "database", "--remove", pin=PIN).code == 0
    assert [each[0] for each in databases()] == ["MongoDB", "PostgreSQL"]


@pytest.mark.requirement("S4-31")
@pytest.mark.parametrize("budget", [200, 600, 2_500])
def test_an_orchestrator_gets_the_project_within_a_budget_of_tokens(cli: Terminal, budget: int) -> None:
    many = {
        f"services/s{number:02}/package.json": '{"dependencies": {"express": "4", "pg": "8"}}' for number in range(40)
    }
    for name, text in {**FILES, **many}.items():
        (cli.root / name).parent.mkdir(parents=True, exist_ok=True)
        (cli.root / name).write_text(text, encoding="utf-8")
    run = cli.json("start", "note").document["run"]

    document = cli.json("context", "--tokens", str(budget))

    data = document.data
    assert tokens(json.dumps(data, ensure_ascii=False)) <= budget
    assert data["left_out"]["framework"] > 0
    if budget == 2_500:
        assert data["found"]["framework"][0] == "Django (requirements.txt:1)"
        assert data["found"]["database"][0] == "PostgreSQL (requirements.txt:2, likely)"
        assert [each["run"] for each in data["runs"]] == [run]
        assert {each["name"] for each in data["checks"]} >= {"test"}
        assert json.loads(cli("context").out) == data
