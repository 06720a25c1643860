"""What a user reviews before they trust: everything that needs it, its effects as a difference, and the pinned passkeys.

pending       configuration, own configuration, keys that may sign, templates; what weakens a gate comes first
review        the user's own configuration, where it changed since their last review and counts without trust
sha256        of all that is shown: trust is signed for it, and refused once it is another one
"""

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.approvals.approvers import approvers_here, continues
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled
from wfe_mcp.engine.templates.effects import Mark
from wfe_mcp.engine.templates.pending import OWN, PendingTrust
from wfe_mcp.engine.templates.trust import in_force, own_pending, pending_trust
from wfe_mcp.engine.templates.trust_listing import TrustListing, trust_listing
from wfe_mcp.views.approvals.approvers import pinned_view
from wfe_mcp.views.values.model import INLINE, JsonObject, plain, view_model, view_of

NOT_CONTINUED = "It does not continue from keys that you trust here; it depends on its first key alone."

UNWEAKENED = "No gate is weakened."


@view_model
class EffectLine:
    """One effect. ``was``: its detail in what was trusted last, where it is changed."""

    mark: Mark
    kind: str
    subject: str
    detail: str
    weakens: bool
    source: str
    was: str | None = None


@view_model
class TrustLine:
    """Something that needs trust, with its effects. ``compared``: with what."""

    name: str
    kind: str
    sha256: str
    where: str
    compared: str
    weakens_gates: bool
    effects: tuple[EffectLine, ...]
    problems: tuple[str, ...] = ()


@view_model
class TrustData:
    """All that is shown. ``continues``: of ``keys``, whether keys trusted before pinned them."""

    pending: tuple[TrustLine, ...]
    review: TrustLine | None = None
    enabled_again: tuple[str, ...] = ()
    keys: tuple[JsonObject, ...] = ()
    continues: bool | None = None


@view_model
class TrustPage:
    """All that is shown, and the sha256 that trust in it is signed for."""

    data: TrustData = field(metadata=INLINE)
    shown_sha256: str


@dataclass(frozen=True)
class TrustView:
    """``pending``: all that needs trust; ``listings``: what of it is shown, with its effects.

    ``review``: the changed own configuration; ``enabled_again``: templates re-enabled since the last review.
    ``keys``: those of ``.wfe/approvers.json`` where it is pending; ``continues``: keys trusted before pinned them.
    """

    project: str
    folder: str
    pending: tuple[PendingTrust, ...]
    listings: tuple[TrustListing, ...]
    review: TrustListing | None
    own_changed: bool
    enabled_again: tuple[str, ...]
    keys: tuple[dict[str, Any], ...] = ()
    continues: bool = True

    @property
    def is_empty(self) -> bool:
        """Nothing needs trust or a review."""
        return not (self.pending or self.own_changed or self.enabled_again)

    @property
    def shown(self) -> list[PendingTrust]:
        """What of ``pending`` is shown."""
        return [listing.pending for listing in self.listings]

    @cached_property
    def sha256(self) -> str:
        """Of everything that is shown."""
        return sha256_hex(canonical_json(plain(view_data(self))).encode())


def trust_view(engine: Engine, names: Sequence[str] = ()) -> TrustView:
    """What needs trust now. ``names``: show only these; kept versions (``NAME@VERSION``) are pending only when named.

    Refuses ``stale_revision``: a file changed while it was read.
    """
    pending = pending_trust(engine, names, again=True)
    shown = [trust for trust in pending if not names or trust.name in names]
    own = own_configuration(engine)
    is_listed = any(trust.kind == "own configuration" for trust in shown)
    reviews = not names or OWN in names
    review = None
    if reviews and not is_listed and (own.changed or names):
        review = trust_listing(engine, own_pending(engine))
    keys, goes_on = (), True
    if any(trust.kind == "approvers" for trust in shown):
        keys, goes_on = pinned_view(engine).keys, continues(engine, approvers_here(engine.root))
    return TrustView(
        engine.project_id,
        str(engine.root),
        tuple(pending),
        tuple(trust_listing(engine, trust) for trust in shown),
        review,
        own.changed,
        tuple(templates_enabled(engine)) if reviews else (),
        keys,
        goes_on,
    )


def trusted_listings(engine: Engine) -> list[TrustListing]:
    """The effects of what is trusted as it is, and of the user's own configuration where it counts."""
    return [trust_listing(engine, trust) for trust in in_force(engine)]


def trust_path(engine: Engine) -> str:
    """Where on the page the trust of the engine's folder is."""
    return f"trust/{engine.project_id}?in={quote(str(engine.root), safe='')}"


def view_data(view: TrustView) -> TrustData:
    """All that is shown."""
    return TrustData(
        pending=tuple(map(trust_line, view.listings)),
        review=None if view.review is None else trust_line(view.review),
        enabled_again=view.enabled_again,
        keys=view.keys,
        continues=view.continues if view.keys else None,
    )


def trust_line(listing: TrustListing) -> TrustLine:
    """One listing."""
    return view_of(
        TrustLine,
        listing.pending,
        compared=listing.compared,
        weakens_gates=bool(listing.weakening),
        effects=tuple(
            view_of(EffectLine, change.effect, mark=change.mark, was=change.was if change.mark == "changed" else None)
            for change in listing.changes
        ),
        problems=listing.problems,
    )
