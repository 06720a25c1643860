"""``wfe-mcp show``: every attempt of a run, its evidence and its decisions; now, or at an earlier event."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.text import indented, shortened
from wfe_mcp.cli.terminal.times import exact
from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.views.envelope import Envelope

__all__ = ["show"]


OfPhase = Annotated[str, typer.Option("--phase", metavar="PHASE", help="Only the attempts at this phase.")]
Tools = Annotated[bool, typer.Option("--tools", help="Every tool call of a model, with its input and output.")]


At = Annotated[
    str, typer.Option("--at", metavar="N", help="As it was after event N of its log, or at a checkpoint (cp-12).")
]


Files = Annotated[bool, typer.Option("--files", help="Instead: list the files of the last checkpoint by then.")]
File = Annotated[str, typer.Option("--file", metavar="PATH", help="Instead: print one of these files.")]
To = Annotated[str, typer.Option("--to", metavar="DIR", help="With --files: write them into a new folder.")]


def show(
    invocation: Invocation, run: Run, phase: OfPhase = "", tools: Tools = False, at: At = "", files: Files = False, file: File = "",
    to: To = "",
) -> None:  # fmt: skip
    """Show every attempt of a run, its evidence and its decisions."""
    from dataclasses import replace

    if files or file or to:
        from wfe_mcp.cli.terminal.show_files import show_files

        show_files(invocation, run, at, file, to)
        return

    from wfe_mcp.engine.history.as_of import moment
    from wfe_mcp.views import envelopes as answering
    from wfe_mcp.views import tool_answers as answers
    from wfe_mcp.views.run_report import past, story

    engine, run = invocation.engine, invocation.at(run, phase or None)
    if at:
        with engine.store.read() as tx:
            then = moment(engine, tx, run, at)
        answer, found = past(engine, then), then.found
    else:
        found = answering.standing_of(engine, run)
        answer = answers.status(engine, invocation.by, run, "full")
        answer = replace(answer, data=answer.data | story(engine, found))
    data: dict[str, Any] = answer.data
    attempts = [one for one in data["attempts"] if phase in {"", one["phase"]}]
    if not attempts:
        near = nearest(phase, found.loaded.state.attempts)
        raise Refused(
            "unknown_phase", f"Run {run} has no phase {phase!r}.", f"Did you mean {near[0]!r}?" if near else ""
        )
    if tools:
        attempts = [one | {"tool_calls": _tool_calls(invocation, run, one)} for one in attempts]
    answer = replace(answer, data=data | {"attempts": attempts})
    invocation.render(answer, lambda screen: _tell(invocation, screen, answer))


def _tool_calls(invocation: Invocation, run: str, attempt: dict[str, Any]) -> list[dict[str, Any]]:
    """Every tool call of a model in the attempt, with input and output."""
    from wfe_mcp.core.model import RunId
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.views.tool_calls import tool_call_view

    with invocation.engine.store.read() as tx:
        calls = tx.tool_calls(RunId(run), PhasePath(attempt["phase"]), attempt["attempt"])
    return [tool_call_view(call) for call in calls]


def _attempt_rows(attempt: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The attempt in a row, then its steps and gates; of a failed one the reason alone."""
    from wfe_mcp.cli.terminal.render import verdict_row

    again = f" iteration {attempt['iteration']}" if attempt["iteration"] > 1 else ""
    name = f"{attempt['phase']} {attempt['attempt']}{again}"
    rows = [(f"  step {step['step']}", step["state"], _step_text(step)) for step in attempt.get("steps", [])]
    verdicts = [verdict_row(verdict) for verdict in attempt.get("verdicts", [])]
    failed = [text for _, verdict, text in verdicts if verdict in {"fail", "error"}]
    logs = [(f"  log {each['gate']}", "", each["log"]) for each in attempt.get("evidence", []) if "log" in each]
    if attempt["state"] in {"failed", "superseded"} and failed:
        return [(name, "failed", failed[0]), *rows, *logs]
    artifact = (
        f"{attempt['artifact']} {attempt['sha256'][:12]}" if attempt.get("artifact") and attempt.get("sha256") else ""
    )
    reason = shortened(str(attempt.get("reason") or ""), 300) if attempt["state"] != "completed" else ""
    state = {"awaiting": "awaiting approval"}.get(attempt["state"], attempt["state"])
    text = "; ".join(filter(None, (artifact, reason)))
    return [(name, state, text), *rows, *((f"  {gate}", verdict, why) for gate, verdict, why in verdicts)]


