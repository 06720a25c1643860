"""Files that are given to be kept, such as a screenshot: read with limits, named without folders, known by their bytes."""

from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import ATTACHMENT_BYTES, Limit
from wfe_mcp.workspace.files.paths import path_fault
from wfe_mcp.workspace.files.project_files import named_file, read_file

PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""The pictures that a page shows, by their first bytes; WebP is found by its container."""

_MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class FileToAttach:
    """A file to attach: its name without folders, and its bytes."""

    name: str
    content: bytes


def from_project(root: Path, paths: Sequence[str]) -> list[FileToAttach]:
    """Files of the project, by their relative paths. Refuses ``path_outside_project``, ``too_large``."""
    return [FileToAttach(path.rpartition("/")[2], read_file(root, path, ATTACHMENT_BYTES.most)) for path in paths]


def from_anywhere(paths: Sequence[str]) -> list[FileToAttach]:
    """Files that a person names, in the project or not. Refuses ``bad_argument``, ``too_large``."""
    files: list[FileToAttach] = []
    for path in paths:
        with named_file(path, "read", "Name a file."), Path(path).open("rb") as file:
            content = file.read(ATTACHMENT_BYTES.most + 1)
        files.append(FileToAttach(Path(path).name, content))
    return files


def media_type(content: bytes) -> str:
    """What the bytes are: a picture, ``text/plain``, or ``application/octet-stream``."""
    for start, kind in PICTURES.items():
        if content.startswith(start):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    try:
        return "text/plain" if "\x00" not in content.decode() else "application/octet-stream"
    except UnicodeDecodeError:
        return "application/octet-stream"


def refuse_name(name: str) -> None:
    """Refuse a file name that some system cannot write."""
    long = "it is longer than 200 characters" if len(name) > _MOST_NAME else None
    fault = path_fault(name) or ("it has a folder" if "/" in name else long)
    if fault:
        raise Refused("bad_argument", f"The file name {name!r:.300} cannot be used: {fault}.", "Rename the file.")


def refuse_above(limit: Limit, found: int, what: str) -> None:
    """Refuse more of ``what`` than the limit lets be."""
    if found > limit.most:
        raise Refused("too_large", f"{what} {limit.fault(found)}.", limit.remedy)
