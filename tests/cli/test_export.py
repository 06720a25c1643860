"""An export is one whole file, leaves only an intact run, and holds no key."""

from __future__ import annotations

import base64
import json
import sqlite3
import sys
from contextlib import closing

import pytest

from tests.cli.machines import exported, finished
from tests.cli.scene import PIN, Terminal


def test_an_export_goes_to_standard_output_as_it_goes_into_a_file(cli: Terminal) -> None:
    run = finished(cli)
    file = exported(cli, run)

    assert cli("export", run, "-").out == file.read_text()
    assert cli.json("export", run, "-").document["format"] == "wfe-run/1"


def test_an_export_without_a_name_is_called_like_the_run(cli: Terminal) -> None:
    run = cli.start("note")

    answer = cli("export", run)
    assert len(answer.out.splitlines()) == 1, "it says nothing of where the run stands"

    assert answer.code == 0
    assert f"to {run}.wfe.json" in answer.out
    assert (cli.root / f"{run}.wfe.json").is_file()


def test_an_export_that_was_killed_after_its_file_was_written_is_finished_by_the_same_command(cli: Terminal) -> None:
    run = finished(cli)
    first, again = cli("export", run), cli("export", run)
    assert (again.code, again.out) == (0, first.out)
    with (cli.root / f"{run}.wfe.json").open("ab") as file:
        file.write(b"\n")
    assert cli.json("export", run).refusal == "conflict", "it is another file"


def test_an_export_never_writes_over_a_file(cli: Terminal) -> None:
    run = cli.start("note")
    (cli.root / "mine.txt").write_text("mine")

    assert cli.json("export", run, "mine.txt").refusal == "conflict"
    assert cli.json("export", run, "nowhere/run.json").refusal == "bad_argument"
    assert (cli.root / "mine.txt").read_text() == "mine"
    assert not list(cli.root.glob(".*.part"))


def test_a_file_that_cannot_be_read_is_named(cli: Terminal) -> None:
    document = cli.json("import", "nowhere.json")

    assert document.refusal == "bad_argument"
    assert "nowhere.json" in document.document["error"]["message"]


def test_a_run_that_is_not_intact_does_not_leave(cli: Terminal) -> None:
    run = finished(cli)
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute(
            'UPDATE revision SET content = \'{"text":"forged"}\' WHERE run_id = ? AND revision = 1', (run,)
        )
    database.close()

    document = cli.json("export", run)

    assert document.refusal == "conflict"
    assert f"wfe-mcp verify {run}" in document.document["error"]["hint"]


CANARY = "sk-canary-4711-abcdefgh"


KEYED = '[providers.second]\nkind = "openai"\nkey = "env:CANARY_KEY"\n'


@pytest.fixture
def keyed(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A project that names a provider whose key is in a variable."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + KEYED)
    assert cli("trust", "--yes", pin=PIN).code == 0
    return cli


@pytest.mark.attack("a key in an exported run", "held", "T12")
def test_no_key_leaves_with_a_run(keyed: Terminal) -> None:
    lines = "\n".join(["print('and so on')"] * 400)
    (keyed.root / "check.py").write_text(f"print('the key is {CANARY}')\n{lines}\n")
    config = keyed.root / ".wfe" / "config.toml"
    config.write_text(f"[checks.test]\nargv = {json.dumps([sys.executable, 'check.py'])}\n{KEYED}")
    assert keyed("trust", "--yes", pin=PIN).code == 0
    run = keyed.start("code")
    assert keyed.submit_work(run, "build").code == 0
    assert CANARY in next((keyed.root / ".wfe" / "runs" / run).rglob("*.log")).read_text()

    file = exported(keyed, run)

    assert CANARY not in file.read_text()
    assert "the key is [hidden]" in file.read_text()
    assert keyed.json("import", str(file)).data["was_here"] is True


@pytest.mark.attack("a key in a refused draft of an exported run", "held", "T12")
def test_no_key_leaves_with_a_refused_draft(keyed: Terminal) -> None:
    run = keyed.start("note")
    (keyed.root / "draft.json").write_text(json.dumps({"text": [CANARY]}))
    assert keyed.json("submit", run, "draft", "--path", "draft.json").refusal == "invalid_artifact"

    text = exported(keyed, run).read_text()

    (refused,) = json.loads(text)["refused"]
    assert b"[hidden]" in base64.b64decode(refused["raw"])
    assert CANARY not in text


@pytest.mark.attack("a key in an artifact of an exported run", "held", "T12")
def test_a_run_whose_artifact_holds_a_key_does_not_leave(keyed: Terminal) -> None:
    run = keyed.start("note")
    assert keyed.submit_work(run, "draft", f"the key is {CANARY}").code == 0

    document = keyed.json("export", run)

    assert document.refusal == "needs_human"
    assert document.document["error"]["details"][0]["path"] == "/revisions/0"
    assert CANARY not in document.out
    assert not list(keyed.root.glob("*.wfe.json"))


@pytest.mark.requirement("S4-26")
@pytest.mark.attack("a key in a file attached to an exported run", "held", "T12")
def test_a_run_with_a_key_in_an_attached_file_does_not_leave(keyed: Terminal) -> None:
    run = keyed.start("note")
    (keyed.root / "said.txt").write_text(f"the key is {CANARY}")
    assert keyed.json("attach", run, "draft", "said.txt").code == 0

    document = keyed.json("export", run)

    assert document.refusal == "needs_human"
    assert document.document["error"]["details"][0]["path"] == "/attachments/0"
