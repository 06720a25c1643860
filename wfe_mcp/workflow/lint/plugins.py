"""Lint rules for items of installed packages.

Names with a namespace (``acme.no_todo``) come from packages. Without a project they are only listed as required; in one
the package must be installed.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.artifacts.registry import check_schema, known_schemas
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.resources import Group, PlugInFault, plugins
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.model.steps import BUILTINS
from wfe_mcp.workflow.plugin_gates import judge_of, with_faults
from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS


def schema_is_usable(schema: str | dict[str, Any], at: str, findings: LintFindings) -> None:
    """Check that the schema is shipped, of a package, or a valid inline one."""
    if isinstance(schema, str) and "." in schema and not _is_installed("artifact_schemas", schema, at, findings):
        return
    for detail in check_schema(schema):
        expected = list(known_schemas()) if isinstance(schema, str) else detail.expected
        findings.error(f"{at}{detail.path}", detail.message, expected, detail.got)


def builtin_is_known(name: str, at: str, findings: LintFindings) -> None:
    """Check that the action is shipped, or of a package."""
    known = (*BUILTINS, *DELIVERY_STEPS)
    if name in known:
        return
    if "." in name:
        _is_installed("step_builtins", name, at, findings, DELIVERY_STEPS)
    else:
        otherwise = f"; there are {', '.join(BUILTINS)}, and actions with a dot in their name"
        findings.unknown(at, f"no built-in action {name!r}", name, known, otherwise)


def plugin_gate(use: str, settings: Mapping[str, Any], at: str, findings: LintFindings) -> None:
    """Check that the gate is installed and accepts its settings; values of expressions are checked when it runs."""
    if "." not in use:
        valid = list(plugins("gates"))
        hint = did_you_mean(use, valid) or "; its name has the form namespace.name"
        findings.error(f"{at}/use", f"no package provides the gate {use!r}{hint}", valid or "namespace.name", use)
        return
    if not _is_installed("gates", use, f"{at}/use", findings):
        return
    try:
        judge = judge_of(plugins("gates")[use])
    except PlugInFault as fault:
        findings.error(f"{at}/use", str(fault), None, use)
        return
    if "${" not in canonical_json(settings):
        for detail in with_faults(judge, settings):
            findings.error(f"{at}/with{detail.path}", detail.message, detail.expected, detail.got)


def _is_installed(group: Group, name: str, at: str, findings: LintFindings, shipped: tuple[str, ...] = ()) -> bool:
    findings.plugins.add(name)
    known = plugins(group)
    if name in known:
        return True
    if findings.project is not None:
        hint = (
            did_you_mean(name, [*known, *shipped])
            or "; install one that does (wfe-mcp doctor lists the installed ones)"
        )
        findings.error(at, f"no installed package provides {name!r}{hint}", list(known), name)
    return False
