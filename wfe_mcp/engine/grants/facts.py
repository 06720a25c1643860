"""Whether a standing grant approves what a person would be shown, and the use of it; ``verify`` judges both again.

The facts are those of the decision as it is shown, which the server made and stores with the approval. What the agent wrote is
not among them: a condition over it would be the agent's own.

Rules:
1. Whatever a person has to look at is decided by a person: anything unusual (weakened gates are), changed definitions of checks,
   tests among them, work that someone left out, an attempt that was sent back, open questions, and a change that is not known:
   where the lines of one file cannot be compared, no count of lines says anything.
2. A renamed file is at both places.
3. An agent does not throw away what did not fit and try again: a run of the template that was cancelled since the grant was given
   ends its use, and in a run what was withdrawn or rolled back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from wfe_mcp.core.approval_guards import gate_of
from wfe_mcp.core.json_pointer import under
from wfe_mcp.core.model import Assurance, By, Channel, RunState, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath, declared_path
from wfe_mcp.core.spec import GateSpec
from wfe_mcp.engine.grants import grants
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EventRecord, LoadedRun
from wfe_mcp.workflow.expressions import ExpressionError, Expressions
from wfe_mcp.workspace.git.file_facts import LINK
from wfe_mcp.workspace.git.watched import defines_checks, is_draft

ASKED_WITHIN_S = 60.0
"""So long a person is not called to a decision that a standing grant may take."""


class NotGranted(Exception):
    """The grant does not approve this. Its text says why."""


def caller_of(grant: grants.Grant) -> By:
    """Who approves where ``grant`` is used."""
    return By(grant.name, Channel.GRANT, Assurance[grant.assurance.upper()])


def facts_of(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What a condition reads. ``shown``: a decision as it is shown, as JSON (``views/approvals/model.py``).

    ``change``: of the run since its start: ``files``, each with ``path`` and ``status``, and the lines ``added`` and ``removed``.
    ``evidence``: ``gate``, ``state`` and ``level``. ``opinions``: ``reviewer``, ``state`` and the number of ``findings``.
    """
    files = _files(shown)
    places = [
        {"path": path, "status": file.get("status", "")}
        for file in files
        for path in (file["path"], file.get("old_path"))
        if path
    ]
    return {
        "change": {
            "files": places,
            "added": sum(file.get("added", 0) for file in files),
            "removed": sum(file.get("removed", 0) for file in files),
        },
        "evidence": [
            {"gate": line["gate"], "state": line["state"], "level": line.get("level", "")}
            for line in _rows(shown, "evidence")
        ],
        "opinions": [
            {"reviewer": opinion["reviewer"], "state": opinion["state"], "findings": len(_rows(opinion, "findings"))}
            for opinion in _rows(shown, "opinions")
        ],
        "attempt": shown["attempt"],
    }


def holds(when: str, facts: Mapping[str, Any]) -> bool:
    """Whether the condition ``when`` is true of ``facts``. Raises ``ExpressionError`` where it cannot be evaluated."""
    return Expressions(facts).is_true(when, facts)


def why_not(grant: grants.Grant, shown: Mapping[str, Any]) -> str:
    """Why ``grant`` does not approve what ``shown`` asks; empty where it does."""
    reason = _persons(shown)
    if reason:
        return reason
    try:
        return "" if holds(grant.when, facts_of(shown)) else "its condition is false"
    except ExpressionError as error:
        return f"its condition cannot be evaluated: {error.reason}"


