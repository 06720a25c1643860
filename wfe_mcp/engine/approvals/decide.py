"""Decisions of the user on an open approval: approve, reject, withdraw.

Rules:
1. The request is stored first, keyed (run, phase, attempt, stage, gate, sha256); only its answer counts, once.
2. Assurance comes from the channel (``by``), never from an argument.
3. Before a decision the files are read again: an edited artifact becomes a new revision, a changed tree voids the
   evidence; either way the gates run again and a new request is issued. Where no gate reads the files, the request
   alone is issued again. A request is about one tree; without git it is about the artifact alone. Before steps it is
   about their target, too: what they call, and the commit (``step_target.py``).
4. What is shown is what is signed: inside the transaction the run is compared with its log, and what the person saw is made
   again from it. It is stored with the decision, for ``verify``.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.events import ApprovalCounted
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Assurance, AttemptStatus, By, Channel, Person, Stage
from wfe_mcp.core.moves import refusal, with_commands_of_the_user
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.units import shorten_names
from wfe_mcp.engine.approvals.pin import Terminal
from wfe_mcp.engine.approvals.requests import deciding_person, refuse_altered, request_of, with_decision
from wfe_mcp.engine.approvals.statements import ShownApproval
from wfe_mcp.engine.artifacts.revisions import outputs_of, store_revision, write_output
from wfe_mcp.engine.artifacts.step_target import target_record
from wfe_mcp.engine.files.mirrors import edited_artifact, judge_edit
from wfe_mcp.engine.files.tree_binding import FilesNow, code_tree, files_now
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.identity import project_of
from wfe_mcp.engine.kernel.leases import holder_named
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.store.records.runs import DecisionRecord, LoadedRun, RequestRecord

_NAMED, _LISTED = 5, 50


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A stored request. ``decided``: the gate accepts an agent's approval and has it."""

    loaded: LoadedRun
    request: RequestRecord
    assurance: str
    decided: bool
    message: str
    phrase: str = ""
    """What the user must type, where the gate asks for a phrase."""


def ask(
    engine: Engine, by: By, run_id: str, phase: str, *, sha256: str | None = None, comment: str = ""
) -> ApprovalRequest:
    """Store the request for the open approval of ``phase``. Decides by itself only where the gate says ``agent``."""
    path = PhasePath(phase)
    now = files_now(engine, run_id, path)
    judge_edit(engine, run_id, path)
    asked: ApprovalRequest | None = None
    with change_run(engine, run_id, by) as current:
        _expect_approval(current, path)
        if not _changed_meanwhile(current, path, now):
            _match(current, path, sha256)
            target = target_record(current, current.attempt(path), now.head)
            request, gate = request_of(current, path, now.tree, target)
            current.give(c.AskApproval(phase=path, request=request.id, tree=request.tree, **current.given))
            decided = gate.assurance == "agent"
            message = _question(current, path)
            if decided:
                _give_decision(current, path, request, comment)
            asked = ApprovalRequest(current.loaded, request, gate.assurance, decided, message, gate.phrase or "")
    assert asked is not None, "where the files changed, the block above ends with its refusal"
    return replace(asked, loaded=current.loaded)


def ask_about_now(engine: Engine, run_id: str, phase: str) -> None:
    """Ask again where the files are not those that the open request is about, as its answer would. Refuses ``stale_revision`` then."""
    path = PhasePath(phase)
    now = files_now(engine, run_id, path)
    if now.changed == ():
        return
    with change_run(engine, run_id, SYSTEM) as current:
        _expect_approval(current, path)
        if not _changed_meanwhile(current, path, now):
            _asked_about_others(current, path, now)


