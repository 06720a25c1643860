"""Scripted agents: one follows its instructions exactly, one finishes a run by following ``next``.

A script gives, per phase and attempt, the files to write and the artifact to submit. Like a real agent, it takes all else
from the answers: which phase is next, and when to ask.

The bot uses only the last answer, and knows no tool, template or phase by name. It makes the first call in ``next`` and
fills each place in ``need`` with a value that its schema accepts. A run that the bot cannot finish, an agent without
memory cannot finish either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.testing.values import value_at, value_for

Envelope = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt: the artifact to submit, and the files to write before (None deletes)."""

    artifact: dict[str, Any]
    files: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


Script = Mapping[str, Sequence[Work]]
"""Phase path → the work of each attempt, first attempt first."""


class ScriptEnded(AssertionError):
    """The script lacks an attempt: the template sent the work back once more than expected."""


@dataclass(frozen=True, slots=True)
class PlayedRun:
    """The record of a run: its id, every (tool, answer), and the last answer."""

    run: str
    steps: tuple[tuple[str, Envelope], ...]

    @property
    def last(self) -> Envelope:
        """The last answer."""
        return self.steps[-1][1]

    @property
    def codes(self) -> list[str]:
        """The codes of everything that was refused or failed, in order."""
        return [answer["error"]["code"] for _, answer in self.steps if "error" in answer]


def drive(
    call: Callable[..., Envelope],
    root: Path,
    template: str,
    inputs: dict[str, Any],
    script: Script,
    *,
    person: Callable[[str, str], object] | None = None,
    most: int = 100,
) -> PlayedRun:
    """Start ``template`` and work until only a person can continue, or the run is finished.

    ``person(run, phase)`` is called when a phase waits for a person's decision; without one the agent stops there.
    """
    started = call("start_run", template=template, inputs=inputs)
    if not started["ok"]:
        raise AssertionError(f"start_run was refused: {started['error']}")
    steps = [("start_run", started)]
    _go_on(_RecordingClient(call, steps), root, script, person, most)
    return PlayedRun(started["run"], tuple(steps))


def resume(
    call: Callable[..., Envelope],
    root: Path,
    run: str,
    script: Script,
    *,
    person: Callable[[str, str], object] | None = None,
    most: int = 100,
) -> PlayedRun:
    """Continue a run from its present state. ``person`` decides what was asked before, too: a server that died after it asked
    has answered no one.
    """
    steps = [("status", answer := call("status", run=run))]
    if person is not None and answer["waiting_on"] == "human" and answer["next"][0]["tool"] == "status":
        for phase in answer["data"]["phases"]:
            if phase["state"] == "awaiting":
                person(run, phase["phase"])
    _go_on(_RecordingClient(call, steps), root, script, person, most)
    return PlayedRun(run, tuple(steps))


@dataclass(frozen=True, slots=True)
class _RecordingClient:
    call: Callable[..., Envelope]
    steps: list[tuple[str, Envelope]]

    def __call__(self, tool: str, /, **arguments: Any) -> Envelope:
        self.steps.append((tool, self.call(tool, **arguments)))
        return self.steps[-1][1]


def _go_on(
    call: _RecordingClient, root: Path, script: Script, person: Callable[[str, str], object] | None, most: int
) -> None:
    answer = call.steps[-1][1]
    while answer.get("next") and len(call.steps) < most:
        tool, arguments = answer["next"][0]["tool"], dict(answer["next"][0].get("args", {}))
        if tool == "submit_artifact":
            work = _work(script, arguments["phase"], arguments["attempt"], answer)
            _write(root, work.files)
            arguments["artifact"] = work.artifact
        answer = call(tool, **arguments)
        if answer.get("error", {}).get("code") == "needs_human" and "phase" in answer:
            if person is None:
                break
            person(answer["run"], answer["phase"])


def _work(script: Script, phase: str, attempt: int, answer: Envelope) -> Work:
    planned = script.get(phase, ())
    if attempt > len(planned):
        why = answer.get("data", {}).get("feedback") or answer.get("error") or answer.get("summary")
        raise ScriptEnded(f"phase {phase!r}, attempt {attempt}: the script has {len(planned)}. The server says: {why}")
    return planned[attempt - 1]


def _write(root: Path, files: Mapping[str, str | None]) -> None:
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")


"""An answer as JSON (design §6)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the bot, and its answer."""

    tool: str
    arguments: dict[str, Any]
    answer: Envelope


def next_call(answer: Envelope) -> tuple[str, dict[str, Any]] | None:
    """The first call in ``answer``, its needs filled; None when there is none."""
    if not answer.get("next"):
        return None
    move = answer["next"][0]
    filled = {name: value_for(value_at(answer, pointer)) for name, pointer in move.get("need", {}).items()}
    return move["tool"], {**move.get("args", {}), **filled}


def follow(
    call: Callable[..., Envelope],
    *,
    first: str = "list_templates",
    arguments: dict[str, Any] | None = None,
    seen: Callable[[Envelope], object] = lambda answer: None,
    most: int = 60,
) -> list[Step]:
    """Call ``first`` with ``arguments`` and follow ``next`` until there is none, or ``most`` calls were made.

    ``call(tool, **arguments)`` calls a tool, by any client.
    ``seen`` gets every answer before the next call: a test can make its person decide there.
    """
    steps: list[Step] = []
    move: tuple[str, dict[str, Any]] | None = (first, arguments or {})
    while move is not None and len(steps) < most:
        tool, params = move
        steps.append(Step(tool, params, call(tool, **params)))
        seen(steps[-1].answer)
        move = next_call(steps[-1].answer)
    return steps
