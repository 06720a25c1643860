"""Lint rules for steps."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.workflow.faults import short
from wfe_mcp.workflow.lint.phases import check_is_known, role_is_known
from wfe_mcp.workflow.lint.plugins import builtin_is_known, schema_is_usable
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model.delivery import DELIVERY_PARAMS
from wfe_mcp.workflow.model.phases import StepsPhase
from wfe_mcp.workflow.model.rules import CompensateRule
from wfe_mcp.workflow.model.steps import Step
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workflow.step_kinds import DEPLOYMENT_STEPS, STEP_KINDS, acts_outside

_EXPRESSIONS = re.compile(r"\$\{[^}]*\}")
_VARS = re.compile(r"\bvars\s*\.\s*([A-Za-z_]\w*)")


def step_rules(template: Template, views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """All rules on steps, over all phases."""
    for view in views:
        if isinstance(view.phase, StepsPhase):
            _steps(view.phase.steps, f"{view.pointer}/steps", template, findings)
            _artifact(view.phase, f"{view.pointer}/output/schema", findings)
            _needs(view.phase.steps, f"{view.pointer}/steps", findings)
            _check_approved_calls(view.phase, f"{view.pointer}/steps", findings)
            _check_deployments(view, view.phase, findings)
        _steps(view.phase.compensate, f"{view.pointer}/compensate", template, findings)
        _compensates(view, findings)
        for position, step in enumerate(view.phase.compensate):
            if step.needs is not None:
                at = f"{view.pointer}/compensate/{position}/needs"
                findings.error(at, "steps that undo a phase run one after the other: leave 'needs' out")


def _needs(steps: Sequence[Step], at: str, findings: LintFindings) -> None:
    """Check that a step needs earlier steps of its phase only. This also rules out cycles."""
    ids = [step.id for step in steps]
    for position, step in enumerate(steps):
        for index, name in enumerate(step.needs or ()):
            if name in ids[:position]:
                continue
            here, valid = f"{at}/{position}/needs/{index}", tuple(ids[:position])
            if name in ids:
                needed = "itself" if name == step.id else "a later step"
                findings.error(here, f"step {step.id!r} needs {needed}; a step needs earlier ones", list(valid), name)
            else:
                findings.unknown(here, f"the phase has no step {name!r}", name, valid)


def _check_approved_calls(phase: StepsPhase, at: str, findings: LintFindings) -> None:
    """Check that no call that a person approves waits for a result of the same phase: it could not be shown to them."""
    results: set[str] = set()
    for position, step in enumerate(phase.steps if any(gate.kind == "approval" for gate in phase.prompt_gates) else ()):
        kinds = [name for name in STEP_KINDS if getattr(step, name) is not None]
        if len(kinds) == 1 and acts_outside(step.does):
            written = step.model_copy(update={"if_": None}).model_dump_json()
            for name in sorted(results.intersection(_VARS.findall(" ".join(_EXPRESSIONS.findall(written))))):
                message = f"step {step.id!r} is approved before it runs, and 'vars.{name}' is only known then: find it in an earlier phase"
                findings.error(f"{at}/{position}", message, f"an artifact of an earlier phase in place of vars.{name}")
        results |= {step.assign} if step.assign else set()


def _check_deployments(view: PhaseView, phase: StepsPhase, findings: LintFindings) -> None:
    """Check that no phase of a loop deploys: what its environment asks for is asked of a phase of the run itself."""
    for position, step in enumerate(phase.steps if view.around else ()):
        if step.builtin in DEPLOYMENT_STEPS:
            message = f"a phase in a loop cannot have the step {step.builtin}: put it into a phase after the loop"
            findings.error(
                f"{view.pointer}/steps/{position}/builtin", message, "a phase that is in no loop", step.builtin
            )


def _compensates(view: PhaseView, findings: LintFindings) -> None:
    """Check that a ``compensate`` rule has steps, and that ``compensate`` steps have a rule."""
    rules = [at for at, rule in enumerate(view.phase.on_fail or ()) if isinstance(rule, CompensateRule)]
    for position in rules if not view.phase.compensate else ():
        findings.error(f"{view.pointer}/on_fail/{position}", "the phase has no 'compensate' steps to run", "compensate")
    if view.phase.compensate and not rules:
        findings.warn(f"{view.pointer}/compensate", "never run: no rule of 'on_fail' says do: compensate")


def _steps(steps: Sequence[Step], at: str, template: Template, findings: LintFindings) -> None:
    ids: set[str] = set()
    for position, step in enumerate(steps):
        here = f"{at}/{position}"
        if step.id in ids:
            findings.error(f"{here}/id", f"step id {step.id!r} is used twice in this phase", "another id", step.id)
        ids.add(step.id)
        kinds = [name for name in STEP_KINDS if getattr(step, name) is not None]
        if len(kinds) != 1:
            present = " and ".join(repr(name) for name in kinds) or "none"
            findings.error(
                here,
                f"a step needs exactly one of {', '.join(STEP_KINDS)}; this has {present}",
                list(STEP_KINDS),
                kinds,
            )
        if step.check:
            check_is_known(step.check, f"{here}/check", findings)
        if step.llm:
            role_is_known(step.llm.role, f"{here}/llm/role", template, findings)
        if step.tool is not None:
            _tool(step.tool, f"{here}/tool", findings)
        if step.builtin is not None:
            builtin_is_known(step.builtin, f"{here}/builtin", findings)
            if step.builtin in DELIVERY_PARAMS:
                _delivery_params(step.builtin, step.params, f"{here}/params", findings)
        if step.output is not None:
            schema_is_usable(step.output.schema_, f"{here}/output/schema", findings)


def _artifact(phase: StepsPhase, at: str, findings: LintFindings) -> None:
    """Without a step that assigns it, the artifact is ``{steps: {id: result}}``; a schema without ``steps`` refuses that."""
    output = phase.output
    if output is None or any(step.assign == output.artifact for step in phase.steps):
        return
    if isinstance(output.schema_, str) or "steps" not in output.schema_.get("properties", {"steps": {}}):
        findings.warn(
            at,
            f"no step assigns {output.artifact!r}, so the artifact is {{steps: {{id: result}}}}, which probably does not fit",
        )


def _tool(tool: str, at: str, findings: LintFindings) -> None:
    server, dot, name = tool.partition(".")
    if not (server and dot and name):
        findings.error(at, f"{tool!r} is not a tool: write server.tool", "server.tool", tool)
        return
    findings.servers.add(server)
    if findings.project and server not in findings.project.servers:
        findings.unknown(
            at, f"no MCP server {server!r} is configured", server, sorted(findings.project.servers), got=tool
        )
    known = findings.project.tools.get(server) if findings.project else None
    if known is not None and name not in known:
        findings.unknown(at, f"MCP server {server!r} has no tool {name!r}", name, sorted(known), got=tool)


def _delivery_params(name: str, params: Mapping[str, Any], at: str, findings: LintFindings) -> None:
    """Check the parameters of a step that delivers a change, as far as no expression fills them in later."""
    model = DELIVERY_PARAMS[name]
    try:
        model.model_validate(params)
    except ValidationError as exc:
        for entry in exc.errors(include_url=False):
            key = str(entry["loc"][0])
            if entry["type"] == "extra_forbidden":
                findings.unknown(f"{at}/{key}", f"{name} has no parameter {key!r}", key, model.model_fields)
            elif "${" not in canonical_json(params.get(key)):
                findings.error(f"{at}/{key}", f"{key}: {entry['msg']}", None, short(entry["input"]))
