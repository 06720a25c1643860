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
from wfe_mcp.views.approvals.branch import branch_view, key_of, key_view, problem_view, summary_of
from wfe_mcp.views.values.model import second
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.integrity.discrepancy import Discrepancy
    from wfe_mcp.engine.integrity.proof_verification import Proven
    from wfe_mcp.engine.integrity.verification import Verified
    from wfe_mcp.engine.maintenance.restore_log import SetBack
    from wfe_mcp.store.records.runs import SettingEvent


Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it every run of this project.")]
Anchors = Annotated[
    str,
    typer.Option("--anchors", metavar="REF", help="Compare with the anchors of this ref too, such as a pushed copy."),
]


Anchor = Annotated[
    bool,
    typer.Option("--anchor", help="Where anchors are gone, and nothing else differs, anchor every run as it is now."),
]
Approvals = Annotated[
    bool,
    typer.Option(
        "--approvals",
        help="Instead: check that pinned keys signed the approvals in the repository. Needs no database.",
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
    str,
    typer.Option("--after", metavar="RUN", help="Continue after this run, where an earlier verify was stopped."),
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
    from wfe_mcp.engine.integrity.anchoring import anchor_again
    from wfe_mcp.engine.integrity.decision_audit import SHORTEST_FINGERPRINT
    from wfe_mcp.views.approvals.audit import verify as verified

    if branch:
        verify_branch(invocation, branch, since)
        return
    if since:
        raise Refused("bad_argument", "--since needs --branch.", "Add --branch main.")
    if approvals:
        verify_approvals(invocation, run, require or [], base)
        return
    if require or base:
        raise Refused("bad_argument", "--require and --base need --approvals.", "Add --approvals.")
    if approver and len(approver) < SHORTEST_FINGERPRINT:
        raise Refused(
            "bad_argument",
            f"A fingerprint is named by {SHORTEST_FINGERPRINT} characters or more; got {len(approver)}.",
            "wfe-mcp verify prints the fingerprint of your key.",
        )
    with invocation.screen.busy("Verifying runs") as progress:
        found = verified(invocation.engine, run, anchors, approver.lower(), after=after, progress=progress)
    if anchor and {one.code for one in found.findings} == {"anchors_deleted"}:
        anchor_again(invocation.engine)
        found = verified(invocation.engine, run, anchors, approver.lower())
    problems = [problem_view(one) for one in found.findings]
    pins = [_change(event) for event in found.settings if event.name == "pin"]
    keys = [
        _change(event) | {"provider": event.name.partition(":")[2]}
        for event in found.settings
        if event.name.startswith(("provider_key:", "keyring:"))
    ]
    count = f"{plural(len(found.runs), 'run')}, {plural(found.anchors, 'anchor')}"
    count += f". Stopped: {plural(found.left, 'run')} left" if found.left else ""
    summary = f"Verified {count}." if not problems else f"{plural(len(problems), 'difference')} from the log"
    error = _error(summary, found.findings, "It was changed outside wfe-mcp; restore a backup, or find the cause.")
    data: dict[str, Any] = {
        "runs": len(found.runs),
        "problems": problems,
        "anchors": {
            "count": found.anchors,
            "last": second(found.last_anchor) or None,
            "behind": list(found.behind),
        },
        "decisions": _decisions(found),
        "pin": pins,
        "keys": keys,
        "own_configuration": _own(invocation),
        "templates": _templates(invocation, found),
    }
    more = {
        "notes": list(found.notes),
        "left": found.left,
        "pin_resets": [
            {"at": second(one.at), "actor": one.by, "before": one.key, "key": one.successor}
            for one in found.decisions.retired
        ],
        "pruned": found.pruned,
        "restores": [_restore(one) for one in found.set_backs],
    }
    data |= {name: value for name, value in more.items() if value}
    invocation.answer(
        summary,
        lambda screen: _show_verification(screen, summary, data),
        run=found.runs[0] if run and found.runs else None,
        error=error,
        data=data,
    )
    if found.left:
        again = ["--after", found.runs[-1] if found.runs else after] if found.runs or after else []
        again += [*(["--anchors", anchors] if anchors else []), *(["--approver", approver] if approver else [])]
        invocation.screen.next(shell_line(["wfe-mcp", "verify", *again]))
        invocation.exit_code = REFUSED if problems else INTERRUPTED


def _decisions(found: "Verified") -> dict[str, Any]:
    """How many decisions which key signed, and how many were made before signed decisions."""
    decisions = found.decisions
    signed = [{"key": key, "count": count} for key, count in sorted(decisions.signed.items())]
    foreign = [{"key": key, "count": count} for key, count in sorted(decisions.foreign.items())]
    view: dict[str, Any] = {"pinned": sorted(decisions.pinned), "signed": signed, "unsigned": decisions.unsigned}
    return view | ({"imported": foreign} if foreign else {})


def _change(event: "SettingEvent") -> dict[str, Any]:
    """When a secret was set or removed, and by whom; never its value."""
    return {"at": second(event.at), "what": event.type, "actor": event.actor, "channel": str(event.channel)}


def _restore(one: "SetBack") -> dict[str, Any]:
    lost = {run: {"kept": has, "had": had} for run, (has, had) in one.lost.items()}
    return {
        "at": second(one.at),
        "actor": one.by,
        "to": second(one.to),
        "file": one.file,
        "lost_events": one.lost_events,
        "lost_runs": one.lost_runs,
        "runs": lost,
        "reach": one.reach,
    }


def _own(invocation: Invocation) -> dict[str, Any]:
    """Whether the user's own configuration has changed since they reviewed it; reported, but not a fault."""
    from wfe_mcp.engine.templates.config_drift import own_configuration

    own = own_configuration(invocation.engine)
    at = own.looked_at.isoformat(timespec="seconds") if own.looked_at else None
    return {"file": str(own.file), "looked_at": at, "changed": own.changed}


def _templates(invocation: Invocation, found: "Verified") -> list[dict[str, Any]]:
    """When templates of this project were enabled or disabled, and by whom."""
    from wfe_mcp.engine.templates.config_drift import template_changes

    changes = template_changes(invocation.engine, found.settings)
    return [_change(event) | {"template": name, "assurance": event.assurance.name.lower()} for name, event in changes]


def _error(summary: str, found: "Sequence[Discrepancy]", hint: str) -> Refused | None:
    """The refusal that names the first of ``found``; None where nothing was found."""
    return Refused("conflict", f"{summary}: {found[0].where}: {found[0].message}.", hint) if found else None


def _show_rest(screen: Screen, data: dict[str, Any], name: str) -> None:
    """Whose keys count, which are under ``name``, and the notes."""
    screen.line(f"{name.capitalize()}: {', '.join(key['name'] for key in data[name]) or 'none'}")
    for note in data.get("notes", ()):
        screen.line(f"Note: {note}")


def _show_problems(screen: Screen, data: dict[str, Any]) -> None:
    for one in data["problems"]:
        screen.line(f"  {one['where']}: {one['message']} [{one['code']}]", "red")


def _show_decisions(screen: Screen, decisions: dict[str, Any]) -> None:
    for one in decisions["signed"]:
        screen.line(f"Signed by {one['key']}: {plural(one['count'], 'decision')}")
    for one in decisions.get("imported", ()):
        screen.line(f"Imported, signed by {one['key']}, which is not pinned here: {plural(one['count'], 'decision')}")
    if decisions["unsigned"]:
        screen.line(f"Unsigned (before signed decisions): {plural(decisions['unsigned'], 'event')}")


def _show_verification(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for one in data["problems"]:
        since = f" (after {one['since']})" if "since" in one else ""
        screen.line(f"  {one.get('run', 'settings')}: {one['where']}: {one['message']}{since} [{one['code']}]", "red")
    anchors = data["anchors"]
    behind = (
        f"; newer events of {plural(len(anchors['behind']), 'run')} are not anchored yet" if anchors["behind"] else ""
    )
    screen.line(f"Last anchor: {anchors['last'] or 'none'}{behind}")
    _show_decisions(screen, data["decisions"])
    own = data["own_configuration"]
    if own["changed"]:
        changed = f"Your own configuration has changed since you reviewed it {own['looked_at']}: {own['file']}"
        screen.line(f"{changed} (review: wfe-mcp trust)", "yellow")
    for note in data.get("notes", ()):
        screen.line(f"Note: {note}")
    for one in data.get("pin_resets", ()):
        what = f"PIN reset {one['at']} by {one['actor']}: the key {one['key']} signs since then"
        screen.line(f"Note: {what}; {one['before']} counts for what it signed before", "yellow")
    if "pruned" in data:
        screen.line(f"Note: {plural(data['pruned'], 'run')} removed by wfe-mcp prune")
    for one in data.get("restores", ()):
        runs = "; ".join(f"{run}: {lost['had'] - lost['kept']} of {lost['had']}" for run, lost in one["runs"].items())
        reach = one["reach"] and f". {one['reach']}."
        screen.line(
            f"Note: restored {one['at']} by {one['actor']} to {one['to']} ({one['file']}): {plural(one['lost_events'], 'event')} of "
            f"{plural(one['lost_runs'], 'run')} lost{f' ({runs})' if runs else ''}{reach}",
            "yellow",
        )
    settings = (
        ("PIN", data["pin"]),
        *((f"Key of {one['provider']}", [one]) for one in data["keys"]),
        *((f"Template {one['template']}", [one]) for one in data["templates"]),
    )
    for what, changes in settings:
        for one in changes:
            screen.line(
                f"{what}: {_DONE.get(one['what'], one['what'])} {one['at']} by {one['actor']} ({one['channel']})"
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
    from wfe_mcp.engine.integrity.proof_verification import verify_approvals as verified

    found = verified(invocation.project.root, run, require, base)
    problems = [problem_view(one) for one in found.findings]
    summary = f"{plural(len(found.approvals), 'approval')} proven" + (
        f", {plural(len(problems), 'problem')}" if problems else ""
    )
    error = _error(summary, found.findings, "Have it approved again, or restore what was approved.")
    data: dict[str, Any] = {
        "approvals": [_approval_view(one) for one in found.approvals],
        "keys": [key_view(key) for key in found.keys],
        "problems": problems,
    }
    data["code"] = {"tree": found.code, "proof": None if found.of_code is None else found.of_code.file}
    data |= {"notes": list(found.notes)} if found.notes else {}
    invocation.answer(summary, lambda screen: _show_approvals(screen, summary, data), error=error, data=data)


def _approval_view(one: "Proven") -> dict[str, Any]:
    view = {name: getattr(one, name) for name in ("run", "phase", "attempt", "sha256", "at", "tree")}
    return view | key_of(one.key) | {"files": sorted(one.files), "proof": one.file}


def _show_approvals(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for one in data["approvals"]:
        files = f": {', '.join(one['files'])}" if one["files"] else ""
        screen.line(f"  {one['run']} {one['phase']}, attempt {one['attempt']}, by {one['key']} {one['at']}{files}")
    _show_problems(screen, data)
    if data["code"]["tree"] and data["approvals"]:
        proof = data["code"]["proof"]
        screen.line(f"The code as it is now: {f'approved in {proof}' if proof else 'not approved as it is'}")
    _show_rest(screen, data, "keys")


def verify_branch(invocation: Invocation, branch: str, since: str) -> None:
    """Report which commits of a branch an approver decided on; exit code 1 names each that has no proof."""
    from wfe_mcp.engine.integrity.branch_verification import verify_branch as verified

    found = verified(invocation.project.root, branch, since)
    summary, data = summary_of(found), branch_view(found)
    error = _error(summary, found.findings, "Have these files approved and attest them, or revert the commit.")
    invocation.answer(summary, lambda screen: _show_branch(screen, summary, data), error=error, data=data)


def _show_branch(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for one in data["proven"]:
        what = f"  {one['commit'][:12]} {one['subject']}: "
        if "run" not in one:
            screen.line(f"{what}the same files as the last proven commit")
            continue
        server = f"; {plural(one['statements'], 'statement')} of the server" if one["statements"] else ""
        by = f"{one['run']} {one['phase']}, attempt {one['attempt']}, by {one['key']} {one['at']}"
        screen.line(f"{what}{by}{server}")
    _show_problems(screen, data)
    _show_rest(screen, data, "approvers")
