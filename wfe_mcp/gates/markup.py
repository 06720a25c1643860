"""Parsers of untrusted XML and JSON reports.

Rules:
1. No entity is expanded and no address is opened: an internal DTD subset is refused. A bare ``<!DOCTYPE …>`` is
   allowed, since JaCoCo and Cobertura write one.
2. The depth is limited while parsing; ``reports.py`` limits the size before reading.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 64


class UnreadableReport(Exception):
    """The report cannot be used as evidence; the text says why."""


def parse_xml(content: bytes) -> Element:
    """The root element. Refuses (UnreadableReport): malformed text, entities, an internal DTD, deep nesting."""
    from xml.etree.ElementTree import TreeBuilder  # 2 MB: many a project has no such report
    from xml.parsers import expat

    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise UnreadableReport(f"its elements are nested more than {MAX_DEPTH} deep")
        builder.start(tag.rpartition(":")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition(":")[2])

    def doctype(_name: str, _system: str | None, _public: str | None, has_internal_subset: object) -> None:
        if has_internal_subset:
            raise UnreadableReport("it declares its own document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as exc:  # the last two: of its encoding
        raise UnreadableReport(f"it is not well-formed XML: {exc}") from exc
    return builder.close()


def read_json(content: str | bytes) -> object:
    """The value of a JSON report. Refuses (UnreadableReport): malformed text, deep nesting."""
    # Not artifacts.parse: a report may be large, and duplicate keys do no harm, since it is never stored.
    try:
        return cast("object", json.loads(content))
    except (ValueError, RecursionError) as exc:
        raise UnreadableReport(f"it is not JSON: {exc}") from exc
