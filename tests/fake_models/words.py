"""Reads requests to the fake models, and splits answers into streamed pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 8


def part(body: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The object at ``keys`` of a request, nested in this order; empty where there is none."""
    for key in keys:
        found = body.get(key)
        body = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return dict(body)


def pieces(text: str) -> list[str]:
    """``text`` split into a few pieces, at least one."""
    step = max(1, -(-len(text) // _MOST))
    ends = [*range(0, len(text), step), len(text)]
    return [text[start:end] for start, end in pairwise(ends)] or [""]
