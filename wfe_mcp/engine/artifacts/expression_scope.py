"""The values that expressions and prompts of a phase can see.

    inputs vars artifacts run phase item env, and the names of the items of enclosing loops (``as``)

``artifacts.x`` is the latest revision of a completed attempt of a transitively needed phase; in the phase's own gates,
``on_fail`` and ``next`` it is the revision under judgement (design §5). In a loop the nearest scope wins: phases of the
same item, then those around the loop. Outside a loop, an artifact made inside is a map: item key → artifact.

Only what the text names is read: a phase in the thousandth item must not load the 999 before it.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from wfe_mcp.core.graph import upstream
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState
from wfe_mcp.core.paths import PhasePath, inside, item_of, name_of
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunRecord, StepStatus


def roots(
    change: RunChange,
    attempt: Attempt,
    text: str,
    *,
    own: bool = False,
    item: str = "",
    own_vars: bool = True,
    after: Collection[str] | None = None,
) -> dict[str, Any]:
    """The values by root name, as far as ``text`` names them. ``own`` adds the artifact of ``attempt``, ``own_vars`` what
    its steps have assigned; ``after``: only these of them.

    ``item``: for a loop's own condition, the pass it is about; it sees that pass from inside.
    """
    seen = _ScopeValues(change, text)
    values: dict[str, Callable[[], Any]] = {
        "inputs": lambda: inputs_at(change.tx, change.run, change.state, attempt.phase),
        "vars": lambda: seen.vars(attempt, own=own_vars, item=item, after=after),
        "artifacts": lambda: seen.artifacts(attempt, own=own, item=item),
        "run": lambda: _run(change, attempt.phase),
        "phase": lambda: {
            "id": name_of(attempt.phase),
            "path": attempt.phase,
            "attempt": attempt.number,
            "feedback": feedback_of(change, attempt),
        },
        "env": lambda: change.frozen.get("env", {}),
    }
    place = inside(attempt.phase, item, attempt.phase) if item else attempt.phase
    scope: dict[str, Any] = {name: read() if seen.names(name) else {} for name, read in values.items()}
    return scope | seen.items(place)


def inside_roots(change: RunChange, attempt: Attempt, text: str) -> dict[str, Any]:
    """The values for the ``outputs`` of the subflow in the phase of ``attempt``: all artifacts made in it."""
    key = change.state.loops[attempt.phase].keys[0]
    return _made_in(
        change, text, [inside(attempt.phase, key, spec.path) for spec in change.state.spec.body(attempt.phase)]
    )


def run_roots(change: RunChange, text: str) -> dict[str, Any]:
    """The values for the ``outputs`` of the run's own template: all artifacts made at its top."""
    return _made_in(change, text, [phase.path for phase in change.state.spec.body(None)])


def _made_in(change: RunChange, text: str, body: list[PhasePath]) -> dict[str, Any]:
    """The values after all phases of ``body``, which is a whole template."""
    scope = _ScopeValues(change, text)
    return {
        "inputs": inputs_at(change.tx, change.run, change.state, body[0]),
        "run": _run(change, body[0]),
        "env": change.frozen.get("env", {}),
        "artifacts": scope.made_by(body),
        "vars": scope.assigned_by(body),
    }


def inputs_at(tx: Tx, run: RunRecord, state: RunState, path: PhasePath) -> dict[str, Any]:
    """The inputs of the template that contains the phase at ``path``."""
    flow = _flow_around(state, path)
    opened = None if flow is None else state.loops.get(flow[0])
    document = None if opened is None else opened.items
    if flow is None or document is None:
        return tx.documents.load(run.inputs_sha256)
    return tx.documents.load(document)[flow[1]]["value"]


def item_roots(name: str | None, key: str, index: int, count: int, value: object, done: object) -> dict[str, Any]:
    """``item`` and, where the loop names it, the item's value."""
    item = {"key": key, "index": index, "count": count, "value": value, "done": done}
    return {"item": item} | ({} if name is None else {name: value})


def feedback_of(change: RunChange, attempt: Attempt) -> list[dict[str, Any]]:
    """Feedback of earlier attempts: ``[{from, attempt, message, artifact}]``, oldest first."""
    return [
        {"from": note.source, "attempt": note.attempt, "message": note.message}
        | ({"artifact": change.plan.artifact_name(note.source)} if note.artifact is not None else {})
        for note in attempt.feedback
    ]


