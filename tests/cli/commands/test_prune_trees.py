"""What looks at the files leave in ``.git/wfe`` goes once it is old and no run needs it."""

import os
import time
from pathlib import Path

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

pytestmark = pytest.mark.usefixtures("in_git")


def stored(cli: Terminal) -> set[Path]:
    return {place for place in (cli.root / ".git/wfe/objects").rglob("*") if place.is_file()}


def grow_old(cli: Terminal) -> int:
    """Everything stored was asked for 15 days ago; its bytes on the disk."""
    then = time.time() - 15 * 86_400
    for place in stored(cli):
        os.utime(place, (then, then))
    return sum(place.stat().st_blocks * 512 if os.name != "nt" else place.stat().st_size for place in stored(cli))


@pytest.fixture
@scene
def two(cli: Terminal) -> list[str]:
    """A run that is over, and one that waits for a person; each changed a file."""
    cli.save(template("asked", phase("send", HUMAN)))
    runs = list[str]()
    for name, path in (("note", "draft"), ("asked", "send")):
        (cli.root / "src" / name).mkdir(parents=True)
        (cli.root / "src" / name / "file.txt").write_text("before\n")
        runs.append(cli.start(name))
        (cli.root / "src" / name / "file.txt").write_text("after\n")
        cli.submit_work(runs[-1], path)
    return runs


def test_what_only_a_removed_run_needed_is_named_with_its_bytes_and_goes_with_it(cli: Terminal, two: list[str]) -> None:
    over, open_ = two
    shown = cli("show", open_, "--decision").out
    assert "M src/asked/file.txt" in shown
    everything, total = stored(cli), grow_old(cli)

    listed = cli.json("prune", over, "--dry-run")
    assert 0 < listed.data["tree_bytes"] < total
    assert f"; {listed.data['trees']} stored trees of files (" in listed.document["summary"]
    assert stored(cli) == everything, "nothing has gone yet"
    done = cli.json("prune", over, pin=PIN)

    assert done.code == 0, done.out
    assert [done.data[key] for key in ("trees", "tree_bytes")] == [listed.data[key] for key in ("trees", "tree_bytes")]
    assert len(everything - stored(cli)) == done.data["trees"]
    assert cli("show", open_, "--decision").out == shown
    assert cli("approve", open_, "send", pin=PIN).code == 0
    assert cli.json("verify").code == 0


def test_what_was_stored_in_the_last_two_weeks_stays(cli: Terminal, two: list[str]) -> None:
    everything = stored(cli)
    assert cli.json("prune", two[0], pin=PIN).data["trees"] == 0
    assert stored(cli) == everything


def test_what_no_run_names_goes_without_a_pin_and_without_a_retention(cli: Terminal, two: list[str]) -> None:
    assert cli.json("prune", two[0], pin=PIN).code == 0
    grow_old(cli)
    assert cli("prune", "--dry-run").out.startswith("0 runs would be deleted; ")
    summary = cli.json("prune").document["summary"]
    assert summary.startswith("Nothing says how old a run may get, so every run is kept; deleted ")
    assert cli.json("prune").refusal == "bad_argument"


def test_where_another_database_has_runs_their_trees_stay(
    cli: Terminal, two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = cli("show", two[1], "--decision").out
    everything, mine = stored(cli), os.environ["WFE_DATABASE_URL"]
    grow_old(cli)
    monkeypatch.setenv("WFE_DATABASE_URL", f"sqlite:///{(cli.database.parent / 'other.db').as_posix()}")

    answer = cli.json("prune", "--older-than", "90d")

    assert answer.data["trees_stay"] is True
    assert answer.document["summary"].endswith("stay, as another database has runs here")
    assert stored(cli) == everything
    monkeypatch.setenv("WFE_DATABASE_URL", mine)
    assert cli("show", two[1], "--decision").out == shown