def _persons(shown: Mapping[str, Any]) -> str:
    """What in ``shown`` a person has to look at; empty where nothing has to be."""
    changes = _rows(shown, "changes")
    prompt, artifact = under(shown, "prompt"), under(shown, "artifact")
    paths = [place["path"] for place in facts_of(shown)["change"]["files"]]
    linked = [file["path"] for file in _files(shown) if file.get("new_mode") == LINK != file.get("old_mode", LINK)]
    ignored = [
        file["name"] for change in changes[:1] for file in _rows(change, "watched") if not is_draft(file["name"])
    ]
    unread = [(file["path"], file["kind"]) for file in _files(shown) if file.get("kind", "text") != "text"]
    left_out = [line for line in _rows(shown, "not_done") if line.get("by")]
    is_known = all(change.get("before") and change.get("after") for change in changes[:1])
    unknown = "" if changes and is_known else "no change is shown"
    unknown = next((change["note"] for change in changes if change.get("note")), unknown)
    sent_back = any(attempt["state"] == "rejected" for attempt in _rows(shown, "attempts"))
    reasons = (
        *(f"the lines of {path} cannot be compared ({kind})" for path, kind in unread),
        *(f"this is unusual: {line['text']}" for line in _rows(shown, "unusual") if line["weight"] != "note"),
        *(f"it changes {path}, which defines checks" for path in paths if defines_checks(path)),
        *(f"{path} is a link now, and no file" for path in linked),
        *(f"it changes {path}, which no diff has" for path in ignored),
        *(f"{line['by']} left out {line.get('gate') or line['phase']}" for line in left_out),
        "an attempt was sent back" if sent_back else "",
        "it leaves questions open" if _rows(artifact, "questions") else "",
        "its prompt is not what the gates judged" if prompt and prompt.get("text") is None else "",
        "it asks for a phrase" if shown.get("phrase") else "",
        "it lets steps act" if shown.get("target") else "",
        f"the changed files are unknown: {unknown}" if unknown else "",
    )
    return next(filter(None, reasons), "")


def is_about(grant: grants.Grant, loaded: LoadedRun, phase: str) -> bool:
    """Whether ``grant`` is about this phase of the template, with the bytes, that the run works by."""
    same = (grant.template, grant.template_sha256) == (loaded.record.template, loaded.record.template_sha256)
    return same and grant.phase == declared_path(PhasePath(phase))


def may_approve(engine: Engine, tx: Tx, loaded: LoadedRun, phase: str) -> bool:
    """Whether a live grant is about ``phase``: it may approve, without the person, once the agent asks."""
    project = loaded.record.project_id
    about = (grant for grant in grants.grants_of(tx, project) if is_about(grant, loaded, phase))
    return any(grant.state(len(grants.uses_of(tx, project, grant.id)), engine.clock()) == "live" for grant in about)


def take_use(grant: grants.Grant, shown: str, current: RunChange, path: PhasePath) -> dict[str, str]:
    """Use ``grant`` for the open approval of ``path``, in the transaction of the approval: what the approval says of it.

    ``shown``: sha256 of the decision as it was shown. Raises ``NotGranted``.
    """
    tx, project = current.tx, current.run.project_id
    tx.secrets.alone("settings")  # uses are counted, then one more is taken
    now, used = grants.grant_named(tx, project, grant.id), grants.uses_of(tx, project, grant.id)
    state = now.state(len(used), current.at)
    if state != "live":
        raise NotGranted(f"it is {state}")
    attempt = current.attempt(path)
    reason = _gate_refused(now, gate_of(current.state, attempt))
    reason = reason or _taken_back(current.state, path, attempt.number)
    reason = reason or _cancelled_since(tx, project, now, current.at)
    if reason:
        raise NotGranted(reason)
    number = len(used) + 1
    at = current.at.isoformat(timespec="seconds")
    use = grants.GrantUse(number, current.run.id, path, attempt.number, attempt.gate, attempt.sha256 or "", shown, at)
    grants.keep_use(tx, project, now, use, SYSTEM, current.at)
    # The log names who it is of; a verdict has this text alone.
    return {"grant": now.id, "comment": f"use {number} of {now.uses}, given by {now.actor} at {now.given_at[:19]}Z"}


def _gate_refused(grant: grants.Grant, gate: GateSpec) -> str:
    if gate.people > 1:
        return "several people approve this"
    if Assurance[gate.assurance.upper()] > Assurance[grant.assurance.upper()]:
        return f"this asks for the assurance {gate.assurance}"
    return ""


