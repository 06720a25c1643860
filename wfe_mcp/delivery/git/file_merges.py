"""The clean merges of one text by git, from bytes alone: no repository, attribute, driver or configuration takes part."""

import os
from collections.abc import Iterator
from pathlib import Path

from wfe_mcp.workspace.git.command import run_git
from wfe_mcp.workspace.system.temporary import temporary_folder

_ALGORITHMS: tuple[tuple[str, ...], ...] = ((), ("--diff-algorithm=histogram",))
"""What ``git merge-file`` does by itself, and what ``git merge`` does, which it can since git 2.44; an older one refuses the option."""


def clean_merges(root: Path, ancestor: bytes, ours: bytes, theirs: bytes) -> Iterator[bytes]:
    """What becomes of ``ancestor`` with the changes of both sides, for each algorithm that finds no conflict.

    ``root``: whose git it is, which is no program of the project. Raises OSError where nothing can be written aside.
    """
    with temporary_folder("merge") as folder:
        names = {"ours": ours, "ancestor": ancestor, "theirs": theirs}
        for name, content in names.items():
            (folder / name).write_bytes(content)
        env = {"GIT_DIR": str(folder / "none"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for options in _ALGORITHMS:
            done = run_git(root, "-C", str(folder), "merge-file", "-p", "-q", *options, *names, env=env, ok=None)
            if done is not None and done.returncode == 0:
                yield done.stdout
