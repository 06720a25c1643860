"""YAML: an entry becomes the first of its mapping, in block style or, inside braces, in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.clients.formats.splice import Edit, Unreadable, Unsplicable, indentation, line_end, line_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    import yaml

_STEP = "  "


def read(text: str) -> Any:
    """The document; an empty one is an empty mapping. Raises ``Unreadable``."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, AttributeError) as fault:
        mark = getattr(fault, "problem_mark", None)
        why = getattr(fault, "problem", None) or type(fault).__name__
        raise Unreadable(str(why), 0 if mark is None else mark.line + 1) from None
    return {} if document is None else document


def insertion(text: str, path: Sequence[str], value: Any, newline: str) -> list[Edit]:
    """The edit that puts ``value`` at ``path``, two keys. Raises ``Unsplicable`` for a form that it cannot extend."""
    group, name = path
    root = _root(text)
    pair = next(((key, node) for key, node in root.value if key.value == group), None) if root is not None else None
    if pair is None:
        if root is not None and root.flow_style:
            return [_in_braces(root.start_mark.index, group, {name: value}, bool(root.value))]
        before = newline if text and not text.endswith("\n") else ""
        return [Edit(len(text), len(text), before + _block(group, {name: value}, "", newline) + newline)]
    key, node = pair
    if not hasattr(node, "flow_style"):  # a scalar
        if node.value or (root is not None and root.flow_style):
            raise Unsplicable(f"{group} is no mapping")
        column = indentation(text, key.start_mark.index) + _STEP
    elif node.flow_style:
        return [_in_braces(node.start_mark.index, name, value, bool(node.value))]
    else:
        column = " " * node.start_mark.column
    at = line_end(text, key.end_mark.index)
    return [Edit(at, at, newline + _block(name, value, column, newline))]


def removal(text: str, path: Sequence[str], element: Any = None) -> list[Edit]:
    """The edits that remove the key at ``path``. Raises ``Unsplicable`` without it."""
    del element
    node: Any = _root(text)
    for key in path[:-1]:
        node = next((inner for name, inner in node.value if name.value == key), None) if node is not None else None
    parts: list[Any] = node.value if node is not None and hasattr(node, "flow_style") else []
    number = next((number for number, (name, _) in enumerate(parts) if name.value == path[-1]), None)
    if number is None:
        raise Unsplicable(f"{'.'.join(path)} is not there")
    name, inner = parts[number]
    braces: bool = cast("Any", node).flow_style
    start, end = name.start_mark.index, inner.end_mark.index
    if braces:
        if number + 1 < len(parts):
            return [Edit(start, parts[number + 1][0].start_mark.index)]
        return [Edit(parts[number - 1][1].end_mark.index if number else start, end)]
    first = line_start(text, start)
    kept = text[first:end].splitlines(keepends=True)
    while not kept[-1].strip() or (
        kept[-1].lstrip().startswith("#") and len(indentation(kept[-1], 0)) <= name.start_mark.column
    ):
        kept.pop()
    last = first + len("".join(kept))
    if text[last - 1] != "\n":
        following = text.find("\n", last)
        last = len(text) if following < 0 else following + 1
    return [Edit(first, last)]


def _root(text: str) -> yaml.MappingNode | None:
    import yaml

    root = cast("object", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] - untyped stream
    if root is None or isinstance(root, yaml.MappingNode):
        return root
    raise Unsplicable("the document is no mapping")


def _in_braces(start: int, name: str, value: Any, more: bool) -> Edit:
    return Edit(start + 1, start + 1, f"{json.dumps(name)}: {json.dumps(value)}" + (", " if more else ""))


def _block(name: str, value: Any, column: str, newline: str) -> str:
    """``name: value`` in lines, without a line break at the end."""
    import yaml

    name = name if yaml.safe_load(name) == name else json.dumps(name)
    if not isinstance(value, dict) or not value:
        return f"{column}{name}: {json.dumps(value)}"
    rows = [_block(key, inner, column + _STEP, newline) for key, inner in cast("dict[str, Any]", value).items()]
    return newline.join([f"{column}{name}:", *rows])
