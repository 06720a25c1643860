"""The tools ``write`` and ``edit``: replace a whole file, or one exact piece of it."""

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.toolbox.reach import PATH, Given, Reach, relative, text_in, tool
from wfe_mcp.providers.call import Tool
from wfe_mcp.workspace.files.paths import reserved_as
from wfe_mcp.workspace.files.project_files import read_file, read_if_there, write_atomic

MAX_WRITTEN_BYTES = 1_000_000
_AROUND = 3
_SHOWN_LINES = 40
_SHOWN_PLACES = 10


def write_tool(reach: Reach) -> Tool:
    """``write``: a file with exactly this content."""

    def write(given: Given) -> str:
        path, content = _writable_path(given["path"]), _bytes(given["content"])
        before = read_if_there(reach.root, path, 10 * MAX_WRITTEN_BYTES)
        write_atomic(reach.root, path, content)
        was = "it is new" if before is None else f"it had {len(before):,} bytes"
        return f"Wrote {path}: {len(content):,} bytes; {was}."

    arguments = {"path": PATH, "content": {"type": "string", "description": "The whole new content."}}
    text = "Write a whole file of the project, new or over an old one. For a small change use 'edit'."
    return tool("write", text, arguments, ["path", "content"], write)


def edit_tool(reach: Reach) -> Tool:
    """``edit``: one exact piece of a file replaced by another."""

    def edit(given: Given) -> str:
        path = _writable_path(given["path"])
        text = text_in(read_file(reach.root, path, MAX_WRITTEN_BYTES), path)
        old, new = _as_the_file_ends_lines(text, given["old"]), _as_the_file_ends_lines(text, given["new"])
        _require_place(path, text, old, new, bool(given.get("all")))
        write_atomic(reach.root, path, _bytes(text.replace(old, new)))
        times = text.count(old)
        at = text[: text.index(old)].count("\n")
        return f"Edited {path}{f' in {times} places' if times > 1 else ''}:\n{_around(text.replace(old, new), at, new)}"

    arguments = {
        "path": PATH,
        "old": {"type": "string", "minLength": 1, "description": "The exact piece to replace, with its spaces."},
        "new": {"type": "string", "description": "What stands there afterwards."},
        "all": {"type": "boolean", "description": "Replace every occurrence; else there must be exactly one."},
    }
    text = "Replace an exact piece of a file. It must occur once: give enough lines around it."
    return tool("edit", text, arguments, ["path", "old", "new"], edit)


def _writable_path(path: str) -> str:
    """A path that may be written. Refuses git's folder and ours: the record is not the worker's to change."""
    inner = relative(path)
    if any(reserved_as(name) for name in inner.split("/")):
        raise Refused(
            "path_outside_project", f"'{path}' belongs to wfe-mcp and is not written by tools.", "Write another file."
        )
    return inner


def _bytes(content: str) -> bytes:
    try:
        raw = content.encode()
    except UnicodeEncodeError:
        raise Refused(
            "bad_argument", "The content is no valid Unicode text.", "Send it without lone surrogates."
        ) from None
    if len(raw) > MAX_WRITTEN_BYTES:
        raise Refused(
            "too_large", f"The file would have {len(raw):,} bytes; {MAX_WRITTEN_BYTES:,} is the limit.", "Split it."
        )
    return raw


def _as_the_file_ends_lines(text: str, piece: str) -> str:
    """A file with CRLF throughout keeps it: models see and send bare line feeds."""
    is_crlf = "\r\n" in text and text.count("\r\n") == text.count("\n")
    return piece.replace("\r\n", "\n").replace("\n", "\r\n") if is_crlf else piece


def _require_place(path: str, text: str, old: str, new: str, everywhere: bool) -> None:
    times = text.count(old)
    if times == 0:
        raise Refused(
            "bad_argument", f"'{path}' does not hold this piece.{_alike(text, old)}", "Read it, then copy exactly."
        )
    if times > 1 and not everywhere:
        listed = ", ".join(str(line) for line in _first_lines(text, old))
        raise Refused(
            "bad_argument",
            f"The piece occurs {times} times in '{path}', on lines {listed}.",
            "Give more lines around the one you mean, or set all to true.",
        )
    if old == new:
        raise Refused(
            "bad_argument", "The old and the new piece are the same.", "Send what should stand there instead."
        )


def _first_lines(text: str, old: str) -> list[int]:
    """The lines where the first occurrences begin."""
    numbers: list[int] = []
    at = text.find(old)
    while at >= 0 and len(numbers) < _SHOWN_PLACES:
        numbers.append(text.count("\n", 0, at) + 1)
        at = text.find(old, at + len(old))
    return numbers


def _alike(text: str, old: str) -> str:
    """Lines equal to the first line of ``old`` but for spacing, a common mistake."""
    first = next((line.strip() for line in old.split("\n") if line.strip()), "")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if first and line.strip() == first]
    return f" A line like its first one, perhaps with other spaces, is line {lines[0]}." if lines else ""


def _around(text: str, at: int, new: str) -> str:
    """The changed lines with some before and after, numbered."""
    lines = text.split("\n")
    first, last = max(0, at - _AROUND), at + new.count("\n") + _AROUND + 1
    shown = [f"{number:>6}\t{line[:400]}" for number, line in enumerate(lines[first:last], first + 1)]
    rest = [f"[… {len(shown) - _SHOWN_LINES} more lines]"] if len(shown) > _SHOWN_LINES else []
    return "\n".join([*shown[:_SHOWN_LINES], *rest])
