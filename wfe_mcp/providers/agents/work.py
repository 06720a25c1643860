"""Runs a command-line agent on a task or a question.

    prompt + place of the output ──stdin──► the agent, in the project or a worktree; for a question: in an empty folder
                    listener ◄── lines of JSON ──┘
                    output   ◄── the file named in the prompt, else the last JSON block of its answer

Rules:
1. The prompt is never in the argv: it may exceed the limit, and any user of the machine can read an argv.
2. The agent's environment holds the named variables and its configured key, nothing else of this process's.
3. It ends by itself or at a limit: time, silence while none of its tools runs, number of tool calls, a stop. Its text
   until then is a partial result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.providers import call
from wfe_mcp.providers.agents.agent import AUTHORITIES, PROXY, Agent, words_of
from wfe_mcp.providers.agents.claude_code import CLAUDE_CODE
from wfe_mcp.providers.agents.codex import CODEX
from wfe_mcp.providers.agents.failure import fault, trouble_fault
from wfe_mcp.providers.agents.gemini_cli import GEMINI_CLI
from wfe_mcp.providers.agents.isolation import review_folder
from wfe_mcp.providers.agents.transcript import Transcript
from wfe_mcp.providers.output import clear_place, ends_with_value, output_paragraph, value_at, value_in, with_paragraph
from wfe_mcp.workspace.config.provider_kinds import ProviderKind
from wfe_mcp.workspace.files.programs import configured_program, is_of_project, sha256_of_files, temporary_outside

AGENTS: dict[ProviderKind, Agent] = {"claude-code": CLAUDE_CODE, "codex": CODEX, "gemini-cli": GEMINI_CLI}

AGENT_KINDS: tuple[ProviderKind, ...] = tuple(AGENTS)
"""The kinds of provider that are command-line agents."""

_ENV_OPTION = "env"
"""The option of every kind with the names of more variables that pass to the agent."""

_WRITING = {"write", "edit", "bash", "git_commit"}
"""Tools by which a phase lets its worker change files."""

_CHARACTERS_PER_TOKEN = 4


class Ran(Protocol):
    """The part of ``ChildResult`` that is used here."""

    @property
    def exit_code(self) -> int | None:
        """None when it was ended from here."""
        ...

    @property
    def timed_out(self) -> bool:
        """True when its time limit ended it."""
        ...

    @property
    def cancelled(self) -> bool:
        """True when ``should_stop`` ended it."""
        ...

    @property
    def output_tail(self) -> str:
        """The end of its output."""
        ...


class RunProgram(Protocol):
    """Runs the child: ``jobs.child.run_child``, or that of a job's context."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: float,
        log_path: Path | None,
        stdin: bytes,
        on_line: Callable[[str], object],
        should_stop: Callable[[], bool],
    ) -> Ran:
        """Run ``argv`` to its end and pass each line of its output to ``on_line``."""
        ...


Why = Literal["ended", "cancelled", "timed_out", "silent", "tool_limit"]

_ENDINGS: dict[Why, Literal["cancelled", "timed_out", "tool_limit"]] = {
    "cancelled": "cancelled",
    "timed_out": "timed_out",
    "silent": "timed_out",
    "tool_limit": "tool_limit",
}
_WHY: dict[Why, str] = {
    "cancelled": "The work was stopped.",
    "timed_out": "The agent did not finish within {total_s:g} s.",
    "silent": "The agent printed nothing for {response_s:g} s, and none of its tools ran.",
    "tool_limit": "The agent reached a limit: {tool_calls} tool calls, or one of its own.",
}


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """Where an agent works. ``environment``: names → the variables of a child that may read these (``child_env``).

    ``log_path``: the file for its whole output.
    """

    root: Path
    run: RunProgram
    environment: Callable[[Iterable[str]], Mapping[str, str]]
    log_path: Path | None = None
    clock: Callable[[], float] = time.monotonic


