"""The call of one step and its result, and the MCP servers that steps can call.

tool     an MCP server of frozen, trusted configuration       http      an address, under the rules of tools/http.py
check    a frozen check, run by the server                       builtin   set, fail, log, and the steps of a delivery
llm      one question to a model                              wait      nothing: the job was due when the time was over

Only servers of trusted configuration are ever started or asked.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.evidence_levels import strictest
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.parts import require_parts
from wfe_mcp.engine.kernel.step_call import StepCall, StepResult, refused_step
from wfe_mcp.engine.phases.steps import is_repeatable
from wfe_mcp.jobs.environment import MARK, child_env
from wfe_mcp.jobs.job_context import JobContext, mark_of
from wfe_mcp.tools.fault import ToolFault
from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS, STEP_KINDS
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.files.programs import program
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.system.redaction import without_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.tools.client import ServerTools


TOOL_TIMEOUT_S = 300.0
HTTP_TIMEOUT_S = 10.0
LLM_TRIES = 3
"""How often a model that does not answer is asked by one job, before its fallbacks."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})


def make(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    """Make the call. Raises StepStopped or ChildStopped when the job must end."""
    if call.head:
        now = head(Path(call.run.worktree))
        if now != call.head:
            fault = f"it was approved at commit {call.head[:12]}, and the working folder is at {(now or 'none')[:12]}. Retry the phase to ask for the approval again"
            return StepResult(fault=fault)
    try:
        answer = _CALLS[call.step.kind](engine, call, context)
    except ToolFault as fault:
        return StepResult(None, without_hidden(str(fault)), fault.may_have_happened)
    return answer if answer.fault else _validate_answer(call, answer)


def _tool(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    from wfe_mcp.tools.client import call_tool
    from wfe_mcp.workspace.config.settings_tables import FrozenServer

    name, _, tool = (call.step.tool or "").partition(".")
    target = _configured_target(engine, call, "servers", name)
    if isinstance(target, StepResult):
        return target
    server = FrozenServer.model_validate(target)
    env = child_env(server.env, engine.environment) | {MARK: mark_of(context.job.id, context.job.fence)}
    served: list[str] = []
    value = call_tool(
        server,
        tool,
        call.row.input or {},
        timeout_s=call.limit_s(TOOL_TIMEOUT_S),
        env=env,
        cwd=Path(call.run.worktree),
        key=call.row.idempotency_key,
        should_stop=lambda: context.stop.is_asked,
        on_server=served.append,
    )
    return StepResult(value, served_by="".join(served))


def _llm(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    """One question to a model: its text, or the value that the step's ``output`` asks for."""
    from wfe_mcp.artifacts.registry import json_schema
    from wfe_mcp.engine.models.connections import connections_of, first_answer
    from wfe_mcp.providers.call import Question
    from wfe_mcp.store.records.calls import CallPurpose

    schema = None if call.step.output is None else json_schema(call.step.output.schema_)
    role = call.step.llm.role if call.step.llm is not None else ""
    named = call.roles.get(role) or role
    try:
        connections = connections_of(engine, named, frozen=call.frozen, declared=True)
    except Refused as refused:
        return refused_step(refused)
    question, purpose = Question(call.row.input["prompt"], schema=schema), CallPurpose.STEP
    answered = first_answer(engine, context, connections, question, purpose=purpose, role=role, tries=LLM_TRIES)
    if isinstance(answered, str):
        return StepResult(None, answered)
    return StepResult({"text": answered[1].text} if schema is None else answered[1].value)


def _http(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    from wfe_mcp.engine.credentials.handing import login_of
    from wfe_mcp.engine.models.connections import allowed_origins
    from wfe_mcp.tools.http import Request, send

    request = cast("dict[str, Any]", call.row.input)
    headers = dict(request["headers"])
    if call.row.idempotency_key:
        headers = {"Idempotency-Key": call.row.idempotency_key} | headers
    try:
        login = login_of(engine, call, request["url"])
    except Refused as refused:
        return refused_step(refused)
    answer = send(
        Request(request["url"], request["method"], headers | login, request["body"], request["status"]),
        allow=allowed_origins(engine.settings(), call.frozen),
        timeout_s=call.limit_s(HTTP_TIMEOUT_S),
        should_stop=lambda: context.stop.is_asked,
    )
    return StepResult(json.loads(without_hidden(json.dumps(answer))) if login else answer)


def _builtin(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    if call.step.builtin in DELIVERY_STEPS:
        from wfe_mcp.engine.deployments.steps import work

        return work(engine, call, context)
    from wfe_mcp.tools.builtins import act

    return StepResult(act(call.step.builtin or "", call.row.input or {}))


def _wait(_engine: Engine, call: StepCall, _context: JobContext) -> StepResult:
    """The job was due when the time was over."""
    return StepResult({"waited": call.step.wait})


def _check(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    from wfe_mcp.engine.credentials.handing import hand_to_check
    from wfe_mcp.gates.command import run_check
    from wfe_mcp.workspace.config.ports import with_ports

    name, root = call.step.check or "", Path(call.run.worktree)
    target = _configured_target(engine, call, "checks", name)
    if isinstance(target, StepResult):
        return target
    check = FrozenCheck.model_validate(target)
    check = check.model_copy(update={"timeout_s": min(check.timeout_s, call.limit_s(check.timeout_s))})
    folder = evidence_folder(root, call.run.id, call.attempt.phase, call.attempt.number)
    settings = engine.settings().settings
    judgement = run_check(
        check,
        name=name,
        root=root,
        evidence_dir=folder,
        environ=with_ports(engine.environment, root, settings.worktrees.ports),
        run=context.run_child,
        level=strictest(call.frozen.get("evidence"), settings.policy.evidence),
        makes=settings.sandbox,
        hand=hand_to_check(engine, call.run.id, call.attempt),
    )
    if judgement.outcome is GateOutcome.NEEDS_CREDENTIAL:
        return StepResult(fault=judgement.reason, lacks=tuple(judgement.data["credentials"]))
    keys = ("level", "exit_code", "duration_s", "tests", "coverage_percent", "timed_out")
    value = {"check": name, "verdict": str(judgement.kind), "log": judgement.log_path}
    value |= {key: judgement.data[key] for key in keys if key in judgement.data}
    fault = "" if judgement.kind is VerdictKind.PASS else judgement.message
    return StepResult(value, fault, judgement=judgement)


def _configured_target(engine: Engine, call: StepCall, what: str, name: str) -> dict[str, Any] | StepResult:
    """The frozen check or server; else the one of trusted configuration now; else why the step cannot continue."""
    loaded = engine.settings()
    frozen: dict[str, Any] | None = call.frozen.get(what, {}).get(name)
    if frozen is None:
        now = loaded.settings.checks if what == "checks" else loaded.settings.mcp_servers
        frozen = now[name].frozen(name).model_dump(mode="json") if name in now else None
    kind = "check" if what == "checks" else "MCP server"
    if loaded.untrusted and frozen is not None:
        fault = f"the project's configuration changed, so {kind} {name!r} waits for a person: wfe-mcp trust"
        return StepResult(fault=fault, needs_trust=True)
    if frozen is None and (loaded.untrusted or loaded.project_file is None):
        fault = f"this project has no trusted {kind} {name!r} yet; a person names it in .wfe/config.toml and runs: wfe-mcp trust"
        return StepResult(fault=fault, needs_trust=True)
    return StepResult(fault=f"no {kind} {name!r} is configured") if frozen is None else frozen


def _validate_answer(call: StepCall, answer: StepResult) -> StepResult:
    """The answer, when it can be stored and looks as the step's ``output`` says."""
    from wfe_mcp.artifacts.validate import validate_stored

    try:
        canonical_json(answer.value)
    except ValueError as error:  # else the job would fail where it ends, and make the call again
        return _unusable(call, answer, f"the result cannot be stored: {error}")
    if call.step.output is None:
        return answer
    checked = validate_stored(call.step.output.schema_, answer.value)
    if not checked.faults:
        return replace(answer, value=checked.value)
    first = checked.faults[0]
    where = f" at {first.path}" if first.path else ""
    return _unusable(call, answer, f"the result does not match its schema{where}: {first.message}")


def _unusable(call: StepCall, answer: StepResult, fault: str) -> StepResult:
    safe = is_repeatable(call.row) or (call.step.http is not None and call.step.http.method in _SAFE_METHODS)
    return replace(answer, value=None, fault=fault, may_have_happened=not safe)


_CALLS: dict[str, Callable[[Engine, StepCall, JobContext], StepResult]] = {
    "tool": _tool,
    "check": _check,
    "http": _http,
    "builtin": _builtin,
    "wait": _wait,
    "llm": _llm,
}
"""The call of each kind of step."""

require_parts("step kind", ((kind, "its call") for kind in STEP_KINDS if kind not in _CALLS))


ASK_TIMEOUT_S = 20.0
"""How long a server may take to start and to list its tools."""


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A configured server. ``missing``: variables it is to see that are not set; ``trusted`` False: it needs trust.

    ``fault``: why it cannot start.
    """

    name: str
    where: str
    env: tuple[str, ...]
    missing: tuple[str, ...]
    trusted: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What a server answered; ``fault`` when it did not."""

    name: str
    answer: ServerTools | None
    fault: str = ""


def servers(engine: Engine) -> list[ServerLine]:
    """Every configured server by name, including those that need trust."""
    loaded = engine.settings()
    known = loaded.settings.mcp_servers
    waiting = {
        name: server for name, server in (loaded.pending or loaded.settings).mcp_servers.items() if name not in known
    }
    return [
        ServerLine(
            name,
            server.url or " ".join((server.command or "", *server.args)),
            tuple(server.env),
            tuple(variable for variable in server.env if variable not in engine.environment),
            name in known,
            ""
            if server.url or program(server.command or "", engine.root, engine.environment.get("PATH", ""))
            else f"{server.command!r} is not installed",
        )
        for name, server in sorted((known | waiting).items())
    ]


def ask(engine: Engine, name: str, timeout_s: float = ASK_TIMEOUT_S) -> ServerReply:
    """Connect to the server ``name`` and list its tools. Refuses ``bad_argument`` and ``needs_trust``."""
    from wfe_mcp.tools.client import list_tools

    lines = {line.name: line for line in servers(engine)}
    if name not in lines:
        none = "Ask the user to name one in .wfe/config.toml, [mcp_servers.NAME], and to run: wfe-mcp trust"
        hint = nearest_hint(name, lines, f"Configured: {', '.join(lines)}." if lines else none)
        raise Refused("bad_argument", f"No MCP server {name!r} is configured.", hint)
    if not lines[name].trusted:
        raise Refused(
            "needs_trust",
            f"MCP server {name!r} is defined in configuration that is not trusted yet.",
            "Ask the user to look at it and run: wfe-mcp trust",
        )
    server = engine.settings().settings.mcp_servers[name].frozen(name)
    try:
        env = child_env(server.env, engine.environment)
        return ServerReply(name, list_tools(server, timeout_s=timeout_s, env=env, cwd=engine.root))
    except ToolFault as fault:
        return ServerReply(name, None, str(fault))


def ask_each(engine: Engine, names: Iterable[str]) -> list[ServerReply]:
    """Ask those of ``names`` that trusted configuration has; the others are left out."""
    trusted = {line.name for line in servers(engine) if line.trusted}
    return [ask(engine, name) for name in names if name in trusted]
