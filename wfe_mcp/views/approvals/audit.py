"""What people were shown, compared with the log: for each signed decision its view is made again as of that moment.

    statement: ``shown`` ──► the stored view ──┐
    log up to the statement's ``request`` ─────┴──► made again ──► each field that differs

Rules:
1. Compared is what follows from the record: the run, its inputs, trees, artifacts, evidence, opinions, files, earlier
   attempts. What else was unusual, and what a decision would lead to, depend on the configuration of that moment.
2. Files are compared while their trees are stored. A decision of before views were stored has none to compare.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Channel, RunId, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath, item_of
from wfe_mcp.engine.approvals.statements import read_statement
from wfe_mcp.engine.files.tree_binding import first_tree, ignored_globs
from wfe_mcp.engine.grants.facts import use_of
from wfe_mcp.engine.integrity.verification import verify as verify_record
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EventRecord, LoadedRun, RunRecord
from wfe_mcp.views.approvals.changes import COMMIT, change_between, last_approved
from wfe_mcp.views.approvals.evidence import besides_allowed_skips
from wfe_mcp.views.approvals.shown import Rows, asked_attempt, recorded_view, rows_of
from wfe_mcp.views.approvals.unusual import MOST_CANCELLED, ProjectFacts, cancelled_before, known_things
from wfe_mcp.views.values.model import plain

CODE = "shown_differs"
_HOW = ("by anyone", "by you, in the client", "by you, with your PIN", "by you, with a passkey")
"""What the line of an open gate said in decisions until the assurance alone did."""
_NOT_RECORDED = {"project", "effect", "send_back", "unusual", "changes", "prompt"}
"""Fields of the view that are not compared as a whole (rule 1)."""
_UNORDERED = {"not_done"}
"""Lists in which two of the same moment come as the state has its phases, and a replayed state has them in another order."""
_OLD_VOID = "(void since: superseded)"
_VOID_NOW = ("(void since: sent back)", "(void since: failed)", "(void since: begun again)")
"""How ``approved`` of an artifact ended in decisions until it named what became of the attempt."""
_OF_FILES = {"written", "claimed", "file", "head", "deployments"}
"""What of an artifact, and of the target of steps, depends on the project; the statement itself has the commit."""


def unlike_shown(engine: Engine, tx: Tx, run: RunId) -> Iterator[Discrepancy]:
    """The decisions on a run whose stored view is not what its log leads to; each names the fields."""
    wanted = tx.seals.shown_hashes(run)
    if not wanted or tx.bundles.origin_sha256(run) is not None:
        return
    states, state = dict[int, RunState](), RunState()
    try:
        now, rows = engine.load(tx, run), list(tx.events.log(run))
        for row, event in zip(rows, tx.events.core_events(run), strict=True):
            states[row.seq] = state = evolve(state, event)
    except Exception:  # a log that was tampered with can fail in any way; it is reported
        return
    for row in rows:
        shown, last, phase = _shown_with(tx, now, rows, row)
        if shown not in wanted:
            continue
        wanted.discard(shown)
        before = rows[last - 1]
        loaded = LoadedRun(replace(now.record, last_seq=before.seq, last_hash=before.hash), states[before.seq])
        try:
            names = list(_differing(engine, tx, loaded, json.loads(tx.documents.text(shown)), rows[: before.seq]))
        except (Refused, KeyError):  # the seal of the document names it
            continue
        if names:
            message = f"what was shown is not what the log leads to: {', '.join(names)}"
            where = f"decision on {phase}"
            yield Discrepancy(CODE, where, message, run, row.seq, row.at)
    for shown in sorted(wanted):
        yield Discrepancy(CODE, f"view {shown[:12]}", "it was stored with a decision that no signature names", run)


verify = partial(verify_record, also=unlike_shown)
"""As ``integrity.verification.verify``, and compare what people were shown with what the log leads to."""


def _shown_with(tx: Tx, run: LoadedRun, rows: Sequence[EventRecord], row: EventRecord) -> tuple[str, int, str]:
    """The view that was stored with the decision that ``row`` proves, the last event before that, and its phase; no view without one."""
    statement = _statement(row)
    if statement.get("shown"):
        phase = str(statement["decision"][0].get("phase", "the run"))
        return str(statement["shown"]), int(statement["request"]["seq"]), phase
    use = use_of(tx, run, row) if row.type == "ApprovalGiven" and row.payload.get("grant") else None
    if use is None:
        return "", 0, ""
    first = row.seq
    while first > 1 and (rows[first - 2].at, rows[first - 2].channel) == (row.at, Channel.GRANT):
        first -= 1
    return use.shown, first - 1, use.phase


def _statement(row: EventRecord) -> Mapping[str, Any]:
    if row.type != "DecisionSigned":
        return {}
    statement = read_statement(str(row.payload.get("statement")))
    return {} if statement is None else statement.values


def _differing(
    engine: Engine, tx: Tx, then: LoadedRun, shown: Mapping[str, Any], events: Sequence[EventRecord]
) -> Iterator[str]:
    """The fields of ``shown`` that differ from what is made of the run as it was ``then``."""
    overview = Overview(then, engine.plans.of_run(tx, then.record), ())
    attempt = asked_attempt(overview, str(shown.get("phase", "")))
    if attempt is None:
        yield "phase"
        return
    rows = _rows_then(rows_of(tx, overview, attempt.phase), events)
    view = recorded_view(engine, tx, overview, attempt, rows)
    now = json.loads(canonical_json(plain(view)))
    shown = {**shown, "evidence": [*map(_as_now, shown.get("evidence", ()))]} if shown.get("evidence") else shown
    if "attempts" in now:
        now["attempts"] = _without_new(now["attempts"], shown.get("attempts", ()))
    if "earlier" in now:
        now["earlier"] = _as_listed(now["earlier"], shown.get("earlier", ())) or None
    shown = _without_unknown_approvals(tx, then, shown, now)
    for name in {**now, **shown}:
        left, other = (_comparable(values.get(name)) for values in (now, shown))
        if name in _UNORDERED and left and other:
            left, other = (sorted(map(canonical_json, value)) for value in (left, other))
        if name not in _NOT_RECORDED and left != other:
            yield name
    prompt: Mapping[str, Any] = shown.get("prompt") or {}
    if (prompt.get("sha256", "") if view.prompt else "") != (view.prompt.sha256 if view.prompt else "") or (
        prompt.get("text") is not None and sha256_hex(prompt["text"]) != prompt["sha256"]
    ):
        yield "prompt"
    lines = besides_allowed_skips(overview.plan.gates(attempt), view.evidence)
    known = known_things(overview, rows.evidence, lines, view.opinions, rows.decisions, ProjectFacts((), ()))
    unusual: Sequence[Mapping[str, Any]] = shown.get("unusual", ())
    is_hidden = any(
        not any(run.id in entry["text"] for entry in unusual) for run in _cancelled_runs(tx, overview, events[-1])
    )
    if is_hidden or any(entry not in unusual for entry in map(plain, known)):
        yield "unusual"
    if list(_unlike_trees(engine, tx, then, view.tree, str(attempt.phase), shown.get("changes", ()))):
        yield "changes"


def _rows_then(rows: Rows, events: Sequence[EventRecord]) -> Rows:
    """``rows`` as of the last of ``events``: what was sealed by then; opinions that no gate relies on by their time."""
    sealed = {
        (kept["kind"], kept["id"])
        for event in events
        if event.type == "RecordsKept"
        for kept in event.payload["records"]
    }
    names_all = any(event.payload.get("names_records") or event.type == "RunForked" for event in events[:1])
    return replace(
        rows,
        evidence=[evidence for evidence in rows.evidence if not names_all or ("evidence", evidence.id) in sealed],
        attachments=[
            attachment for attachment in rows.attachments if not names_all or ("attachment", attachment.id) in sealed
        ],
        opinions=[opinion for opinion in rows.opinions if opinion.at <= events[-1].at],
    )


def _cancelled_runs(tx: Tx, then: Overview, event: EventRecord) -> Sequence[RunRecord]:
    """The runs that had been cancelled before ``then`` began, as a decision after ``event`` names them.

    None once a run of the project was pruned: it may have been one of them.
    """
    record = then.loaded.record
    if tx.retention.pruned_runs(record.project_id):
        return ()
    page = tx.runs.page(record.project_id, status=[RunStatus.CANCELLED], limit=MOST_CANCELLED)
    before = (run for run in page.runs if run.ended_at is not None and run.ended_at < event.at)
    return cancelled_before(then, ProjectFacts((), tuple(before)))


def _as_now(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """The line of a gate as it is made today."""
    is_old = line.get("state") == "awaiting" and line.get("text") in _HOW
    return {name: value for name, value in line.items() if name != "text"} if is_old else line


def _without_new(attempts: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``attempts`` without the whole reason of those that were shown without it, as earlier versions did."""
    lines: list[Mapping[str, Any]] = []
    for number, attempt in enumerate(attempts):
        is_cut = number < len(shown) and "whole" not in shown[number]
        lines.append({name: value for name, value in attempt.items() if not is_cut or name != "whole"})
    return lines