def run_agent(
    connection: call.Connection,
    task: call.Task,
    launch: LaunchContext,
    listener: call.Listener | None = None,
    should_stop: call.ShouldStop = call.never,
    *,
    place: str,
) -> call.Worked:
    """Let the agent work on ``task`` in the project. ``place``: where its output goes, relative to the root.

    Of ``task.tools`` only the names are used: without one that writes, the agent may only read; without any, its options
    decide. ``task.validate`` is not used: the output is validated when it is submitted.
    Raises ProviderFault: not installed, not logged in, a limit of its vendor, any other failure.
    """
    agent = _agent(connection)
    if connection.fs_ability == "local-write" and task.tools and not _WRITING & {tool.name for tool in task.tools}:
        connection = replace(connection, fs_ability="local-read")
    writes = connection.fs_ability in {"local-write", "write-only"}
    if writes:
        clear_place(launch.root, place)
    prompt = with_paragraph(_full_prompt(task), connection.fs_ability, place, task.schema)
    env = _environment(agent, connection, launch)
    argv = (*_program(agent, connection, launch.root, env), *agent.arguments(connection, task))
    child = _Child(argv, launch.root, env)
    why, transcript = _run_once(agent, connection, task, prompt, launch, child, listener or call.Silent(), should_stop)
    model = transcript.model or connection.model
    if why != "ended":
        return call.Worked(
            _ENDINGS[why], None, transcript.answer, transcript.usage, model, _reason(why, connection, task)
        )
    # What is in that file beside an agent that only reads, someone else wrote.
    value = _value(launch.root, place, transcript) if writes else value_in(transcript.all_text)
    if value is None:
        no_file = f"a file '{place}' and without " if writes else ""
        why_not = f"The agent ended without {no_file}a block of JSON in its answer."
        return call.Worked("no_answer", None, transcript.answer, transcript.usage, model, why_not)
    return call.Worked("done", value, transcript.answer, transcript.usage, model)


def ask_agent(
    connection: call.Connection,
    question: call.Question,
    launch: LaunchContext,
    listener: call.Listener | None = None,
    should_stop: call.ShouldStop = call.never,
) -> call.Answer:
    """The agent's answer to a question, given in a folder of its own (``isolation.py``): it sees the prompt alone.

    Raises ProviderFault: as ``run_agent``, and when its answer does not end with a value.
    """
    agent = _agent(connection)
    if question.images:
        raise fault("not_configured", agent, connection, "a command-line agent cannot receive images")
    task = call.Task(question.prompt, question.schema or {}, question.system)
    prompt = _full_prompt(task)
    if question.schema is not None:
        prompt = f"{prompt}\n\n{output_paragraph('none', '', question.schema)}"
    env = _environment(agent, connection, launch)
    with review_folder(agent.isolation, env) as folder:
        program = _program(agent, connection, launch.root, env)
        source = sha256_of_files(program)
        child = _Child((*program, *agent.isolation.arguments(connection)), folder.work, folder.env)
        why, transcript = _run_once(
            agent, connection, task, prompt, launch, child, listener or call.Silent(), should_stop
        )
        model = transcript.model or agent.isolation.model(folder.config) or connection.model
    if why == "cancelled":
        raise fault("stopped", agent, connection, usage=transcript.usage)
    if why != "ended":
        kind = "other" if why == "tool_limit" else "timeout"
        raise fault(kind, agent, connection, _reason(why, connection, task), usage=transcript.usage)
    value = value_in(transcript.answer) if question.schema is not None and ends_with_value(transcript.answer) else None
    if question.schema is not None and value is None:
        raise fault("unparsable", agent, connection, transcript.answer, usage=transcript.usage)
    return call.Answer(transcript.answer, value, transcript.usage, model, source)


def _agent(connection: call.Connection) -> Agent:
    agent = AGENTS.get(connection.kind)
    if agent is None:
        message = f"Provider {connection.provider!r} of kind {connection.kind} is not a command-line agent."
        raise call.ProviderFault("not_configured", message, f"Use one of kind {', '.join(AGENT_KINDS)}.")
    for option in connection.options:
        known = (*agent.options, _ENV_OPTION)
        if option not in known:
            near = ", ".join(nearest(option, known)) or ", ".join(known)
            raise fault(
                "not_configured", agent, connection, f"{option!r} is not an option of its kind; options: {near}"
            )
    return agent


def _full_prompt(task: call.Task) -> str:
    return f"{task.system.rstrip()}\n\n{task.prompt}" if task.system else task.prompt


def _total_s(connection: call.Connection, task: call.Task) -> float:
    return min(connection.total_s, task.limits.total_s or connection.total_s)


