"""Files of clients are written whole, never over a later change, and with a way back."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from wfe_mcp.clients import files
from wfe_mcp.clients.files import Change, Records, content, refuse_read_only, undo, write
from wfe_mcp.core.errors import Refused

posix = pytest.mark.skipif(sys.platform == "win32", reason="mode bits")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "data")


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path, records: Records) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"newer")
    with pytest.raises(Refused, match="changed meanwhile"):
        write(Change(file, "x", b"old", b"new"), records, b"old")
    with pytest.raises(Refused, match="changed meanwhile"):
        undo(Change(file, "x", None, b"new"), records)
    assert file.read_bytes() == b"newer" and records.before(file, b"newer") is None


def test_a_file_that_is_too_large_or_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(b"12345")
    monkeypatch.setattr(files, "MAX_BYTES", 4)
    with pytest.raises(Refused, match="more than 4 bytes"):
        content(tmp_path / "a.json", None)
    with pytest.raises(Refused, match=r"cannot be read: it is a folder"):
        content(tmp_path, None)


def test_a_crash_between_record_and_write_leaves_both_states_removable(tmp_path: Path, records: Records) -> None:
    file = tmp_path / "new" / "a.json"
    records.keep(Change(file, "x", None, b"after"), None)
    assert records.before(file, b"something else") is None
    assert records.before(file, b"after") == (None,)


def test_a_copy_that_is_gone_or_damaged_is_not_used(tmp_path: Path, records: Records) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    kept = write(Change(file, "x", b"old", b"new"), records, b"old")
    assert kept is not None and records.before(file, b"new") == (b"old",)
    kept.write_bytes(b"damaged")
    assert records.before(file, b"new") is None
    kept.unlink()
    assert records.before(file, b"new") is None


def test_installs_at_the_same_time_lose_no_record(tmp_path: Path, records: Records) -> None:
    places = [tmp_path / f"{number}.json" for number in range(40)]

    def keep(file: Path) -> None:
        Records(records.folder).keep(Change(file, "x", None, b"new"), None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, places))
    assert [records.before(file, b"new") for file in places] == [(None,)] * len(places)


def test_a_record_of_an_earlier_version_counts_until_it_is_forgotten(tmp_path: Path, records: Records) -> None:
    file = tmp_path / "a.json"
    record: dict[str, object] = {"before": None, "after": sha256(b"new").hexdigest(), "folders": []}
    records.folder.mkdir()
    (records.folder / "clients.json").write_text(json.dumps({str(file.resolve()): record}))
    assert records.before(file, b"new") == (None,)
    records.forget(file)
    assert records.first(file) is None


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_a_damaged_record_counts_as_none(tmp_path: Path, records: Records, text: str) -> None:
    records.folder.mkdir()
    (records.folder / "clients.json").write_text(text)
    assert records.before(tmp_path / "a", b"x") is None
    write(Change(tmp_path / "a", "x", None, b"x"), records, None)
    assert records.before(tmp_path / "a", b"x") == (None,)


@posix
def test_a_fault_of_the_disk_is_a_refusal_and_leaves_the_file(
    tmp_path: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    original = os.fsync
    calls: list[int] = []

    def third(descriptor: int) -> None:  # the copy and the record are written first
        calls.append(descriptor)
        (full if len(calls) == 3 else original)(descriptor)

    monkeypatch.setattr(os, "fsync", third)
    with pytest.raises(Refused, match="cannot be written: No space left on device"):
        write(Change(file, "x", b"old", b"new"), records, b"old")
    assert file.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".a")] == []


@posix
def test_a_new_file_in_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(Refused, match="is read-only"):
        refuse_read_only(tmp_path / "locked" / "inner" / "a.json")


@posix
def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path, records: Records) -> None:
    write(Change(tmp_path / "new", "x", None, b"1"), records, None)
    usual = tmp_path / "usual"
    usual.touch()
    assert (tmp_path / "new").stat().st_mode == usual.stat().st_mode
    usual.chmod(0o640)
    write(Change(usual, "x", b"", b"1"), records, b"")
    assert usual.stat().st_mode & 0o777 == 0o640
