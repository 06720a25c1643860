"""Lint rules for gates."""

from collections.abc import Sequence

from wfe_mcp.workflow.lint.known import Fields
from wfe_mcp.workflow.lint.phases import check_is_known, is_inside, role_is_known
from wfe_mcp.workflow.lint.plugins import plugin_gate
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import CommandGate, FilesGate, Gate, GitGate, OpinionGate, PluginGate, ReportGate, Template


def gate_rules(template: Template, views: tuple[PhaseView, ...], found: LintFindings) -> None:
    """All rules on gates, before and after work."""
    for view in views:
        _gates(view.phase.prompt_gates, f"{view.pointer}/prompt_gates", view, template, found)
        _gates(view.phase.gates, f"{view.pointer}/gates", view, template, found)
    _last_level(views, found)


def _last_level(views: tuple[PhaseView, ...], found: LintFindings) -> None:
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
        found.warn(at, what)


def _gates(gates: Sequence[Gate], at: str, view: PhaseView, template: Template, found: LintFindings) -> None:
    for position, gate in enumerate(gates):
        here = f"{at}/{position}"
        match gate:
            case CommandGate():
                _command(gate, here, found)
            case FilesGate():
                _files(gate, here, found)
            case GitGate():
                _git(gate, here, found)
            case ReportGate():
                role_is_known(gate.role, f"{here}/role", template, found)
                _report(gate, here, view, found, before=at.endswith("prompt_gates"))
            case OpinionGate():
                _opinion(gate, here, template, found)
            case PluginGate():
                plugin_gate(gate, here, found)
            case _:  # expr: its condition is linted as an expression; approval: the schema checks it
                pass


def _command(gate: CommandGate, at: str, found: LintFindings) -> None:
    if gate.if_missing == "fail":
        check_is_known(gate.check, f"{at}/check", found)
    else:
        found.checks.add(gate.check)
    expect = gate.expect
    for key, names in (("fails", expect.fails), ("passes", expect.passes)):
        if names == ():
            found.error(f"{at}/expect/{key}", f"{key!r} names no test", "the id of a test")
    fails_somehow = expect.exit_code not in {None, 0} or expect.failing_tests == "some"
    if not fails_somehow:
        fails_somehow = isinstance(expect.failing_tests, int) and expect.failing_tests > 0
    if fails_somehow and expect.fails is None and not _names_tests(expect.failing_tests):
        found.warn(
            f"{at}/expect",
            "any failure of this check satisfies the gate; name the test that must fail in 'fails', for example with an "
            "expression on the phase's artifact",
        )


def _names_tests(failing: object) -> bool:
    return isinstance(failing, tuple) or (isinstance(failing, str) and failing != "some")


def _files(gate: FilesGate, at: str, found: LintFindings) -> None:
    rules = {key: getattr(gate, key) for key in ("exist", "unchanged", "within", "changed", "changed_outside")}
    if not any(rules.values()):
        found.error(at, f"a files gate needs at least one of {', '.join(rules)}", list(rules))
    for rule, globs in rules.items():
        for position, glob in enumerate(globs):
            if not is_inside(glob):
                found.error(
                    f"{at}/{rule}/{position}",
                    f"{glob!r} leaves the project: write a relative glob with / and without ..",
                    "a relative glob",
                    glob,
                )


def _git(gate: GitGate, at: str, found: LintFindings) -> None:
    if not (gate.clean or gate.branch or gate.one_commit or gate.message or gate.fast_forward):
        rules = ["clean", "branch", "one_commit", "message", "fast_forward"]
        found.error(at, f"a git gate needs at least one of {', '.join(rules)}", rules)


def _report(gate: ReportGate, at: str, view: PhaseView, found: LintFindings, *, before: bool) -> None:
    if before:
        found.error(at, "a report gate judges the submitted report: put it into 'gates'", "gates")
        return
    artifacts = view.judged["artifacts"]
    output = view.phase.output
    made = artifacts.known.get(output.artifact) if output and isinstance(artifacts, Fields) else None
    if made is None:
        return
    if made.field("status") is None and made.field("verdict") is None:
        found.error(at, "the artifact has no 'status' or 'verdict' that a report gate could judge", "role_report@1")
    if gate.role and made.field("role") is None:
        found.error(
            f"{at}/role", "the artifact has no 'role' that a report gate could judge", "role_report@1", gate.role
        )


def _opinion(gate: OpinionGate, at: str, template: Template, found: LintFindings) -> None:
    named: set[str] = set()
    for position, reviewer in enumerate(gate.reviewers):
        role_is_known(reviewer, f"{at}/reviewers/{position}", template, found)
        role = template.roles.get(reviewer)
        if role is not None and role.provider is None:
            found.error(
                f"{at}/reviewers/{position}",
                f"role {reviewer!r} names no provider: a second opinion comes from a model, never from the connected client",
                "a role with 'provider'",
                reviewer,
            )
        if reviewer in named:
            found.error(f"{at}/reviewers/{position}", f"reviewer {reviewer!r} is listed twice", None, reviewer)
        named.add(reviewer)
    for position, glob in enumerate(gate.images):
        if not is_inside(glob):
            found.error(
                f"{at}/images/{position}",
                f"{glob!r} leaves the project: write a relative glob with / and without ..",
                "a relative glob",
                glob,
            )
    if gate.quorum > len(gate.reviewers):
        found.error(
            f"{at}/quorum",
            f"quorum {gate.quorum} can never be reached with reviewers: {len(gate.reviewers)}",
            len(gate.reviewers),
            gate.quorum,
        )
