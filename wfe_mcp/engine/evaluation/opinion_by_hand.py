"""Opinions of a person who reviews in place of a model: the question and the answer are files.

    gate ──► question file, its job ends ──► the person answers ──► opinion answer ──► opinion stored ──► the gate judges

Rules:
1. Nothing is read automatically: the work under review lies in the same folder, so an answer counts by the user's PIN.
2. An answer belongs to one question: its file is named by the question's sha256, so that changed work is asked about anew.
3. The answer is signed like a decision: it fills a gate in a person's place. ``verify`` finds one that is not.
4. A file that is no opinion is refused and may be corrected; nothing is stored.
"""

from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, Suggestion, nearest
from wfe_mcp.core.model import Attempt, By
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange, run_as_read
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.models.waits import AskedPerson, persons_asked
from wfe_mcp.store.records.calls import MANUAL_MODEL, OpinionRecord


class WaitsForPerson(Exception):
    """The gate cannot be judged before these persons have answered."""

    def __init__(self, people: list[AskedPerson]) -> None:
        super().__init__(", ".join(person.reviewer for person in people))
        self.asked = people


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that a person is asked, as its file has it now. ``answer``: the file of the answer, "" while there is none.

    ``is_changed``: the file is not as it was written; None where that was not recorded.
    """

    asked: AskedPerson
    text: str
    answer: str
    is_changed: bool | None

    @property
    def sha256(self) -> str:
        """Of the question as it is shown."""
        return sha256_hex(self.text.encode())


def open_question(engine: Engine, run: str, phase: str, reviewer: str = "") -> AskedQuestion:
    """What the gate of ``phase`` asks a person. Refuses what ``take_opinion`` refuses for the question."""
    from wfe_mcp.workspace.files.project_files import read_if_there

    with engine.store.read() as tx:
        current = run_as_read(engine, tx, run)
        attempt = current.attempt(PhasePath(phase))
        command = f"wfe-mcp opinion answer {current.run.id} {shell_path(attempt.phase)}"
        person = _person_asked(current, attempt, reviewer, command)
        root = Path(current.run.worktree)
    question, answer = (read_if_there(root, place) or b"" for place in (person.question, person.answer))
    changed = sha256_hex(question) != person.text_sha256 if person.text_sha256 else None
    return AskedQuestion(person, question.decode(errors="replace"), answer.decode(errors="replace"), changed)


def refuse_no_opinion(engine: Engine, run: str, phase: str, question: AskedQuestion, path: str = "") -> None:
    """Refuses ``bad_argument`` and ``invalid_artifact`` as ``take_opinion`` would for the file of this answer."""
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, run)
    command = f"wfe-mcp opinion answer {current.run.id} {shell_path(PhasePath(phase))}"
    _read(Path(current.run.worktree), path or question.asked.answer, command)


def take_opinion(
    engine: Engine,
    by: By,
    run: str,
    phase: str,
    *,
    path: str = "",
    text: str | None = None,
    reviewer: str = "",
    shown: str = "",
) -> OpinionRecord:
    """Store a person's answer as the opinion of ``reviewer``; the gate is judged again. Their key signs it.

    ``path``: the answer's file, relative to the run's folder; "" is the one that the question names. ``text``: the answer
    itself, in place of a file. ``shown``: the sha256 of the question that the person saw.
    Refuses ``needs_human``, ``unknown_phase``, ``illegal_transition`` (no person is awaited), ``bad_argument``
    and ``invalid_artifact``.
    """
    from wfe_mcp.engine.evaluation.reactions import enqueue_gate

    with change_run(engine, run, by) as current:
        attempt = current.attempt(PhasePath(phase))
        command = f"wfe-mcp opinion answer {current.run.id} {shell_path(attempt.phase)}"
        person = _person_asked(current, attempt, reviewer, command)
        if not by.is_human:
            raise Refused(
                "needs_human", "Only the user can give the opinion of a reviewer.", f"Ask the user to run: {command}"
            )
        place = path or person.answer
        value = (
            _read(Path(current.run.worktree), place, command) if text is None else _opinion(text, "the form", command)
        )
        opinion = OpinionRecord(
            _id_of(current, attempt, person, value),
            current.run.project_id,
            current.run.id,
            attempt.phase,
            attempt.number,
            "gate",
            person.reviewer,
            person.provider,
            MANUAL_MODEL,
            person.question_sha256,
            attempt.sha256 or "",
            str(value["verdict"]),
            current.at,
            value,
        )
        current.tx.opinions.add(opinion)
        # Sealed here, by the person, and not only by the gate.
        current.tx.seals.keep_opinions(current.run.id, [opinion.id])
        current.facts |= {
            "kind": "opinion",
            "shown": shown,
            "artifact": attempt.sha256 or "",
            "tree": attempt.tree or "",
            "comment": str(value.get("summary", "")),
            "decision": [
                {
                    "do": "opinion",
                    "phase": str(attempt.phase),
                    "attempt": attempt.number,
                    "gate": attempt.gate,
                    "reviewer": opinion.reviewer,
                    "verdict": opinion.verdict,
                    "question": opinion.question_sha256,
                    "opinion": opinion.id,
                    "sha256": sha256_hex(canonical_json(value).encode()),
                }
            ],
        }
        # Nothing in the run's state has changed, so no reaction would ask for the job.
        enqueue_gate(current, attempt, again=True)
        current.tx.after_commit(engine.wake)
    return opinion


def _id_of(current: RunChange, attempt: Attempt, person: AskedPerson, value: dict[str, Any]) -> str:
    """The name of an opinion: the same for the same answer here, since a passkey signs it before it is stored."""
    earlier = len(current.tx.opinions.of_run(current.run.id))
    named = [current.run.id, attempt.phase, attempt.number, person.reviewer, person.question_sha256, earlier, value]
    return f"op-{sha256_hex(canonical_json(named).encode())[:16]}"


def _person_asked(current: RunChange, attempt: Attempt, reviewer: str, command: str) -> AskedPerson:
    waiting = {person.reviewer: person for person in persons_asked(current.tx, current.run, current.state, attempt)}
    if not waiting:
        raise Refused(
            "illegal_transition",
            f"Phase {attempt.phase!r} ({attempt.status}) waits for no opinion of a person.",
            f"See: wfe-mcp status {current.run.id}",
        )
    if not reviewer and len(waiting) > 1:
        first = next(iter(waiting))
        raise Refused(
            "bad_argument",
            f"Several reviewers are waited for: {', '.join(waiting)}.",
            f"Name one: {command} --reviewer {first}",
        )
    name = reviewer or next(iter(waiting))
    if name not in waiting:
        near = (nearest(name, waiting) or list(waiting))[0]
        raise Refused(
            "bad_argument",
            f"No opinion of {name!r} is waited for. Waited for: {', '.join(waiting)}.",
            Suggestion(f"Did you mean: {command} --reviewer {near}"),
        )
    return waiting[name]


def _read(root: Path, place: str, command: str) -> dict[str, Any]:
    from wfe_mcp.workspace.files.project_files import read_if_there

    content = read_if_there(root, place)
    if content is None or not content.strip():
        raise Refused(
            "bad_argument",
            f"There is no answer in {place} yet.",
            f"Save it there, or name its file: {command} --path FILE",
        )
    return _opinion(content.decode(errors="replace"), place, command)


def _opinion(text: str, place: str, command: str) -> dict[str, Any]:
    from wfe_mcp.artifacts.validate import validate
    from wfe_mcp.gates.opinion import conflict
    from wfe_mcp.providers.output import value_in

    value = value_in(text)
    if value is None:
        raise _no_opinion(place, "it holds no JSON object", command)
    checked = validate("opinion@1", value)
    if checked.faults:
        fault = checked.faults[0]
        raise _no_opinion(place, f"{fault.path or '/'}: {fault.message}", command)
    clash = conflict(text, checked.value)
    if clash:
        raise _no_opinion(place, clash, command)
    return checked.value


def _no_opinion(place: str, why: str, command: str) -> Refused:
    return Refused("invalid_artifact", f"The answer in {place} is no opinion: {why}.", f"Correct it, then: {command}")
