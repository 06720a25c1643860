"""``wfe-mcp show``: the whole story of a run."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.text import indented, shortened
from wfe_mcp.core.errors import Refused, nearest

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.views.envelope import Envelope

__all__ = ["show"]


OfPhase = Annotated[str, typer.Option("--phase", metavar="PHASE", help="Only the tries at this phase.")]
Tools = Annotated[
    bool, typer.Option("--tools", help="Each tool that a model used, whole: what it was given and what it answered.")
]


At = Annotated[
    str, typer.Option("--at", metavar="N", help="As it was after event N of its log, or at a checkpoint (cp-12).")
]


Files = Annotated[bool, typer.Option("--files", help="Instead: the files of the last checkpoint by then, listed.")]
File = Annotated[str, typer.Option("--file", metavar="PATH", help="Instead: print one of these files.")]
To = Annotated[str, typer.Option("--to", metavar="DIR", help="With --files: write them into a new folder.")]


def show(
    door: Door, run: Run, phase: OfPhase = "", tools: Tools = False, at: At = "", files: Files = False, file: File = "",
    to: To = "",
) -> None:  # fmt: skip
    """Tell the whole story of the run: every try, its evidence, who decided; now, or as it was."""
    from dataclasses import replace

    if files or file or to:
        from wfe_mcp.cli.terminal.show_files import show_files

        show_files(door, run, at, file, to)
        return

    from wfe_mcp.engine.history.as_of import moment
    from wfe_mcp.views import envelopes as answering
    from wfe_mcp.views import tool_answers as answers
    from wfe_mcp.views.run_report import past, story

    engine, run = door.engine, door.at(run, phase or None)
    if at:
        with engine.store.read() as tx:
            then = moment(engine, tx, run, at)
        answer, found = past(engine, then), then.found
    else:
        found = answering.standing_of(engine, run)
        answer = answers.status(engine, door.by, run, "full")
        answer = replace(answer, data=answer.data | story(engine, found))
    told: dict[str, Any] = answer.data
    attempts = [one for one in told["attempts"] if phase in {"", one["phase"]}]
    if not attempts:
        near = nearest(phase, found.loaded.state.attempts)
        raise Refused("unknown_phase", f"The run has no phase {phase!r}.", f"Did you mean {near[0]!r}?" if near else "")
    if tools:
        attempts = [one | {"tool_calls": _tool_calls(door, run, one)} for one in attempts]
    answer = replace(answer, data=told | {"attempts": attempts})
    door.tell(answer, lambda screen: _tell(screen, answer))


def _tool_calls(door: Door, run: str, attempt: dict[str, Any]) -> list[dict[str, Any]]:
    """Every tool that a model used in the attempt, whole."""
    from wfe_mcp.core.model import RunId
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.views.tool_calls import tool_call_view

    with door.engine.store.read() as tx:
        calls = tx.tool_calls(RunId(run), PhasePath(attempt["phase"]), attempt["attempt"])
    return [tool_call_view(call) for call in calls]


def _step_line(step: dict[str, Any]) -> str:
    tries = f", {step['tries']} tries" if "tries" in step else ""
    error = f": {shortened(step['error'], 200)}" if "error" in step else ""
    return f"  step {step['step']} ({step['does']}): {step['state']}{tries}{error}"


def _tell_attempt(screen: "Screen", attempt: dict[str, Any]) -> None:
    from wfe_mcp.cli.terminal.render import verdict_line

    again = f", iteration {attempt['iteration']}" if attempt["iteration"] > 1 else ""
    screen.line(f"{attempt['phase']} attempt {attempt['attempt']}{again}: {attempt['state']}", attempt["state"])
    if attempt.get("artifact") and attempt.get("sha256"):
        screen.line(f"  artifact {attempt['artifact']}, revision {attempt['revision']}, sha256 {attempt['sha256']}")
    for step in attempt.get("steps", []):
        screen.line(_step_line(step))
    _tell_tools(screen, attempt)
    for verdict in attempt.get("verdicts", []):
        screen.line(f"  {verdict_line(verdict)}")
    for evidence in attempt.get("evidence", []):
        if "log" in evidence:
            screen.line(f"  log of {evidence['gate']}: {evidence['log']}")
    if attempt.get("reason") and attempt["state"] != "completed":
        screen.line(f"  {shortened(attempt['reason'], 300)}")


def _tell_tools(screen: "Screen", attempt: dict[str, Any]) -> None:
    """What a model did: in a line, or call by call where that was asked for."""
    if "tools" not in attempt:
        return
    from wfe_mcp.views.tool_calls import tools_words

    screen.line(f"  {tools_words(attempt['tools'])}")
    for number, call in enumerate(attempt.get("tool_calls", []), 1):
        ended = "did not end" if "ok" not in call else f"{'ok' if call['ok'] else 'failed'} after {call['ms']} ms"
        screen.line(f"  {number}. {call['tool']} {ended}", "" if call.get("ok") else "failed")
        for name, value in call["input"].items():
            screen.line(indented(f"{name}: {value}"))
        screen.line(indented(call.get("output", "")))


def _tell(screen: "Screen", answer: "Envelope") -> None:
    from wfe_mcp.cli.terminal.render import origin_lines, where
    from wfe_mcp.views.usage import usage_lines

    data = answer.data
    screen.line(answer.summary, "bold")
    if "as_of" in data:
        screen.line(f"run {answer.run}: {answer.run_state} at {data['as_of']['at'][:19]}Z")
    else:
        where(screen, answer)
    screen.line(f"{data['template']} {data['version']}, started {data['started_at']}, last change {data['updated_at']}")
    inputs = (f"  {name}: {shortened(str(value), 200)}" for name, value in data["inputs"].items())
    for line in (*origin_lines(data), *inputs):
        screen.line(line)
    for bundle in data.get("context", []):
        scope = f", scope {bundle['scope']}" if "scope" in bundle else ""
        screen.line(
            f"  context {bundle['bundle']}{scope}, sha256 {bundle['sha256'][:12]}: {shortened(', '.join(bundle['files']), 200)}"
        )
    for line in usage_lines(data.get("usage")):
        screen.line(f"  {line}")
    for attempt in data["attempts"]:
        _tell_attempt(screen, attempt)
    _tell_people(screen, data)
    _tell_manifest(screen, data["manifest"])
    if "checkpoints" in data:
        from wfe_mcp.views.checkpoints import checkpoints_words

        screen.line(checkpoints_words(data["checkpoints"], str(answer.run)))
    for text in data.get("blockers", []):
        screen.line(f"! {text}", "yellow")


def _tell_people(screen: "Screen", data: dict[str, Any]) -> None:
    """Who was asked, and who decided what."""
    from wfe_mcp.views.run_report import void_words

    for one in data["requests"]:
        if one["state"] == "open":
            screen.line(f"{one['asked_at'][:19]}Z {one['phase']} asked about {one['sha256']}: not answered", "awaiting")
    for one in data["decisions"]:
        said = one.get("comment") or one.get("reason") or ""
        screen.line(f"{one['at'][:19]}Z {one.get('phase', 'run')} {one['decision']} by {one['actor']} ({one['channel']}, assurance {one['assurance']})"
                    + (f" in run {one['run']}" if "run" in one else "") + void_words(one)
                    + (f": {shortened(said, 200)}" if said else ""), one["decision"])  # fmt: skip


def _tell_manifest(screen: "Screen", made: dict[str, Any]) -> None:
    score = made.get("score")
    agreed = (
        f"; {score['same_outputs']} of {score['runs']} run(s) with these inputs gave these outputs" if score else ""
    )
    screen.line(f"inputs {made['inputs_hash'][:12]}, outputs {made['outputs_hash'][:12]}{agreed}")