def decide(
    engine: Engine,
    by: By,
    run_id: str,
    phase: str,
    *,
    sha256: str | None = None,
    comment: str = "",
    phrase: str = "",
    request: str | None = None,
    approval: ShownApproval | None = None,
    grant: Callable[[RunChange, PhasePath], Mapping[str, str]] | None = None,
) -> LoadedRun:
    """Approve the open revision. Raises ``stale_revision`` when what would be approved has changed meanwhile, and
    ``conflict`` where the stored run is not what its log says.

    ``request``: the stored request that is answered, where the answer comes from a form. ``approval``: what the user saw.
    ``grant``: where a standing grant approves, uses it in this transaction; what the approval says of it.
    """
    path = PhasePath(phase)
    # Before the transaction: reading all files under the write lock would block every other process.
    now, code = files_now(engine, run_id, path), _code(engine, by, run_id)
    judge_edit(engine, run_id, path)
    with change_run(engine, run_id, by if grant is None else SYSTEM) as current:
        _expect_approval(current, path)
        _match_request(current, path, request)
        # Both leave a refusal for after the commit: the gates run again, or the request is issued again.
        if not _changed_meanwhile(current, path, now) and not _asked_about_others(current, path, now):
            current.by = by  # a grant does nothing but approve: what was found before that is the server's
            _match(current, path, sha256)
            _keep_shown(current, path, approval)
            target = target_record(current, current.attempt(path), now.head)
            stored, gate = request_of(current, path, now.tree, target)
            if gate.phrase and phrase != gate.phrase:
                raise Refused(
                    "bad_argument",
                    f"This approval asks for the phrase {gate.phrase!r}; got {phrase!r}.",
                    "Type it exactly so; at a terminal it is given with --phrase.",
                )
            current.give(c.AskApproval(phase=path, request=stored.id, tree=stored.tree, **current.given))
            if isinstance(by, Person):
                note_facts(current, path, stored.id, "" if approval is None else approval.sha256, code)
            _give_decision(current, path, stored, comment, grant)
    if isinstance(by, Person):
        from wfe_mcp.engine.approvals.proof_files import write_proofs

        write_proofs(engine, current.run.id)
    return current.loaded


def reject(
    engine: Engine,
    by: By,
    run_id: str,
    phase: str,
    feedback: str,
    *,
    to: str | None = None,
    sha256: str | None = None,
    request: str | None = None,
    approval: ShownApproval | None = None,
) -> LoadedRun:
    """Reject the revision: the attempt fails, or the run returns to the earlier phase ``to``. ``approval``: see ``decide``."""
    path, code = PhasePath(phase), _code(engine, by, run_id)
    tree = None
    with suppress(Refused):  # a fault of git keeps no one from sending work back
        tree = files_now(engine, run_id, path).tree
    with change_run(engine, run_id, by) as current:
        target = meant_by(current.state.spec, path, to) if to and path in current.state.attempts else None
        alive = _goes_on(current, path)
        command = c.Reject(phase=path, feedback=feedback, to=target, holder_alive=alive, **current.given)
        refused = refusal(current.state, command)
        if refused is not None:
            raise with_decision(current, path, refused)
        _match(current, path, sha256)
        _match_request(current, path, request)
        if current_gate(current.state, current.attempt(path)) == "approval":
            _keep_shown(current, path, approval)
            # What is sent back without having been asked about is kept too: the next attempt is compared with it.
            stored, _ = request_of(current, path, None if current.attempt(path).asked else tree)
            if isinstance(by, Person):
                note_facts(current, path, stored.id, "" if approval is None else approval.sha256, code)
            _close(current, stored, feedback, approved=False, to=command.to)
        current.give(command)
    return current.loaded


def withdraw(engine: Engine, by: By, run_id: str, phase: str, feedback: str) -> LoadedRun:
    """Withdraw the caller's own submission; a new attempt opens."""
    path = PhasePath(phase)
    with change_run(engine, run_id, by) as current:
        attempt = current.attempt(path) if path in current.state.attempts else None
        if attempt is not None and attempt.holder != engine.holder and engine.holds(current.tx, attempt):
            raise Refused(
                "leased",
                f"Phase {phase!r} was submitted by {holder_named(current.tx, current.run.id, attempt)}.",
                f"Only its submitter withdraws it; a new attempt is the user's to open: wfe-mcp retry {current.run.id} {shell_path(path)}",
            )
        current.give(c.Withdraw(phase=path, feedback=feedback, holder_alive=_goes_on(current, path), **current.given))
    return current.loaded


def _goes_on(current: RunChange, path: PhasePath) -> bool:
    if path not in current.state.attempts:
        return False
    return current.engine.goes_on(current.tx, current.attempt(path))