def _run(change: RunChange, at: PhasePath) -> dict[str, Any]:
    """``delivery``: how the run is delivered; a template that runs inside another delivers nothing."""
    run, inner = change.run, _flow_around(change.state, at)
    return {
        "id": run.id,
        "title": run.title,
        "iteration": change.state.iteration,
        "template": run.template,
        "started_at": run.created_at.isoformat(),
        "delivery": "none" if inner else change.frozen.get("delivery", "none"),
    }


class _ScopeValues:
    """The values that one text sees at one moment of a run."""

    def __init__(self, change: RunChange, text: str) -> None:
        self._change = change
        self._state = change.state
        self._words = frozenset(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
        # A root used alone, or with a computed name, may refer to anything below it.
        self._whole = frozenset(re.findall(r"\b(artifacts|item)\b(?!\s*\.\s*[A-Za-z_])", text))
        self._done = "item" in self._whole or re.search(r"\bitem\s*\.\s*done\b", text) is not None

    def names(self, word: str) -> bool:
        return word in self._words

    def artifacts(self, attempt: Attempt, *, own: bool, item: str) -> dict[str, Any]:
        values = self.made_by(self._before(attempt.phase, item))
        return values | (self._made_by(attempt.phase, judged=attempt) if own else {})

    def made_by(self, paths: Iterable[PhasePath]) -> dict[str, Any]:
        """The artifacts of these phases that the text names."""
        values: dict[str, Any] = {}
        for path in paths:
            values |= self._made_by(path)
        return values

    def assigned_by(self, paths: Iterable[PhasePath]) -> dict[str, Any]:
        """The variables that the steps of these phases assigned."""
        values: dict[str, Any] = {}
        for path in paths:
            values |= self._assigned_by(self._state.current(path))
        return values

    def vars(self, attempt: Attempt, *, own: bool, item: str, after: Collection[str] | None = None) -> dict[str, Any]:
        """Variables assigned by steps in scope. A skipped or failed step assigns none, except a failed check."""
        values = self.assigned_by(self._before(attempt.phase, item))
        return values | (self._assigned_by(attempt, so_far=True, after=after) if own else {})

    def _before(self, at: PhasePath, item: str) -> Iterator[PhasePath]:
        """The phases that ``at`` and what is around it need; those of its ``item``, if it is a loop."""
        for place in (*_around(self._state, at), at):
            before = upstream(self._state.spec, place)
            yield from (path for path in self._beside(place) if path in before)
        if item:
            yield from (inside(at, item, phase.path) for phase in self._state.spec.body(at))

    def _assigned_by(
        self, attempt: Attempt, *, so_far: bool = False, after: Collection[str] | None = None
    ) -> dict[str, Any]:
        from wfe_mcp.workflow.model.phases import StepsPhase

        phase = self._change.plan.phase(attempt.phase)
        if not (so_far or attempt.status is AttemptStatus.COMPLETED):
            return {}
        names = {step.id: step.assign for step in phase.steps} if isinstance(phase, StepsPhase) else {}
        if so_far:
            names |= {f"compensate.{step.id}": step.assign for step in phase.compensate}
        if after is not None:
            names = {step: name for step, name in names.items() if step in after}
        if not names:
            return {}
        return {
            name: row.output
            for row in self._change.tx.steps.of_run(self._change.run.id, attempt.phase, attempt.made_in)
            if (name := names.get(row.step)) is not None and (row.status is StepStatus.DONE or row.output is not None)
        }

    def items(self, path: PhasePath) -> dict[str, Any]:
        """``item`` of the innermost loop around ``path``, and the named values of all of them."""
        values: dict[str, Any] = {"item": {}}
        place = item_of(path)
        chain: list[tuple[PhasePath, str]] = []
        while place is not None and not _is_flow(self._state, place[0]):
            chain.insert(0, place)
            place = item_of(place[0])
        for loop, key in chain:
            walk = self._change.plan.loop(loop).for_each
            state = self._state.loops[loop]
            value: object = None
            if state.items is not None:
                entry = self._change.tx.documents.load(state.items)[key]
                index, value, count = entry["index"], entry["value"], len(state.keys)
            else:  # passes of ``until``: how many there will be is not known, only how many there may be
                index, count = state.keys.index(key), self._change.plan.passes(loop)
            done = self._items_done(loop, index) if self._done else {}
            values |= item_roots(None if walk is None else walk.as_, key, index, count, value, done)
        return values

    def _items_done(self, loop: PhasePath, index: int) -> dict[str, dict[str, Any]]:
        """The artifacts of the finished items before ``index``, by key and name."""
        state = self._state.loops[loop]
        left = {*state.open, *state.failed}
        done: dict[str, dict[str, Any]] = {key: {} for key in state.keys[:index] if key not in left}
        for phase in self._state.spec.body(loop):
            for name, by_key in self._of_items(loop, phase.path, everything=True).items():
                for key in done.keys() & by_key.keys():
                    done[key][name] = by_key[key]
        return done

    def _beside(self, path: PhasePath) -> list[PhasePath]:
        body = self._state.spec.body(self._state.phase(path).parent)
        place = item_of(path)
        return [phase.path if place is None else inside(*place, phase.path) for phase in body]

    def _made_by(self, path: PhasePath, judged: Attempt | None = None) -> dict[str, Any]:
        if path in self._state.loops and not _is_flow(self._state, path):
            values: dict[str, Any] = {}
            for phase in self._state.spec.body(path):
                values |= self._of_items(path, phase.path)
            return values
        name = self._change.plan.artifact_name(path)
        attempt = judged or self._state.current(path)
        if name is None or not self._wants(name) or not attempt.revision:
            return {}
        if judged is None and attempt.status is not AttemptStatus.COMPLETED:
            return {}
        revision = self._change.tx.artifacts.revision(self._change.run.id, path, attempt.revision)
        return {} if revision is None else {name: json.loads(revision.content)}

    def _of_items(self, loop: PhasePath, phase: PhasePath, *, everything: bool = False) -> dict[str, dict[str, Any]]:
        """The artifacts of ``phase`` in the finished items of ``loop``, by artifact and key."""
        state = self._state.loops[loop]
        left = {*state.open, *state.failed}
        keys = [key for key in state.keys[: state.begun] if key not in left]
        if self._state.spec.phase(phase).loop is not None and not _is_flow(self._state, phase):
            values: dict[str, dict[str, Any]] = {}
            for key in keys:
                inner = inside(loop, key, phase)
                for deeper in self._state.spec.body(phase) if inner in self._state.loops else ():
                    for name, item in self._of_items(inner, deeper.path, everything=everything).items():
                        values.setdefault(name, {})[key] = item
            return values
        name = self._change.plan.artifact_name(phase)
        if name is None or not (everything or self._wants(name)):
            return {}
        return {name: self._contents(name, {key: inside(loop, key, phase) for key in keys})}

    def _contents(self, name: str, paths: Mapping[str, PhasePath]) -> dict[str, Any]:
        kept = self._change.tx.artifacts.contents(self._change.run.id, name) if paths else {}
        contents: dict[str, Any] = {}
        for key, path in paths.items():
            attempt = self._state.current(path)
            content = kept.get((path, attempt.revision))
            if attempt.status is AttemptStatus.COMPLETED and content is not None:
                contents[key] = json.loads(content)
        return contents

    def _wants(self, name: str) -> bool:
        return name in self._words or "artifacts" in self._whole


def _around(state: RunState, path: PhasePath) -> list[PhasePath]:
    """The loops around ``path`` in its own template, outermost first."""
    place = item_of(path)
    if place is None or _is_flow(state, place[0]):
        return []
    return [*_around(state, place[0]), place[0]]


def _flow_around(state: RunState, path: PhasePath) -> tuple[PhasePath, str] | None:
    """The phase whose template contains ``path``, and the key; None in the template of the run."""
    place = item_of(path)
    while place is not None and not _is_flow(state, place[0]):
        place = item_of(place[0])
    return place


def _is_flow(state: RunState, path: PhasePath) -> bool:
    """True when the phases inside the phase at ``path`` are those of another template."""
    spec = state.phase(path)
    return spec.recovery is not None or (spec.loop is not None and spec.loop.flow)
