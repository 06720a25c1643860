"""A database of an earlier version opens with this one, is intact, and its open runs continue to their end."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.store.driver import HEAD, driver

WRITTEN = sorted((Path(__file__).parents[1] / "store" / "fixtures").glob("schema-*.tar.gz"))
PLACE = "/tmp/wfe-play/project"
MOVES = (
    "UPDATE project SET key = replace(key, :was, :now), root = replace(root, :was, :now)",
    "UPDATE run SET worktree = replace(worktree, :was, :now)",
)
OPENS = """
import sys
import tarfile
from datetime import UTC, datetime
from wfe_mcp.store import Store

store = Store.open(sys.argv[1], clock=lambda: datetime.now(UTC))
print(flush=True)
sys.stdin.readline()  # until the others have it open too
with store.tx() as tx:
    tx.documents.keep({"by": sys.argv[2]})
print(store.health().revision)
store.close()
"""


@pytest.fixture(params=WRITTEN, ids=lambda path: path.name)
def earlier(request: pytest.FixtureRequest, empty: Terminal) -> Terminal:
    """A terminal in the project of an earlier version, some days later."""
    path: Path = request.param
    state = empty.database.parent
    with tarfile.open(path) as archive:
        archive.extractall(state, filter="data")
    empty.root.rmdir()
    (state / "project").rename(empty.root)
    os.chdir(empty.root)
    connection = driver().connect(str(empty.database))
    for statement in MOVES:
        connection.execute(statement, {"was": PLACE, "now": empty.root.as_posix()})
    connection.commit()
    connection.close()
    empty.clock.forward(days=7)
    return empty


def runs_of(cli: Terminal) -> dict[str, str]:
    """The runs by their titles."""
    return {each["title"]: each["run"] for each in cli.json("list", "--archived").data["runs"]}


def test_it_is_intact_and_everything_in_it_is_shown(earlier: Terminal) -> None:
    verified = earlier.json("verify")
    assert verified.code == 0, verified.out
    runs = runs_of(earlier)
    states = {title: earlier.state(run) for title, run in runs.items()}
    assert states == {
        "A note": "completed",
        "A note, größer ✓": "completed",
        "A tale": "completed",
        "A reviewed": "paused",
        "Its job is queued": "running",
        "Its second attempt is running": "running",
        "Waits for an approval": "waiting",
    }
    for run in runs.values():
        for words in (("show", run), ("log", run), ("checkpoints", run), ("handoff", run), ("export", run)):
            document = earlier.json(*words)
            assert document.code == 0, f"{words}: {document.out}"
    assert "Say it in fewer words" in earlier("log", runs["Waits for an approval"]).out
    assert [each["run"] for each in earlier.json("jobs", "list").data["jobs"] if each["state"] == "queued"] == [
        runs["Its job is queued"]
    ]
    assert "my_fix" in earlier("templates", "list").out
    assert earlier.json("find", "fewer words").data["hits"]
    assert earlier.json("opinion", "show", runs["A reviewed"]).data["opinions"]
    health = earlier.json("doctor").document
    assert HEAD in str(health)


def test_its_open_runs_continue_to_their_end(earlier: Terminal) -> None:
    runs = runs_of(earlier)
    waits, running, paused = (
        runs[title] for title in ("Waits for an approval", "Its second attempt is running", "A reviewed")
    )
    assert earlier.json("approve", waits, "send", pin="wrong").refusal == "wrong_pin"
    approved = earlier.json("approve", waits, "send", pin=PIN)
    assert approved.code == 0, approved.out

    (earlier.root / "ok").touch()
    trusted = earlier.json("trust", "--yes", pin=PIN)  # trust is in a file by its path, and the project has moved
    assert trusted.code == 0, trusted.out
    built = earlier.submit_work(running, "build", "with ok")
    assert (built.code, built.document["state"]) == (0, "completed"), built.out
    assert earlier.submit_work(running, "tell").code == 0

    assert earlier.json("resume", paused, pin=PIN).code == 0
    assert earlier.submit_work(paused, "send").code == 0

    assert [earlier.state(run) for run in (waits, running, paused)] == ["completed"] * 3
    verified = earlier.json("verify")
    assert verified.code == 0, verified.out


def test_several_processes_open_it_at_the_same_time(earlier: Terminal) -> None:
    url = f"sqlite:///{earlier.database.as_posix()}"
    opened = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS, url, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(3)
    ]
    for each in opened:
        assert each.stdout is not None
        assert each.stdout.readline() == "\n"
    assert [each.communicate("\n", timeout=120)[0].strip() for each in opened] == [HEAD] * 3
    assert earlier.json("verify").code == 0
