"""The listing of what trust would allow: every effect, compared with the bytes trusted last.

Trust keeps the text it was given for, so that the next listing can say what is new, changed or gone. A template that was
never trusted is compared with the installed one of its name.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, pointer
from wfe_mcp.core.model import By
from wfe_mcp.core.texts import unseen, unseen_words
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.templates import catalogue
from wfe_mcp.engine.templates.effects import Effect, EffectChange, changed_effects, effects_of, is_no_looser
from wfe_mcp.engine.templates.pending import PendingTrust
from wfe_mcp.store import Tx
from wfe_mcp.store.settings import is_configuration
from wfe_mcp.workflow.load import parse
from wfe_mcp.workspace.config.layers import CONFIG_FILE
from wfe_mcp.workspace.config.settings import settings_alone

_FILES = {"configuration", "own configuration"}
_MOST_EARLIER = 16
_COUNTS = "It counts now, since you trusted it before. What you trusted last counts too, if it comes back, until you trust this."


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
        return tuple(change for change in self.changes if change.effect.weakens and change.mark != "same")


def trust_listing(engine: Engine, trust: PendingTrust) -> TrustListing:
    """Every effect of ``trust``, and what of it no one sees. Refuses ``stale_revision``: its bytes have changed since."""
    return _with_named_characters(_listing(engine, trust))


def _with_named_characters(listing: TrustListing) -> TrustListing:
    """``listing``, which names the characters of its effects that no one sees."""
    effects = [change.effect for change in listing.changes]
    characters = unseen_words(
        {f"{effect.kind} {effect.subject}": unseen(f"{effect.subject} {effect.detail}") for effect in effects}
    )
    return replace(listing, problems=(*listing.problems, f"{characters}.")) if characters else listing


def _listing(engine: Engine, trust: PendingTrust) -> TrustListing:
    text = trusted_text(engine, trust)
    old, at = _trusted_before(engine, trust)
    if trust.kind in _FILES:
        listing = _of_file(engine, trust, text.encode())
        return replace(listing, problems=(*listing.problems, _COUNTS)) if is_older(engine, trust) else listing
    if trust.kind != "template":
        return TrustListing(trust, ())

    offer = catalogue.template_definition(engine, trust.name)
    problems = tuple(
        f"{error.path}: {error.message}" for error in catalogue.lint_definition(engine, offer.definition).errors
    )
    compared = f"what you trusted on {at}" if at else ""
    base = None if old is None else json.loads(old)
    installed = catalogue.installed_definition(offer.name) if base is None else None
    if installed is not None:
        base, compared = installed, f"the installed {installed['version']}, which it replaces"
    return TrustListing(
        trust,
        changed_effects(template_effects(base), template_effects(json.loads(text)) or ()),
        compared,
        offer.version,
        problems,
    )


def configuration_with(engine: Engine, content: bytes) -> TrustListing:
    """The listing of the project's configuration if the file had this content."""
    path = str((engine.root / CONFIG_FILE).resolve())
    return _with_named_characters(
        _of_file(engine, PendingTrust("config", "configuration", path, sha256_hex(content), path), content)
    )


def _of_file(engine: Engine, trust: PendingTrust, content: bytes) -> TrustListing:
    old, at = _trusted_before(engine, trust)
    effects, problems = file_effects(content, trust.where)
    before = None if old is None else file_effects(old.encode(), trust.where)[0]
    return TrustListing(
        trust, changed_effects(before, effects), f"what you trusted on {at}" if at else "", "", problems
    )


def file_effects(content: bytes, where: str) -> tuple[tuple[Effect, ...], tuple[str, ...]]:
    """The effects of the bytes of a configuration file, and its faults."""
    settings, rest, problems = settings_alone(content, where)
    partly = tuple(
        Effect("sets", path, canonical_json(value), False, pointer(*path.split("."))) for path, value in rest.items()
    )
    return (*effects_of(settings), *partly), tuple(problem.message for problem in problems)


def template_effects(definition: dict[str, Any] | None) -> tuple[Effect, ...] | None:
    """The effects of a template; those of one that cannot be read are its text alone. None for none."""
    if definition is None:
        return None
    try:
        return effects_of(parse(definition))
    except Refused:
        return (Effect("sets", "template", canonical_json(definition), False, ""),)


