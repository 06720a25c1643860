"""Inputs that name a file or a folder of the project: they must be there when the run starts.

A template declares such an input with ``"format": "path"``. Without this check the run would start, and a gate before work
would fail attempt after attempt.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Detail, Refused, nearest, pointer
from wfe_mcp.workspace.discovery.project_listing import list_project

FORMAT = "path"


def refuse_absent_files(root: Path, schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Refuse ``bad_argument`` for every path among the inputs that is not in the project, with the nearest one."""
    faults = [
        Detail(pointer("inputs", *at), _fault(root, path), _nearest(root, path), path)
        for at, path in _paths(schema, inputs, ())
        if not _is_there(root, path)
    ]
    if faults:
        near = faults[0].expected
        raise Refused(
            "bad_argument",
            f"{faults[0].path.rpartition('/')[2]} {faults[0].message}.",
            f"Did you mean {near}?" if near else "Name a file of the project, relative to its folder.",
            tuple(faults),
        )


def _paths(schema: object, value: object, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each text in ``value`` that its schema calls a path, with its place."""
    if not isinstance(schema, dict):
        return
    held = cast("dict[str, Any]", schema)
    if isinstance(value, str) and held.get("format") == FORMAT and value:
        yield at, value
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _paths(held.get("properties", {}).get(key), inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _paths(held.get("items"), inner, (*at, index))


def _is_there(root: Path, path: str) -> bool:
    return _exists(root, path) and (root / path).resolve().is_relative_to(root.resolve())


def _exists(root: Path, path: str) -> bool:
    """Whether there is something at ``path``, in the project or outside; False for what no file can be called."""
    try:
        return (root / path).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _fault(root: Path, path: str) -> str:
    """Why ``path`` is refused: it is there and so outside, it leads outside, or there is nothing."""
    is_outside = _exists(root, path) or not Path(os.path.normpath(root / path)).is_relative_to(root)
    return f"names {path:.200}, which is not {'in the project' if is_outside else 'there'}"


def _nearest(root: Path, path: str) -> str | None:
    """The file of the project most like ``path``: by its whole path, else by its name."""
    listed = list_project(root).folders
    files = [f"{folder}/{name}" if folder else name for folder, names in listed.items() for name in names]
    if near := nearest(path, files, 1):
        return near[0]
    names = {file.rpartition("/")[2]: file for file in files}
    by_name = nearest(path.replace("\\", "/").rpartition("/")[2], names, 1)
    return names[by_name[0]] if by_name else None