def _taken_back(state: RunState, phase: str, attempt: int) -> str:
    """Whether a submission before this one ended without the verdict of its last gate: it was withdrawn or rolled back, or sent back."""
    last = (Stage.AFTER, len(state.phase(PhasePath(phase)).gates) - 1)
    tries = [
        earlier
        for earlier in state.attempts[PhasePath(phase)][: attempt - 1]
        if earlier.revision and not earlier.fail_kind
    ]
    is_taken_back = any(
        last not in {(verdict.stage, verdict.gate) for verdict in earlier.verdicts} for earlier in tries
    )
    return "an attempt was withdrawn, rolled back or sent back" if is_taken_back else ""


def _cancelled_since(tx: Tx, project: str, grant: grants.Grant, at: datetime) -> str:
    """Which run of the template was cancelled since ``grant`` was given, up to ``at``; of what was imported, no agent tried it here."""
    between = datetime.fromisoformat(grant.given_at), at
    runs = tx.runs.page(project, grant.template, [RunStatus.CANCELLED], limit=1, ended=between).runs
    return f"run {runs[0].id} of the template was cancelled since it was given" if runs else ""


def use_of(tx: Tx, loaded: LoadedRun, event: EventRecord) -> grants.GrantUse | None:
    """The one use that an approval in the log of a run names; None without one, and of several."""
    payload = event.payload
    place = (loaded.record.id, payload["phase"], payload["attempt"], payload["gate"], payload["sha256"])
    uses = [
        use
        for use in grants.uses_of(tx, loaded.record.project_id, str(payload.get("grant")))
        if (use.run, use.phase, use.attempt, use.gate, use.sha256) == place
    ]
    return uses[0] if len(uses) == 1 else None


def use_fault(tx: Tx, loaded: LoadedRun, event: EventRecord) -> str:
    """Why the approval in ``event`` is not one that a grant gave; empty where it is."""
    grants_by_id = {grant.id: grant for grant in grants.grants_of(tx, loaded.record.project_id)}
    grant, use = grants_by_id.get(str(event.payload.get("grant"))), use_of(tx, loaded, event)
    if grant is None:
        return f"there is no grant {event.payload.get('grant')!r}"
    if use is None or not 1 <= use.number <= grant.uses or use.shown not in tx.seals.shown_hashes(loaded.record.id):
        return f"it is no use of grant {grant.id} that counts"
    if replace(grant, ended_at="").state(use.number - 1, event.at) != "live" or event.at < datetime.fromisoformat(
        grant.given_at
    ):
        return f"grant {grant.id} was not in force then"
    if By(event.actor, event.channel, event.assurance) != caller_of(grant):
        return f"it names another caller than grant {grant.id}"
    if not is_about(grant, loaded, use.phase):
        return f"grant {grant.id} is about another phase, or another version of the template"
    if fault := grants.place_fault(tx, loaded.record.project_id, grant, use.number):
        return fault
    shown = cast("dict[str, Any]", tx.documents.load(use.shown))
    seen = (shown.get("run"), shown.get("phase"), shown.get("attempt"), shown.get("sha256"))
    if seen != (use.run, use.phase, use.attempt, use.sha256):
        return "what was shown is another decision"
    spec = loaded.state.phase(PhasePath(use.phase))
    gates = spec.gates_before if shown.get("stage") == "before" else spec.gates
    reason = "it is no gate of this phase"
    if use.gate < len(gates) and gates[use.gate].kind == "approval":
        reason = _gate_refused(grant, gates[use.gate]) or why_not(grant, shown)
    reason = reason or _taken_back(loaded.state, use.phase, use.attempt)
    reason = reason or _cancelled_since(tx, loaded.record.project_id, grant, event.at)
    return f"grant {grant.id} does not approve it: {reason}" if reason else ""


def _files(shown: Mapping[str, Any]) -> Sequence[Any]:
    return [file for change in _rows(shown, "changes")[:1] for file in _rows(change, "files")]


def _rows(values: Mapping[str, Any], name: str) -> Sequence[Any]:
    return values.get(name) or ()
