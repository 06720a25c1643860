"""Compiled templates, parsed once per process and kept by sha256.

A run keeps its frozen version: the definition is looked up by its sha256, and parsed when more of it is needed than the names
of artifacts, once per process. A status often needs no more.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.core.paths import PhasePath, declared_path
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wfe_mcp.core.spec import RunSpec
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RunRecord
    from wfe_mcp.workflow.expressions import Expressions
    from wfe_mcp.workflow.lint import LintReport
    from wfe_mcp.workflow.model.gates import Gate
    from wfe_mcp.workflow.model.phases import FlowPhase, LoopPhase, Phase
    from wfe_mcp.workflow.model.rules import SubflowRule
    from wfe_mcp.workflow.model.template import Template

STEPS_REPORT: dict[str, Any] = {
    "type": "object",
    "required": ["steps"],
    "properties": {"steps": {"type": "object"}},
    "additionalProperties": False,
}
"""The artifact of a phase of steps without an ``output``: the results by step id."""


class CompiledTemplate:
    """A template version: as the author wrote it, as the machine sees it, and its compiled conditions.

    Each part is made when it is first used: the models of templates take 0.1 s to load. All refuse ``invalid_template``.
    ``sha256``: of ``definition``. ``own``, ``own_sha256``: the definition without the templates that it holds, where it was looked up to
    start a run.
    """

    def __init__(self, definition: dict[str, Any], sha256: str) -> None:
        self.definition = definition
        self.sha256 = sha256
        self.own, self.own_sha256 = definition, sha256
        self._held: dict[str, Template] = {}

    @cached_property
    def template(self) -> Template:
        """The template."""
        from wfe_mcp.workflow.load import parse

        return parse(self.definition)

    @cached_property
    def phases(self) -> Mapping[str, Phase]:
        """The phases by their paths, with those of the templates that it holds."""
        return dict(_by_path(self.template.phases, "", self._held))

    @property
    def held(self) -> Mapping[str, Template]:
        """The templates that it holds, by the phase that holds them."""
        _ = self.phases  # it fills ``_held``
        return self._held

    @cached_property
    def expressions(self) -> Expressions:
        """Its compiled conditions."""
        from wfe_mcp.workflow.expressions import Expressions

        return Expressions.of(self.template, *self.held.values())

    @cached_property
    def spec(self) -> RunSpec:
        """The template as the machine sees it."""
        from wfe_mcp.workflow.projection import project

        return project(self.template)

    @cached_property
    def _written(self) -> dict[str, dict[str, Any]]:
        """The phases as they are written, by their paths; those of templates that run inside are left out."""
        from wfe_mcp.workflow.default_keys import fill_defaults

        phases = fill_defaults(self.definition["phases"], self.definition.get("defaults") or {})
        return dict(_as_written(cast("list[dict[str, Any]]", phases), ""))

    def phase(self, path: PhasePath) -> Phase:
        """The definition of a phase of the run."""
        return self.phases[declared_path(path)]

    def template_of(self, path: PhasePath) -> Template:
        """The template that contains the phase: the innermost flow's, else the run's."""
        place = declared_path(path).rpartition(".")[0]
        while place and place not in self.held:
            place = place.rpartition(".")[0]
        return self.held[place] if place else self.template

    def flow(self, path: PhasePath) -> FlowPhase:
        """The definition of a phase that runs another template."""
        from wfe_mcp.workflow.model.phases import FlowPhase

        phase = self.phase(path)
        assert isinstance(phase, FlowPhase), "the machine and the template know the same flows"
        return phase

    def loop(self, path: PhasePath) -> LoopPhase:
        """The definition of a phase that is a loop."""
        from wfe_mcp.workflow.model.phases import LoopPhase

        phase = self.phase(path)
        assert isinstance(phase, LoopPhase), "the machine and the template know the same loops"
        return phase

    def artifact_name(self, path: PhasePath) -> str | None:
        """The name of the artifact the phase produces; None when it produces none."""
        written = self._written.get(declared_path(path))
        if written is not None:
            return self._output(written).get("artifact")
        output = self.phase(path).output
        return None if output is None else output.artifact

    @staticmethod
    def _output(written: Mapping[str, Any]) -> dict[str, Any]:
        """``output`` of a phase as it is written: a status needs no more of most templates, so it does not parse them."""
        return written.get("output") or {}

    def has_artifact(self, path: PhasePath) -> bool:
        """True when the phase produces something to store: also the report of steps, which has no name."""
        return self.phase(path).output is not None or self.phase(path).kind == "steps"

    def schema(self, path: PhasePath) -> str | dict[str, Any]:
        """The schema of the phase's artifact: a shipped name or an inline JSON Schema."""
        written = self._output(self._written.get(declared_path(path), {}))
        if "schema" in written:
            return written["schema"]
        phase = self.phase(path)
        output = phase.output
        if output is None and phase.kind == "steps":
            return STEPS_REPORT
        if output is None:
            raise Refused(
                "illegal_transition", f"Phase {path!r} produces no artifact.", "Call status to see what is next."
            )
        return output.schema_

    def seals_on_submit(self, path: PhasePath) -> bool:
        """Whether the phase's artifact is sealed when it is submitted, and not when it is approved."""
        written = self._written.get(declared_path(path))
        if written is not None:
            return self._output(written).get("seal") == "on_submit"
        output = self.phase(path).output
        return output is not None and output.seal == "on_submit"

    def schema_name(self, path: PhasePath) -> str:
        """The name of the schema; ``inline`` for one the template holds itself."""
        schema = self.schema(path)
        return schema if isinstance(schema, str) else "inline"

    def gates(self, attempt: Attempt) -> list[Gate]:
        """The gates of the stage ``attempt`` is in; those on the artifact when it is in none."""
        phase = self.phase(attempt.phase)
        return list(phase.prompt_gates if attempt.stage is Stage.BEFORE else phase.gates)

    def assurance(self, attempt: Attempt) -> str:
        """The least assurance of the approval that ``attempt`` waits for."""
        written = self._written.get(declared_path(attempt.phase), {})
        gates = written.get("prompt_gates" if attempt.stage is Stage.BEFORE else "gates")
        if gates:
            return gates[attempt.gate].get("assurance", "human")
        return getattr(self.gates(attempt)[attempt.gate], "assurance", "human")

    def passes(self, path: PhasePath) -> int:
        """The most passes of an ``until`` loop."""
        until = self.loop(path).until
        return 0 if until is None else until.max