def _expect_approval(current: RunChange, path: PhasePath) -> None:
    """Refuse unless ``path`` waits for an approval."""
    approval = c.AskApproval(phase=path, request="", **current.given)
    refused = refusal(current.state, approval)
    if refused is not None:
        raise with_decision(current, path, with_commands_of_the_user(current.state, approval, refused))


def _question(current: RunChange, path: PhasePath) -> str:
    attempt, run = current.attempt(path), current.run
    what = "the prompt" if attempt.stage is Stage.BEFORE else current.plan.artifact_name(path) or "what was done"
    where = f"run {run.id} of {project_of(current.tx, run)}"
    return f"Approve {what} of phase {str(path)!r} (attempt {attempt.number}) in {where}: {run.title}?"


def _give_decision(
    current: RunChange,
    path: PhasePath,
    request: RequestRecord,
    comment: str,
    grant: Callable[[RunChange, PhasePath], Mapping[str, str]] | None = None,
) -> None:
    about = {"comment": comment, "person": deciding_person(current, path)} if grant is None else grant(current, path)
    comment, person, grant_used = (about.get(name, "") for name in ("comment", "person", "grant"))
    approve = c.Approve(
        phase=path, sha256=request.sha256, comment=comment, person=person, grant=grant_used, **current.given
    )
    # The request waits for more people.
    if not any(isinstance(event, ApprovalCounted) for event in current.give(approve)):
        _close(current, request, comment, approved=True)


def _keep_shown(current: RunChange, path: PhasePath, approval: ShownApproval | None) -> None:
    """Store what a person saw with their decision. Refuses where the run, or the same made from it now, is another."""
    if approval is None:
        return
    refuse_altered(current.tx, current.loaded)
    now = approval.again(current.tx, current.loaded)
    if now != approval.values:
        names = [name for name in {**approval.values, **now} if approval.values.get(name) != now.get(name)]
        refused = Refused(
            "stale_revision",
            f"What you were shown of {path!r} is not what is stored now; it differs in: {', '.join(names)}.",
            "Review it again.",
            run=current.run.id,
            phase=path,
            data={"differs": names},
        )
        raise with_decision(current, path, refused) if current.attempt(path).approvals else refused
    current.tx.documents.keep(approval.values)
    current.tx.seals.keep_shown(current.run.id, approval.sha256)


def _code(engine: Engine, by: By, run_id: str) -> str:
    """The tree of the code that a person decides on; read only where their key signs it."""
    return code_tree(engine, run_id) if isinstance(by, Person) else ""


def note_facts(current: RunChange, path: PhasePath, request: str, shown: str, code: str) -> None:
    """What the signed statement says besides the command: the request, what was shown, the files of the revision and the code."""
    revision = current.attempt(path).revision
    stored = current.tx.artifacts.revision(current.run.id, path, revision) if revision else None
    files = {} if stored is None else outputs_of(current, path, stored.content)
    hashes = {file: sha256_hex(content) for file, content in files.items()}
    asked = current.tx.approvals.get(request)
    target = {} if asked is None else {name: asked.data[name] for name in ("target",) if name in asked.data}
    current.facts |= (
        {"request": request, "shown": shown, "files": hashes, "tree": code} | target | _pinned_keys(current)
    )


def _pinned_keys(current: RunChange) -> dict[str, object]:
    """The head of the chain of keys that the project pins; a void one pins none."""
    from wfe_mcp.engine.approvals.approvers import approvers_here

    try:
        chain = approvers_here(Path(current.run.worktree))
    except Refused:
        return {}
    return {"approvers": chain.head} if chain.changes else {}


def _close(
    current: RunChange, request: RequestRecord, comment: str, *, approved: bool, to: PhasePath | None = None
) -> None:
    by = current.by
    above = current.engine.state_of(Terminal).ancestors if by.channel is Channel.CLI else ""
    current.tx.approvals.decide(
        request.id, DecisionRecord(approved, by.actor, by.channel, by.assurance, current.at, comment, to, above)
    )


