"""The first tree of a run: the files that "since the run started" compares with."""

from operator import itemgetter

from wfe_mcp.core.model import RunState


def first_tree(state: RunState) -> str | None:
    """The git tree when the run started, else at its first claim that read the files; None where none was recorded."""
    started = [
        (attempt.started_at, attempt.tree_at_start)
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.started_at is not None and attempt.tree_at_start is not None
    ]
    return min(started, key=itemgetter(0))[1] if started else None
