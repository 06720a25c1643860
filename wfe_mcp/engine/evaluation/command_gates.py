"""Command gates: what their check is, what is expected of it, and their judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.evidence_levels import Level, strictest
from wfe_mcp.engine.credentials.handing import hand_to_check
from wfe_mcp.engine.evaluation.gate_names import exact_names, file_beside
from wfe_mcp.engine.evaluation.gate_scene import Judged, Scene
from wfe_mcp.engine.templates.trust import least_evidence
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement, needs_trust
from wfe_mcp.workflow.expressions import filled
from wfe_mcp.workflow.model import CommandGate
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.settings import Settings
from wfe_mcp.workspace.git.working_tree import SeenFiles

if TYPE_CHECKING:
    from wfe_mcp.jobs.child import RunChild


def judge_command(gate: CommandGate, scene: Scene, run: RunChild) -> Judged:
    """Run the check of ``gate`` now, for no job. Raises ExpressionError."""
    exact, test_file = exact_names(gate), file_beside(gate, scene.values)
    filled_in = filled(gate, scene.values, scene.change.plan.expressions)
    assert isinstance(filled_in, CommandGate), "filling in expressions keeps the kind"
    return judge_check(filled_in, scene, run, exact, test_file, scene.look())


@dataclass(frozen=True, slots=True)
class AskedCheck:
    """The check of a gate as the run froze it; None: there is none. ``level``: the least level of evidence that is asked for."""

    check: FrozenCheck | None
    level: Level | None
    settings: Settings


def asked_check(gate: CommandGate, scene: Scene) -> AskedCheck | Judged:
    """The check of ``gate``; what is judged at once where a person has to trust it first."""
    with scene.engine.store.read() as tx:
        settings = scene.engine.settings(tx)
        least = least_evidence(scene.engine, settings, tx)
    frozen: dict[str, Any] | None = scene.frozen.get("checks", {}).get(gate.check)
    if frozen is None and gate.check in settings.settings.checks:
        frozen = settings.settings.checks[gate.check].frozen(gate.check).model_dump(mode="json")
    if settings.untrusted or (frozen is None and gate.if_missing == "fail" and settings.project_file is None):
        return Judged(_needs_trust(gate.check, trusted_before=frozen is not None), scene.attempt.tree)
    check = None if frozen is None else FrozenCheck.model_validate(frozen)
    return AskedCheck(check, strictest(gate.level, scene.frozen.get("evidence"), least), settings.settings)


def judge_check(
    gate: CommandGate,
    scene: Scene,
    run: RunChild,
    exact: frozenset[str],
    test_file: str,
    seen: SeenFiles | None,
) -> Judged:
    """The judgement of ``gate``, whose expressions are filled in, after its check ran."""
    from wfe_mcp.workspace.config.ports import with_ports
    from wfe_mcp.workspace.git.repository import head

    asked = asked_check(gate, scene)
    if isinstance(asked, Judged):
        return asked
    looks: list[SeenFiles] = []
    judgement = run_check(
        asked.check,
        name=gate.check,
        root=scene.root,
        evidence_dir=scene.evidence_dir,
        expect=gate.expect.model_dump(mode="json", exclude_unset=True),
        if_missing=gate.if_missing,
        environ=with_ports(scene.engine.environment, scene.root, asked.settings.worktrees.ports),
        run=run,
        skipped_before=skipped_before(gate, scene),
        exact=exact,
        test_file=test_file,
        level=asked.level,
        seen=seen,
        look_after=looks.append,
        makes=asked.settings.sandbox,
        hand=hand_to_check(scene.engine, scene.change.run.id, scene.attempt),
    )
    after = looks[-1] if looks and seen is not None else scene.look()
    changed = tuple(judgement.data.get("tree", {}).get("changed", ()))
    return scene.judged(judgement, after, head=head(scene.root), changed=changed)


def skipped_before(gate: CommandGate, scene: Scene) -> int | None:
    """How many tests the check skipped before, where the gate asks for that; None: unknown, or not asked for."""
    if not gate.expect.no_new_skips:
        return None
    run, attempt = scene.change.run, scene.attempt
    with scene.engine.store.read() as tx:
        begun = attempt.started_at or scene.change.at
        return tx.evidence.skipped_before(run.project_id, run.id, gate.check, run.created_at, begun)


def _needs_trust(check: str, *, trusted_before: bool) -> Judgement:
    if trusted_before:
        message = f"The project's configuration changed, so check {check!r} waits for a person."
        step = "ask the user to look at it and run: wfe-mcp trust"
    else:
        message = f"This project has no trusted check {check!r} yet."
        step = "ask the user to run: wfe-mcp init (or wfe-mcp trust)"
    return needs_trust("command", message, step, {"check": check})
