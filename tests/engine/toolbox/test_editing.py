"""How a worker changes files."""

import os
import sys
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import Worker, write


@pytest.mark.requirement("S1-28")
def test_a_file_is_written_with_the_folders_above_it(worker: Worker) -> None:
    assert "it is new" in worker.says("write", path="docs/new/plan.md", content="# Plan \u20ac\n")
    assert (worker.root / "docs/new/plan.md").read_bytes() == "# Plan \u20ac\n".encode()
    assert "it had 11 bytes" in worker.says("write", path="docs/new/plan.md", content="")
    assert (worker.root / "docs/new/plan.md").read_bytes() == b""


def test_hidden_files_of_the_project_may_be_written(worker: Worker) -> None:
    worker.says("write", path=".github/workflows/ci.yml", content="on: push\n")
    worker.says("write", path=".editorconfig", content="root = true\n")
    assert ".editorconfig" in worker.says("list")


def test_too_much_is_not_written(worker: Worker) -> None:
    assert "1,000,000 is the limit" in worker.refuses("write", path="big.txt", content="x" * 1_000_001)
    assert not (worker.root / "big.txt").exists()


def test_broken_unicode_is_not_written(worker: Worker) -> None:
    assert "Unicode" in worker.refuses("write", path="a.txt", content="a\ud800")
    assert not (worker.root / "a.txt").exists()


@pytest.mark.requirement("S1-28")
def test_an_edit_replaces_one_exact_piece_and_shows_it(worker: Worker) -> None:
    answer = worker.says("edit", path="src/app.py", old="return a + b", new="total = a + b\n    return total")
    assert (worker.root / "src/app.py").read_text() == "def add(a, b):\n    total = a + b\n    return total\n"
    assert "     2\t    total = a + b\n     3\t    return total" in answer


def test_a_piece_that_occurs_twice_is_refused_with_its_lines(worker: Worker) -> None:
    write(worker.root, {"a.txt": "x = 1\ny = 2\nx = 1\n"})
    assert "2 times in 'a.txt', on lines 1, 3" in worker.refuses("edit", path="a.txt", old="x = 1", new="x = 3")
    assert (worker.root / "a.txt").read_text() == "x = 1\ny = 2\nx = 1\n"
    assert "in 2 places" in worker.says("edit", path="a.txt", old="x = 1", new="x = 3", all=True)
    assert (worker.root / "a.txt").read_text() == "x = 3\ny = 2\nx = 3\n"


def test_a_piece_that_is_not_there_is_refused_with_the_likely_line(worker: Worker) -> None:
    answer = worker.refuses("edit", path="src/app.py", old="\treturn a + b", new="")
    assert "does not hold this piece" in answer and "line 2" in answer
    assert "does not exist" in worker.refuses("edit", path="none.py", old="a", new="b")
    assert "the same" in worker.refuses("edit", path="src/app.py", old="add", new="add")


def test_line_ends_of_a_dos_file_survive_an_edit(worker: Worker) -> None:
    write(worker.root, {"dos.txt": "one\r\ntwo\r\nthree\r\n"})
    worker.says("edit", path="dos.txt", old="one\ntwo", new="1\n2")
    assert (worker.root / "dos.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"


def test_what_is_no_text_is_not_edited(worker: Worker) -> None:
    write(worker.root, {"a.bin": b"\0a"})
    assert "no UTF-8 text" in worker.refuses("edit", path="a.bin", old="a", new="b")


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are POSIX")
@pytest.mark.parametrize(("tool", "given"), [("edit", {"old": "a", "new": "b"}), ("write", {"content": "b\n"})])
def test_a_script_still_runs_after_it_was_changed(worker: Worker, tool: str, given: dict[str, str]) -> None:
    write(worker.root, {"run.sh": "a\n"})
    (worker.root / "run.sh").chmod(0o755)
    worker.says(tool, path="run.sh", **given)
    assert os.stat(worker.root / "run.sh").st_mode & 0o777 == 0o755


def test_nothing_is_left_beside_a_changed_file(root: Path) -> None:
    Worker(root).says("edit", path="src/app.py", old="add", new="plus")
    assert sorted(path.name for path in (root / "src").iterdir()) == ["app.py"]
