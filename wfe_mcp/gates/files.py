"""The ``files`` gate: which files must exist, must not change, or may change.

exist      each glob matches a file now
unchanged  no changed file matches any glob          ┐ changed since the attempt's start: modified, created or
within     every changed file matches some glob      ┘ deleted; of ignored files those that a check may read

What an installation of dependencies writes counts for ``unchanged`` only.
"""

import os
from pathlib import Path

from wfe_mcp.gates.judgement import Judgement, failed, passed, shortened, undecided
from wfe_mcp.workflow.model import FilesGate
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.watched import is_of_environment
from wfe_mcp.workspace.git.working_tree import changes_between, tree_hash

KIND = "files"


def judge_files(gate: FilesGate, *, root: Path, tree_at_start: str | None, ignored: tuple[str, ...] = ()) -> Judgement:
    """Judge the files below ``root``. ``tree_at_start``: git tree of the attempt's start, None without git.

    ``ignored``: globs left out of both trees: the files that the phase's own checks write.
    """
    changed: list[str] | None = None
    ignored_paths: set[str] = set()
    tree: str | None = None
    is_bounded = "within" in gate.model_fields_set  # an expression may yield no glob: then no file may change
    if gate.unchanged or is_bounded:
        tree = tree_hash(root, ignored)
        if tree is None or tree_at_start is None:
            return undecided(KIND, _NO_GIT, "ask the user to run `git init` in the project, then retry the phase.")
        files, watched = changes_between(root, tree_at_start, tree)
        ignored_paths = {each.path for each in watched} - {each.path for each in files}
        changed = sorted({each.path for each in files} | ignored_paths)
        changed = [path for path in changed if not match_globs(path, ignored)]
    absent = [glob for glob in gate.exist if not _exists(root, glob)]
    touched = [path for path in changed or () if match_globs(path, gate.unchanged)]
    bounded = [path for path in changed or () if not (path in ignored_paths and is_of_environment(path))]
    strayed = [path for path in bounded if is_bounded and not match_globs(path, gate.within)]
    data = {
        "exist": {glob: glob not in absent for glob in gate.exist},
        "changed": changed,
        "changed_and_ignored_by_git": [path for path in changed or () if path in ignored_paths],
        "touched": touched,
        "outside": strayed,
        "tree": {"before": tree_at_start, "after": tree},
    }
    reasons = [
        *([f"no file matches {shortened([repr(glob) for glob in absent])}"] if absent else []),
        *([f"changed, but must not: {shortened(touched)}"] if touched else []),
        *(
            [f"changed outside {shortened(list(gate.within)) or 'the allowed paths (none)'}: {shortened(strayed)}"]
            if strayed
            else []
        ),
    ]
    if not reasons:
        return passed(KIND, "All file rules hold.", data)
    return failed(KIND, f"Files gate: {'; '.join(reasons)}.", _next_step(absent, touched, strayed), data)


_NO_GIT = "Files gate: the changes since the attempt's start are unknown, because the project is not a git repository."


def _exists(root: Path, glob: str) -> bool:
    if not any(char in glob for char in "*?["):
        # The last link is not followed: a dangling or outward link is not a file of the project.
        return (root / glob).is_file() and not (root / glob).is_symlink()
    return any(match_globs(path, (glob,)) for path in _listed(root))


def _listed(root: Path) -> list[str]:
    """Every file below ``root``, except ``.git`` and ``.wfe``."""
    found: list[str] = []
    # os.walk: Path.walk came with Python 3.12.
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in {".git", ".wfe"}]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    return found


def _next_step(absent: list[str], touched: list[str], strayed: list[str]) -> str:
    steps = [
        *(["write the missing files"] if absent else []),
        *(["restore the files that must not change"] if touched else []),
        *(["undo the changes outside the allowed paths"] if strayed else []),
    ]
    return f"{', '.join(steps)}, then submit again."
