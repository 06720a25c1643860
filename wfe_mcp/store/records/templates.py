"""Stored template versions as plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from enum import StrEnum
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.store.layout.project_records import NewTemplateColumns, TemplateRecord

__all__ = ["NewTemplate", "TemplateMark", "TemplateRecord"]


class TemplateMark(StrEnum):
    """A user's mark on a template: the default, disabled, archived; on a version: the one that its name starts."""

    DEFAULT = "default"
    CURRENT = "current"
    DISABLED = "disabled"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class NewTemplate(NewTemplateColumns):
    """A template version to store. ``source``: imported, saved, cloned, edited; ``requires``: the requirements that lint listed.

    ``parent``: the definition it was made from, if any.
    """

    _: KW_ONLY
    definition: Mapping[str, Any]
    parent: Mapping[str, Any] | None = None