def _match(current: RunChange, path: PhasePath, sha256: str | None) -> None:
    """Refuse unless ``sha256`` (or its first characters) names the open revision."""
    open_sha = current.attempt(path).sha256 or ""
    if sha256 and not open_sha.startswith(sha256.lower()):
        raise Refused(
            "stale_revision",
            f"The open revision of {path!r} is {open_sha[:12]}, not {sha256[:12]}.",
            "Look at the open revision and decide again.",
        )


def _match_request(current: RunChange, path: PhasePath, request: str | None) -> None:
    """An answer to a stored request counts only while exactly that one is open."""
    if request is None:
        return
    stored = current.tx.approvals.open_request(current.run.id, path, current.attempt(path).number)
    expired = stored is not None and stored.expires_at is not None and stored.expires_at <= current.at
    if stored is None or stored.id != request or current.attempt(path).asked != request or expired:
        refused = Refused(
            "stale_revision",
            f"The request {request} takes no answer any more: it {'has expired' if expired else 'is closed'}.",
            "Call approve again: it asks about the open revision.",
            run=current.run.id,
            phase=path,
        )
        raise refused if expired else with_decision(current, path, refused)


def _asked_about_others(current: RunChange, path: PhasePath, now: FilesNow) -> bool:
    """Where files or target are not those that the open request is about, it is issued again, about those of now."""
    attempt = current.attempt(path)
    if attempt.asked is None:
        return False
    same_files = attempt.asked_tree is None or attempt.asked_tree == now.tree
    request = current.tx.approvals.open_request(current.run.id, path, attempt.number)
    target = target_record(current, attempt, now.head)
    if same_files and (request is None or target == request.data.get("target", {})):
        return False
    request, _ = request_of(current, path, now.tree, target)
    current.give(c.AskApproval(phase=path, request=request.id, tree=now.tree, by=SYSTEM, at=current.at))
    what = "What its steps would call, or the commit, has changed"
    if not same_files:
        what = "The files can no longer be read" if now.tree is None else f"{_file_names(now)} changed"
    current.refusal = Refused(
        "stale_revision",
        f"{what} since the approval of {path!r} was asked for; it is asked for again.",
        "Look at what it is about now, then decide again.",
        run=current.run.id,
        phase=path,
        data={"request": request.id, "changed": list(now.changed or ())[:_LISTED]},
    )
    return True


def _file_names(now: FilesNow) -> str:
    """The changed files in a sentence."""
    return shorten_names(now.changed, _NAMED) if now.changed else "Files"


def _changed_meanwhile(current: RunChange, path: PhasePath, now: FilesNow) -> bool:
    """After an edited mirror or changed files the gates run again, and a new decision is needed."""
    attempt, tree = current.attempt(path), now.bound
    edited = edited_artifact(current, attempt)
    if edited is not None:
        content = canonical_json(edited)
        store_revision(current, path, content, "edited in .wfe/runs", tree=tree or attempt.tree, edited=True)
        write_output(current, path, content)
        current.refusal = Refused(
            "stale_revision",
            f"The artifact of {path!r} was edited; it is now revision {sha256_hex(content)[:12]} and its gates run again.",
            "Look at it and decide again.",
            run=current.run.id,
            phase=path,
        )
        return True
    if tree != attempt.tree and attempt.status is AttemptStatus.AWAITING:
        if now.branch:  # its gates would judge, and fail, what the run does not work on
            message = f"The gates of {path!r} passed on a commit of branch {now.branch!r}, which is not checked out."
            hint = f"Nothing has changed. If its work is here now, send it back: wfe-mcp reject {current.run.id} {shell_path(path)} --feedback TEXT"
        else:
            message = f"{_file_names(now)} changed since the gates of {path!r} passed; they run again."
            hint = "Once they have ended (status), look at it again and decide."
        refused = Refused(
            "stale_revision",
            message,
            f"{now.moved}{hint}",
            run=current.run.id,
            phase=path,
            data={"changed": list(now.changed or ())[:_LISTED]},
        )
        if now.branch:
            raise refused
        current.give(c.TreeChange(tree=tree, **current.values_of(attempt)))
        current.refusal = refused
        return True
    return False


FORM = By("user", Channel.FORM, Assurance.CLIENT)
"""A user who filled in a form of the client: assurance level 1, never more (design §7)."""
