"""What a search finds, and where it ends."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import EVIDENCE, Worker, write
from wfe_mcp.engine.toolbox.reach import Reach
from wfe_mcp.engine.toolbox.reading import search_tool


@pytest.mark.requirement("S1-28")
def test_a_match_is_named_by_path_and_line(worker: Worker) -> None:
    assert worker.says("search", pattern=r"^def \w+").splitlines()[1:] == ["src/app.py:1: def add(a, b):"]
    assert worker.says("search", pattern="ADD", ignore_case=True, globs=["*.md"]).splitlines()[1:] == [
        "README.md:1: # Adding"
    ]
    assert worker.says("search", pattern="add", path="src/app.py").count("app.py:") == 1
    assert worker.says("search", pattern="no such thing") == "No line matches in 2 files."


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "a{1000}{1000}{10}", "[z-a]"])
def test_a_pattern_that_cannot_run_in_linear_time_is_refused(worker: Worker, pattern: str) -> None:
    assert "cannot be used" in worker.refuses("search", pattern=pattern)


def test_a_pattern_that_blows_up_elsewhere_is_answered(worker: Worker) -> None:
    write(worker.root, {"bomb.txt": "a" * 100_000 + "!\n"})
    assert "No line matches" in worker.says("search", pattern="^(a+)+$")


def test_binary_and_very_large_files_are_passed_over_and_counted(worker: Worker) -> None:
    write(worker.root, {"a.bin": b"add\0", "big.txt": b"add\n" * 600_000})
    answer = worker.says("search", pattern="add", globs=["a.bin", "big.txt"])
    assert "[2 files passed over" in answer


def test_many_matches_are_paged_and_bounded(worker: Worker) -> None:
    write(worker.root, {"many.txt": "hit\n" * 5_000})
    answer = worker.says("search", pattern="hit", matches=3)
    assert answer.startswith("2,000 matches") and "stopped after 2,000 matches" in answer
    assert "many.txt:3: hit" in answer and "many.txt:4:" not in answer and "from_match=4" in answer
    assert "many.txt:4: hit" in worker.says("search", pattern="hit", from_match=4, matches=1)


def test_a_search_ends_in_time_and_says_how_far_it_came(root: Path) -> None:
    write(root, {f"f{number:03}.txt": "hit\n" for number in range(50)})
    ticks = count(0.0, 5.0)
    tool = search_tool(Reach(root, root / EVIDENCE), clock=lambda: next(ticks))
    text = tool.run({"pattern": "hit"}).text
    assert "stopped after 20 s, at f002.txt" in text and "f003" not in text


def test_long_lines_are_cut(worker: Worker) -> None:
    write(worker.root, {"min.js": "var a;" * 10_000})
    assert len(worker.says("search", pattern="var", path="min.js")) < 1_000


def test_a_file_that_git_still_lists_but_is_gone_does_no_harm(git: Callable[..., str], root: Path) -> None:
    (root / "README.md").unlink()
    assert "src/app.py:1" in Worker(root).says("search", pattern="add")
