"""A ref of ours goes forward from the commit that it has, while other processes move it too.

It is moved by compare-and-swap: of two processes both additions stay, and kill -9 leaves all of one or none. The lock that it
leaves too is removed once it is old: a living process holds one for milliseconds. One that an agent made another name of a branch
becomes a ref of ours again; the branch stays.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.command import require_repository, run_git
from wfe_mcp.workspace.git.objects import create
from wfe_mcp.workspace.git.repository import commit_of

_TRIES = 40
_LEFT_S = 3_600
# A lock that git has left behind is never released: a hundred milliseconds for each try would hold a server up for seconds.
_DURABLE = ("-c", "core.fsync=reference", "-c", "core.filesRefLockTimeout=10")


def advance_ref(root: Path, ref: str, make: Callable[[str], str], what: str) -> str:
    """Point ``ref`` to the stored commit that ``make`` returns for the one that it has, empty for none; that commit.

    Refuses ``unavailable``: ``what`` could not be written.
    """
    release_locks(require_repository(root).common, [ref])
    for number in range(_TRIES):
        before = commit_of(root, ref)
        new_commit = make(before)
        if new_commit == before or create(root, ref, new_commit, before):
            return new_commit
        # An empty old value: the ref must not exist yet.
        done = run_git(root, *_DURABLE, "update-ref", "--no-deref", "-m", "wfe-mcp", ref, new_commit, before, ok=None)
        if done is not None and done.returncode == 0:
            return new_commit
        time.sleep(0.002 * number)  # another process was faster, or is writing right now
    raise Refused(
        "unavailable",
        f"{what} could not be written to {ref} in '{root}'.",
        f"Is the repository writable? A file {ref}.lock in it that no git is using may be removed.",
    )


def release_locks(git: Path, refs: Iterable[str]) -> None:
    """Remove the locks that killed processes have left of these refs of the git directory ``git``, which are ours."""
    now = time.time()
    for ref in refs:
        lock = git / f"{ref}.lock"
        with suppress(OSError):  # there is none, as nearly always
            if lock.stat().st_mtime < now - _LEFT_S:
                lock.unlink()
