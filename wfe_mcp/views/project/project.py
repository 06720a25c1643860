"""The project as a document: what is configured of it, its settings, and its approval policy. Never the value of a key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.engine.runs.facts import Fact, facts_of, findings_of
from wfe_mcp.engine.runs.policy import PlannedPolicy, PolicyChange, policy_in_force, policy_written
from wfe_mcp.engine.templates import catalogue
from wfe_mcp.views.values.model import plain, view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.discovery.findings import ProjectFinding
    from wfe_mcp.workspace.discovery.project_facts import Language, Package, Stack


@view_model
class CheckView:
    """A check. ``configured``: templates can name it. ``fault``: why it cannot start here. ``why``: what speaks for it."""

    name: str
    argv: tuple[str, ...]
    configured: bool
    cwd: str = "."
    kind: str = ""
    fault: str = ""
    why: str = ""


@view_model
class ProjectContents:
    """What the project consists of. ``facts``: what holds, after the corrections of a person; ``findings``: with reasons."""

    root: str
    git: bool
    languages: tuple[Language, ...]
    packages: tuple[Package, ...]
    checks: tuple[CheckView, ...]
    folders_left_out: tuple[str, ...] = ()
    stack: tuple[Stack, ...] = ()
    facts: tuple[Fact, ...] = ()
    findings: tuple[ProjectFinding, ...] = ()


def project_view(engine: Engine) -> ProjectContents:
    """The project of ``engine`` as its files are now. Nothing of it runs."""
    from wfe_mcp.engine.checks.readiness import check_fault
    from wfe_mcp.engine.credentials.faults import credential_faults
    from wfe_mcp.workspace.discovery.project_facts import project_facts

    facts, configured = project_facts(engine.root), engine.settings().settings.checks
    checks_by_name = {fact.name: fact for fact in facts.checks}
    checks = tuple(
        CheckView(
            name=name,
            argv=tuple(check.argv),
            configured=True,
            cwd=check.cwd or ".",
            kind=str(checks_by_name[name].kind) if name in checks_by_name else "",
            fault=check_fault(engine.root, check, engine.environment)
            or "; ".join(fault.text for fault in credential_faults(engine, check.credentials)),
            why=checks_by_name[name].why
            if name in checks_by_name and checks_by_name[name].settings.argv == check.argv
            else "",
        )
        for name, check in configured.items()
    )
    proposed = tuple(
        CheckView(
            name=fact.name,
            argv=tuple(fact.settings.argv),
            configured=False,
            cwd=fact.settings.cwd or ".",
            kind=str(fact.kind),
            why=fact.why,
        )
        for fact in facts.checks
        if fact.name not in configured
    )
    return ProjectContents(
        root=str(engine.root),
        git=engine.project.is_git,
        languages=facts.languages,
        packages=facts.packages,
        checks=(*checks, *proposed),
        folders_left_out=facts.left_out,
        stack=facts.stacks,
        facts=facts_of(engine, facts),
        findings=findings_of(engine, facts),
    )


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
class PlannedPolicyView:
    """A change as it is shown before it is signed. ``shown``: the sha256 of it with the bytes of the file."""

    project: str
    changes: tuple[PolicyChange, ...]
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
    view = PlannedPolicyView(
        project=engine.project_id,
        changes=plan.changes,
        weakens=any(change.weakens for change in plan.changes),
        command=command(plan),
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
        ["wfe-mcp config policy", *(f"{options[change.key]} {change.now.replace(' ', '')}" for change in plan.changes)]
    )
