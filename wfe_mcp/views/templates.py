"""Views of templates and their versions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.views.model import JsonObject, plain, second, view_model, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.versions import KeptVersion
    from wfe_mcp.store.records.templates import TemplateRecord
    from wfe_mcp.workflow.lint import Requires

_MANY_BYTES = 7_500
"""What the lines of all templates may take; an answer has 10 kB."""


@view_model
class TemplateLine:
    """A template: what it is for, and what to give it. ``source``: empty where it comes with the server."""

    name: str
    title: str
    version: str
    default: bool = False
    state: str = ""
    description: str = ""
    source: str = ""
    inputs: JsonObject


@view_model
class TemplateList:
    """Templates, the default first."""

    templates: tuple[TemplateLine, ...]


@view_model
class VersionRow:
    """One kept version: where it came from and when."""

    version: str
    sha256: str
    source: str
    kept_at: str
    parent: str = ""


@view_model
class TemplateView:
    """The whole definition of a template."""

    template: JsonObject
    source: str
    state: str = ""
    versions: tuple[VersionRow, ...] = ()


@view_model
class RequiresView:
    """What a template needs of configuration."""

    checks: tuple[str, ...]
    roles: tuple[str, ...]
    servers: tuple[str, ...]
    context: tuple[str, ...]
    plugins: tuple[str, ...]
    templates: tuple[str, ...]


@view_model
class NotYet:
    """A part of a template that keeps it from starting yet."""

    path: str
    message: str


@view_model
class KeptView:
    """A version that was kept: what it needs of configuration, what keeps it from starting yet."""

    template: str
    version: str
    sha256: str
    requires: RequiresView
    not_yet: tuple[NotYet, ...] = ()
    warnings: tuple[str, ...] = ()
    shadowed_by: str = ""


def template_lines(offers: Sequence[Offer]) -> tuple[TemplateLine, ...]:
    """A line each. Where all are too many for one answer, only the first says everything about its inputs."""
    lines = tuple(_line(offer) for offer in offers)
    if len(json.dumps(plain(lines))) <= _MANY_BYTES:
        return lines
    return *lines[:1], *(replace(line, inputs=_named(line.inputs)) for line in lines[1:])


def _line(offer: Offer) -> TemplateLine:
    source = "" if offer.source == "shipped" else _source(offer)
    return view_of(TemplateLine, offer, source=source, inputs=inputs_schema(offer))


def _named(inputs: JsonObject) -> JsonObject:
    """Which inputs there are, without what they must look like."""
    kinds = {name: {"type": one["type"]} if "type" in one else {} for name, one in inputs.get("properties", {}).items()}
    return {"type": "object", "required": inputs.get("required", []), "properties": kinds}


def template_view(offer: Offer) -> TemplateView:
    """The whole definition with its inputs first."""
    return TemplateView(template=offer.definition, source=_source(offer), state=offer.state or "")


def _source(offer: Offer) -> str:
    """Where it comes from; for what a package brings, which and in which version."""
    return f"{offer.source} {offer.package}".strip()


def kept_view(kept: KeptVersion) -> KeptView:
    """A version that was kept."""
    return KeptView(
        template=kept.name,
        version=kept.version,
        sha256=kept.sha256,
        requires=requires_view(kept.requires),
        not_yet=tuple(view_of(NotYet, detail) for detail in kept.not_yet),
        warnings=tuple(f"{detail.path}: {detail.message}" for detail in kept.warnings),
        shadowed_by=kept.shadowed or "",
    )


def requires_view(requires: Requires) -> RequiresView:
    """What a template needs of configuration."""
    return view_of(RequiresView, requires)


def version_row(record: TemplateRecord) -> VersionRow:
    """One kept version."""
    return VersionRow(
        version=record.version,
        sha256=record.sha256[:16],
        source=record.source,
        kept_at=second(record.created_at),
        parent=(record.parent_sha256 or "")[:16],
    )


def inputs_schema(offer: Offer) -> JsonObject:
    """The JSON Schema of the inputs."""
    return offer.definition.get("inputs", {"type": "object"})
