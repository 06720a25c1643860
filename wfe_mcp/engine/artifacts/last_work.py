"""What was done before an attempt: the last part of its prompt, a few lines, the newest first.

    this phase, attempt 1: average() returns 0 for an empty list; 2 files changed: src/stats.py, tests/test_stats.py
    plan, attempt 2: One function, three cases

Rules:
1. Only what cannot change while the attempt is open: its own earlier attempts, the item before it in a loop that works one
   at a time, and completed phases that it needs, of a loop those of its last item. Where its run has done nothing yet: the
   last completed run of the project, which is frozen when a run starts.
   Where the run went back, also what was changed until then: the files stay.
2. The files are those that the server saw change, never those that an agent named.
3. What a person said of the project in place of what its files say comes first, as it was when the run started.
4. Accepted decisions of architecture (``work`` items) come with it, as they were when the run started.
5. The decisions of completed phases (``decision_list@1``) follow, unless its own prompt or ``context`` has them whole.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import downstream, upstream
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath, inside, item_of, items_around, name_of
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun

MOST_EARLIER, MOST_SUPERSEDED, MOST_PHASES, MOST_DECISIONS = 2, 5, 3, 8
_LINE_CHARS, _MOST_FILES = 200, 4
_DECISIONS = "decision_list@1"


def last_work(change: RunChange, attempt: Attempt) -> str:
    """The part of the prompt of ``attempt`` that says what was done before; empty where nothing was."""
    from wfe_mcp.workflow.prompts import fence

    lines = [*_earlier(change, attempt), *_completed_before(change, attempt), *_work_superseded(change, attempt)]
    if not any(lines) and (before := change.frozen.get("last_run")):
        lines = [str(before)]
    parts = {
        "Facts of the project, by a person": [
            f"{name}: {text}" for name, text in change.frozen.get("facts", {}).items()
        ],
        "Decisions about the architecture, accepted by a person": list(change.frozen.get("decisions", ())),
        "Last work, the newest first": lines,
        "Decisions of this run": [*_decisions(change, attempt)],
    }
    texts = {title: "\n".join(filter(None, part)) for title, part in parts.items() if any(part)}
    nonce = change.run.id
    return "\n\n".join(f"{title}:\n{fence(text, title.lower(), nonce=nonce)}" for title, text in texts.items())


def last_run_in_a_line(engine: Engine, tx: Tx) -> str:
    """The last completed run of the project: title, template, result, files; empty where there is none, or it cannot be read."""
    newest = tx.runs.open_ids(engine.project_id, (RunStatus.COMPLETED,), limit=1)
    try:
        loaded = engine.load(tx, newest[0]) if newest else None
    except Refused:
        loaded = None
    if loaded is None:
        return ""
    done = [
        completed
        for phase in loaded.state.spec.body(None)
        if (completed := loaded.state.current(phase.path)).status is AttemptStatus.COMPLETED
    ]
    last = max((attempt for attempt in done if attempt.tree), key=lambda attempt: str(attempt.started_at), default=None)
    files = _files(loaded, loaded.state.tree, None if last is None else last.tree)
    result = next((text for attempt in reversed(done) if (text := _result(tx, loaded, attempt))), "")
    return _line(f"run {loaded.record.title!r} ({loaded.record.template})", result, files)


def _earlier(change: RunChange, attempt: Attempt) -> Iterator[str]:
    """The attempts at the same phase that submitted something."""
    tries = change.state.attempts[attempt.phase][: attempt.number - 1]
    attempts = [
        previous
        for previous in reversed(tries)
        if previous.revision and previous.status is not AttemptStatus.ROLLED_BACK
    ]
    for earlier in attempts[:MOST_EARLIER]:
        yield _of_attempt(change, earlier, "this phase")


def _work_superseded(change: RunChange, attempt: Attempt) -> Iterator[str]:
    """What was changed in the files before the run went back, and is not worked again yet: in later phases, in those that
    ``attempt`` needs, and in other items of its loop.
    """
    state, own = change.state, item_of(attempt.phase)
    if state.iteration == 1:  # a run that never went back: with many phases each call would pay for it
        return
    places = {*downstream(state.spec, attempt.phase), *upstream(state.spec, attempt.phase)}
    last = [
        next((tried for tried in reversed(tries) if tried.revision), None)
        for path, tries in reversed([*state.attempts.items()])
        if path != attempt.phase
        and (
            not places.isdisjoint((path, *(loop for loop, _ in items_around(path))))
            or (own is not None and (item := item_of(path)) is not None and item[0] == own[0])
        )
    ]
    before = [tried for tried in last if tried is not None and tried.status is AttemptStatus.SUPERSEDED]
    changed = (
        _of_attempt(change, tried, f"{tried.phase}, before the run went back")
        for tried in sorted(before, key=lambda tried: str(tried.started_at), reverse=True)
        if _files(change.loaded, tried.tree_at_start, tried.tree)
    )
    yield from islice(changed, MOST_SUPERSEDED)


def _completed_before(change: RunChange, attempt: Attempt) -> Iterator[str]:
    """The phases that ``attempt`` needs, those of its own item and of the item before it first."""
    state, paths = change.state, list[PhasePath]()
    place: PhasePath | None = attempt.phase
    while place is not None:
        paths += _needed_paths(state, place)
        item = item_of(place)
        if item is not None and (previous := _item_before(state, *item)) is not None:
            paths += [inside(item[0], previous, spec.path) for spec in reversed(state.spec.body(item[0]))]
        place = None if item is None else item[0]
    done = [
        earlier
        for place in paths
        for path in _worked_paths(state, place)
        if path in state.attempts and (earlier := state.current(path)).status is AttemptStatus.COMPLETED
    ]
    for earlier in done[:MOST_PHASES]:
        yield _of_attempt(
            change, earlier, name_of(earlier.phase) if item_of(earlier.phase) is None else str(earlier.phase)
        )


def _worked_paths(state: RunState, path: PhasePath) -> Iterator[PhasePath]:
    """``path``; for a loop or another template inside, the phases of its last item, the last first."""
    if path not in state.loops:
        yield path
        return
    for key in state.loops[path].keys[-1:]:
        for spec in reversed(state.spec.body(path)):
            yield from _worked_paths(state, inside(path, key, spec.path))


def _needed_paths(state: RunState, path: PhasePath) -> list[PhasePath]:
    """What ``path`` needs in its own item, the last of the template first."""
    needed, item = upstream(state.spec, path), item_of(path)
    body = state.spec.body(state.phase(path).parent)
    beside = [spec.path if item is None else inside(*item, spec.path) for spec in body]
    return [place for place in reversed(beside) if place in needed]


def _item_before(state: RunState, loop: PhasePath, key: str) -> str | None:
    """The item before ``key``, where the loop works one at a time and that one is done."""
    known, spec = state.loops[loop], state.spec.phase(loop).loop
    index = known.keys.index(key) if key in known.keys else 0
    if spec is None or spec.max_parallel > 1 or not index:
        return None
    before = known.keys[index - 1]
    return None if before in known.open or before in known.failed else before


def _of_attempt(change: RunChange, attempt: Attempt, name: str) -> str:
    files = _files(change.loaded, attempt.tree_at_start, attempt.tree)
    return _line(f"{name}, attempt {attempt.number}", _result(change.tx, change.loaded, attempt), files)


def _result(tx: Tx, loaded: LoadedRun, attempt: Attempt) -> str:
    """What the artifact of ``attempt`` says of itself; empty where it has no such field."""
    record = tx.artifacts.revision(loaded.record.id, attempt.phase, attempt.revision) if attempt.revision else None
    content: Any = None if record is None else json.loads(record.content)
    if not isinstance(content, dict):
        return ""
    values = cast("Mapping[str, Any]", content)
    own = next(
        (text for key in ("summary", "title", "why", "body") if isinstance(text := values.get(key), str) and text), ""
    )
    verdict = next((str(values[key]) for key in ("verdict", "status") if isinstance(values.get(key), str)), "")
    return ": ".join(filter(None, (verdict, " ".join(own.split()))))


def _files(loaded: LoadedRun, before: str | None, after: str | None) -> tuple[str, ...]:
    from wfe_mcp.workspace.git.working_tree import changed_paths

    root = Path(loaded.record.worktree)
    if before is None or after is None or not root.is_dir():
        return ()
    try:
        return tuple(changed_paths(root, before, after))
    except Refused:  # a tree that is not stored on this machine
        return ()


def _line(name: str, result: str, files: tuple[str, ...]) -> str:
    """One line; empty where there is nothing to say of it."""
    if not (result or files):
        return ""
    text = cut(f"{name}: {result}" if result else name, _LINE_CHARS)
    if not files:
        return text
    return f"{text}; {plural(len(files), 'file')} changed: {shorten_names(files, _MOST_FILES)}"


def _decisions(change: RunChange, attempt: Attempt) -> Iterator[str]:
    """A line for each decision in force of the artifacts that ``attempt`` sees."""
    from wfe_mcp.workflow.model.template import all_phases
    from wfe_mcp.workflow.prompts import prompt_text

    phase = change.plan.phase(attempt.phase)
    outputs = [output_phase.output for output_phase in all_phases(change.plan.template_of(attempt.phase).phases)]
    names = sorted({output.artifact for output in outputs if output is not None and output.schema_ == _DECISIONS})
    idents = [name for name in names if name not in phase.context and f"artifacts.{name}" not in prompt_text(phase)]
    seen: dict[str, Any] = (
        roots(change, attempt, "\n".join(f"artifacts.{name}" for name in idents))["artifacts"] if idents else {}
    )
    decisions = [
        (item, decision)
        for value in seen.values()
        for item, decision in _decisions_in(value)
        if decision.get("status") != "superseded"
    ]
    uses = Counter(str(decision["id"]) for _, decision in decisions)
    for item, decision in decisions[:MOST_DECISIONS]:
        # Ids are unique in one list; two items of a loop may both have a D-1.
        name = f"{item}{decision['id']}" if uses[str(decision["id"])] > 1 else decision["id"]
        yield _line(f"{name} {decision['title']}", str(decision["decision"]), ())
    if len(decisions) > MOST_DECISIONS:
        yield f"and {plural(len(decisions) - MOST_DECISIONS, 'more decision')}"


def _decisions_in(value: Any, item: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The decisions of one artifact, or of each item of a loop with its key. A draft that a person forced may have none, or lack their fields."""
    if not isinstance(value, dict):
        return
    values = cast("dict[str, Any]", value)
    decisions = values.get("decisions")
    if not isinstance(decisions, list):  # items by their keys, one of which may be called so
        for key, inner in values.items():
            yield from _decisions_in(inner, f"{item}{key} ")
        return
    for decision in cast("list[Any]", decisions):
        if isinstance(decision, dict) and decision.keys() >= {"id", "title", "decision"}:
            yield item, cast("dict[str, Any]", decision)