def lint_template(definition: dict[str, Any]) -> LintReport:
    """The lint report of a template before use; a frozen one was checked when its run began.

    Refuses ``invalid_template`` with every error.
    """
    from wfe_mcp.workflow.lint import lint

    report = lint(definition)
    if not report.ok:
        what = (
            f"Template {definition.get('name')!r} has {plural(len(report.errors), 'error')}: {report.errors[0].message}"
        )
        raise Refused("invalid_template", what, "Fix what the details name.", report.errors)
    return report


def compile_template(definition: dict[str, Any]) -> CompiledTemplate:
    """Parse and project ``definition``. Refuses ``invalid_template``."""
    template = _of_checked(definition)
    _ = template.spec, template.expressions
    return template


def _of_checked(definition: dict[str, Any]) -> CompiledTemplate:
    """The compiled template of a definition that is known to be valid."""
    from wfe_mcp.workflow.load import digest

    return CompiledTemplate(definition, digest(definition))


def _as_written(phases: Sequence[dict[str, Any]], before: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for phase in phases:
        path = before + phase["id"]
        yield path, phase
        yield from _as_written(phase.get("phases") or (), f"{path}.")


def _by_path(phases: Sequence[Phase], before: str, held: dict[str, Template]) -> Iterator[tuple[str, Phase]]:
    """Every phase by its path; ``held`` collects the templates of subflows."""
    from wfe_mcp.workflow.flows import held_template
    from wfe_mcp.workflow.model.phases import FlowPhase, LoopPhase

    for phase in phases:
        path = before + phase.id
        yield path, phase
        if isinstance(phase, LoopPhase):
            yield from _by_path(phase.phases, f"{path}.", held)
        inside = phase if isinstance(phase, FlowPhase) else recovery_of(phase)
        if inside is not None:
            held[path] = held_template(inside)
            yield from _by_path(held[path].phases, f"{path}.", held)


def recovery_of(phase: Phase) -> SubflowRule | None:
    """The rule of a phase that runs another template when it fails."""
    from wfe_mcp.workflow.model.rules import SubflowRule

    return next((rule for rule in phase.on_fail or () if isinstance(rule, SubflowRule)), None)


class TemplateCache:
    """The compiled templates of this process, by sha256."""

    def __init__(self) -> None:
        self._parsed: dict[str, CompiledTemplate] = {}
        self._reports: dict[str, LintReport] = {}

    def compile_checked(self, definition: dict[str, Any]) -> CompiledTemplate:
        """The compiled template of ``definition``, after lint. Refuses ``invalid_template`` with every error."""
        from wfe_mcp.workflow.load import digest

        sha256 = digest(definition)
        self._report(definition, sha256)
        return self._compile(definition, sha256)

    def report(self, plan: CompiledTemplate) -> LintReport:
        """The cached lint report of ``plan``. Refuses ``invalid_template``."""
        return self._report(plan.definition, plan.sha256)

    def of_run(self, tx: Tx, run: RunRecord) -> CompiledTemplate:
        """The frozen compiled template of ``run``."""
        template = self._parsed.get(run.definition_sha256)
        if template is None:
            fresh = _of_checked(tx.documents.load(run.definition_sha256))
            template = self._parsed.setdefault(fresh.sha256, fresh)
        return template

    def compile(self, definition: dict[str, Any], before: CompiledTemplate | None = None) -> CompiledTemplate:
        """The compiled template of ``definition``. Refuses ``invalid_template``.

        ``before``: what it was made from, perhaps without a change; then the digest is known, which costs up to a millisecond.
        """
        from wfe_mcp.workflow.load import digest

        if before is not None and definition is before.definition:
            return self._compile(definition, before.sha256)
        return self._compile(definition, digest(definition))

    def _report(self, definition: dict[str, Any], sha256: str) -> LintReport:
        if sha256 not in self._reports:
            self._reports[sha256] = lint_template(definition)
        return self._reports[sha256]

    def _compile(self, definition: dict[str, Any], sha256: str) -> CompiledTemplate:
        template = self._parsed.get(sha256)
        if template is None:
            template = self._parsed[sha256] = CompiledTemplate(definition, sha256)
        _ = template.spec, template.expressions
        return template
