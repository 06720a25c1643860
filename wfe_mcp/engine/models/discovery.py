"""Tests of configured models, and discovery of model servers and agents on this machine.

A test is a real call, the smallest there is, and is recorded like every call to a model.
"""

import os
import re
import time
from dataclasses import replace

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.connections import connect, needs_model
from wfe_mcp.engine.models.roles import FilledRole, fill_role, provider_now
from wfe_mcp.jobs.child import ChildNotStarted, run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.providers.call import Connection, Listener, ProviderFault, Question
from wfe_mcp.providers.probing import list_models, try_connection
from wfe_mcp.workspace.config.provider_kinds import KIND_FACTS, facts_of
from wfe_mcp.workspace.config.provider_tables import FrozenRole
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.files.programs import outside
from wfe_mcp.workspace.system.redaction import without_hidden

_VERSION_S = 20.0


@dataclass(frozen=True, slots=True)
class ProviderTrial:
    """What a test found."""

    provider: str
    kind: str
    model: str
    """The one that was asked; empty where only the list was read."""
    latency_s: float | None
    """Of the call, or of the list."""
    model_found: bool | None
    """None when unknown."""
    models: tuple[str, ...]
    message: str
    """For people, as ``hint`` is."""
    fault: str = ""
    """Its kind; empty when all went well."""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether it answered."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class InstalledAgent:
    """A command-line agent on this machine. ``version``: its first number, empty when it did not say one."""

    kind: str
    program: str
    version: str


def try_out(engine: Engine, name: str, model: str = "") -> ProviderTrial:
    """Send a minimal question to the model of a role or provider. Without a model, only the list of models is read.

    Refuses as ``connection_of`` does; a failed call is reported in the result.
    """
    loaded = engine.settings()
    connection = connect(engine, loaded, _target(loaded, name, model), needs_model=False)
    if connection.kind == "manual":
        return _trial_result(connection, None, None, (), "A person answers, so there is nothing to try.")
    from wfe_mcp.engine.models.call_log import Recording

    listener = Recording(engine, None, purpose="test", role=name if name in loaded.settings.roles else "")
    if not facts_of(connection.kind).is_network:
        return _agent_tried(engine, connection, listener)
    if not connection.model and needs_model(connection.kind):
        return _list_models(connection)

    test = try_connection(connection, listener)
    if test.fault is not None:
        return _failure(connection, test.fault, test.model_found, test.models)
    who = f"Model {connection.model!r}" if connection.model else "It"
    message = f"{who} answered in {test.latency_s or 0.0:.1f} s."
    return _trial_result(connection, test.latency_s, test.model_found, test.models, message)


def models_of(engine: Engine, name: str) -> ProviderTrial | None:
    """What a provider answers that is asked for its models; None where none can be asked."""
    loaded = engine.settings()
    try:
        connection = connect(engine, loaded, _target(loaded, name, ""), needs_model=False)
    except Refused:
        return None
    return _list_models(connection) if facts_of(connection.kind).is_network else None


def installed_agents(engine: Engine) -> list[InstalledAgent]:
    """The command-line agents on PATH, with their versions. Each is started once, to say its own."""
    agents, folders = list[InstalledAgent](), engine.environment.get("PATH", os.defpath)
    for kind, facts in KIND_FACTS.items():
        program = outside(facts.argv[0], engine.root, folders) if facts.argv else None
        if program:
            agents.append(InstalledAgent(kind, program, _version(engine, program)))
    return agents


def _target(loaded: LoadedSettings, name: str, model: str) -> FilledRole:
    """The target of the test: a role with its model, or a provider with the model named, else that of a role of it."""
    provider = None if name in loaded.settings.roles else provider_now(loaded, name)
    if provider is None:
        filled = fill_role(loaded, name)
        return FilledRole(filled.role.model_copy(update={"model": model or filled.role.model}), filled.provider)
    of_roles = [role.model for role in loaded.settings.roles.values() if role.provider == name and role.model]
    return FilledRole(FrozenRole(name=name, provider=name, model=model or next(iter(of_roles), "")), provider)


def _list_models(connection: Connection) -> ProviderTrial:
    began = time.monotonic()
    try:
        models = list_models(connection)
    except ProviderFault as fault:
        return _failure(connection, fault, None, ())
    size = plural(len(models), "model")
    command = f"wfe-mcp providers test {connection.provider} --model MODEL"
    message = f"It lists {size}. For a call, fill a role with one, or: {command}"
    return _trial_result(connection, time.monotonic() - began, None, models, message)


def _agent_tried(engine: Engine, connection: Connection, listener: Listener) -> ProviderTrial:
    from wfe_mcp.providers.agents import LaunchContext, ask_agent

    launch = LaunchContext(engine.root, run_child, lambda names: child_env(names, engine.environment))
    began = time.monotonic()
    try:
        answer = ask_agent(connection, Question("Answer with the one word: ok"), launch, listener)
    except ProviderFault as fault:
        return _failure(connection, fault, None, ())
    latency_s = time.monotonic() - began
    who = f"Model {answer.model!r}" if answer.model else "It"
    return _trial_result(connection, latency_s, True, (), f"{who} answered in {latency_s:.1f} s.")


def _failure(
    connection: Connection, fault: ProviderFault, model_found: bool | None, models: tuple[str, ...]
) -> ProviderTrial:
    trial = _trial_result(connection, None, model_found, models, without_hidden(fault.message))
    return replace(trial, fault=fault.kind, hint=without_hidden(fault.hint))


def _trial_result(
    connection: Connection, latency_s: float | None, model_found: bool | None, models: tuple[str, ...], message: str
) -> ProviderTrial:
    shown = None if latency_s is None else round(latency_s, 3)
    return ProviderTrial(connection.provider, connection.kind, connection.model, shown, model_found, models, message)


def _version(engine: Engine, program: str) -> str:
    """The first number that the program says of itself; empty when it says none, or fails."""
    try:
        done = run_child(
            [program, "--version"], cwd=engine.root, env=child_env((), engine.environment), timeout_s=_VERSION_S
        )
    except (ChildNotStarted, OSError):
        return ""
    number = re.search(r"\d+(?:\.\d+)+", done.output_tail)
    return number[0] if number and done.exit_code == 0 else ""
