"""The approval policy of a project: what its file says, what holds, and a change of it before it is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.engine.runs.policy import policy_in_force, policy_written
from wfe_mcp.engine.templates import catalogue
from wfe_mcp.views.model import plain, view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.policy import PlannedPolicy


@view_model
class PolicyRules:
    """``templates``: those that an agent may start, null is every one. ``evidence``: the least level of checks, null is any."""

    templates: tuple[str, ...] | None
    evidence: str | None
    on_mismatch: str


@view_model
class PolicyView:
    """``written``: what the project's file says; ``in_force``: after every layer, never looser. ``untrusted``: the file waits."""

    in_force: PolicyRules
    written: PolicyRules
    where: str
    templates: tuple[str, ...]
    untrusted: bool = False


@view_model
class PolicyChangeView:
    """One key that changes. ``weakens``: agents may do more, or less proof is asked for."""

    key: str
    was: str
    now: str
    weakens: bool


@view_model
class PlannedPolicyView:
    """A change as it is shown before it is signed. ``shown``: the sha256 of it with the bytes of the file."""

    project: str
    changes: tuple[PolicyChangeView, ...]
    weakens: bool
    command: str
    shown: str = ""


def policy_view(engine: Engine) -> PolicyView:
    """The policy of the project of ``engine``."""
    settings = engine.settings()
    return PolicyView(
        in_force=view_of(PolicyRules, policy_in_force(engine)),
        written=view_of(PolicyRules, policy_written(engine)),
        where=str(engine.root / ".wfe" / "config.toml"),
        templates=tuple(offer.name for offer in catalogue.offers(engine)),
        untrusted=bool(settings.untrusted),
    )


def planned_view(engine: Engine, plan: PlannedPolicy) -> PlannedPolicyView:
    """What a person sees before they sign ``plan``."""
    changes = tuple(view_of(PolicyChangeView, each) for each in plan.changes)
    view = PlannedPolicyView(
        project=engine.project_id, changes=changes, weakens=any(each.weakens for each in changes), command=command(plan)
    )
    shown = {**plain(view), "file": sha256_hex(plan.text.encode())}
    return replace(view, shown=sha256_hex(canonical_json(shown).encode()))


def command(plan: PlannedPolicy) -> str:
    """The same change at a terminal."""
    options = {
        "policy.templates": "--templates",
        "policy.evidence": "--evidence",
        "artifacts.on_mismatch": "--on-mismatch",
    }
    return " ".join(
        ["wfe-mcp config policy", *(f"{options[each.key]} {each.now.replace(' ', '')}" for each in plan.changes)]
    )