def trusted_text(engine: Engine, trust: PendingTrust) -> str:
    """The text that trust in ``trust`` is for; empty for keys that sign. Refuses ``stale_revision``: it has changed."""
    if trust.kind in _FILES:
        content = Path(trust.where).read_bytes() if Path(trust.where).is_file() else b""
        if content and sha256_hex(content) != trust.sha256:
            raise Refused("stale_revision", f"{trust.where} changed during your review.", "Run the command again.")
        return content.decode(errors="replace")
    if trust.kind != "template":
        return ""
    offer = catalogue.template_definition(engine, trust.name)
    if offer.sha256 != trust.sha256:
        raise Refused("stale_revision", f"{trust.name} changed during your review.", "Run the command again.")
    return canonical_json(catalogue.whole_definition(engine, offer.definition).definition)


def keep_trusted(engine: Engine, tx: Tx, trust: PendingTrust, text: str, by: By) -> None:
    """Keep the text that was trusted, for the next listing, and of a configuration the texts trusted before."""
    value: dict[str, Any] = {"at": engine.clock().isoformat(timespec="minutes"), "text": text}
    if trust.kind in _FILES:
        value["earlier"] = _earlier(_kept_trust(engine, tx, trust), text)
    tx.secrets.set(_name(engine, trust), json.dumps(value), by, engine.clock())


def is_older(engine: Engine, trust: PendingTrust) -> bool:
    """Whether a configuration that is there was trusted before the bytes that were trusted last, and still counts."""
    key = (engine.project_id, trust.key, trust.sha256)
    with engine.store.read() as tx:
        record = _kept_trust(engine, tx, trust)
        is_here = tx.trust.is_given(*key) or (trust.kind != "configuration" and tx.trust.is_given_anywhere(*key[1:]))
    return is_here and bool(record) and sha256_hex(record["text"].encode()) != trust.sha256


def still_trusted(engine: Engine, trust: PendingTrust, text: str) -> list[str]:
    """The sha256 of the texts of a configuration trusted before that are no looser than ``text``, trusted now."""
    if trust.kind not in _FILES:
        return []
    with engine.store.read() as tx:
        earlier = _earlier(_kept_trust(engine, tx, trust), text)
    now = file_effects(text.encode(), trust.where)[0]
    return [
        sha256_hex(old.encode()) for old in earlier if is_no_looser(now, file_effects(old.encode(), trust.where)[0])
    ]


def _earlier(kept: dict[str, Any], text: str) -> list[str]:
    """The texts trusted before ``text``, the newest first."""
    texts = [kept["text"], *kept.get("earlier", ())] if kept else []
    return [old for old in texts if old != text][:_MOST_EARLIER]


def _trusted_before(engine: Engine, trust: PendingTrust) -> tuple[str | None, str]:
    """The text trusted last, and when."""
    with engine.store.read() as tx:
        before = _kept_trust(engine, tx, trust)
    return (before["text"], before["at"][:10]) if before else (None, "")


def _kept_trust(engine: Engine, tx: Tx, trust: PendingTrust) -> dict[str, Any]:
    """What trust in ``trust`` left; empty before the first."""
    kept = tx.secrets.get(_name(engine, trust))
    if kept is None and trust.kind == "own configuration":
        kept = tx.secrets.get(f"trusted:{engine.project_id}:{trust.key}")  # as an earlier version kept it
    if kept is None and trust.kind == "configuration":
        # A folder without trust of its own is compared with what was trusted last in another one.
        others = tx.secrets.with_prefix(f"trusted:{engine.project_id}:")
        nothing: dict[str, Any] = {}
        records = [json.loads(text) for name, text in others.items() if is_configuration(name)]
        return max(records, key=lambda each: str(each["at"]), default=nothing)
    return {} if kept is None else json.loads(kept)


def _name(engine: Engine, trust: PendingTrust) -> str:
    if trust.kind == "own configuration":
        return f"trusted:{trust.key}"  # it holds in all projects
    # All versions of a template share it, so that each is compared with the one trusted last.
    return f"trusted:{engine.project_id}:{catalogue.trust_key(trust.name.partition('@')[0]) if trust.kind == 'template' else trust.key}"
