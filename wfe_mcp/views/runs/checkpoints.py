"""Views of checkpoints: one, and the newest ones of a run."""

from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.files.checkpoints import Checkpoint, checkpoints_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.views.values.model import second, view_model, view_of
from wfe_mcp.workspace.files.paths import readable

_NEWEST = 3
_NOTE_CHARS = 60
_LEFT_OUT = 20


@view_model
class LeftOut:
    """A file that a checkpoint leaves out, and why."""

    path: str
    why: str
    bytes: int = 0


@view_model
class CheckpointView:
    """One checkpoint. ``skipped``: how many files it leaves out; ``files``: whether its files are still kept."""

    checkpoint: str
    why: str
    phase: str = ""
    attempt: int = 0
    at: str
    commit: str = ""
    skipped: int = 0
    note: str = ""
    not_kept: tuple[LeftOut, ...] = ()
    files: bool | None = None


@view_model
class CheckpointList:
    """The checkpoints of a run, newest first. ``pruned``: those whose files were removed just now.

    ``undo``, ``redo``: what each would reverse now; empty where there is nothing.
    """

    checkpoints: tuple[CheckpointView, ...]
    undo: str = ""
    redo: str = ""
    pruned: tuple[str, ...] | None = None


@view_model
class NewestCheckpoints:
    """How many checkpoints a run has, and the newest in words, newest first."""

    count: int
    newest: tuple[str, ...]


def checkpoint_view(
    checkpoint: Checkpoint, *, files: bool | None = None, not_kept: tuple[LeftOut, ...] = ()
) -> CheckpointView:
    """One checkpoint."""
    return view_of(
        CheckpointView,
        checkpoint,
        checkpoint=checkpoint.name,
        at=second(checkpoint.event.at),
        commit=(checkpoint.commit or "")[:12],
        not_kept=not_kept,
        files=files,
    )


def not_kept(root: Path, commit: str | None) -> tuple[LeftOut, ...]:
    """What the files of a checkpoint leave out, and why; empty where nothing is left out, or the files are gone."""
    from wfe_mcp.workspace.git.snapshot import read_snapshot

    try:
        skipped = read_snapshot(root, commit).skipped if commit else ()
    except Refused:
        return ()
    return tuple(
        LeftOut(path=readable(path.path), why=path.why, bytes=path.size_bytes or 0) for path in skipped[:_LEFT_OUT]
    )


def not_kept_words(left: Sequence[LeftOut], count: int) -> str:
    """``not_kept`` in words; ``count``: how much there is in all."""
    sizes = (f", {file.bytes:,} bytes" if file.bytes else "" for file in left)
    named = (f"{file.path} ({file.why}{size})" for file, size in zip(left, sizes, strict=True))
    more = f", and {count - len(left)} more" if count > len(left) else ""
    return f"not kept: {', '.join(named)}{more}"


def newest_checkpoints(tx: Tx, overview: Overview) -> NewestCheckpoints | None:
    """The newest checkpoints in words; None where the run has none."""
    record = overview.loaded.record
    checkpoints = [checkpoint for checkpoint in checkpoints_of(tx, record.id) if checkpoint.seq <= record.last_seq]
    newest = tuple(_words(checkpoint) for checkpoint in reversed(checkpoints[-_NEWEST:]))
    return NewestCheckpoints(count=len(checkpoints), newest=newest) if checkpoints else None


def checkpoints_words(checkpoints: NewestCheckpoints, run: str) -> str:
    """``newest_checkpoints`` in a line that leads to the rest."""
    return f"checkpoints: {', '.join(checkpoints.newest)}; {checkpoints.count} in all: wfe-mcp checkpoints {run}"


def _words(checkpoint: Checkpoint) -> str:
    place = f" of {checkpoint.phase} #{checkpoint.attempt}" if checkpoint.phase else ""
    without = f", without {plural(checkpoint.skipped, 'file')}" if checkpoint.skipped else ""
    note = f": {' '.join(checkpoint.note.split())[:_NOTE_CHARS]}" if checkpoint.note else ""
    return f"{checkpoint.name} ({checkpoint.why}{place}{without}{note})"
