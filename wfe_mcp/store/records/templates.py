"""Stored template versions as plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wfe_mcp.core.dataclass import dataclass


class TemplateMark(StrEnum):
    """A user's mark on a template: the default, disabled, archived; on a version: the one that its name starts."""

    DEFAULT = "default"
    CURRENT = "current"
    DISABLED = "disabled"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template version to store. ``source``: imported, saved, cloned, edited; ``requires``: the requirements that lint listed.

    ``parent``: the definition it was made from, if any.
    """

    # generated: Template, given
    project_id: str
    source: str
    name: str
    version: str
    sha256: str
    title: str = ""
    description: str = ""
    requires: Mapping[str, Any] = field(default_factory=dict[str, Any])

    _: KW_ONLY
    definition: Mapping[str, Any]
    parent: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """A stored template version; its definition is the document ``sha256``."""

    # generated: Template
    id: int
    project_id: str
    source: str
    name: str
    version: str
    sha256: str
    parent_sha256: str | None
    created_at: datetime
    title: str = ""
    description: str = ""
    requires: dict[str, Any] = field(default_factory=dict[str, Any])
