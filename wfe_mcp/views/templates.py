"""What does a reader see of the templates?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.engine.templates import Offer

__all__ = ["inputs_schema", "template_line", "template_view"]


def template_line(offer: Offer) -> dict[str, Any]:
    """One line: name, title, what to give it."""
    line: dict[str, Any] = {"name": offer.name, "title": offer.title, "version": offer.version}
    extra = {"description": offer.description, "source": offer.source if offer.source != "shipped" else ""}
    return line | {key: value for key, value in extra.items() if value} | {"inputs": inputs_schema(offer)}


def template_view(offer: Offer) -> dict[str, Any]:
    """The whole definition with its inputs first."""
    return {"template": offer.definition, "source": offer.source}


def inputs_schema(offer: Offer) -> dict[str, Any]:
    """The JSON Schema of the inputs."""
    return offer.definition.get("inputs", {"type": "object"})
