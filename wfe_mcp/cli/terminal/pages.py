"""Writes pages into the project: all or none, and never over a page that another wrote or edited."""

from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.cli.terminal.invocation import Invocation


def write_pages(
    invocation: "Invocation", folder: str, pages: "Mapping[str, str]", *, force: bool = False, archive: str = ""
) -> tuple[list[str], list[str]]:
    """The paths that were written, and those of them that had been edited, which takes ``force``.

    ``archive``: of this page what is replaced stays in ``archive/``, by its date and hash. What is the same is not written.
    Refuses ``conflict`` and ``path_outside_project`` before anything is written.
    """
    from wfe_mcp.views.reports.handoff import is_edited, is_ours
    from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

    root = invocation.engine.root
    target = Path(folder).absolute()
    try:
        below = target.resolve().relative_to(root).as_posix()
    except ValueError:
        raise Refused(
            "path_outside_project", f"{folder} is not in the project {root}.", "Name a folder of the project."
        ) from None
    before = "" if below == "." else f"{below}/"
    texts = {f"{before}{name}": text for name, text in pages.items()}
    there = {
        path: content.decode(errors="replace") for path in texts if (content := read_if_there(root, path)) is not None
    }
    foreign = [path for path, text in there.items() if not is_ours(text)]
    edited = [path for path, text in there.items() if is_edited(text)]
    if foreign:
        raise Refused(
            "conflict",
            f"{foreign[0]} exists already, and wfe-mcp did not write it.",
            "Name another folder, or move that file.",
        )
    if edited and not force:
        raise Refused(
            "conflict",
            f"{', '.join(edited)} {'was' if len(edited) == 1 else 'were'} edited since the last export; nothing of that is read back.",
            "Keep what you need of it elsewhere, then write over it with --force.",
        )
    new = {path: text for path, text in texts.items() if there.get(path) != text}
    kept = f"{before}{archive}"
    if kept in new and kept in there:
        name, day = Path(archive).stem, invocation.clock().date().isoformat()
        write_atomic(root, f"{before}{name}-archive/{day}-{sha256_hex(there[kept])[:8]}.md", there[kept])
    for path, text in new.items():
        write_atomic(root, path, text)
    return list(texts), edited
