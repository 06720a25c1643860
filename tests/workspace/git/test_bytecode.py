"""Bytecode that Python may run instead of its source: it is watched like a file that git ignores."""

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspace.conftest import Git, tree
from wfe_mcp.workspace.git.file_diffs import all_diffs
from wfe_mcp.workspace.git.working_tree import changed_paths, parts_of


@pytest.mark.attack("leave bytecode that Python runs whatever its source says", "held", "T15")
def test_bytecode_that_never_asks_its_source_is_watched(root: Path, repo: Git) -> None:
    (root / ".gitignore").write_text("__pycache__/\n")
    source = root / "money.py"
    source.write_text("RATE = 1\n")
    cached = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(source))
    before = tree(root)
    assert parts_of(before)[1] == ""
    evil = root.parent / "evil.py"
    evil.write_text("RATE = 2\n")
    py_compile.compile(str(evil), str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert changed_paths(root, before, tree(root)) == [cached.relative_to(root).as_posix()]


@pytest.mark.skipif(os.name == "nt", reason="the system keeps no time of change")
@pytest.mark.attack(
    "change a source and give it its old time, so that Python runs the bytecode of before", "held", "T15"
)
@pytest.mark.parametrize("folder", ["", "src/"])
def test_stale_bytecode_that_python_takes_for_its_source_is_watched(root: Path, repo: Git, folder: str) -> None:
    (root / ".gitignore").write_text("__pycache__/\n")
    source = root / folder / "money.py"
    source.parent.mkdir(exist_ok=True)
    source.write_text("RATE = 2\n")
    times = (source.stat().st_atime_ns, source.stat().st_mtime_ns)
    py_compile.compile(str(source))
    cached = Path(importlib.util.cache_from_source(str(source))).relative_to(root).as_posix()
    before = tree(root)
    assert parts_of(before)[1] == ""
    source.write_text("RATE = 1\n")
    os.utime(source, ns=times)
    after = tree(root)
    output = subprocess.run(
        [sys.executable, "-c", "import money; print(money.RATE)"], cwd=source.parent, capture_output=True
    )
    assert output.stdout.strip() == b"2", "Python runs what the file no longer says"
    assert all_diffs(root, before, after)[1]["new"] == (cached,)
    py_compile.compile(str(source))
    assert parts_of(tree(root))[1] == ""


@pytest.mark.attack("leave bytecode without a source", "held", "T15")
def test_bytecode_without_a_source_is_watched(root: Path, repo: Git) -> None:
    (root / "a.py").write_text("A = 1\n")
    before = tree(root)
    py_compile.compile(str(root / "a.py"), str(root / "b.pyc"))
    py_compile.compile(str(root / "a.py"), str(root / "a.pyc"))  # Python prefers a.py
    assert changed_paths(root, before, tree(root)) == ["b.pyc"]


@pytest.mark.attack("hide code in a folder of bytecode", "held", "T15")
def test_what_lies_beside_bytecode_counts(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__/a.cpython-312.pyc.1234").write_text("half written")
    assert tree(root) == before
    (root / "__pycache__/evil.py").write_text("x")
    (root / "tests.pyc").mkdir()
    (root / "tests.pyc/evil.py").write_text("x")
    assert changed_paths(root, before, tree(root)) == ["__pycache__/evil.py", "tests.pyc/evil.py"]


@pytest.mark.skipif(os.name == "nt", reason="on Windows every file is read every time")
def test_bytecode_that_was_rewritten_with_its_old_time_is_read_again(root: Path, repo: Git) -> None:
    (root / "a.py").write_text("A = 1\n")
    cached = Path(importlib.util.cache_from_source(str(root / "a.py")))
    py_compile.compile(str(root / "a.py"))
    before, facts = tree(root), cached.stat()
    content = bytearray(cached.read_bytes())
    content[4] = 1
    cached.write_bytes(content)
    os.utime(cached, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert tree(root) != before
