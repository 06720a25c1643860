"""The journal mode of a file is read from its first bytes, as SQLite writes them."""

from pathlib import Path

import pytest

from wfe_mcp.store import sqlite
from wfe_mcp.store.driver import driver


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("page_size", [1 << bits for bits in range(9, 17)])
def test_a_file_whose_journal_stays_is_not_opened_to_find_out(tmp_path: Path, mode: str, page_size: int) -> None:
    path = tmp_path / "wfe.db"
    made = driver().connect(path)
    made.executescript(f"PRAGMA page_size={page_size}; PRAGMA journal_mode={mode}; CREATE TABLE note (text)")
    made.close()
    head = sqlite.make_file(path)
    path.unlink()  # what is not opened need not be there
    if mode == "delete" or sqlite.wal_is_safe(driver().sqlite_version_info):
        assert sqlite.choose_journal(path, driver(), head) == mode
    else:
        with pytest.raises(FileNotFoundError):  # this library would change it
            sqlite.choose_journal(path, driver(), head)


def test_a_new_file_and_one_of_another_kind_are_for_sqlite_to_judge(tmp_path: Path) -> None:
    assert sqlite.make_file(tmp_path / "wfe.db") == b""
    (tmp_path / "wfe.db").write_bytes(b"SQLite format 3\0" + b"\x10\x00\x03\x03" + bytes(100))
    with pytest.raises(driver().DatabaseError):
        sqlite.choose_journal(tmp_path / "wfe.db", driver(), sqlite.make_file(tmp_path / "wfe.db"))
