"""What a completed run leaves to the one who commits: which of its changes are in the working tree alone."""

from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.files.tree_binding import first_tree, last_tree
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.moves.blockers import shorten_paths
from wfe_mcp.workspace.files.paths import readable
from wfe_mcp.workspace.git.command import repository


def left_to_commit(overview: Overview, *, has_just_ended: bool = False) -> tuple[str, ...]:
    """A sentence about the files that the run changed, that are still changed, and that git's HEAD lacks; empty without any.

    Also empty where neither a gate nor an approval was about files: then the run does not know which it changed.
    ``has_just_ended``: the files are those that were judged last, and are not looked at again.
    """
    state, root = overview.loaded.state, Path(overview.loaded.record.worktree)
    began, end = first_tree(state), last_tree(state)
    if state.status is not RunStatus.COMPLETED or began is None or end is None or not root.is_dir():
        return ()
    from wfe_mcp.workspace.git.file_diffs import FileDiff, uncommitted_paths
    from wfe_mcp.workspace.git.working_tree import SeenFiles, changed_paths, changes_between

    try:
        own = () if repository(root) is None else changed_paths(root, began, end)
        now = end if has_just_ended else SeenFiles(root, is_whole=False).tree().id if own else None
        changes = () if now is None else changes_between(root, began, now)[0]
    except Refused:
        return ()
    files = [
        FileDiff(path, "modified", new_oid="" if change.new is None else change.new.oid)
        for change in changes
        if (path := readable(change.path)) in own
    ]
    missing, _ = uncommitted_paths(root, files)
    if not missing:
        return ()
    what = (
        "what this run changed"
        if len(missing) == len(files)
        else f"{len(missing)} of {len(files)} files that it changed"
    )
    return (f"Not committed, in the working tree alone: {what} ({shorten_paths(missing)})",)
