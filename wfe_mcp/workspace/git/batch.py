"""Stored git objects by name, many in one process: their content, their sizes, and what a tree holds."""

import os
from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.workspace.git.command import decode_output, output_of, require_repository
from wfe_mcp.workspace.git.objects import Node, loose

_FEW = 8
"""As many loose objects are read here in less time than git starts in."""


def read_objects(root: Path, names: Sequence[str]) -> list[tuple[str, bytes] | None]:
    """Kind and content of each object that ``names`` names, in their order; None where git has none of that name."""
    if len(names) <= _FEW:
        repo = require_repository(root)
        objects = [loose(repo, name) for name in names]
        if None not in objects:
            return objects
    output, at = output_of(root, "cat-file", "--batch=%(objecttype) %(objectsize)", stdin=_lines_of(names)), 0
    objects: list[tuple[str, bytes] | None] = []
    for name in names:
        end = output.find(b"\n", at)
        line, at = output[at:end], end + 1
        if end < 0 or line == os.fsencode(f"{name} missing") or line.endswith((b" missing", b" ambiguous")):
            objects.append(None)
            continue
        kind, _, size = line.partition(b" ")
        objects.append((kind.decode(), output[at : at + int(size)]))
        at += int(size) + 1
    return objects


def sizes(root: Path, names: Sequence[str]) -> list[int | None]:
    """The bytes of each object that ``names`` names, in their order; None where git has none of that name."""
    if not names:
        return []
    lines = output_of(root, "cat-file", "--batch-check=%(objectsize)", stdin=_lines_of(names)).splitlines()
    return [int(line) if line.isdigit() else None for line in lines]


def entries_below(root: Path, name: str, *, folders: bool = False) -> dict[str, Node]:
    """The files of the tree or commit ``name`` by their path from its top, and with ``folders`` those too."""
    words = ("ls-tree", "-r", "-z", "--full-tree", *(["-t"] if folders else []), "--end-of-options", name)
    lines = (line.partition("\t") for line in decode_output(output_of(root, *words)).split("\0") if line)
    return {path: Node(*facts.split(" ")[::2]) for facts, _, path in lines}


def _lines_of(names: Sequence[str]) -> bytes:
    return os.fsencode("".join(f"{name}\n" for name in names))
