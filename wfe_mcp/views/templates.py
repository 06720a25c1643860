"""Views of templates and their versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.versions import KeptVersion
    from wfe_mcp.store.records.templates import TemplateRecord
    from wfe_mcp.workflow.lint import Requires

__all__ = ["inputs_schema", "kept_view", "requires_view", "template_lines", "template_view", "version_row"]

_MANY_BYTES = 7_500
"""What the lines of all templates may take; an answer has 10 kB."""


def template_lines(offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """A line each. Where all are too many for one answer, only the first says everything about its inputs."""
    lines = [_line(offer) for offer in offers]
    if len(json.dumps(lines)) <= _MANY_BYTES:
        return lines
    return [*lines[:1], *(line | {"inputs": _named(line["inputs"])} for line in lines[1:])]


def _line(offer: Offer) -> dict[str, Any]:
    """One line: name, title, what to give it."""
    line: dict[str, Any] = {"name": offer.name, "title": offer.title, "version": offer.version}
    extra = {
        "default": offer.default, "state": offer.state, "description": offer.description,
        "source": "" if offer.source == "shipped" else _source(offer),
    }  # fmt: skip
    return line | {key: value for key, value in extra.items() if value} | {"inputs": inputs_schema(offer)}


def _named(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Which inputs there are, without what they must look like."""
    kinds = {name: {"type": one["type"]} if "type" in one else {} for name, one in inputs.get("properties", {}).items()}
    return {"type": "object", "required": inputs.get("required", []), "properties": kinds}


def template_view(offer: Offer) -> dict[str, Any]:
    """The whole definition with its inputs first."""
    found = {"template": offer.definition, "source": _source(offer)}
    return found | ({"state": offer.state} if offer.state else {})


def _source(offer: Offer) -> str:
    """Where it comes from; for what a package brings, which and in which version."""
    return f"{offer.source} {offer.package}".strip()


def kept_view(kept: KeptVersion) -> dict[str, Any]:
    """A version that was kept: its name, what it needs of configuration, what keeps it from starting yet."""
    found: dict[str, Any] = {
        "template": kept.name,
        "version": kept.version,
        "sha256": kept.sha256,
        "requires": requires_view(kept.requires),
    }
    optional = {
        "not_yet": [{"path": detail.path, "message": detail.message} for detail in kept.not_yet],
        "warnings": [f"{detail.path}: {detail.message}" for detail in kept.warnings],
        "shadowed_by": kept.shadowed,
    }
    return found | {key: value for key, value in optional.items() if value}


def requires_view(requires: Requires) -> dict[str, list[str]]:
    """What a template needs of configuration."""
    return {
        "checks": list(requires.checks), "roles": list(requires.roles), "servers": list(requires.servers),
        "context": list(requires.context), "plugins": list(requires.plugins), "templates": list(requires.templates),
    }  # fmt: skip


def version_row(record: TemplateRecord) -> dict[str, Any]:
    """One kept version: where it came from and when."""
    row = {"version": record.version, "sha256": record.sha256[:16], "source": record.source,
           "kept_at": record.created_at.isoformat(timespec="seconds")}  # fmt: skip
    return row | ({"parent": record.parent_sha256[:16]} if record.parent_sha256 else {})


def inputs_schema(offer: Offer) -> dict[str, Any]:
    """The JSON Schema of the inputs."""
    return offer.definition.get("inputs", {"type": "object"})
