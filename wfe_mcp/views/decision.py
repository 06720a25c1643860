"""One stored approval request: what it shows and which answers it takes.

    open        it takes an answer: ``shown`` is what would be approved
    answered    by whom, when, through which channel
    expired     no answer in time; the agent or the user asks again
    closed      what it asked about is gone; ``newer`` names the request that is open in its place

Made for the decision page, by the request's id alone; plain values, made once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import AttemptStatus, Stage
from wfe_mcp.core.paths import typed
from wfe_mcp.store.records.approvals import RequestStatus
from wfe_mcp.views.approval import open_approval
from wfe_mcp.views.approvers import signers
from wfe_mcp.views.diff import difference
from wfe_mcp.views.envelopes import standing_of
from wfe_mcp.views.move_calls import button, user_moves

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.approvals import DecisionRecord, RequestRecord
    from wfe_mcp.store.records.runs import EvidenceRecord

__all__ = ["DecisionView", "RequestState", "decision_view", "takes_answer"]

RequestState = Literal["open", "answered", "expired", "closed"]


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A request as shown to the user. ``shown``: from ``open_approval``, only while the request is open.

    ``prompt``: the text that is asked about before work begins; None when its file is not what the gates judged.
    ``back_to``: earlier phases that a rejection may return the run to. ``gating``: the gates run again now.
    ``passkeys``: names of the keys that may sign; where there is none, ``no_passkey`` says why. ``buttons``: the labels of
    the decisions that are legal now, ``Approve`` and ``Reject``.
    """

    request: RequestRecord
    state: RequestState
    project: str
    title: str
    template: str
    tainted: bool
    gating: bool = False
    newer: str | None = None
    answer: DecisionRecord | None = None
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    prompt: str | None = None
    evidence: tuple[dict[str, Any], ...] = ()
    opinions: tuple[dict[str, Any], ...] = ()
    against: int = 0
    changes: tuple[dict[str, Any], ...] = ()
    back_to: tuple[str, ...] = ()
    passkeys: tuple[str, ...] = ()
    no_passkey: str = ""
    buttons: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The same at a terminal."""
        return f"wfe-mcp approve {self.request.run_id} {typed(self.request.phase)}"


def decision_view(engine: Engine, request_id: str) -> DecisionView:
    """Everything about a request of this project. Refuses ``stale_revision`` for an unknown id."""
    with engine.store.read() as tx:
        request = tx.request_by_id(request_id)
        answer = None if request is None else tx.decision(request_id)
    if request is None:
        raise Refused(
            "stale_revision", f"There is no request {request_id[:80]!r}.", "Call approve again: it asks anew."
        )
    found = standing_of(engine, request.run_id)
    attempt = found.loaded.state.current(request.phase)
    record = found.loaded.record
    state = _state(engine, request, attempt)
    base = DecisionView(
        request, state, str(engine.root), record.title, f"{record.template} {record.template_version}", record.tainted,
        gating=attempt.status is AttemptStatus.GATING, newer=None if state == "open" else _newer(engine, request, attempt),
        answer=answer,
    )  # fmt: skip
    return base if state != "open" else _with_all(engine, found, base, attempt)


def takes_answer(engine: Engine, request: RequestRecord) -> bool:
    """True while an answer to ``request`` would count."""
    attempt = standing_of(engine, request.run_id).loaded.state.current(request.phase)
    return _state(engine, request, attempt) == "open"


def _state(engine: Engine, request: RequestRecord, attempt: Attempt) -> RequestState:
    if request.status in {RequestStatus.APPROVED, RequestStatus.REJECTED}:
        return "answered"
    asked = attempt.status is AttemptStatus.AWAITING and attempt.asked == request.id
    if request.status is not RequestStatus.OPEN or not asked:
        return "closed"
    late = request.expires_at is not None and request.expires_at <= engine.clock()
    return "expired" if late else "open"


def _newer(engine: Engine, request: RequestRecord, attempt: Attempt) -> str | None:
    with engine.store.read() as tx:
        found = tx.open_request(request.run_id, request.phase, attempt.number)
    is_asked = found is not None and found.id != request.id and _state(engine, found, attempt) == "open"
    return found.id if found is not None and is_asked else None


def _with_all(engine: Engine, found: Overview, base: DecisionView, attempt: Attempt) -> DecisionView:
    request = base.request
    shown = open_approval(engine, found, request.phase)
    assert shown is not None, "the request is open"
    with engine.store.read() as tx:
        evidence = tuple(_evidence(each) for each in _of_revision(tx, request))
        opinions = tuple(
            {"reviewer": each.reviewer, "model": each.model, "opinion": each.value}
            for each in tx.opinions(request.run_id, request.phase)
            if each.artifact_sha256 == request.sha256
        )
        against, changes = _changes(tx, request, attempt)
    passkeys, no_passkey = signers(engine, Path(found.loaded.record.worktree))
    return replace(
        base, passkeys=passkeys, no_passkey=no_passkey, shown=shown.data, prompt=_prompt(engine, request) if request.stage is Stage.BEFORE else None,
        evidence=evidence, opinions=opinions, against=against, changes=changes, back_to=_back_to(found, request),
        buttons=tuple(button(move) for move in user_moves(found, attempt) if isinstance(move, c.Approve | c.Reject)),
    )  # fmt: skip


def _of_revision(tx: Tx, request: RequestRecord) -> list[EvidenceRecord]:
    """The last evidence of each gate about exactly what is asked."""
    seen = [
        each for each in tx.evidence(request.run_id, request.phase, request.attempt)
        if each.stage is request.stage and each.sha256 in {request.sha256, None}
    ]  # fmt: skip
    return list({each.gate: each for each in seen}.values())


def _evidence(found: EvidenceRecord) -> dict[str, Any]:
    return {
        "gate": found.kind,
        "at": found.at.isoformat(timespec="seconds"),
        "tree": (found.tree or "")[:12],
        **found.data,
    }


def _changes(tx: Tx, request: RequestRecord, attempt: Attempt) -> tuple[int, tuple[dict[str, Any], ...]]:
    """The revision before the one that is asked about, and what differs; (0, ()) where there is none."""
    if not attempt.revision:
        return 0, ()
    earlier = [
        head.revision for head in tx.revisions(request.run_id, request.phase) if head.revision < attempt.revision
    ]
    old = tx.revision(request.run_id, request.phase, earlier[-1]) if earlier else None
    new = tx.revision(request.run_id, request.phase, attempt.revision)
    if old is None or new is None:
        return 0, ()
    return old.revision, tuple(difference(json.loads(old.content), json.loads(new.content)))


def _prompt(engine: Engine, request: RequestRecord) -> str | None:
    from wfe_mcp.workspace.files.mirror import attempt_folder
    from wfe_mcp.workspace.files.project_files import read_if_there

    raw = read_if_there(engine.root, f"{attempt_folder(request.run_id, request.phase, request.attempt)}/prompt.md")
    # The file lies where an agent can write: it counts only while it is what the gates judged.
    return raw.decode() if raw is not None and sha256_hex(raw) == request.sha256 else None


def _back_to(found: Overview, request: RequestRecord) -> tuple[str, ...]:
    state = found.loaded.state
    return tuple(sorted(path for path in outwards(state.spec, request.phase) if path in state.attempts))
