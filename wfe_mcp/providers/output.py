"""The output of a worker without tools: the paragraph that requests it, and how it is read.

    local-write   a file in the project, named in the prompt
    local-read    the last block of JSON in its answer, which is saved under the name in the prompt
    write-only    a file to download, named in the prompt; a person saves it there
    none          the last block of JSON in its answer

Rules (S0-43):
1. The prompt ends with a paragraph that says so, and with the schema.
2. The file takes precedence over the answer; in an answer, the last block that is a JSON object counts.
   The answer to a question ends with it (``ends_with_value``).
3. The value is not validated here: it is submitted like every artifact.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.paths import parts_of
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wfe_mcp.workspace.config.provider_kinds import FsAbility

_MARKS = re.compile(r"^[ \t]*[>+|-]+[ \t]?", re.MULTILINE)
"""The prefix of each line of a quotation, of a diff or of a table."""
_MOST_OBJECTS = 5_000

_PARAGRAPHS: dict[FsAbility, str] = {
    "local-write": "When the work is done, write your output as JSON into the file `{place}` (relative to the project's "
    "root), and nothing else into that file. If you cannot write it, end your answer with that JSON in one ```json block.",
    "local-read": "You may read the project's files. End your answer with your output as JSON in exactly one ```json "
    "block; it will be saved as `{place}`.",
    "write-only": "Make one file for download named `{name}` that holds your output as JSON and nothing else; it will be "
    "saved as `{place}`. If you cannot make files, end your answer with that JSON in one ```json block.",
    "none": "End your answer with your output as JSON in exactly one ```json block.",
}


def output_paragraph(ability: FsAbility, place: str, schema: Mapping[str, Any]) -> str:
    """The last paragraph of a prompt, about the output. ``place``: its path, relative to the project root."""
    text = _PARAGRAPHS[ability].format(place=place, name=place.rpartition("/")[2])
    shown = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"## Your output\n\n{text}\n\nIt must be one JSON object that matches this JSON Schema:\n\n```json\n{shown}\n```\n"


def with_paragraph(prompt: str, ability: FsAbility, place: str, schema: Mapping[str, Any]) -> str:
    """``prompt`` followed by its output paragraph."""
    return f"{prompt.rstrip()}\n\n{output_paragraph(ability, place, schema)}"


def clear_place(root: Path, place: str) -> None:
    """Create the folder of ``place`` and remove the file of an earlier attempt there."""
    parts = parts_of(place)
    write_atomic(root, place, b"")  # creates the folders, and refuses any path that is not a regular file
    with walk(root, parts[:-1]) as folder:
        folder.remove(parts[-1])


def value_at(root: Path, place: str) -> dict[str, Any] | None:
    """The object in the file at ``place``, as JSON or as text with a block of it; None when there is none.

    Refuses (T5): a link, a hard link, a device.
    """
    content = read_if_there(root, place)
    return None if content is None else value_in(content.decode(errors="replace"))


def value_in(text: str) -> dict[str, Any] | None:
    """The last JSON object among the fenced blocks of an answer, else the whole answer; None when there is none."""
    for block in reversed([*_blocks(text)]):
        if (value := _object(block)) is not None:
            return value
    return _object(text)


def ends_with_value(text: str) -> bool:
    """True when the answer ends with its object, as the prompt asks: one that it only quotes is followed by more."""
    blocks = [*_blocks(text)]
    is_at_end = text.rstrip().endswith(("```", "~~~")) if blocks else True
    return is_at_end and _object(blocks[-1] if blocks else text) is not None


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object in ``text``: alone, in words, in blocks, and in lines that a quotation or a diff marks.

    Raises ValueError for a text with too many beginnings of objects to read them all.
    """
    yield from _every_object(text)
    unmarked = _MARKS.sub("", text)
    if unmarked != text:
        yield from _every_object(unmarked)


def _every_object(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), text.find("{")
    for _ in range(_MOST_OBJECTS):
        if at < 0:
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        yield cast("dict[str, Any]", value)
        at = text.find("{", at)
    if at >= 0:
        raise ValueError(f"it holds more than {_MOST_OBJECTS:,} beginnings of JSON objects")


def _object(text: str) -> dict[str, Any] | None:
    text = text.removeprefix("\ufeff").strip()
    if not text.startswith("{"):
        return None
    try:
        value = parse_json(text)
    except Refused:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _blocks(text: str) -> Iterator[str]:
    """The contents of the fenced blocks, in order. An unclosed block extends to the end: answers get cut off."""
    fence, held = "", list[str]()
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if not fence and bare.startswith(("```", "~~~")):
            fence, held = bare[: len(bare) - len(bare.lstrip(bare[0]))], []
        elif fence and bare.startswith(fence) and not bare.strip(fence[0]):
            yield "".join(held)
            fence = ""
        elif fence:
            held.append(line)
    if fence:
        yield "".join(held)
