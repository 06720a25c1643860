"""Legal moves in the names of each interface, and ``next``: the calls of an agent, best first (design §6).

The names are those of the commands (``Command.call``); this module adds arguments and options.

Rules:
1. Every entry is one of ``legal_moves`` for an agent, or waits with ``status``; at most three.
2. Empty exactly for completed, cancelled and imported runs, and for runs that only the user can reopen.
3. An agent that follows the first entry finishes any run that needs no person.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.model import Attempt, AttemptStatus, By, RunStatus
from wfe_mcp.core.moves import USER, action, command_with_others, legal_moves, phase_moves, refusal
from wfe_mcp.core.paths import PhasePath, items_around, shell_path
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.moves.envelope import Next
from wfe_mcp.workflow.step_kinds import acts_outside
from wfe_mcp.workspace.system.shell_words import shell_line

TOOL_COMMANDS = {
    "start_phase": "submit {run} {phase} --path FILE",
    "submit_artifact": "submit {run} {phase} --path FILE",
    "approve": "approve {run} {phase}",
    "reject": "reject {run} {phase} --feedback TEXT",
    "retry_phase": "retry {run} {phase}",
    "skip_phase": "skip {run} {phase} --reason TEXT",
    "rollback": "rollback {run} {to}",
    "control_run": "{action} {run}",
    "start_run": "start {template} --inputs JSON",
    "status": "watch {run}",
    "list_templates": "templates list",
    "read_artifact": "artifact show {run}",
    "second_opinion": "opinion ask {run} {phase}",
    "find": "find QUERY",
    "save_template": "templates import FILE",
}
"""MCP tool → the command that does the same; names in braces are arguments of the call."""
_UNNAMED = {"run": "RUN", "phase": "PHASE", "template": "TEMPLATE", "to": "TO", "action": "ACTION"}


def tool_call(run: str, move: c.Command, why: str = "") -> Next:
    """``move`` as an MCP call. The command must have a tool."""
    args: dict[str, Any] = {"run": run}
    if isinstance(move, c.PhaseCommand):
        args["phase"] = move.phase
    if action(move):
        args["action"] = action(move)
    return Next(move.call.tool, args, why=why)


def submit_call(run: str, phase: str, attempt: int) -> Next:
    """Submit the artifact that the schema in ``data.output`` describes."""
    args: dict[str, Any] = {"run": run, "phase": phase, "attempt": attempt}
    return Next(c.Submit.call.tool, args, {"artifact": "/data/output/schema"})


def command_line(call: Next) -> str:
    """An MCP call as the command that you type."""
    if call.tool == "status" and "run" not in call.args:
        return "wfe-mcp list"
    if call.tool == "work":
        return f"wfe-mcp {shell_line(_work_words(call.args))}"
    values = {
        name: str(value).replace("_", " ") if name == "action" else str(value) for name, value in call.args.items()
    }
    if "phase" in values:
        values["phase"] = shell_path(values["phase"])
    return f"wfe-mcp {TOOL_COMMANDS[call.tool].format_map(_UNNAMED | values)}"


def _work_words(args: Mapping[str, Any]) -> list[str]:
    """The command about work items that does the same as a call of the tool ``work`` with these arguments."""
    action, status = str(args["action"]), args.get("status", "")
    item = [str(args["id"])] if "id" in args else []
    if status == "active":
        return ["work", "start", *item]
    verb = {"change": "edit"}.get(action, action)
    options = {"--kind": args.get("kind", ""), "--status": status, "--cursor": args.get("cursor", "")}
    words = [word for name, value in options.items() if value for word in (name, value)]
    return ["work", verb, *item, *words]


def user_moves(overview: Overview, attempt: Attempt) -> tuple[c.PhaseCommand, ...]:
    """What the user can do with ``attempt`` now; a retry that would end as this attempt comes last.

    A loop that had no use for its items gets others once the phase is retried whose artifact they are.
    """
    state, at = overview.loaded.state, overview.loaded.record.updated_at
    moves = phase_moves(state, attempt, USER, at)
    source = items_source(overview, attempt)
    if source is not None and not refusal(
        state, again := c.Retry(phase=source, feedback=attempt.reason, by=USER, at=at)
    ):
        return (again, *(move for move in moves if not isinstance(move, c.Retry)))
    is_last = source_is_fixed(overview, attempt) or _stops_again(overview, attempt)
    return tuple(sorted(moves, key=lambda move: isinstance(move, c.Retry))) if is_last else moves


def source_is_fixed(overview: Overview, attempt: Attempt) -> bool:
    """Whether ``attempt`` is of a loop that had no use for items which are inputs of the run: no phase makes them anew."""
    is_input = any(name.startswith("inputs.") for name in _items_read(overview, attempt))
    return is_input and items_source(overview, attempt) is None


def items_source(overview: Overview, attempt: Attempt) -> PhasePath | None:
    """The phase whose artifact holds the items that the loop of ``attempt`` had no use for; None for any other attempt."""
    read, state = _items_read(overview, attempt), overview.loaded.state
    around = [*items_around(attempt.phase)]
    makers = [
        path
        for path in state.attempts
        if f"artifacts.{overview.plan.artifact_name(path)}" in read
        and state.current(path).status is AttemptStatus.COMPLETED
        and all(item in around for item in items_around(path))
    ]
    return makers[-1] if makers else None


def _items_read(overview: Overview, attempt: Attempt) -> tuple[str, ...]:
    """What the items of a loop are read from that failed before it opened with them, and those of the loops around it; nothing of
    any other attempt.
    """
    state = overview.loaded.state
    loop = state.phase(attempt.phase).loop
    if attempt.status is not AttemptStatus.FAILED or attempt.started_at is not None or loop is None or not loop.items:
        return ()
    from wfe_mcp.workflow.expressions import names_read, source_of

    around = (state.phase(path).loop for path, _ in items_around(attempt.phase))
    texts = (walk.items for walk in (loop, *around) if walk is not None)
    return tuple(name for text in texts for name in names_read(source_of(text or "") or ""))


def _stops_again(overview: Overview, attempt: Attempt) -> bool:
    """Whether ``attempt`` stopped at a step that is there to stop, and nothing in its phase asks or looks anew: HOLD, RED."""
    if attempt.status is not AttemptStatus.FAILED:
        return False
    from wfe_mcp.workflow.model.phases import StepsPhase

    phase = overview.plan.phase(attempt.phase)
    steps = phase.steps if isinstance(phase, StepsPhase) else ()
    is_settled = all(step.kind == "builtin" and not acts_outside(step.does) for step in steps)
    return is_settled and any(step.does == "builtin fail" for step in steps)


def user_commands(overview: Overview, moves: Sequence[c.PhaseCommand]) -> str:
    """Commands of one phase in one line: ``wfe-mcp retry RUN PHASE (or: skip)``; empty for no moves.

    At a server that people log in to, the page that has them: its terminal is not the user's.
    """
    named = [move for move in moves if move.call.command]
    if overview.page and named:
        return overview.page
    phases = dict.fromkeys(move.phase for move in named)
    return ", or ".join(_command_line(overview, [move for move in named if move.phase == phase]) for phase in phases)


def _command_line(overview: Overview, moves: Sequence[c.PhaseCommand]) -> str:
    """The command of moves of one phase. A retry that has something to correct takes it as feedback."""
    first, names = moves[0], [move.call.command for move in moves]
    feedback = " --feedback TEXT" if isinstance(first, c.Retry) and first.feedback else ""
    return command_with_others(names, overview.loaded.record.id, first.phase) + feedback


def commands_after_failure(overview: Overview, attempt: Attempt) -> str:
    """What the user can do about ``attempt``, which failed for good: at its phase, else at the phase around it that failed with it."""
    state = overview.loaded.state
    for path in (attempt.phase, *(around for around, _ in items_around(attempt.phase))):
        current = state.current(path)
        commands = user_commands(overview, user_moves(overview, current))
        if commands and current.status is AttemptStatus.FAILED and not current.repair:
            return commands
    return ""


def user_command_lines(overview: Overview, moves: Sequence[c.PhaseCommand]) -> tuple[str, ...]:
    """The command of each move with the options that it needs."""
    return tuple(dict.fromkeys(_command_line(overview, [move]) for move in moves if move.call.command))


def button(move: c.Command) -> str:
    """The label of the button that gives ``move``."""
    return move.call.verb.capitalize()


_WAIT_S = 45


def next_moves(overview: Overview) -> tuple[Next, ...]:
    """The calls for an agent in this run."""
    run, state = overview.loaded.record.id, overview.loaded.state
    if overview.origin is not None or state.is_over or state.status is RunStatus.PENDING:
        return ()
    attempts = [*(state.current(path) for path in overview.startable), *overview.unasked]
    legal = legal_moves(state, By(), overview.loaded.record.updated_at, attempts)
    if state.status is RunStatus.PAUSED:
        resume = tuple(tool_call(run, move) for move in legal if isinstance(move, c.Resume))
        return (wait_call(run, "continues by itself"), *resume) if resume and overview.goes_on else resume
    starts = {move.phase: move for move in legal if isinstance(move, c.StartPhase)}
    asks = {move.phase: move for move in legal if isinstance(move, c.AskApproval)}
    moves = [tool_call(run, starts[path], _why(overview, path)) for path in overview.startable if path in starts]
    moves += [
        tool_call(run, asks[pending.phase], _who_decides(overview, pending))
        for pending in overview.unasked
        if pending.phase in asks
    ]
    is_held = state.status is RunStatus.WAITING and any(attempt.held for attempt in state.open_attempts)
    is_moving = state.going_back is not None or any(_will_move(overview, attempt) for attempt in state.moving_attempts)
    if is_moving or (is_held and not moves):
        moves.append(wait_call(run))
    return tuple(moves[:3])


def wait_call(run: str, why: str = "waits for a change") -> Next:
    """The call that answers once something changes in the run."""
    return Next("status", {"run": run, "wait_s": _WAIT_S}, why=why)


def _who_decides(overview: Overview, pending: Attempt) -> str:
    return "your approval is enough" if overview.plan.assurance(pending) == "agent" else "asks the user"


def _why(overview: Overview, path: PhasePath) -> str:
    attempt = overview.loaded.state.current(path)
    back = "it came back with feedback" if attempt.feedback else ""
    if attempt.status is not AttemptStatus.RUNNING:
        return back
    is_left = overview.is_left(attempt)
    held = "its worker is gone; assigns it to you" if is_left else "already assigned to you; repeats the prompt"
    return f"{held}; {back}" if back else held


def _will_move(overview: Overview, attempt: Attempt) -> bool:
    """True when waiting makes sense: a gate runs, a retry is scheduled, a request is open, or others work."""
    state = overview.loaded.state
    if attempt.status is AttemptStatus.RUNNING and attempt.phase in state.loops:
        return False  # its items decide
    match attempt.status:
        case AttemptStatus.GATING:
            return True
        case AttemptStatus.FAILED:
            return attempt.repair == "compensate"
        case AttemptStatus.AWAITING:
            return attempt not in overview.unasked
        case AttemptStatus.PENDING:
            return attempt.not_before is not None
        case AttemptStatus.READY | AttemptStatus.RUNNING:
            return attempt.phase not in overview.startable or state.phase(attempt.phase).kind == "human"
        case _:
            return False