def _step_text(step: dict[str, Any]) -> str:
    attempts = f", {step['tries']} attempts" if "tries" in step else ""
    return f"{step['does']}{attempts}" + (f": {shortened(step['error'], 200)}" if "error" in step else "")


def _tell_tools(screen: "Screen", attempt: dict[str, Any]) -> None:
    """What a model did: in a line, or call by call with --tools."""
    if "tools" not in attempt:
        return
    from wfe_mcp.views.tool_calls import tools_words

    screen.line(f"{attempt['phase']} {attempt['attempt']}: {tools_words(attempt['tools'])}")
    for number, call in enumerate(attempt.get("tool_calls", []), 1):
        ended = "did not end" if "ok" not in call else f"{'ok' if call['ok'] else 'failed'} after {call['ms']} ms"
        screen.line(f"  {number}. {call['tool']} {ended}", "" if call.get("ok") else "failed")
        for name, value in call["input"].items():
            screen.line(indented(f"{name}: {value}"))
        screen.line(indented(call.get("output", "")))


def _tell(invocation: Invocation, screen: "Screen", answer: "Envelope") -> None:
    from wfe_mcp.cli.terminal.render import headline, next_lines, origin_lines, unusual
    from wfe_mcp.views.usage import usage_lines

    data, record, now = answer.data, invocation.record(answer.run), invocation.engine.clock()
    assert record is not None, "it is about a run"
    state = (
        headline(answer, record, now) if "as_of" not in data else f"{answer.run_state} at {exact(data['as_of']['at'])}"
    )
    screen.line(f'{record.id} "{record.title}": {state} ({data["template"]} {data["version"]})', "bold")
    if "as_of" in data:
        screen.line(answer.summary)
    inputs = (f"  {name}: {shortened(str(value), 200)}" for name, value in data["inputs"].items())
    for line in (*origin_lines(data), *inputs):
        screen.line(line)
    for bundle in data.get("context", []):
        scope = f", scope {bundle['scope']}" if "scope" in bundle else ""
        files = shortened(", ".join(bundle["files"]), 200)
        screen.line(f"  context {bundle['bundle']}{scope}, sha256 {bundle['sha256'][:12]}: {files}")
    for line in usage_lines(data.get("usage")):
        screen.line(f"  {line}")
    screen.table((), [row for attempt in data["attempts"] for row in _attempt_rows(attempt)])
    for attempt in data["attempts"]:
        _tell_tools(screen, attempt)
    _tell_people(screen, data, now)
    _tell_manifest(screen, data["manifest"])
    if "checkpoints" in data:
        from wfe_mcp.views.checkpoints import checkpoints_words

        screen.line(checkpoints_words(data["checkpoints"], str(answer.run)))
    unusual(screen, answer)
    screen.next(*next_lines(answer))


def _tell_people(screen: "Screen", data: dict[str, Any], now: "datetime") -> None:
    """Open requests, and every decision."""
    from wfe_mcp.views.run_report import void_words

    for one in data["requests"]:
        if one["state"] == "open":
            screen.line(
                f"{screen.time(one['asked_at'], now)}: {one['phase']} {one['sha256']} was put to you; no decision yet",
                "awaiting",
            )
    for one in data["decisions"]:
        said = one.get("comment") or one.get("reason") or ""
        screen.line(f"{screen.time(one['at'], now)}: {one.get('phase', 'run')} {one['decision']} by {one['actor']} ({one['channel']}, assurance {one['assurance']})"
                    + (f" in run {one['run']}" if "run" in one else "") + void_words(one)
                    + (f": {shortened(said, 200)}" if said else ""))  # fmt: skip


def _tell_manifest(screen: "Screen", made: dict[str, Any]) -> None:
    score = made.get("score")
    agreed = (
        f"; {score['same_outputs']} of {plural(score['runs'], 'run')} with these inputs had these outputs"
        if score
        else ""
    )
    screen.line(f"inputs {made['inputs_hash'][:12]}, outputs {made['outputs_hash'][:12]}{agreed}")
