"""Old checkpoints are selected for deletion, but never those that may still be needed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.workspace.config.test_settings import load, problem
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.limit_tables import size_bytes
from wfe_mcp.workspace.git.checkpoints import KeptCheckpoint, to_drop
from wfe_mcp.workspace.git.snapshot_files import Limits, SkippedPath, chosen

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def dropped(*checkpoints: KeptCheckpoint, keep: int = 2, days: float = 30) -> tuple[str, ...]:
    return to_drop(checkpoints, keep=keep, keep_for=timedelta(days=days), now=NOW)


def test_an_open_run_keeps_its_newest_however_old() -> None:
    five = [KeptCheckpoint(f"r/cp-{day}", "r", ago(100 * day)) for day in range(1, 6)]
    assert dropped(*five) == ("r/cp-3", "r/cp-4", "r/cp-5")


def test_each_run_is_counted_apart() -> None:
    assert dropped(*(KeptCheckpoint(f"{run}/cp", run, ago(1)) for run in "abcde")) == ()


def test_an_ended_run_keeps_its_checkpoints_for_a_while() -> None:
    fresh = KeptCheckpoint("r/cp-1", "r", ago(90), run_ended_at=ago(29))
    old = KeptCheckpoint("s/cp-1", "s", ago(90), run_ended_at=ago(31))
    assert dropped(fresh, old) == ("s/cp-1",)


def test_what_was_there_before_a_rollback_stays_twice_as_long() -> None:
    safe = [KeptCheckpoint(f"{day}", f"{day}", ago(90), is_safety=True, run_ended_at=ago(day)) for day in (59, 61)]
    later = KeptCheckpoint("later", "r", ago(59), is_safety=True, run_ended_at=ago(90))
    assert dropped(*safe, later) == ("61",)


def test_the_newest_safety_of_an_open_run_always_stays() -> None:
    safe = [KeptCheckpoint(f"r/safety-{day}", "r", ago(day), is_safety=True) for day in (400, 500)]
    assert dropped(*safe) == ("r/safety-500",)


def test_safety_checkpoints_take_no_place_of_others() -> None:
    safe = [KeptCheckpoint(f"r/safety-{day}", "r", ago(day), is_safety=True) for day in (1, 2, 3)]
    plain = [KeptCheckpoint(f"r/cp-{day}", "r", ago(10 + day)) for day in (1, 2)]
    assert dropped(*safe, *plain) == ()


def test_configuration_says_how_much_is_kept(root: Path) -> None:
    kept = load(root, '[checkpoints]\nkeep = 1\nkeep_for = "1d"').settings.checkpoints
    for_long = timedelta(seconds=seconds(kept.keep_for))
    two = [KeptCheckpoint(f"r/cp-{day}", "r", ago(day)) for day in (1, 2)]
    ended = KeptCheckpoint("s/cp-1", "s", ago(3), run_ended_at=ago(2))
    assert to_drop([*two, ended], keep=kept.keep, keep_for=for_long, now=NOW) == ("r/cp-2", "s/cp-1")


def test_configuration_says_how_much_is_saved(root: Path) -> None:
    assert load(root).settings.checkpoints.limits() == Limits()
    text = '[checkpoints]\nfile_limit = "1 kB"\ntotal_limit = "1.5 GB"\nfile_count = 2'
    assert load(root, text).settings.checkpoints.limits() == Limits(1_000, 1_500_000_000, 2)


@pytest.mark.parametrize("size", ["10", "0 MB", "-1 MB", "10 mb", "10 MiB", "ten MB", "", "1e3 kB"])
def test_what_is_no_size_does_not_count(root: Path, size: str) -> None:
    with pytest.raises(ValueError, match="a size is"):
        size_bytes(size)
    loaded = load(root, f'[checkpoints]\nfile_limit = "{size}"')
    assert loaded.settings.checkpoints.file_limit == "10 MB"
    assert problem(loaded).path == "/checkpoints/file_limit"


def test_within_the_limits_everything_is_saved() -> None:
    assert chosen({"a": 5, "b/c": 5}, ["b/d"], Limits(5, 10, 2)) == (("a", "b/c"), ())


def test_above_the_limits_the_folders_with_most_files_or_bytes_go() -> None:
    many = {f"deps/p{number}": 1 for number in range(8)}
    heavy = {"data/x": 60, "data/deep/y": 30}
    kept, left = chosen({**many, **heavy, "src/a": 1, "top": 1}, ["src/old"], Limits(70, 20, 9))
    assert set(kept) == {"src/a", "top"}
    assert left == (SkippedPath("data/", 90, "too many"), SkippedPath("deps/", 8, "too many"))


def test_new_files_in_a_folder_with_tracked_ones_are_judged_one_by_one() -> None:
    kept, left = chosen({"src/a": 1, "src/b": 9, "src/new/c": 1}, ["src/old"], Limits(10, 5, 10))
    assert set(kept) == {"src/a", "src/new/c"}
    assert left == (SkippedPath("src/b", 9, "too many"),)
