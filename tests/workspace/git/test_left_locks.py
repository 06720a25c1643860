"""The lock of a ref that a killed process left: of ours it is removed once it is old, and else its file is named."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workspace.checkpoint_scene import AT, LIMITS, Git
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git import refs
from wfe_mcp.workspace.git.checkpoints import REFS, drop, keep, list_checkpoints
from wfe_mcp.workspace.git.job_refs import drop_jobs, job_ref, keep_files
from wfe_mcp.workspace.git.own_refs import advance_ref
from wfe_mcp.workspace.git.snapshot import take
from wfe_mcp.workspace.git.working_tree import hashed_tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows every ref is left to git")

AUDIT = "refs/wfe/audit"
BRANCH = "refs/heads/feature"
DIES = """
import os, signal, sys
from pathlib import Path
from wfe_mcp.workspace.git.objects import create
replace = Path.replace
def die(place, target):
    if place.suffix == ".lock":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(place, target)
Path.replace = die
create(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


@pytest.fixture
def commit(root: Path, repo: Git) -> str:
    return take(root, {}, LIMITS, at=AT).commit


def kill_writer(root: Path, ref: str, commit: str, hours_ago: float = 0) -> Path:
    """The lock that a process left when it was killed while it wrote ``ref``."""
    died = subprocess.run([sys.executable, "-c", DIES, str(root), ref, commit], check=False, capture_output=True)
    assert died.returncode == -9, died.stderr
    lock = root / ".git" / f"{ref}.lock"
    then = time.time() - hours_ago * 3_600
    os.utime(lock, (then, then))
    return lock


def test_writers_of_our_refs_continue_where_an_old_lock_was_left(root: Path, repo: Git, commit: str) -> None:
    left = [kill_writer(root, ref, commit, 2) for ref in (f"{REFS}/r/one", AUDIT, job_ref("j"))]
    keep(root, "r/one", commit)
    assert advance_ref(root, AUDIT, lambda _: commit, "The anchor") == commit
    keep_files(root, "j", hashed_tree(root).files, AT)
    assert not any(lock.exists() for lock in left)
    assert repo("for-each-ref", "--format=%(refname)", "refs/wfe").split() == [AUDIT, f"{REFS}/r/one", job_ref("j")]


def test_refs_of_ours_are_removed_where_an_old_lock_was_left(root: Path, repo: Git, commit: str) -> None:
    keep(root, "r/one", commit)
    keep(root, "r/two", commit)
    keep_files(root, "j", hashed_tree(root).files, AT)
    for ref in (f"{REFS}/r/one", job_ref("j")):
        lock = root / ".git" / f"{ref}.lock"
        lock.touch()
        os.utime(lock, (0, 0))
    drop(root, ["r/one", "r/two"])
    drop_jobs(root, ())
    assert list_checkpoints(root) == {}
    assert repo("for-each-ref", "refs/wfe") == ""


def test_a_lock_that_may_be_held_stays_and_is_named(root: Path, repo: Git, commit: str) -> None:
    lock = kill_writer(root, f"{REFS}/r/one", commit)
    with pytest.raises(Refused) as refused:
        keep(root, "r/one", commit)
    assert f"{REFS}/r/one.lock" in refused.value.hint
    lock.unlink()
    keep(root, "r/one", commit)
    lock.touch()
    with pytest.raises(Refused) as refused:
        drop(root, ["r/one"])
    assert f"Unable to create '{lock}': File exists." in refused.value.message
    assert refused.value.hint == "Where no git is running, remove that file, then try again."
    assert lock.exists()


def test_the_lock_of_a_branch_is_named_however_old_it_is(root: Path, repo: Git, commit: str) -> None:
    lock = kill_writer(root, BRANCH, commit, 2)
    with pytest.raises(DeliveryFault) as fault:
        refs.move(root, BRANCH, commit, refs.NONE, "a test")
    assert f"{BRANCH} is locked: " in str(fault.value)
    assert f"'{lock}': File exists. Where no git is running, remove that file; then retry" in str(fault.value)
    assert lock.exists()


def test_a_ref_that_git_cannot_write_is_not_said_to_have_changed(root: Path, commit: str) -> None:
    refs.move(root, BRANCH, commit, refs.NONE, "a test")
    with pytest.raises(DeliveryFault) as fault:
        refs.move(root, f"{BRANCH}/below", commit, refs.NONE, "a test")
    assert f"{BRANCH}/below could not be written: " in str(fault.value)
    assert "changed meanwhile" not in str(fault.value)
