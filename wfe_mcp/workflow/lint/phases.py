"""Lint rules for phases.

1. Ids are unique in their list and differ from those of enclosing phases, since a goto is resolved outwards by name.
2. ``needs`` names siblings, once each, without a cycle.
3. Agent, llm and human phases produce an artifact, loops none of their own; artifact names are unique in the template, schemas exist.
4. Roles are declared in the template.
5. A prompt that names a value in the way of another tool (``{{ inputs.goal }}``) is worth a warning; so is the name of a device of Windows.

Lint rules for ``context``: the artifacts and bundles that go with a prompt.

A name is an earlier artifact of the template, else a bundle that the project configures; ``{"bundle": …}`` is always a
bundle. So a template means the same whatever bundles a project has.
"""

import re
from typing import cast

from wfe_mcp.core.errors import nearest, pointer
from wfe_mcp.core.paths import is_windows_device
from wfe_mcp.workflow.expressions import ExpressionError, scan, source_of
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.known import Fields, SchemaNode, used_names
from wfe_mcp.workflow.lint.plugins import schema_is_usable
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model.base import CEL_TYPES, LOOP_KEY, ROOTS
from wfe_mcp.workflow.model.gates import OpinionGate
from wfe_mcp.workflow.model.phases import (
    SERVER_TOOLS,
    AgentPhase,
    BundleRef,
    HumanPhase,
    LlmPhase,
    LoopPhase,
    StepsPhase,
)
from wfe_mcp.workflow.model.template import Template, all_phases

_DEFAULT_ROLE = "default"
"""The configured role that fills template roles without a table of their own (``engine.roles``)."""

_ONE_TEXT = re.compile(r"'[^'\\]*'|\"[^\"\\]*\"")

_OTHER_TOOLS = re.compile(
    rf"(?<!\$)\{{{{1,2}}\s*((?:{'|'.join(ROOTS)})\.[A-Za-z_][\w.]*)\s*\}}{{1,2}}|(?<!\$)\$((?:{'|'.join(ROOTS)})\.[A-Za-z_][\w.]*\w)"
)
"""``{{ inputs.goal }}``, ``{inputs.goal}`` and ``$inputs.goal``."""

_TEXTS = ("markdown_doc@1", "file_bundle@1")
"""The schemas of artifacts that are files themselves."""