def _reason(why: Why, connection: call.Connection, task: call.Task) -> str:
    return _WHY[why].format(
        total_s=_total_s(connection, task), response_s=connection.response_s, tool_calls=task.limits.tool_calls
    )


def _value(root: Path, place: str, transcript: Transcript) -> dict[str, Any] | None:
    try:
        value = value_at(root, place)
    except Refused:  # a link or a device in place of the file does not count
        value = None
    return value if value is not None else value_in(transcript.all_text)


def _run_once(
    agent: Agent,
    connection: call.Connection,
    task: call.Task,
    prompt: str,
    launch: LaunchContext,
    child: _Child,
    listener: call.Listener,
    should_stop: call.ShouldStop,
) -> tuple[Why, Transcript]:
    """Run the agent once. It is announced and reported as one call: the number of its calls is known only at its end."""
    transcript = Transcript(agent, listener, launch.clock, last_line_at=launch.clock())
    bounds = _Bounds(connection, task, transcript, should_stop)
    listener.before_call(connection, call.Estimate(len(prompt) // _CHARACTERS_PER_TOKEN, connection.max_tokens))
    try:
        ran = launch.run(
            child.argv,
            cwd=child.cwd,
            env=child.env,
            timeout_s=_total_s(connection, task),
            log_path=launch.log_path,
            stdin=prompt.encode(errors="replace"),
            on_line=transcript.line,
            should_stop=bounds.are_met,
        )
        transcript.close()
    except BaseException as exc:
        # The job must stop, or the child could not be run: the caller handles the exception.
        failed = exc if isinstance(exc, call.ProviderFault) else fault("stopped", agent, connection)
        listener.after_call(connection, transcript.usage, failed)
        raise
    why = bounds.why(ran)
    failed = _failure(agent, connection, transcript, ran) if why == "ended" else None
    listener.after_call(connection, transcript.usage, failed)
    if failed is not None:
        raise failed
    return why, transcript


def _failure(agent: Agent, connection: call.Connection, transcript: Transcript, ran: Ran) -> call.ProviderFault | None:
    """Why it failed; None when it did not. Its own report of its end takes precedence over its exit code."""
    is_done = transcript.ended.how == "done" if transcript.ended else ran.exit_code == 0
    if is_done:
        return None
    return trouble_fault(agent, connection, transcript.trouble, ran.exit_code, ran.output_tail, transcript.usage)


@dataclass(frozen=True, slots=True)
class _Child:
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


@dataclass(slots=True)
class _Bounds:
    """The limits of rule 3."""

    connection: call.Connection
    task: call.Task
    transcript: Transcript
    should_stop: call.ShouldStop
    reached: Why = "ended"

    def are_met(self) -> bool:
        """True once the agent must be ended; polled while it runs."""
        if self.should_stop():
            self.reached = "cancelled"
        elif self.transcript.tool_calls > self.task.limits.tool_calls:
            self.reached = "tool_limit"
        elif self.transcript.silent_s() > self.connection.response_s:
            self.reached = "silent"
        return self.reached != "ended"

    def why(self, ran: Ran) -> Why:
        """Why the agent ended."""
        if ran.timed_out:
            return "timed_out"
        if ran.cancelled:
            return "cancelled" if self.reached == "ended" else self.reached
        return "tool_limit" if self.transcript.ended and self.transcript.ended.how == "tool_limit" else "ended"


def _environment(agent: Agent, connection: call.Connection, launch: LaunchContext) -> dict[str, str]:
    """What passes by name, without folders of the project: one could hold settings and a login that its author wrote."""
    env = dict(launch.environment((*agent.variables, *words_of(connection.options.get(_ENV_OPTION)))))
    folder = agent.isolation.variable
    if folder in env and (not Path(env[folder]).is_absolute() or is_of_project(Path(env[folder]), launch.root)):
        del env[folder]
    temporary_outside(env, launch.root)
    values = {PROXY: connection.proxy, AUTHORITIES: connection.ca_file}
    env |= {name: value for names, value in values.items() if value for name in names}
    return env | ({agent.key: connection.api_key} if connection.api_key else {})


def _program(agent: Agent, connection: call.Connection, root: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """The program and its first words."""
    name, *words = connection.argv or agent.program
    program = configured_program(name, root, env.get("PATH", os.defpath))
    if program is None:
        raise fault("not_installed", agent, connection)
    return (program, *words)
