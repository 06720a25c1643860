"""Compares a document before and after an edit: its value at a path, and whether anything else differs."""

from collections.abc import Mapping, Sequence
from typing import Any, cast


def value_at(document: object, path: Sequence[str]) -> Any:
    """The value at ``path``; None where there is none."""
    for key in path:
        document = cast("Mapping[str, object]", document).get(key) if isinstance(document, dict) else None
    return document


def is_edit_at(path: Sequence[str], before: object, after: object, value: object) -> bool:
    """True when ``after`` is ``before`` with ``value`` at ``path`` (None: without it), and nothing else differs.

    An empty table on the way there counts as none: TOML and YAML drop a table that lost its only entry.
    """
    return value_at(after, path) == value and _without(path, before) == _without(path, after)


def _without(path: Sequence[str], document: object) -> object:
    if not isinstance(document, dict):
        return {} if document is None else document
    left = dict(cast("dict[str, object]", document))
    inner = left.pop(path[0], None)
    if len(path) > 1 and (kept := _without(path[1:], inner)) != {}:
        left[path[0]] = kept
    return left
