"""What another program adds to the database, takes out of it, or says of its version."""

import pytest

from tests.cli.scene import Terminal
from tests.engine.scene import Scene, phase
from tests.security.forger import Forger, found


@pytest.fixture
def forger(scene: Scene) -> Forger:
    scene.do(scene.start(phase("plan")), "plan")
    assert found(scene) == []
    return Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}")


@pytest.mark.attack(
    "add a trigger, a view, a table, a column or an index to the database, or take one out", "detected", "T11"
)
@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ("CREATE TRIGGER helpful AFTER INSERT ON evidence BEGIN SELECT 1; END", "trigger helpful", "schema_foreign"),
        ("CREATE VIEW runs AS SELECT * FROM run", "view runs", "schema_foreign"),
        ("CREATE TABLE find_text_more (x)", "table find_text_more", "schema_foreign"),
        ("CREATE INDEX quick ON event (actor)", "index quick", "schema_foreign"),
        ("ALTER TABLE evidence ADD COLUMN note TEXT", "table evidence", "schema_edited"),
        ("DROP TRIGGER attempt_has_changed", "trigger attempt_has_changed", "schema_missing"),
        ("INSERT INTO alembic_version VALUES ('0001')", "schema version", "schema_version"),
    ],
)
def test_verify_names_what_is_not_part_of_the_schema(
    scene: Scene, forger: Forger, change: str, where: str, code: str
) -> None:
    forger.do(change)
    assert (code, where) in [(one.code, one.where) for one in found(scene)]


@pytest.mark.attack("take the triggers away that keep the log as it is", "detected", "T11")
def test_verify_names_a_log_that_can_be_edited(scene: Scene, forger: Forger) -> None:
    forger.do(
        "DROP TRIGGER IF EXISTS event_no_update",
        "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT 1; END",
    )
    assert [(one.code, one.where) for one in found(scene)] == [("schema_edited", "trigger event_no_update")]


@pytest.mark.attack("lower the version of the schema, or take it out", "held", "T11")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '0012'",
        "UPDATE alembic_version SET version_num = '0001'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ],
)
@pytest.mark.parametrize("command", ["verify", "doctor", "status"])
def test_a_wrong_version_of_the_schema_is_a_refusal(cli: Terminal, change: str, command: str) -> None:
    Forger(f"sqlite:///{cli.database.as_posix()}").do(change)
    answer = cli.json(command)
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert "unavailable" in answer.out, answer.out


@pytest.mark.attack("take a column or a table out of the database", "held", "T11")
@pytest.mark.parametrize("change", ["ALTER TABLE run DROP COLUMN reached", "DROP TABLE opinion"])
def test_a_missing_column_or_table_is_a_refusal(cli: Terminal, change: str) -> None:
    cli.start("note")
    Forger(f"sqlite:///{cli.database.as_posix()}").do(change)
    answer = cli.json("verify")
    assert (answer.code, answer.refusal) == (1, "unavailable"), answer.out
