"""``wfe-mcp show --files``: the files of a checkpoint, and their content."""

from pathlib import Path
from typing import Any

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.files.project_files import named_file, write_atomic

_LINK, _REPOSITORY = "120000", "160000"


def show_files(invocation: Invocation, run: str, at: str, file: str, to: str) -> None:
    """List the files of the last checkpoint at or before event ``at``, print one, or write them into the folder ``to``.

    Refuses ``unavailable`` (none were kept, or they were removed), ``bad_argument``, ``conflict`` (the folder is not empty).
    """
    from wfe_mcp.engine.history.as_of import checkpoint_before, event_named
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.runs.checkpoints import not_kept, not_kept_words
    from wfe_mcp.workspace.git import checkpoints

    engine, run = invocation.engine, invocation.resolve_run(run)
    with engine.store.read() as tx:
        record = engine.load(tx, run).record
        event = checkpoint_before(tx, record.id, event_named(tx, record, at or str(record.last_seq)))
    root, commit = Path(record.worktree), str(event.payload["commit"])
    data: dict[str, Any] = {
        "checkpoint": f"cp-{event.seq}",
        "commit": commit,
        "at": event.at.isoformat(timespec="seconds"),
    }
    there = checkpoints.files(root, commit)
    if file and file not in there:
        raise Refused(
            "bad_argument",
            f"There is no file {file!r} at cp-{event.seq}.",
            nearest_hint(file, there, then=f"All of them: wfe-mcp show {run} --at {event.seq} --files"),
        )
    if file:
        text = checkpoints.content(root, commit, file).decode(errors="replace")
        invocation.render(
            Envelope(True, run=run, summary=f"{file} at cp-{event.seq}", data=data | {"path": file, "content": text}),
            lambda screen: screen.print_quoted(text.removesuffix("\n")),
        )
        return
    left_out = _write(root, commit, there, Path(to)) if to else []
    if to:
        data |= {"to": to} | ({"left_out": left_out} if left_out else {})
    left, count = not_kept(root, commit), int(event.payload["skipped"])
    data |= {"not_kept": left} if left else {}
    summary = f"{plural(len(there), 'file')} at cp-{event.seq}" + (f", written to {to}" if to else "")

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for path in there:
            screen.line(f"  {path}" + (" (a link or another repository: not written)" if path in left_out else ""))
        if left:
            screen.line(not_kept_words(left, count), "yellow")

    invocation.render(Envelope(True, run=run, summary=summary, data=data | {"files": list(there)}), render)


def _write(root: Path, commit: str, there: dict[str, str], folder: Path) -> list[str]:
    """Write the files into ``folder``; returns those left out (links, other repositories). The project itself is not changed."""
    from wfe_mcp.workspace.git import checkpoints

    with named_file(folder, "written", "Name a new folder."):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Refused("conflict", f"The folder '{folder}' is not empty.", "Name a new folder.")
    left_out = [path for path, mode in there.items() if mode in {_LINK, _REPOSITORY}]
    for path, mode in there.items():
        if path not in left_out:
            write_atomic(folder.resolve(), path, checkpoints.content(root, commit, path))
            if mode == "100755":
                (folder / path).chmod(0o755)
    return left_out
