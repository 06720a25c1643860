"""The differences between two trees of ``tree_hash`` as one text, for a model that reviews them.

Rules:
1. What is shown depends on the bytes on disk alone, as in ``file_diffs``: nothing that the project or git's index says hides
   a file from a reviewer.
2. What has no lines is named: binary, large, unknown, and the ignored files that a check may read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.file_diffs import file_diffs, watched_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wfe_mcp.workspace.git.file_diffs import FileDiff

MOST_CHARS = 60_000


def diff_text(root: Path, old: str, new: str, ignore_globs: Sequence[str] = (), most_chars: int = MOST_CHARS) -> str:
    """What differs below ``root``; empty where nothing does. Refuses trees that are no longer stored."""
    parts = [_file(each) for each in file_diffs(root, old, new) if not match_globs(each.path, ignore_globs)]
    parts += [
        f"{how}, ignored by git: {path}\n"
        for how, paths in watched_changes(root, old, new).items()
        for path in paths
        if not match_globs(path, ignore_globs)
    ]
    whole = "".join(parts)
    if len(whole) <= most_chars:
        return whole
    return f"{whole[:most_chars]}\n[cut: {most_chars:,} of {len(whole):,} characters]"


def _file(change: FileDiff) -> str:
    return "".join(f"{line}\n" for line in _lines(change))


def _lines(change: FileDiff) -> Iterator[str]:
    name = f"{change.old_path} -> {change.path}" if change.old_path else change.path
    why = "" if change.kind == "text" else f", not shown: {change.kind}"
    modes = f" (mode {change.old_mode} -> {change.new_mode})" if change.status == "mode" else ""
    yield f"{change.status} {name}{modes}{why}"
    for hunk in change.hunks:
        yield hunk.header
        yield from hunk.lines
