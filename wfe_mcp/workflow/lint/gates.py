"""Lint rules for gates: what the kinds ask of their template and project (``model/gates.py`` has their rules)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.lint.known import Fields
from wfe_mcp.workflow.lint.phases import check_is_known, is_inside, role_is_known
from wfe_mcp.workflow.lint.plugins import plugin_gate
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model.gates import CommandGate, Gate
from wfe_mcp.workflow.model.template import Template


def gate_rules(template: Template, views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """All rules on gates, before and after work."""
    for view in views:
        _gates(view.phase.prompt_gates, f"{view.pointer}/prompt_gates", view, template, findings)
        _gates(view.phase.gates, f"{view.pointer}/gates", view, template, findings)
    _last_level(views, findings)


def _last_level(views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """The last check of a template says where it must have run: in the agent's own folder only on purpose."""
    gates = [
        (f"{view.pointer}/gates/{position}", gate)
        for view in views
        for position, gate in enumerate(view.phase.gates)
        if isinstance(gate, CommandGate)
    ]
    if gates and gates[-1][1].level is None:
        at, gate = gates[-1]
        what = f'the template\'s last check {gate.check!r} may have run in the agent\'s own folder; write which level is enough, "worktree" or "checkout"'
        findings.warn(at, what)


def _gates(gates: Sequence[Gate], at: str, view: PhaseView, template: Template, findings: LintFindings) -> None:
    for position, gate in enumerate(gates):
        gate.lint(_GateLint(f"{at}/{position}", view, template, findings, is_before_work=at.endswith("prompt_gates")))


@dataclass(frozen=True, slots=True)
class _GateLint:
    """The answers to one gate (``GateLint``). ``pointer``: of the gate."""

    pointer: str
    view: PhaseView
    template: Template
    found: LintFindings
    is_before_work: bool

    def error(self, at: str, message: str, expected: object = None, got: object = None) -> None:
        self.found.error(f"{self.pointer}{at}", message, expected, got)

    def warn(self, at: str, message: str) -> None:
        self.found.warn(f"{self.pointer}{at}", message)

    def needs_check(self, at: str, check: str, *, optional: bool = False) -> None:
        if optional:
            self.found.checks.add(check)
        else:
            check_is_known(check, f"{self.pointer}{at}", self.found)

    def needs_role(self, at: str, role: str | None, *, of_model: bool = False) -> None:
        role_is_known(role, f"{self.pointer}{at}", self.template, self.found)
        declared = self.template.roles.get(role or "")
        if of_model and declared is not None and declared.provider is None:
            self.error(
                at,
                f"role {role!r} names no provider: a second opinion comes from a model, never from the connected client",
                "a role with 'provider'",
                role,
            )

    def needs_inside(self, at: str, globs: Iterable[str]) -> None:
        for position, glob in enumerate(globs):
            if not is_inside(glob):
                what = f"{glob!r} leaves the project: write a relative glob with / and without .."
                self.error(f"{at}/{position}", what, "a relative glob", glob)

    def needs_package(self, use: str, settings: Mapping[str, Any]) -> None:
        plugin_gate(use, settings, self.pointer, self.found)

    def can_have(self, field: str) -> bool:
        artifacts, output = self.view.judged["artifacts"], self.view.phase.output
        value = artifacts.known.get(output.artifact) if output and isinstance(artifacts, Fields) else None
        return value is None or value.field(field) is not None
