"""From any set of files to any other and back: nothing is lost, and nothing else is touched."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.examples import examples
from tests.workspace.checkpoint_scene import Git, back, files_of, taken, user_state, write
from wfe_mcp.core.errors import Refused

NAMES = st.sampled_from(["a", "b", "c.log", "é", "-x", "run.sh"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.sampled_from([b"", b"one\n", b"one\r\n", b"\0\xff"]),
    st.sampled_from(["a", "b/c.log", "../outside", "/nowhere"]),  # links
)
FILES = st.dictionaries(PATHS, st.tuples(CONTENTS, st.sampled_from([0o644, 0o755, 0o600])), max_size=8)
Files = dict[str, tuple[bytes | str, int]]


def put(root: Path, files: Files) -> None:
    """Replace every file below the root; where one is a folder of another, the first one counts."""
    for each in root.iterdir():
        if each.name not in {".git", ".gitignore"}:
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    for path, (content, mode) in files.items():
        file = root / path
        above = [root.joinpath(*Path(path).parts[:length]) for length in range(1, len(Path(path).parts))]
        if os.path.lexists(file) or any(os.path.islink(one) or os.path.isfile(one) for one in above):
            continue
        if isinstance(content, bytes):
            write(root, path, content, mode)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.symlink_to(content)


def without_ignored(files: dict[bytes, object]) -> dict[bytes, object]:
    return {path: what for path, what in files.items() if b"c.log" not in path.split(b"/")}


@pytest.mark.requirement("S1-08")
@pytest.mark.skipif(os.name == "nt", reason="links and permissions are others on Windows")
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(committed=FILES, then=FILES, later=FILES)
def test_any_files_come_back_and_so_do_those_that_were_there(
    tmp_path_factory: pytest.TempPathFactory, committed: Files, then: Files, later: Files
) -> None:
    root = tmp_path_factory.mktemp("any")

    def repo(*words: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        return subprocess.run(
            ["git", "-C", str(root), *identity, *words], check=True, capture_output=True, text=True
        ).stdout

    git: Git = repo
    repo("init", "-q")
    write(root, ".gitignore", "c.log\n")
    put(root, committed)
    repo("add", "-A")
    repo("commit", "-q", "-m", "first")
    put(root, then)
    wanted, mine = files_of(root), user_state(root, git)
    one = taken(root)
    put(root, later)
    before = files_of(root)

    try:
        done = back(root, one)
    except Refused as refused:  # a folder with an ignored file is where a file belongs
        assert refused.code == "conflict"
        assert files_of(root) == before
        return
    there = files_of(root)
    assert without_ignored(there) == without_ignored(wanted)
    in_the_way = {path for path in before if path not in there and b"c.log" in path.split(b"/")}
    assert all(any(other.startswith(path + b"/") for other in there) for path in in_the_way)

    back(root, done.safety)
    assert files_of(root) == before
    assert user_state(root, git) == mine
