"""How is a report in XML or JSON read, when the program that wrote it may be hostile?

Rules:
1. Nothing is expanded or fetched: an internal DTD subset or an entity declaration ends the reading. A bare
   ``<!DOCTYPE …>`` is allowed, since JaCoCo and Cobertura write one; its address is never opened.
2. Depth is capped before anything is built; ``reports.py`` caps the size before anything is read.
"""

import json
from typing import cast
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

__all__ = ["Element", "UnreadableReport", "parse_xml", "read_json"]

MAX_DEPTH = 64


class UnreadableReport(Exception):
    """A report that cannot count as evidence; the text says why."""


def parse_xml(content: bytes) -> Element:
    """The root element. Refuses (UnreadableReport): malformed text, entities, an internal DTD, deep nesting."""
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
    except expat.ExpatError as exc:
        raise UnreadableReport(f"it is no well-formed XML: {exc}") from exc
    return builder.close()


def read_json(content: str | bytes) -> object:
    """The value of a JSON report. Refuses (UnreadableReport): malformed text, deep nesting."""
    # Not artifacts.parse: a report may be large, and what it repeats or leaves odd does no harm, it is never stored.
    try:
        return cast("object", json.loads(content))
    except (ValueError, RecursionError) as exc:
        raise UnreadableReport(f"it is no JSON: {exc}") from exc
