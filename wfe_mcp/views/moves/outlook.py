"""What a decision leads to, in a sentence: computed by the engine on a copy of the run, never guessed.

If you approve, the run goes back to revise.
If you approve, the gate test runs next; what follows depends on it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import gate_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.units import join_names, plural
from wfe_mcp.engine.delivery.operations import base_in, operations_of
from wfe_mcp.engine.evaluation.outlook import Outlook, approve, outlook, reject
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.runs.control import force, retry_plan
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.work.items import item_of_run
from wfe_mcp.views.values.model import view_model

Way = Literal["approve", "reject", "proceed", "skip", "force-accept", "retry", "overrule", "resume"]
_REASON = "rehearsal"
_NAMED = 3
_STOPS = {RunStatus.BLOCKED, RunStatus.FAILED, RunStatus.PAUSED}


def leads_to(engine: Engine, overview: Overview, way: Way, phase: str, to: str = "") -> str:
    """``promise``, or nothing where that is refused now."""
    try:
        return promise(engine, overview, way, phase, to)
    except Refused:
        return ""


def promise(engine: Engine, overview: Overview, way: Way, phase: str, to: str = "") -> str:
    """What follows where the user decides ``way`` on ``phase``. Refuses what is refused to the user now.

    ``proceed`` without a phase is about all that are held; ``resume`` has none. ``to``: where a
    rejection goes back to.
    """
    path = PhasePath(phase) if phase else None
    if path is not None and path not in overview.loaded.state.attempts:
        raise unknown_phase(overview.loaded.state, path)
    acts = partial(_acts, path=path, to=to)
    promised = outlook(engine, overview.loaded, path, lambda change: acts(change).get(way, _refuse)())
    delivers = _delivers(engine, overview, promised.opens) if way != "reject" else ""
    return f"If you {_VERBS[way]}, {_follows(engine, overview, promised, way)}{delivers}."


@view_model
class PromiseView:
    """``leads_to``: a sentence; empty where the decision is refused now.

    Of a retry of a phase of steps: its ``steps`` in order, what follows for them, whose answers are ``kept``, the rest.
    """

    leads_to: str = ""
    steps: tuple[str, ...] = ()
    says: str = ""
    kept: tuple[str, ...] = ()
    called_again: tuple[str, ...] = ()


def promise_view(
    engine: Engine, overview: Overview, way: Way, phase: str, *, to: str = "", from_step: str = ""
) -> PromiseView:
    """What ``way`` on ``phase`` would lead to. Refuses an unknown ``from_step``."""
    promised, run = leads_to(engine, overview, way, phase, to), overview.loaded.record.id
    plan = retry_plan(engine, run, phase, from_step) if way == "retry" and promised else None
    if plan is None:
        return PromiseView(leads_to=promised)
    return PromiseView(leads_to=promised, steps=plan.steps, says=plan.sentence, kept=plan.kept, called_again=plan.again)


_VERBS: dict[Way, str] = {
    "approve": "approve",
    "reject": "send it back",
    "proceed": "proceed",
    "skip": "skip it",
    "force-accept": "force-accept it",
    "retry": "retry",
    "overrule": "overrule the reviewers",
    "resume": "resume it",
}


def _refuse() -> None:
    raise Refused("bad_argument", "This decision is about a phase.", "Name it.")


def _acts(change: RunChange, path: PhasePath | None, to: str) -> dict[Way, Callable[[], object]]:
    on: c.CallerAndTime = {"by": change.by, "at": change.at}
    acts: dict[Way, Callable[[], object]] = {
        "proceed": lambda: change.give(c.Proceed(phase=path, **on)),
        "resume": lambda: change.give(c.Resume(**on)),
    }
    if path is not None:
        acts |= {
            "approve": lambda: approve(change, path),
            "reject": lambda: reject(change, path, to),
            "skip": lambda: change.give(c.Skip(phase=path, reason=_REASON, **on)),
            "force-accept": lambda: force(change, path, _REASON),
            "retry": lambda: change.give(c.Retry(phase=path, **on)),
            "overrule": lambda: change.give(c.Overrule(phase=path, reason=_REASON, **on)),
        }
    return acts


def _follows(engine: Engine, overview: Overview, seen: Outlook, way: Way) -> str:
    before = None if seen.phase is None else overview.loaded.state.current(seen.phase).number
    if seen.attempt == before and seen.gate is not None:
        return _gates(overview, seen)
    without = f"; {_name_phases(seen.skips)} {'is' if len(seen.skips) == 1 else 'are'} left out" if seen.skips else ""
    if seen.run is RunStatus.COMPLETED:
        return f"the run completes{without}"
    if seen.run in _STOPS:
        ends = "pauses" if seen.run is RunStatus.PAUSED else "stops"
        return (
            f"the run {ends}: {seen.reason}".rstrip(".") if seen.reason else "that is recorded; the run stays stopped"
        )
    if seen.goes_back and not seen.opens and seen.stays:
        return f"{seen.phase or 'the phase'} is done again, after {_name_phases(seen.stays)}"
    if seen.goes_back:
        return f"the run goes back to {_name_phases(seen.opens)}"
    if before is not None and seen.attempt != before:
        return f"attempt {seen.attempt} at {seen.phase} opens{' with your feedback' if way == 'reject' else ''}"
    return _of_phase(engine, overview, seen) or (
        f"the run continues with {_name_phases(seen.opens or seen.stays)}{without}"
    )


def _delivers(engine: Engine, overview: Overview, opens: Sequence[str]) -> str:
    """What the steps of the phases that begin do outside the working tree, where they deliver the change."""
    phases = [overview.plan.phase(PhasePath(path)) for path in opens[:_NAMED]]
    steps = {step.builtin: step for phase in phases if phase.kind == "steps" for step in phase.steps}
    if not steps.keys() & DELIVERING.keys():
        return ""
    settings = engine.settings().settings.delivery
    due = [
        (steps[name], text)
        for name, (mode, text) in DELIVERING.items()
        if name in steps and mode in {"", settings.mode} and (settings.remote or "{remote}" not in text)
    ]
    without = f" without those of [delivery] never ({join_names(settings.never[:_NAMED])})" if settings.never else ""
    with engine.store.read() as tx:
        base = base_in(operations_of(tx, overview.loaded.record.id), settings.base)
    names = {"remote": settings.remote, "files": "these files", "without": without}
    done: list[str] = []
    for step, text in due:
        done.append(text.format_map(names | {"base": (step.params or {}).get("base") or base}))
        names["files"] = "them"
    if settings.close_issues and any(name in steps for name in ("forge.merge", "git.merge")):
        with engine.store.read() as tx:
            item = item_of_run(tx, overview.loaded.record)
        done += [f"closes {item.source}"] if item is not None and "://" in item.source else []
    return f": the server {join_names(done)}" if done and settings.mode != "none" else ""


DELIVERING: Mapping[str | None, tuple[str, str]] = {
    "git.commit": ("", "commits {files}{without}"),
    "git.push": ("", "pushes {files} to {remote}"),
    "forge.open": ("pull_request", "opens a pull request for {base}"),
    "forge.merge": ("pull_request", "merges it"),
    "git.merge": ("merge", "merges {files} into {base}"),
}
"""What a step of a delivery does to the outside, by its name, and the mode in which it does it; empty: in each."""


def _of_phase(engine: Engine, overview: Overview, seen: Outlook) -> str:
    """What becomes of the phase, where that alone decides what follows."""
    if seen.phase is not None and seen.state is AttemptStatus.READY:
        phase = overview.plan.phase(seen.phase)
        if phase.kind == "steps":  # no one reads its prompt
            from wfe_mcp.engine.phases.steps import carried_steps

            attempt, record = overview.loaded.state.current(seen.phase), overview.loaded.record
            with engine.store.read() as tx:
                begun = {row.step: row for row in tx.steps.of_run(record.id, seen.phase, attempt.number)}
                kept = begun or carried_steps(tx, record.id, overview.loaded.state, attempt, phase)
            steps = [step.id for step in phase.steps if step.id not in kept]
            return f"the server starts {plural(len(steps), 'step')}: {_name_phases(steps)}"
        return "work starts with exactly this prompt"
    if seen.repair:
        return f"{seen.phase} fails, and {'it is undone' if seen.repair == 'compensate' else 'its recovery begins'}"
    if seen.waits:
        assert seen.phase is not None, "only a phase waits"
        spec = overview.loaded.state.phase(seen.phase)
        ways = ["retry", *["edit"] * (spec.kind in {"agent", "llm", "human"}), *["skip"] * (spec.skip != "never")]
        return f"{seen.phase} fails, and the run waits until you {', '.join(ways)} or force-accept it"
    if seen.held:
        return f"{seen.phase} completes, and the run waits for you to proceed"
    return "" if seen.opens or seen.stays else "nothing begins by itself"


def _gates(overview: Overview, seen: Outlook) -> str:
    """The gates that the phase is at once the decision is made."""
    assert seen.phase is not None and seen.gate is not None, "only a phase is at gates"
    before = overview.as_counted(overview.loaded.state.current(seen.phase))
    gates = overview.plan.gates(before)[seen.gate :]
    if seen.gate_kind == "approval" and seen.gate == before.gate:
        missing = gate_of(overview.loaded.state, before).people - len(before.approvals) - 1
        return f"your approval counts, and {plural(missing, 'more person has', 'more people have')} to approve"
    if seen.gate_kind == "approval":
        return "the next gate asks for another approval"
    names = [gate.label.format_map(dict(gate)) for gate in gates if gate.judged != "person"]
    return f"the gate {names[0]} runs next; what follows depends on it"


def _name_phases(paths: Sequence[str]) -> str:
    shown = list(paths[:_NAMED])
    more = len(paths) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return join_names(shown)
