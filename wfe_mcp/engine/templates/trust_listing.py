"""The listing of what trust would allow: every effect, compared with the bytes trusted last.

Trust keeps the text it was given for, so that the next listing can say what is new, changed or gone. A template that was
never trusted is compared with the installed one of its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused, pointer
from wfe_mcp.engine.templates.catalogue import installed_definition, template_definition, whole_definition
from wfe_mcp.engine.templates.effects import Effect, EffectChange, changed_effects, effects_of
from wfe_mcp.engine.templates.pending import PendingTrust
from wfe_mcp.workspace.config.config_file import CONFIG_FILE

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx

_FILES = {"configuration", "own configuration"}


@dataclass(frozen=True, slots=True)
class TrustListing:
    """The effects of something that needs trust. ``compared``: what with; empty where nothing was trusted before.

    ``version``: a template's. ``problems``: what does not count, or keeps it from starting.
    """

    pending: PendingTrust
    changes: tuple[EffectChange, ...]
    compared: str = ""
    version: str = ""
    problems: tuple[str, ...] = ()

    @property
    def weakening(self) -> tuple[EffectChange, ...]:
        """What removes or weakens a gate and is not trusted yet."""
        return tuple(one for one in self.changes if one.effect.weakens and one.mark != "same")


def trust_listing(engine: Engine, one: PendingTrust) -> TrustListing:
    """Every effect of ``one``. Refuses ``stale_revision`` when its bytes have changed since it was found."""
    text = trusted_text(engine, one)
    old, at = _trusted_before(engine, one)
    if one.kind in _FILES:
        effects, problems = file_effects(text.encode(), one.where)
        before = None if old is None else file_effects(old.encode(), one.where)[0]
        return TrustListing(
            one, changed_effects(before, effects), f"what you trusted on {at}" if at else "", "", problems
        )
    if one.kind != "template":
        return TrustListing(one, ())
    from wfe_mcp.engine.templates.catalogue import linted

    offer = template_definition(engine, one.name)
    problems = tuple(f"{each.path}: {each.message}" for each in linted(engine, offer.definition).errors)
    compared = f"what you trusted on {at}" if at else ""
    base = None if old is None else json.loads(old)
    installed = installed_definition(offer.name) if base is None else None
    if installed is not None:
        base, compared = installed, f"the installed {installed['version']}, which it replaces"
    return TrustListing(
        one,
        changed_effects(template_effects(base), template_effects(json.loads(text)) or ()),
        compared,
        offer.version,
        problems,
    )


def configuration_with(engine: Engine, content: bytes) -> TrustListing:
    """The listing of the project's configuration if the file had this content."""
    path = str((engine.root / CONFIG_FILE).resolve())
    return _of_file(engine, PendingTrust("config", "configuration", path, sha256_hex(content), path), content)


def _of_file(engine: Engine, one: PendingTrust, content: bytes) -> TrustListing:
    old, at = _trusted_before(engine, one)
    effects, problems = file_effects(content, one.where)
    before = None if old is None else file_effects(old.encode(), one.where)[0]
    return TrustListing(one, changed_effects(before, effects), f"what you trusted on {at}" if at else "", "", problems)


def file_effects(content: bytes, where: str) -> tuple[tuple[Effect, ...], tuple[str, ...]]:
    """The effects of the bytes of a configuration file, and its faults."""
    from wfe_mcp.workspace.config.settings import settings_alone

    settings, rest, problems = settings_alone(content, where)
    partly = tuple(
        Effect("sets", path, canonical_json(value), False, pointer(*path.split("."))) for path, value in rest.items()
    )
    return (*effects_of(settings), *partly), tuple(each.message for each in problems)


def template_effects(definition: dict[str, Any] | None) -> tuple[Effect, ...] | None:
    """The effects of a template; those of one that cannot be read are its text alone. None for none."""
    from wfe_mcp.workflow.load import parse

    if definition is None:
        return None
    try:
        return effects_of(parse(definition))
    except Refused:
        return (Effect("sets", "template", canonical_json(definition), False, ""),)


def trusted_text(engine: Engine, one: PendingTrust) -> str:
    """The text that trust in ``one`` is for; empty for keys that sign. Refuses ``stale_revision``: it has changed."""
    if one.kind in _FILES:
        content = Path(one.where).read_bytes() if Path(one.where).is_file() else b""
        if content and sha256_hex(content) != one.sha256:
            raise Refused("stale_revision", f"{one.where} changed during your review.", "Run the command again.")
        return content.decode(errors="replace")
    if one.kind != "template":
        return ""
    offer = template_definition(engine, one.name)
    if offer.sha256 != one.sha256:
        raise Refused("stale_revision", f"{one.name} changed during your review.", "Run the command again.")
    return canonical_json(whole_definition(engine, offer.definition).definition)


def keep_trusted(engine: Engine, tx: Tx, one: PendingTrust, text: str, by: By) -> None:
    """Keep the text that was trusted, for the next listing."""
    value = json.dumps({"at": engine.clock().isoformat(timespec="minutes"), "text": text})
    tx.set_secret(_name(engine, one), value, by, engine.clock())


def _trusted_before(engine: Engine, one: PendingTrust) -> tuple[str | None, str]:
    """The text trusted last, and when."""
    with engine.store.read() as tx:
        kept = tx.get_secret(_name(engine, one))
    if kept is None:
        return None, ""
    found = json.loads(kept)
    return found["text"], found["at"][:10]


def _name(engine: Engine, one: PendingTrust) -> str:
    return f"trusted:{engine.project_id}:{one.key}"