def phase_rules(template: Template, views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """All rules on phases."""
    _roles(template, findings)
    makers: dict[str, str] = {}
    for view in views:
        _identity(view, findings)
        _needs(view, findings)
        _output(view, makers, findings)
        role_is_known(view.phase.role, f"{view.pointer}/role", template, findings)
        _worker(view, template, findings)
        _prompt(view, findings)
        if isinstance(view.phase, LoopPhase):
            _loop(view, view.phase, findings)


def role_is_known(role: str | None, at: str, template: Template, findings: LintFindings) -> None:
    """Check that the template declares ``role``."""
    if role is not None and role not in template.roles:
        otherwise = "; the template has no roles: declare it in 'roles'"
        findings.unknown(at, f"unknown role {role!r}", role, template.roles, otherwise)


def _roles(template: Template, findings: LintFindings) -> None:
    optional, used = _optional_reviewers(template), _used_roles(template)
    for name, role in template.roles.items():
        if role.provider is None or name not in used:
            continue
        findings.roles.add(role.provider)
        if not findings.project or name in optional or _DEFAULT_ROLE in findings.project.roles:
            continue
        if role.provider not in findings.project.roles:
            at, message = f"/roles{pointer(name)}/provider", f"no role {role.provider!r} is configured"
            findings.unknown(at, message, role.provider, sorted(findings.project.roles))


def _used_roles(template: Template) -> set[str]:
    """Roles that work in a phase, review, or answer a step. What no phase uses needs no provider."""
    used: set[str] = set()
    for phase in all_phases(template.phases):
        steps = (*phase.compensate, *(phase.steps if isinstance(phase, StepsPhase) else ()))
        used |= {phase.role or ""} | {step.llm.role for step in steps if step.llm is not None}
        for gate in (*phase.prompt_gates, *phase.gates):
            used |= set(gate.reviewers) if isinstance(gate, OpinionGate) else set()
    return used


def _optional_reviewers(template: Template) -> set[str]:
    """Roles that only review, at gates that are skipped without them."""
    gates = [gate for phase in all_phases(template.phases) for gate in (*phase.prompt_gates, *phase.gates)]
    opinions = [gate for gate in gates if isinstance(gate, OpinionGate)]
    labels = {role for gate in opinions if gate.if_missing == "note" for role in gate.reviewers}
    needed = {role for gate in opinions if gate.if_missing == "fail" for role in gate.reviewers}
    return labels - needed - {phase.role for phase in all_phases(template.phases) if phase.role}


def _identity(view: PhaseView, findings: LintFindings) -> None:
    name = view.phase.id
    if is_windows_device(name):
        findings.warn(f"{view.pointer}/id", f"{name!r} is a device on Windows, where no run gets past this phase")
    if view.order.index_of(name) != view.index:
        findings.error(f"{view.pointer}/id", f"phase id {name!r} is used twice in this list", "another id", name)
    for outer in view.around:
        if outer.order.index_of(name) is not None:
            findings.error(
                f"{view.pointer}/id", f"phase id {name!r} is also the id of an enclosing phase", "another id", name
            )


def _needs(view: PhaseView, findings: LintFindings) -> None:
    needs = view.phase.needs or ()
    named: set[str] = set()
    for position, name in enumerate(needs):
        at = f"{view.pointer}/needs/{position}"
        if view.order.index_of(name) is None:
            siblings = (other for other in view.order.ids if other != view.phase.id)
            findings.unknown(at, f"unknown phase {name!r}; needs names phases of the same list", name, siblings)
        elif name in named:
            findings.error(at, f"{name!r} is listed twice", None, name)
        named.add(name)
    if view.order.is_before(view.index, view.index):
        at = f"{view.pointer}/needs" if view.phase.needs else view.pointer
        circle = " → ".join(view.order.cycle_of(view.index))
        findings.error(
            at, f"phase {view.phase.id!r} waits for itself: its needs form a cycle: {circle}", None, list(needs)
        )


def _output(view: PhaseView, makers: dict[str, str], findings: LintFindings) -> None:
    output = view.phase.output
    if output is None:
        if isinstance(view.phase, AgentPhase | LlmPhase | HumanPhase):
            findings.error(
                f"{view.pointer}/output",
                f"'output' is missing: a phase of kind {view.phase.kind!r} produces an artifact",
                '{"artifact": …, "schema": …}',
            )
        return
    at = f"{view.pointer}/output"
    if isinstance(view.phase, LoopPhase):
        findings.error(at, "a loop has no artifact of its own: its phases do", "no output", output.artifact)
    if output.artifact in makers:
        findings.error(
            f"{at}/artifact",
            f"artifact {output.artifact!r} is already produced by phase {makers[output.artifact]!r}; names are unique in the template",
            None,
            output.artifact,
        )
    makers.setdefault(output.artifact, view.phase.id)
    schema_is_usable(output.schema_, f"{at}/schema", findings)
    if output.write_to is not None and {".git", ".wfe"} & {*output.write_to.lower().split("/")}:
        findings.error(
            f"{at}/write_to",
            f"{output.write_to!r}: '.git' and '.wfe' belong to others, so no phase writes there",
            "another folder of the project",
            output.write_to,
        )
    if output.write_to is not None and not is_inside(output.write_to):
        findings.error(
            f"{at}/write_to",
            f"{output.write_to!r} leaves the project: write a relative path with / and without ..",
            "a relative path",
            output.write_to,
        )
    if output.write_json and (not (output.write_to or "").endswith(".md") or output.schema_ in _TEXTS):
        findings.error(
            f"{at}/write_json",
            "write_json has no effect: only a document made of another artifact, a write_to that ends with .md, has JSON beside it",
            f"a schema other than {' and '.join(_TEXTS)}"
            if output.schema_ in _TEXTS
            else "a write_to that ends with .md",
            output.schema_ if output.schema_ in _TEXTS else output.write_to,
        )


def is_inside(path: str) -> bool:
    """True when a path or glob, as written, stays in the project; values of expressions are checked at run time."""
    parts = path.split("/")
    return (
        bool(path.strip())
        and "\\" not in path
        and not path.startswith(("/", "~"))
        and ".." not in parts
        and ":" not in parts[0].split("${")[0]
    )


def _worker(view: PhaseView, template: Template, findings: LintFindings) -> None:
    role = template.roles.get(view.phase.role or "")
    if isinstance(view.phase, LlmPhase) and (role is None or role.provider is None):
        findings.error(f"{view.pointer}/role", "an llm phase needs a role with a 'provider'", list(template.roles))
    for position, tool in enumerate(view.phase.tools_allowed):
        if (isinstance(view.phase, LlmPhase) or (role and role.provider)) and tool not in SERVER_TOOLS:
            at, otherwise = (
                f"{view.pointer}/tools_allowed/{position}",
                f"; the server's are {', '.join(SERVER_TOOLS)}",
            )
            findings.unknown(at, f"the server has no tool {tool!r}", tool, SERVER_TOOLS, otherwise)


def _prompt(view: PhaseView, findings: LintFindings) -> None:
    """Warn of what looks like an expression of another tool: it is sent as it is written."""
    try:
        parts = scan(view.phase.prompt or "")
    except ExpressionError:  # reported with the other expressions
        return
    for part in parts:
        for match in () if part.is_expression else _OTHER_TOOLS.finditer(part.text):
            name = match[1] or match[2]
            findings.warn(
                f"{view.pointer}/prompt", f"{match[0]!r} is sent as it is written; an expression is ${{{name}}}"
            )


def _loop(view: PhaseView, loop: LoopPhase, findings: LintFindings) -> None:
    if (loop.for_each is None) == (loop.until is None):
        findings.error(view.pointer, "a loop needs exactly one of 'for_each' and 'until'", ["for_each", "until"])
    if loop.for_each is None:
        return
    at = f"{view.pointer}/for_each"
    name = loop.for_each.as_
    if name in ROOTS or name in CEL_TYPES:
        what = "a root of every expression" if name in ROOTS else "a type of the expression language"
        findings.error(f"{at}/as", f"{name!r} is {what}; choose another name", "another name", name)
    elif name and any(name in (outer.body or ()) for outer in view.around):
        findings.error(f"{at}/as", f"{name!r} is already the item of an enclosing loop", "another name", name)
    _loop_key(loop.for_each.key, view, f"{at}/key", findings)
    value = (view.body or {}).get("item")
    element = value.field("value") if value else None
    order = loop.for_each.order_by
    if order and isinstance(element, SchemaNode) and element.field(order) is None:
        findings.unknown(f"{at}/order_by", f"the items have no {order!r}", order, element.names)


def _loop_key(key: str | None, view: PhaseView, at: str, findings: LintFindings) -> None:
    try:
        source = source_of(key) if key else None
    except ExpressionError:  # reported with the other expressions
        return
    if not source:
        return
    names = set(view.body or ()) - set(view.before) | {"item"}
    quoted = _ONE_TEXT.fullmatch(source.strip())
    literal = quoted[0][1:-1] if quoted else None
    if literal is not None and not LOOP_KEY.fullmatch(literal):
        findings.error(
            at,
            f"key {literal!r} is invalid: use letters, digits, _ and -, at most 64, not beginning with _ or -",
            LOOP_KEY.pattern,
            literal,
        )
    elif not used_names(source, {}).roots & names:
        findings.error(at, "the key does not depend on the item, so that keys would not be unique", sorted(names), key)


def check_is_known(check: str, at: str, findings: LintFindings) -> None:
    """Check that the project has the check; without a project it is only listed as required."""
    findings.checks.add(check)
    if findings.project and check not in findings.project.checks:
        otherwise = "; define it in .wfe/config.toml and run: wfe-mcp trust"
        findings.unknown(at, f"the project has no check {check!r}", check, sorted(findings.project.checks), otherwise)


def context_rules(views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """Every rule on ``context``, over all phases."""
    for view in views:
        named: set[tuple[str, str | None]] = set()
        for position, entry in enumerate(view.phase.context):
            at = f"{view.pointer}/context/{position}"
            if isinstance(entry, BundleRef):
                _bundle(entry.bundle, f"{at}/bundle", (), findings, optional=entry.optional)
            else:
                _name(entry, at, cast("Fields", view.before["artifacts"]), findings)
            handed = (entry.bundle, entry.scope) if isinstance(entry, BundleRef) else (entry, None)
            if handed in named:
                findings.error(at, f"{handed[0]!r} is listed twice", None, handed[0])
            named.add(handed)


def _name(name: str, at: str, artifacts: Fields, findings: LintFindings) -> None:
    if name in artifacts.known:
        return
    if name in artifacts.hidden:
        findings.error(at, f"artifact {name!r} is not available: {artifacts.hidden[name]}", list(artifacts.names), name)
        return
    if near := nearest(name, artifacts.names, 1):
        other = f'a standards bundle of that name is {{"bundle": "{name}"}}'
        findings.error(
            at, f"no artifact is called {name!r}; did you mean {near[0]!r}? ({other})", list(artifacts.names), name
        )
        return
    _bundle(name, at, artifacts.names, findings, optional=False)


def _bundle(name: str, at: str, artifacts: tuple[str, ...], findings: LintFindings, *, optional: bool) -> None:
    findings.context.add(name)
    if optional or findings.project is None or name in findings.project.context:
        return
    valid = (*artifacts, *sorted(findings.project.context))
    what = "neither an artifact nor a standards bundle is" if artifacts else "no standards bundle is"
    hint = (
        did_you_mean(name, valid) or f"; list its files in .wfe/config.toml ([context.{name}]) and run: wfe-mcp trust"
    )
    findings.error(at, f"{what} called {name!r}{hint}", list(valid), name)
