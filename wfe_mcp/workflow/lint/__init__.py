"""Lint of template definitions: schema errors, broken references, and required configuration.

All errors are reported at once, each with a JSON pointer into the definition as written, the reason, and the nearest
valid name. Without a project, checks, roles, servers and context bundles are only listed as required; in
one they must exist.
"""

import hashlib
import threading
from contextlib import suppress
from itertools import islice

from wfe_mcp.core.errors import Detail
from wfe_mcp.core.limits import ERRORS
from wfe_mcp.resources import plugin_names
from wfe_mcp.workflow.form import place_of
from wfe_mcp.workflow.lint.expressions import expression_faults
from wfe_mcp.workflow.lint.flows import flow_rules, lock_rules
from wfe_mcp.workflow.lint.gates import gate_rules
from wfe_mcp.workflow.lint.inputs import input_rules
from wfe_mcp.workflow.lint.jumps import jump_rules, state_rules
from wfe_mcp.workflow.lint.phases import context_rules, phase_rules
from wfe_mcp.workflow.lint.recovery import NEUTRAL_TEMPLATE, recover_template
from wfe_mcp.workflow.lint.report import (
    OF_TEMPLATES,
    EnoughErrors,
    Limits,
    LintFindings,
    LintReport,
    ProjectNames,
    Requires,
    size_faults,
)
from wfe_mcp.workflow.lint.scope import PhaseView, views
from wfe_mcp.workflow.lint.steps import step_rules
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workflow.set_fields import not_yet

__all__ = ["LintReport", "ProjectNames", "Requires", "lint"]

_KEPT = 64
_reports: dict[bytes, LintReport] = {}
"""The newest reports. Doctor, the catalogue and each start of a run look at the same few definitions, 15 ms each."""
_keeping = threading.Lock()


def lint(definition: object, project: ProjectNames | None = None, *, allowed: Limits = OF_TEMPLATES) -> LintReport:
    """The errors and warnings of ``definition`` (JSON, prompts inlined). Never raises for an author's mistake.

    ``allowed``: the limits on its size; a measurement raises them.
    """
    if too_large := size_faults(definition, allowed):
        return LintReport(tuple(too_large), Requires())
    try:
        key = _key(definition, project)
    except RecursionError:  # nested too deep, which the report says
        return _report(definition, project)
    if (kept := _reports.get(key)) is not None:
        return kept
    report = _report(definition, project)
    if not report.requires.plugins:  # what a package's code says about its own settings may change
        _keep(key, report)
    return report


def _key(definition: object, project: ProjectNames | None) -> bytes:
    """A digest of all that a report depends on: the definition in its own order, the project's names, the plug-ins."""
    return hashlib.sha256(repr((definition, project, plugin_names())).encode(errors="surrogatepass")).digest()


def _keep(key: bytes, report: LintReport) -> None:
    with _keeping:
        _reports[key] = report
        while len(_reports) > _KEPT:
            del _reports[next(iter(_reports))]


def _report(definition: object, project: ProjectNames | None) -> LintReport:
    work = recover_template(definition)
    findings = LintFindings(project)
    later: list[Detail] = []
    if work.template is not None:
        phases = views(work.template)
        with suppress(EnoughErrors):
            _judge(work.template, phases, findings)
        later = [_with_place(detail, work.definition) for detail in not_yet(work.template)]
    meaning = [*(_with_place(detail, work.definition) for detail in findings.errors), *later]
    form = [detail for _, detail in work.faults]
    errors = _first(_once([*form, *(detail for detail in meaning if not work.is_about(detail))]))
    templates = findings.templates - {NEUTRAL_TEMPLATE}
    needed = (findings.checks, findings.roles, findings.servers, findings.context, findings.plugins, templates)
    requires = Requires(*(tuple(sorted(names)) for names in needed))
    warnings = _once([_with_place(detail, work.definition) for detail in findings.warnings])
    return LintReport(errors, requires, warnings, tuple(detail for detail in errors if detail in later))


def _judge(template: Template, phases: tuple[PhaseView, ...], findings: LintFindings) -> None:
    input_rules(template, findings)
    phase_rules(template, phases, findings)
    jump_rules(phases, findings)
    flow_rules(phases, findings)
    lock_rules(phases, findings)
    step_rules(template, phases, findings)
    state_rules(template, phases, findings)
    gate_rules(template, phases, findings)
    context_rules(phases, findings)
    findings.errors += islice(expression_faults(template, phases), ERRORS.most)


def _first(details: tuple[Detail, ...]) -> tuple[Detail, ...]:
    """At most so many errors as are listed, and a note when there are more."""
    if len(details) <= ERRORS.most:
        return details
    return (*details[: ERRORS.most], Detail("", f"more errors follow; these are the first {ERRORS.most}"))


def _with_place(detail: Detail, definition: dict[str, object]) -> Detail:
    return Detail(place_of(detail.path, definition), detail.message, detail.expected, detail.got)


def _once(details: list[Detail]) -> tuple[Detail, ...]:
    """Each fault once, in the order of the document; a fault in ``defaults`` is the same for every phase."""
    unique: dict[tuple[str, str], Detail] = {}
    for detail in details:
        unique.setdefault((detail.path, detail.message), detail)
    return tuple(sorted(unique.values(), key=lambda detail: _place(detail.path)))


def _place(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.split("/")]