def _as_listed(earlier: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``earlier`` without artifacts of closed items, where none is shown: earlier versions did not list them."""
    phases = {artifact["phase"] for artifact in shown}
    return [artifact for artifact in earlier if artifact["phase"] in phases or not item_of(artifact["phase"])]


def _lacks_origin(tx: Tx, run: LoadedRun) -> bool:
    """Whether a run that ``run`` comes from, as a fork, was pruned: its approvers are no longer known."""
    origin = run.state.origin
    while origin is not None:
        before = tx.runs.load(origin.run)
        if before is None:
            return any(pruned.run_id == origin.run for pruned in tx.retention.pruned_runs(run.record.project_id))
        origin = before.state.origin
    return False


def _without_unknown_approvals(
    tx: Tx, run: LoadedRun, shown: Mapping[str, Any], now: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The view ``shown``, without who approved an artifact in a run that was pruned since."""
    if not _lacks_origin(tx, run):
        return shown
    artifacts = [artifact for artifact in (now.get("artifact"), *(now.get("earlier") or ())) if artifact]
    unknown = {artifact["phase"] for artifact in artifacts if "approved" not in artifact}

    def as_known(artifact: Mapping[str, Any]) -> Mapping[str, Any]:
        is_known = artifact["phase"] not in unknown
        return {name: value for name, value in artifact.items() if is_known or name != "approved"}

    return {
        **shown,
        **({"artifact": as_known(shown["artifact"])} if shown.get("artifact") else {}),
        **({"earlier": [*map(as_known, shown["earlier"])]} if shown.get("earlier") else {}),
    }


def _comparable(value: Any) -> Any:
    """Without places on this machine: a project may have moved since. Without the mark of a cut reason, which older views lack."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value).items()
        return {name: _AS_BEFORE.get(name, _comparable)(part) for name, part in parts if name not in _OF_FILES}
    if isinstance(value, list):
        return [_comparable(part) for part in value if not _is_log(part)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    return value


def _uncut(text: Any) -> Any:
    return text.removesuffix("…").rstrip() if isinstance(text, str) else text


def _void_as_before(text: Any) -> Any:
    for now in _VOID_NOW if isinstance(text, str) else ():
        text = text.replace(now, _OLD_VOID)
    return text


_AS_BEFORE = {"reason": _uncut, "approved": _void_as_before}
"""What of a text earlier versions wrote otherwise, by the name of its field."""


def _is_log(fact: Any) -> bool:
    return isinstance(fact, dict) and cast("dict[str, Any]", fact).get("name") == "log"


def _unlike_trees(
    engine: Engine, tx: Tx, then: LoadedRun, tree: str, phase: str, changes: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """The changes that were shown between other trees than those of the run, or with other files."""
    bases = [first_tree(then.state), last_approved(then.state)]
    ignored = ignored_globs(engine, tx, then, PhasePath(phase))
    of_commit = [entry for entry in changes if entry.get("since") == COMMIT]  # what HEAD was then is in no log
    yield from (COMMIT for entry in of_commit if tree and entry.get("after") != tree)
    for change, base in zip((entry for entry in changes if entry not in of_commit), bases, strict=False):
        before, after = change.get("before", ""), change.get("after", "")
        if (before and before != base) or (after and tree and after != tree):
            yield str(change.get("since"))
        elif before and after:
            again = change_between(Path(then.record.worktree), str(change["since"]), before, after, ignored)
            files = json.loads(canonical_json(plain(again.files)))
            watched = json.loads(canonical_json(plain(again.watched)))
            is_same = watched == change.get("watched", []) and _same_files(files, change.get("files", []))
            if not again.note and not is_same:
                yield str(change["since"])


def _same_files(made: list[dict[str, Any]], shown: list[dict[str, Any]]) -> bool:
    """Whether both list the same files, with the same lines where both have them."""
    gone = {"hunks", "kind", "added", "removed"}
    if [file["path"] for file in made] != [file["path"] for file in shown]:
        return False
    for file, other in zip(made, shown, strict=True):
        is_gone = file.get("kind") == "unknown"
        left_out: set[str] = gone if is_gone else set()
        if {k: v for k, v in file.items() if k not in left_out} != {
            k: v for k, v in other.items() if k not in left_out
        }:
            return False
    return True
