"""Records of the tables. Written by scripts/generate_layout.py from tables.py and store_records.py: change those, not this."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.item_states import ItemKind, ItemStatus
from wfe_mcp.core.model import Assurance, Channel


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of a work item. ``content``: its fields, as canonical JSON; ``last_seq``: its newest event."""

    project_id: str
    number: int
    kind: ItemKind
    status: ItemStatus
    priority: int
    parent: str
    fingerprint: str
    last_seq: int
    added_at: datetime
    changed_at: datetime
    content: str


@dataclass(frozen=True, slots=True)
class ItemEventRecord:
    """One change of a work item: ``payload`` has the new values, as canonical JSON. A signature has the number of its item."""

    project_id: str
    seq: int
    number: int
    type: str
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance
    prev_hash: str
    hash: str
    payload: str


@dataclass(frozen=True, slots=True)
class SettingEvent:
    """One change of a secret or of trust; the value is stored only as sha256 (None: removed)."""

    seq: int
    type: str
    name: str
    value_sha256: str | None
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class TrustRecord:
    """A person trusts exactly these bytes. ``path_key``: whose bytes (a real path, a template name)."""

    project_id: str
    path_key: str
    sha256: str
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project; ``root``: the folder in which it was first seen."""

    id: str
    key: str
    root: str
    created_at: datetime
    name: str | None = None
    first_commit: str | None = None
    forgotten_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A wfe-mcp process: a server with its client, or a page (``ui``) with its port. Start times identify a reused pid."""

    host: str
    pid: int
    started_at: float
    kind: str
    client_pid: int | None = None
    client_started_at: float | None = None
    project_id: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class NewTemplateColumns:
    """The columns of ``NewTemplate``."""

    project_id: str
    source: str
    name: str
    version: str
    sha256: str
    title: str = ""
    description: str = ""
    requires: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """A stored template version; its definition is the document ``sha256``."""

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
