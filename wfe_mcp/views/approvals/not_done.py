"""What a run has not done so far, and what its agent says was done and the server did not see.

Phases that were left out, gates that judged nothing, reviewers that were overruled:
1. It is about the whole run: the newest attempt of each phase, whatever phase asks for the decision.
2. Whose doing it was: the caller of a command. A phase that its template leaves out was skipped by no person.
3. What removes or weakens a gate by configuration or force is unusual, and listed there (``unusual.py``).

Of an artifact of schema ``change@1`` is evidence of the level ``claimed``:

files       no changed file, nor a folder of one
tests       no gate names it, and no changed lines do in a run whose checks counted tests
commands    no check ran it
commit      no commit in git has this hash
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

from wfe_mcp.core.json_pointer import under
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.approvals.evidence import NO_REVIEWER, gate_name
from wfe_mcp.views.approvals.model import ArtifactShown, Change, Named, NotDone, NotDoneState
from wfe_mcp.views.runs.models import EventView
from wfe_mcp.views.runs.requests import DecisionLine
from wfe_mcp.views.runs.run import event_view
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.file_diffs import FileDiff
from wfe_mcp.workspace.git.repository import commit_of, head

_OUTCOMES: dict[GateOutcome, NotDoneState] = {GateOutcome.SKIPPED: "skipped", GateOutcome.OVERRULED: "overruled"}


def not_done(
    tx: Tx, overview: Overview, recorded: Sequence[EvidenceRecord], decisions: Sequence[DecisionLine]
) -> tuple[NotDone, ...]:
    """What was not done, newest first. ``recorded``: the evidence of the run; what came after the last approval or rejection is new."""
    events = tx.events.of_types(overview.loaded.record.id, "PhaseSkipped", "OpinionOverruled")
    asked = {(view.payload["phase"], view.payload["attempt"]): view for view in map(event_view, events)}
    times = {(evidence.phase, evidence.attempt, evidence.stage, evidence.gate): evidence.at for evidence in recorded}
    listed: list[NotDone] = []
    for tries in overview.loaded.state.attempts.values():
        newest = tries[-1]
        event = asked.get((newest.phase, newest.number))
        listed += _phase(overview, newest, event) if newest.status is AttemptStatus.SKIPPED else ()
        for gate in _gates(overview, newest, event):
            at = times.get((newest.phase, newest.made_in, gate[0], gate[1]))
            listed.append(gate[2] if at is None else replace(gate[2], at=at.isoformat(timespec="milliseconds")))
    looked = (decision for decision in decisions if not decision.run and decision.decision in {"approved", "rejected"})
    last = max((decision.at for decision in looked), default="")
    listed.sort(key=lambda each: each.at, reverse=True)
    return tuple(
        _count_equal([replace(line, is_new=line.at > last, at=line.at and f"{line.at[:19]}+00:00") for line in listed])
    )


def _phase(overview: Overview, attempt: Attempt, event: EventView | None) -> Iterator[NotDone]:
    if event is not None:
        by = "" if event.payload.get("follows") else f"{event.actor} ({event.channel})"
        yield NotDone(_declared_phase(overview, attempt), "skipped", attempt.reason, by=by, at=event.at)


def _gates(overview: Overview, attempt: Attempt, event: EventView | None) -> Iterator[tuple[Stage, int, NotDone]]:
    """Each gate of ``attempt`` that judged nothing: its stage, its number, and what to say of it."""
    if attempt.status not in {AttemptStatus.COMPLETED, AttemptStatus.AWAITING}:
        return
    phase = overview.plan.phase(attempt.phase)
    for verdict in attempt.verdicts:
        state = _OUTCOMES.get(verdict.outcome)
        if state is not None and verdict.sha256 == attempt.sha256:
            gate = (phase.prompt_gates if verdict.stage is Stage.BEFORE else phase.gates)[verdict.gate]
            by = f"{event.actor} ({event.channel})" if event is not None and state == "overruled" else ""
            is_unconfigured = gate.kind == "opinion" and verdict.outcome is GateOutcome.SKIPPED
            why = NO_REVIEWER if is_unconfigured else verdict.message.strip().partition("\n")[0]
            named = NotDone(_declared_phase(overview, attempt), state, why, gate_name(gate), by)
            yield verdict.stage, verdict.gate, named


def _declared_phase(overview: Overview, attempt: Attempt) -> str:
    """The phase as its template names it: all items of a loop are one line."""
    return str(overview.loaded.state.phase(attempt.phase).path)


def _count_equal(lines: Sequence[NotDone]) -> Iterator[NotDone]:
    """Equal ones once, with how often; the newest of them has the time."""
    places: dict[NotDone, list[NotDone]] = {}
    for line in lines:
        places.setdefault(replace(line, at="", is_new=False), []).append(line)
    for same in places.values():
        yield replace(same[0], times=len(same))


def claimed_in(
    root: Path, artifact: ArtifactShown, change: Change, evidence: Sequence[EvidenceRecord]
) -> tuple[Named, ...]:
    """The fields of ``artifact`` with what of them the server did not see. ``change``: since the run began."""
    if artifact.schema != "change@1":
        return ()
    files = {path: file for file in change.files for path in (file.path, file.old_path) if path}
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    commands, tests = set(_commands(evidence)), set(_tests(evidence))
    counted = any(under(record.data, "tests").get("passed") for record in evidence)
    is_seen: dict[str, Callable[[str], bool]] = {
        "files": lambda text: str(PurePosixPath(text)) in files.keys() | folders,
        "tests": lambda text: text in tests or (counted and _is_in(files, text)),
        "commands": commands.__contains__,
        "commit": lambda text: _is_commit(root, text, head(root)),
    }
    listed = {
        name: [text for text in _texts(artifact.content, name) if not seen(text)] for name, seen in is_seen.items()
    }
    return tuple(Named(name, claims) for name, claims in listed.items() if claims)


def _texts(content: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a field. A draft that a person forced may have any value there, or none."""
    value = content.get(name)
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def _commands(evidence: Sequence[EvidenceRecord]) -> Iterator[str]:
    for record in evidence:
        yield from (" ".join(record.data.get(key) or ()) for key in ("argv", "argv_run"))


def _tests(evidence: Sequence[EvidenceRecord]) -> Iterator[str]:
    """The tests that a gate found by name: those that failed, and those that it was to see fail or pass."""
    for record in evidence:
        tests, expect = under(record.data, "tests"), under(record.data, "expect")
        yield from (test["id"] for test in tests.get("failing", ()))
        if record.data.get("passed"):
            yield from (*expect.get("fails", ()), *expect.get("passes", ()))


def _is_in(files: Mapping[str, FileDiff], test: str) -> bool:
    """Whether the changed lines of its file, or those around them, have the name of ``test``."""
    path, _, rest = test.removeprefix("./").partition("::")
    name = rest.rpartition("::")[2].partition("[")[0]
    lines = (line for hunk in files[path].hunks for line in hunk.lines) if path in files else ()
    return any(name in line for line in lines if not line.startswith("-"))


@lru_cache(maxsize=32)
def _is_commit(root: Path, text: str, head: str | None) -> bool:
    """Kept while ``head`` is the commit at HEAD: a decision asks again in its transaction, which starts no git process."""
    del head
    is_id = re.fullmatch(r"[0-9a-f]{7,64}", text) is not None
    return is_id and repository(root) is not None and commit_of(root, text).startswith(text)
