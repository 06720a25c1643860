"""``wfe-mcp verify``: check logs, state, anchors and signatures against each other.

``wfe-mcp verify --approvals``: check the approvals in the repository against its pinned passkeys, without a database.
``wfe-mcp verify --branch``: check that an approver decided on each commit of a branch, without a database.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import INTERRUPTED, REFUSED, Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.integrity.anchoring import anchor_again
from wfe_mcp.engine.integrity.decision_audit import SHORTEST_FINGERPRINT
from wfe_mcp.views.approvals.verification import (
    branch_view,
    key_of,
    key_view,
    problem_view,
    summary_of,
    verification_view,
)
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wfe_mcp.core.findings import Discrepancy
    from wfe_mcp.engine.integrity.proof_verification import Proven


Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it every run of this project.")]
Anchors = Annotated[
    str,
    typer.Option("--anchors", metavar="REF", help="Compare with the anchors of this ref too, such as a pushed copy."),
]

Anchor = Annotated[
    bool,
    typer.Option(
        "--anchor",
        help="Where anchors are gone, and nothing else differs, bring back what git still has of them, and anchor every run as it is now.",
    ),
]
Approvals = Annotated[
    bool,
    typer.Option(
        "--approvals", help="Instead: check that pinned keys signed the approvals in the repository. Needs no database."
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="PATH",
        help="With --approvals: this file must be approved, or . for the code as it is now; repeatable.",
    ),
]
Base = Annotated[
    str,
    typer.Option(
        "--base",
        metavar="COMMIT",
        help="With --approvals: trust the keys and proofs of this commit, such as origin/main.",
    ),
]
Branch = Annotated[
    str,
    typer.Option(
        "--branch",
        metavar="BRANCH",
        help="Instead: check that an approver decided on each commit of this branch. Needs a clone and no database.",
    ),
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="COMMIT",
        help="With --branch: trust this commit and its approvers; check what came after it.",
    ),
]

After = Annotated[
    str, typer.Option("--after", metavar="RUN", help="Continue after this run, where an earlier verify was stopped.")
]
Approver = Annotated[
    str,
    typer.Option("--approver", metavar="FINGERPRINT", help="Only this person's key counts; 16 characters are enough."),
]


def verify(
    invocation: Invocation,
    run: Run = "",
    anchors: Anchors = "",
    approver: Approver = "",
    anchor: Anchor = False,
    after: After = "",
    approvals: Approvals = False,
    require: Require = None,
    base: Base = "",
    branch: Branch = "",
    since: Since = "",
) -> None:
    """Replay logs and compare them with stored state and anchors.

    Exit code 1 names what differs. Ctrl-C ends it with what was found so far, and the command that continues. It also lists who set or changed a PIN or the key of a provider, and when.
    """
    from wfe_mcp.views.approvals.audit import verify as verify_logs

    of_logs = {"--anchors": anchors, "--approver": approver, "--anchor": anchor, "--after": after}
    of_proofs = {"--approvals": approvals, "--require": require, "--base": base}
    if branch:
        _refuse_beside("--branch", {"RUN": run, **of_logs, **of_proofs}, _TWICE)
        verify_branch(invocation, branch, since)
        return
    if since:
        raise Refused("bad_argument", "--since needs --branch.", "Add --branch main.")
    if approvals:
        _refuse_beside("--approvals", of_logs, _TWICE)
        verify_approvals(invocation, run, require or [], base)
        return
    if any(of_proofs.values()):
        raise Refused("bad_argument", "--require and --base need --approvals.", "Add --approvals.")
    if anchor:
        _refuse_beside(
            "--anchor", {"RUN": run, "--after": after}, "It anchors every run, so it verifies every run first."
        )
    if approver and len(approver) < SHORTEST_FINGERPRINT:
        raise Refused(
            "bad_argument",
            f"A fingerprint is named by {SHORTEST_FINGERPRINT} characters or more; got {len(approver)}.",
            "wfe-mcp verify prints the fingerprint of your key.",
        )
    with invocation.screen.busy("Verifying runs") as progress:
        verification = verify_logs(invocation.engine, run, anchors, approver.lower(), after=after, progress=progress)
    codes = {finding.code for finding in verification.findings}
    if anchor and not verification.left and codes and codes <= {"anchors_deleted", "anchors_moved"}:
        anchor_again(invocation.engine)
        verification = verify_logs(invocation.engine, run, anchors, approver.lower())
    count = f"{plural(len(verification.runs), 'run')}, {plural(verification.anchors, 'anchor')}"
    count += f". Stopped: {plural(verification.left, 'run')} left" if verification.left else ""
    problems = len(verification.findings)
    summary = f"{plural(problems, 'difference')} from the log" if problems else f"Verified {count}."
    error = _error(
        summary, verification.findings, "It was changed outside wfe-mcp; restore a backup, or find the cause."
    )
    data = verification_view(invocation.engine, verification)
    run = verification.runs[0] if run and verification.runs else ""
    _answer(invocation, _show_verification, summary, data, error, run)
    if verification.left:
        last = verification.runs[-1] if verification.runs else after
        again = ["--anchor"] if anchor else ["--after", last] if last else []
        again += [*(["--anchors", anchors] if anchors else []), *(["--approver", approver] if approver else [])]
        invocation.screen.next(shell_line(["wfe-mcp", "verify", *again]))
        invocation.exit_code = REFUSED if problems else INTERRUPTED


_TWICE = "Leave them out, and verify a second time with them."


def _refuse_beside(mode: str, others: "Mapping[str, object]", hint: str) -> None:
    """Refuse options that ``mode`` would pass over: they would seem to have been checked."""
    if idle := [name for name, value in others.items() if value]:
        raise Refused("bad_argument", f"{mode} cannot be combined with {', '.join(idle)}.", hint)


def _error(summary: str, discrepancies: "Sequence[Discrepancy]", hint: str) -> Refused | None:
    """The refusal that names the first of ``discrepancies``; None where nothing was found."""
    return (
        Refused("conflict", f"{summary}: {discrepancies[0].where}: {discrepancies[0].message}.", hint)
        if discrepancies
        else None
    )


def _answer(
    invocation: Invocation,
    show: "Callable[[Screen, str, dict[str, Any]], None]",
    summary: str,
    data: dict[str, Any],
    error: Refused | None,
    run: str = "",
) -> None:
    """What was found, and below it what to do about it."""

    def render(screen: Screen) -> None:
        show(screen, summary, data)
        if error is not None:
            screen.next(error.hint)

    invocation.answer(summary, render, run=run or None, error=error, data=data)


def _show_rest(screen: Screen, data: dict[str, Any], name: str) -> None:
    """Whose keys count, which are under ``name``, and the notes."""
    screen.line(f"{name.capitalize()}: {', '.join(key['name'] for key in data[name]) or 'none'}")
    for note in data.get("notes", ()):
        screen.line(f"Note: {note}")


def _show_problems(screen: Screen, data: dict[str, Any]) -> None:
    for problem in data["problems"]:
        screen.line(f"  {problem['where']}: {problem['message']} [{problem['code']}]", "red")


def _show_decisions(screen: Screen, decisions: dict[str, Any]) -> None:
    for signature in decisions["signed"]:
        screen.line(f"Signed by {signature['key']}: {plural(signature['count'], 'decision')}")
    for signature in decisions.get("imported", ()):
        screen.line(
            f"Imported, signed by {signature['key']}, which is not pinned here: {plural(signature['count'], 'decision')}"
        )
    if decisions["unsigned"]:
        screen.line(f"Unsigned (before signed decisions): {plural(decisions['unsigned'], 'event')}")


def _show_verification(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for problem in data["problems"]:
        since = f" (after {problem['since']})" if "since" in problem else ""
        run = f"{problem['run']}: " if "run" in problem else ""
        screen.line(f"  {run}{problem['where']}: {problem['message']}{since} [{problem['code']}]", "red")
    anchors = data["anchors"]
    behind = (
        f"; newer events of {plural(len(anchors['behind']), 'run')} are not anchored yet" if anchors["behind"] else ""
    )
    screen.line(f"Last anchor: {anchors['last'] or 'none'}{behind}")
    _show_decisions(screen, data["decisions"])
    own = data["own_configuration"]
    if own["changed"]:
        changed = f"Your own configuration has changed since you reviewed it {own['looked_at']}: {own['file']}"
        screen.line(screen.complete(f"{changed} (review: wfe-mcp trust)"), "yellow")
    for note in data.get("notes", ()):
        screen.line(f"Note: {note}")
    for pin_reset in data.get("pin_resets", ()):
        what = f"PIN reset {pin_reset['at']} by {pin_reset['actor']}: the key {pin_reset['key']} signs since then"
        screen.line(f"Note: {what}; {pin_reset['before']} counts for what it signed before", "yellow")
    if "pruned" in data:
        screen.line(f"Note: {plural(data['pruned'], 'run')} removed by wfe-mcp prune")
    for restore in data.get("restores", ()):
        runs = "; ".join(
            f"{run}: {lost['had'] - lost['kept']} of {lost['had']}" for run, lost in restore["runs"].items()
        )
        reach = restore["reach"] and f". {restore['reach']}."
        screen.line(
            f"Note: restored {restore['at']} by {restore['actor']} to {restore['to']} ({restore['file']}): {plural(restore['lost_events'], 'event')} of "
            f"{plural(restore['lost_runs'], 'run')} lost{f' ({runs})' if runs else ''}{reach}",
            "yellow",
        )
    settings = (
        ("PIN", data["pin"]),
        *((f"Key of {key['provider']}", [key]) for key in data["keys"]),
        *((f"Template {template['template']}", [template]) for template in data["templates"]),
    )
    for what, changes in settings:
        for change in changes:
            screen.line(
                f"{what}: {_DONE.get(change['what'], change['what'])} {change['at']} by {change['actor']} ({change['channel']})"
            )


_DONE = {
    "SecretSet": "set",
    "SecretForgotten": "removed",
    "KeyPutIntoKeyring": "stored in the keyring",
    "KeyTakenFromKeyring": "removed from the keyring",
    "TemplateEnabled": "re-enabled",
    "TemplateDisabled": "disabled",
    "TemplateArchived": "archived",
    "TemplateDefault": "made the default",
}


def verify_approvals(invocation: Invocation, run: str, require: list[str], base: str) -> None:
    """Report which approvals are proven; exit code 1 names each that is not."""
    from wfe_mcp.engine.integrity.proof_verification import verify_approvals

    proofs = verify_approvals(invocation.project.root, run, require, base)
    problems = [problem_view(finding) for finding in proofs.findings]
    summary = f"{plural(len(proofs.approvals), 'approval')} proven" + (
        f", {plural(len(problems), 'problem')}" if problems else ""
    )
    error = _error(summary, proofs.findings, "Have it approved again, or restore what was approved.")
    data: dict[str, Any] = {
        "approvals": [_approval_view(approval) for approval in proofs.approvals],
        "keys": [key_view(key) for key in proofs.keys],
        "problems": problems,
    }
    data["code"] = {"tree": proofs.code, "proof": None if proofs.of_code is None else proofs.of_code.file}
    data |= {"notes": list(proofs.notes)} if proofs.notes else {}
    _answer(invocation, _show_approvals, summary, data, error)


def _approval_view(proof: "Proven") -> dict[str, Any]:
    view = {name: getattr(proof, name) for name in ("run", "phase", "attempt", "sha256", "at", "tree")}
    return view | key_of(proof.key) | {"files": sorted(proof.files), "proof": proof.file}


def _show_approvals(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for approval in data["approvals"]:
        files = f": {', '.join(approval['files'])}" if approval["files"] else ""
        screen.line(
            f"  {approval['run']} {approval['phase']}, attempt {approval['attempt']}, by {approval['key']} {approval['at']}{files}"
        )
    _show_problems(screen, data)
    if data["code"]["tree"] and data["approvals"]:
        proof = data["code"]["proof"]
        screen.line(f"The code as it is now: {f'approved in {proof}' if proof else 'not approved as it is'}")
    _show_rest(screen, data, "keys")


_UNPROVEN = "Have these files approved and attest them, or revert the commit."
_MAY_BE_OLD = "The remote may have newer attestations: {fetch}; then verify again. If it says the same: "
_NO_APPROVERS = "Name one: wfe-mcp approvers add NAME --key mine; then commit .wfe/approvers.json."


def verify_branch(invocation: Invocation, branch: str, since: str) -> None:
    """Report which commits of a branch an approver decided on; exit code 1 names each that has no proof."""
    from wfe_mcp.delivery.attestations.ref import has_copies
    from wfe_mcp.engine.integrity.branch_verification import FETCH, verify_branch

    report = verify_branch(invocation.project.root, branch, since)
    summary, data = summary_of(report), branch_view(report)
    codes = {finding.code for finding in report.findings}
    hint = _NO_APPROVERS if "approvers_missing" in codes else _UNPROVEN
    if "proof_missing" in codes and hint is _UNPROVEN and has_copies(invocation.project.root):
        hint = f"{_MAY_BE_OLD.format(fetch=FETCH)}{hint[0].lower()}{hint[1:]}"
    error = _error(summary, report.findings, hint)
    _answer(invocation, _show_branch, summary, data, error)


def _show_branch(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for proof in data["proven"]:
        what = f"  {proof['commit'][:12]} {proof['subject']}: "
        if "run" not in proof:
            screen.line(f"{what}the same files as the last proven commit")
            continue
        server = f"; {plural(proof['statements'], 'statement')} of the server" if proof["statements"] else ""
        by = f"{proof['run']} {proof['phase']}, attempt {proof['attempt']}, by {proof['key']} {proof['at']}"
        screen.line(f"{what}{by}{server}")
    _show_problems(screen, data)
    _show_rest(screen, data, "approvers")
