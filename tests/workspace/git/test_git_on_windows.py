"""Git on Windows (``win32``): links have backslashes or are plain files (``file_facts``, ``trees``), and names are UTF-8 (``command``)."""

import os
import sys
from pathlib import Path

import pytest

from tests.house.other_system import on
from wfe_mcp.workspace.git import command, file_facts, trees, watched
from wfe_mcp.workspace.git.objects import Node, object_id

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
TARGET = b"docs/a.txt"
LINK = Node("120000", object_id("blob", TARGET, "sha1"))


@pytest.fixture(autouse=True)
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (command, file_facts, trees):
        on(monkeypatch, module, "win32")


@LINKS
def test_a_link_with_backslashes_is_the_one_that_git_has(tmp_path: Path) -> None:
    os.symlink("docs\\a.txt", tmp_path / "link")
    assert file_facts.link_bytes(str(tmp_path / "link")) == TARGET
    facts = file_facts.signature_of(os.lstat(tmp_path / "link"))
    assert file_facts.hash_at(str(tmp_path / "link"), facts, "sha1") == (LINK.oid, facts)


@LINKS
def test_a_link_that_is_a_plain_file_there_stays_one_in_a_checkout(tmp_path: Path) -> None:
    root, into = tmp_path / "root", tmp_path / "into"
    for folder in (root, into):
        folder.mkdir()
    (root / "link").write_bytes(TARGET)
    assert trees.copy_tree(root, {"link": LINK}, into, "sha1").files == 1
    assert (into / "link").read_bytes() == TARGET and not (into / "link").is_symlink()


def test_a_message_that_is_no_utf_8_is_read_all_the_same() -> None:
    assert command.decode_output("grün".encode()) == "grün"
    assert command.decode_output("grün".encode("latin-1")) == "gr\udcfcn"


@pytest.mark.parametrize(("platform", "is_read"), [("win32", True), ("darwin", True), ("linux", False)])
def test_a_file_that_a_runner_reads_is_known_in_any_letters_where_the_disk_ignores_case(
    monkeypatch: pytest.MonkeyPatch, platform: str, is_read: bool
) -> None:
    on(monkeypatch, watched, platform)
    watched.is_named.cache_clear()
    assert watched.is_named("project", "src", "CONFTEST.py") is is_read
    assert watched.is_named("site", "site-packages", "Mine.PTH") is is_read
    assert watched.defines_checks("src/Package.JSON") is is_read
    assert watched.defines_checks("src/package.json") and not watched.is_test("src/latest.php")
    watched.is_named.cache_clear()
