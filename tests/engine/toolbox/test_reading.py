"""What a worker sees of the project."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import Worker, write


@pytest.mark.requirement("S1-28")
def test_a_file_is_read_with_its_line_numbers(worker: Worker) -> None:
    answer = worker.says("read", path="src/app.py")
    assert answer.splitlines() == [
        "src/app.py: 2 lines, 32 bytes",
        "     1\tdef add(a, b):",
        "     2\t    return a + b",
    ]


def test_a_part_of_a_file_says_how_to_get_the_rest(worker: Worker) -> None:
    write(worker.root, {"long.txt": "".join(f"line {number}\n" for number in range(1, 11))})
    answer = worker.says("read", path="long.txt", from_line=4, lines=2)
    assert "line 3" not in answer and "line 4" in answer and "line 5" in answer
    assert '[5 more lines. Next: read(path="long.txt", from_line=6)]' in answer
    assert "more line" not in worker.says("read", path="long.txt", from_line=6)
    assert "10 lines" in worker.refuses("read", path="long.txt", from_line=11)


def test_following_the_pages_of_a_big_file_shows_every_line_once(worker: Worker) -> None:
    write(worker.root, {"big.txt": "".join(f"line {number} \u20ac\n" for number in range(1, 4_001))})
    seen, line, pages = 0, 1, 0
    while True:
        answer = worker.says("read", path="big.txt", from_line=line, lines=2_000)
        seen += answer.count("\u20ac")
        pages += 1
        if "Next:" not in answer:
            break
        line = int(answer.rpartition("from_line=")[2].rstrip(")]"))
    assert (seen, pages > 2) == (4_000, True)


def test_a_line_of_a_megabyte_is_cut(worker: Worker) -> None:
    write(worker.root, {"min.js": "x" * 1_000_000 + "\nend\n"})
    answer = worker.says("read", path="min.js")
    assert len(answer) < 3_000 and "[line truncated]" in answer and answer.endswith("end")


def test_a_file_beyond_the_limit_is_refused(worker: Worker) -> None:
    write(worker.root, {"huge.txt": b"x" * 10_000_001})
    assert "larger than" in worker.refuses("read", path="huge.txt")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0", b"caf\xe9\n", b"\xff\xfea\0b\0"])
def test_what_is_no_text_is_refused(worker: Worker, content: bytes) -> None:
    write(worker.root, {"file.bin": content})
    assert "no UTF-8 text" in worker.refuses("read", path="file.bin")


def test_an_empty_file_and_one_with_crlf_are_reported_as_such(worker: Worker) -> None:
    write(worker.root, {"empty.txt": "", "dos.txt": "one\r\ntwo\r\n"})
    assert "0 lines" in worker.says("read", path="empty.txt")
    answer = worker.says("read", path="dos.txt")
    assert "CRLF" in answer and "\r" not in answer


def test_terminal_escapes_in_a_file_do_not_reach_the_reader(worker: Worker) -> None:
    write(worker.root, {"log.txt": "\x1b[31mred\x1b[0m\x07\n"})
    assert "red" in worker.says("read", path="log.txt") and "\x1b" not in worker.says("read", path="log.txt")


def test_a_folder_is_listed_with_what_its_names_are(worker: Worker) -> None:
    assert worker.says("list").splitlines() == [".: 2 names", "README.md", "src/"]
    (worker.root / "empty").mkdir()
    assert worker.says("list", path="empty") == "empty: nothing is in it."


def test_globs_find_files_anywhere_below(worker: Worker) -> None:
    write(worker.root, {"src/deep/er/x.py": "", "docs/x.md": ""})
    assert worker.says("list", globs=["**/*.py"]).splitlines()[1:] == ["src/app.py", "src/deep/er/x.py"]
    assert worker.says("list", path="src", globs=["src/deep/**"]).splitlines()[1:] == ["src/deep/er/x.py"]
    assert worker.says("list", globs=["*.rs"]) == ".: nothing matches."


def test_files_that_git_ignores_are_left_out(git: Callable[..., str], root: Path) -> None:
    write(root, {"debug.log": "TOKEN\n", "build/out.txt": "TOKEN\n", "new.txt": "TOKEN\n"})
    worker = Worker(root)
    assert worker.says("list", globs=["**"]).splitlines()[1:] == [".gitignore", "README.md", "new.txt", "src/app.py"]
    assert "1 match in" in worker.says("search", pattern="TOKEN")
    assert "debug.log:1" in worker.says("search", pattern="TOKEN", path="debug.log")  # unless it is named


def test_without_git_caches_are_left_out(worker: Worker) -> None:
    write(worker.root, {"node_modules/a/index.js": "", "src/__pycache__/app.pyc": "", ".wfe/runs/x/prompt.md": ""})
    assert worker.says("list", globs=["**"]).splitlines()[1:] == ["README.md", "src/app.py"]


def test_a_long_list_is_paged(worker: Worker) -> None:
    write(worker.root, {f"many/a-file-with-a-rather-long-name-{number:05}.txt": "" for number in range(800)})
    answer = worker.says("list", path="many")
    assert "800 names" in answer
    line = int(answer.rpartition("from_line=")[2].rstrip("]"))
    rest = worker.says("list", path="many", from_line=line)
    assert answer.count(".txt") + rest.count(".txt") == 800
