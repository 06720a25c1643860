"""Lint rules for embedded templates.

1. An inner template has no errors; the outer one requires its configuration too.
2. ``with`` gives every required input, and no unknown one.
3. A phase has one recovery; loops and flows have none: their inner phases can fail. The artifact of a flow is the
   ``outputs`` of its template and is not editable.
4. Context bundles are frozen when the run starts, when the inputs of an inner template are not yet known.
5. A template that is not embedded yet (``workflow/flows.py``) is listed as required.
"""

from typing import Any, cast

from wfe_mcp.core.errors import Refused, near_miss
from wfe_mcp.workflow.flows import held_template
from wfe_mcp.workflow.lint.report import LintFindings, LintReport
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import BundleRef, FlowPhase, LoopPhase, SubflowRule, Template


def flow_rules(views: tuple[PhaseView, ...], found: LintFindings) -> None:
    """All rules on embedded templates, over all phases."""
    for view in views:
        if isinstance(view.phase, FlowPhase):
            _flow(view.phase, view.pointer, found)
            _handed_in(view.phase, view.pointer, found)
        recoveries = [
            (f"{view.pointer}/on_fail/{position}", rule)
            for position, rule in enumerate(view.phase.on_fail or ())
            if isinstance(rule, SubflowRule)
        ]
        for at, rule in recoveries:
            _flow(rule, at, found)
        _recoverable(view, recoveries, found)


def _recoverable(view: PhaseView, recoveries: list[tuple[str, SubflowRule]], found: LintFindings) -> None:
    for at, _ in recoveries[1:]:
        found.error(at, "a phase has at most one recovery", "one rule 'subflow'")
    if recoveries and isinstance(view.phase, LoopPhase | FlowPhase):
        found.error(
            recoveries[0][0],
            f"{view.phase.id!r} contains other phases: put the recovery on those",
            "a phase that is not a loop or a flow",
        )


def held_views(shape: FlowPhase | SubflowRule) -> tuple[PhaseView, ...]:
    """The phases of the inner template; none when it is missing or has schema errors."""
    from wfe_mcp.workflow.lint.scope import views

    try:
        return views(held_template(shape))
    except Refused:
        return ()


def _flow(shape: FlowPhase | SubflowRule, at: str, found: LintFindings) -> None:
    if shape.definition is None:
        found.templates.add(shape.template)
        return
    report = _report(shape.definition, found)
    for name in ("checks", "roles", "servers", "context", "plugins", "templates"):
        getattr(found, name).update(getattr(report.requires, name))
    for error in report.errors:
        found.error(
            f"{at}/template",
            f"template {shape.template!r} at {error.path or '/'}: {error.message}",
            None,
            shape.template,
        )
    if report.ok:
        _bundles(shape, at, found)
        _inputs(held_template(shape), shape, at, found)


def _report(definition: dict[str, Any], found: LintFindings) -> LintReport:
    # lint calls this rule for each embedded template: the recursion is as deep as the nesting.
    from wfe_mcp.workflow.lint import lint

    return lint(definition, found.project)


def _inputs(inner: Template, shape: FlowPhase | SubflowRule, at: str, found: LintFindings) -> None:
    schema = inner.inputs
    properties = cast("dict[str, Any]", schema.get("properties", {}))
    known = tuple(properties)
    if "additionalProperties" not in schema:
        for name in shape.with_:
            if name not in properties:
                hint = near_miss(name, known)
                found.error(
                    f"{at}/with/{name}", f"template {shape.template!r} has no input {name!r}{hint}", list(known), name
                )
    for name in cast("list[str]", schema.get("required", [])):
        if name not in shape.with_ and "default" not in properties.get(name, {}):
            found.error(f"{at}/with", f"template {shape.template!r} needs the input {name!r}", list(known), None)


def _bundles(shape: FlowPhase | SubflowRule, at: str, found: LintFindings) -> None:
    for view in held_views(shape):
        for ref in view.phase.context:
            if isinstance(ref, BundleRef) and "${" in (ref.scope or ""):
                found.error(
                    f"{at}/template",
                    f"the scope of the context bundle {ref.bundle!r} in template {shape.template!r} is unknown when the run "
                    "starts: its inputs are known only when the phase opens; write the scope there",
                    "a scope without ${",
                    ref.scope,
                )


def _handed_in(phase: FlowPhase, at: str, found: LintFindings) -> None:
    if phase.output is None:
        return
    if phase.output.editable:
        found.error(
            f"{at}/output/editable", "the artifact of a flow comes from its template and is not editable", False, True
        )
    if phase.definition is not None and not phase.definition.get("outputs"):
        found.warn(f"{at}/output", f"template {phase.template!r} has no 'outputs': the artifact is always empty")
