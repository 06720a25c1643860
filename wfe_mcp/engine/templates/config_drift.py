"""Changes since the user's last review that take effect without trust.

User configuration needs no trust, and a trusted template may be re-enabled. But any program with the user's
shell can do both. So ``wfe-mcp trust`` and ``init`` record the review and its bytes; the next approval and
``wfe-mcp verify`` report the changes.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import OWN_KEY, Engine, own_key
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import SettingEvent
from wfe_mcp.workspace.config.settings import NO_FILE
from wfe_mcp.workspace.system.location import user_config_file

_SEEN = "TemplatesSeen"


@dataclass(frozen=True, slots=True)
class OwnConfiguration:
    """``looked_at``: when a person last saw it in this project, None: never. ``changed``: it is another one since, or in another
    place: variables of a process say where it is.
    """

    file: Path
    looked_at: datetime | None
    changed: bool


def own_configuration(engine: Engine) -> OwnConfiguration:
    """The review status of the user's configuration file in this project."""
    file, now = _now()
    with engine.store.read() as tx:
        own = [trust for trust in tx.trust.of_project(engine.project_id) if trust.path_key.startswith(OWN_KEY)]
    seen = [trust for trust in own if trust.path_key == own_key(file)]
    last = max(seen, key=lambda one: one.at, default=None)
    known = {trust.sha256 for trust in seen} or {NO_FILE}
    return OwnConfiguration(file, last.at if last else None, bool(own) and now not in known)


def note_own_configuration(engine: Engine, tx: Tx, by: By, still: Collection[str] = ()) -> None:
    """Record a review: these bytes and the enabled templates are now known. ``still``: earlier bytes that stay trusted."""
    file, now = _now()
    tx.trust.give(engine.project_id, own_key(file), now, by, engine.clock(), still=still, everywhere=True)
    tx.settings_log.note(_SEEN, _template(engine, ""), by, engine.clock())


def note_template(engine: Engine, tx: Tx, by: By, change: str, name: str) -> None:
    """The template ``name`` was put in or out of use, or first: ``TemplateEnabled`` and its like."""
    tx.settings_log.note(change, _template(engine, name), by, engine.clock())


def template_changes(engine: Engine, changes: Iterable[SettingEvent]) -> list[tuple[str, SettingEvent]]:
    """Those of ``changes`` that put a template of this project in or out of use, each with its name."""
    ours = _template(engine, "")
    return [
        (change.name.removeprefix(ours), change)
        for change in changes
        if change.name.startswith(ours) and change.type != _SEEN
    ]


def templates_enabled(engine: Engine) -> list[str]:
    """Templates re-enabled without proof of the user since the last review."""
    with engine.store.read() as tx:
        changes = tx.settings_log.events()
    seen = max(
        (change.seq for change in changes if (change.type, change.name) == (_SEEN, _template(engine, ""))), default=0
    )
    last = {name: event for name, event in template_changes(engine, changes) if event.seq > seen}
    return sorted(name for name, event in last.items() if event.type == "TemplateEnabled" and not event.assurance)


def _template(engine: Engine, name: str) -> str:
    return f"template:{engine.project_id}:{name}"


def _now() -> tuple[Path, str]:
    file = user_config_file()
    try:
        return file, sha256_hex(file.read_bytes())
    except OSError:
        return file, NO_FILE
