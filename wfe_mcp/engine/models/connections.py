"""Connections to models: the role, provider and key behind a name, and one question to such a connection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.models.roles import FilledRole, fallbacks, fill_role
from wfe_mcp.engine.models.secrets import key_of
from wfe_mcp.providers.call import Answer, Connection, Listener, ProviderFault, Question
from wfe_mcp.resources import PlugInFault
from wfe_mcp.workspace.config.origins import without_user
from wfe_mcp.workspace.config.provider_kinds import ProviderKind, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.providers.agents import LaunchContext
    from wfe_mcp.providers.plugin import OfferedProvider
    from wfe_mcp.store.records.calls import CallPurpose
    from wfe_mcp.workspace.config.settings import LoadedSettings


def connection_of(engine: Engine, name: str) -> Connection:
    """The connection of a role, a provider, or ``provider/model``, with its key.

    Refuses ``bad_argument``: no such name; ``needs_trust``; ``unavailable``: off, without a key or a model.
    """
    loaded = engine.settings()
    return connect(engine, loaded, fill_role(loaded, name))


def connections_of(
    engine: Engine, name: str, *, frozen: Mapping[str, Any] | None = None, declared: bool = False
) -> tuple[Connection, ...]:
    """That of ``connection_of`` first, then its fallbacks in order; a fallback that cannot be used is left out.

    ``frozen``: the settings a run keeps. ``declared``: the name is the configured role of a template, which
    ``[roles.default]`` fills where it has no table.
    """
    loaded = engine.settings()
    first = fill_role(loaded, name, frozen, declared=declared)
    connections = [connect(engine, loaded, first, frozen)]
    for fallback in fallbacks(loaded, first, frozen):
        try:
            connections.append(connect(engine, loaded, fallback, frozen))
        except Refused:
            continue
    return tuple(connections)


def connect(
    engine: Engine,
    loaded: LoadedSettings,
    found: FilledRole,
    frozen: Mapping[str, Any] | None = None,
    *,
    needs_model: bool = True,
) -> Connection:
    """The connection of a resolved name. Refuses ``unavailable``: off, without a key or a model."""
    role, provider = found.role, found.provider
    now = loaded.settings.providers.get(provider.name)
    if now is not None and not now.enabled:
        raise Refused(
            "unavailable",
            f"Provider '{provider.name}' is turned off.",
            f"Turn it on: wfe-mcp providers enable {provider.name}",
        )
    if needs_model and not role.model and facts_of(provider.kind).needs_model:
        raise Refused(
            "unavailable",
            f"'{role.name}' names no model of provider '{provider.name}'.",
            f"Name one: wfe-mcp providers role {role.name.partition('/')[0]} {provider.name} MODEL",
        )
    return Connection(
        provider=provider.name,
        kind=provider.kind,
        model=role.model,
        api_key=None if provider.key is None else key_of(engine, provider.name, provider.key),
        base_url=provider.base_url,
        proxy=loaded.settings.http.proxy,
        ca_file=loaded.settings.http.ca_file,
        allow=allowed_origins(loaded, frozen or {}),
        connect_s=provider.connect_s,
        response_s=provider.response_s,
        total_s=provider.total_s,
        max_tokens=provider.max_tokens,
        temperature=provider.temperature,
        argv=provider.argv,
        fs_ability=role.fs_ability or provider.fs_ability,
        options=provider.options,
    )


def allowed_origins(loaded: LoadedSettings, frozen: Mapping[str, Any]) -> tuple[str, ...]:
    """The origins that a call may reach over plain http, or inside: those that its run keeps (``frozen``), and those of now.

    What a person allows since the start counts too: the refusal proposes it.
    """
    return (*frozen.get("http_allow", ()), *loaded.settings.http.allow)


def needs_key(kind: ProviderKind) -> bool:
    """Whether a provider of ``kind`` is of no use without a key. That of a package is loaded to know it."""
    provider = _offered_by_package(kind)
    return bool(facts_of(kind).variable) if provider is None else provider.needs_key


def needs_model(kind: ProviderKind) -> bool:
    """Whether a model must be named before a provider of ``kind`` is called. That of a package is loaded to know it."""
    provider = _offered_by_package(kind)
    return facts_of(kind).needs_model if provider is None else provider.needs_model


def _offered_by_package(kind: ProviderKind) -> OfferedProvider | None:
    """What a package offers under ``kind``; None for a kind of ours, and where a call will say what is wrong with it."""
    if not facts_of(kind).is_installed:
        return None
    from wfe_mcp.providers.plugin import load_provider

    try:
        return load_provider(kind)
    except PlugInFault:
        return None


def first_answer(
    engine: Engine,
    context: JobContext,
    connections: Iterable[Connection],
    question: Question,
    *,
    purpose: CallPurpose,
    role: str,
    tries: int,
) -> tuple[Connection, Answer] | str:
    """The first of ``connections`` that answers, and its answer; else why the last one does not.

    A fault that passes ends the job, which tries again, at most ``tries`` times. Raises RetryLater, ChildStopped.
    """
    from wfe_mcp.engine.models.call_log import Recording
    from wfe_mcp.jobs.job_context import ChildStopped, RetryLater

    fault = ""
    for connection in connections:
        listener = Recording(engine, context, purpose=purpose, role=role)
        try:
            return connection, answer(engine, context, connection, question, listener)
        except ProviderFault as raised:
            if raised.kind == "stopped":
                raise ChildStopped(context.stop.reason) from None
            if raised.passes and context.job.tries < tries:
                raise RetryLater(raised.message, raised.retry_after_s) from None
            fault = f"{raised.message} {raised.hint}".strip()
    return fault


def answer(
    engine: Engine, context: JobContext, connection: Connection, question: Question, listener: Listener
) -> Answer:
    """The answer of ``connection``. Raises ProviderFault; ``stopped`` when the job must stop."""
    if facts_of(connection.kind).is_network:
        from wfe_mcp.providers.questions import ask

        reply = ask(connection, question, listener, should_stop=lambda: context.stop.is_asked)
        return replace(reply, source=_source(connection))
    if connection.kind == "manual":
        raise ProviderFault(
            "not_configured",
            f"Provider {connection.provider!r} is a person: it answers no question by itself.",
            "Name a model. A person gives an opinion at a gate: its role asks for it by a file.",
        )
    from wfe_mcp.providers.agents import ask_agent

    launch = launch_context(engine, context, engine.root)
    return ask_agent(connection, question, launch, listener, should_stop=lambda: context.stop.is_asked)


def _source(connection: Connection) -> dict[str, str]:
    from wfe_mcp.providers.faults import VENDORS

    named = {"address": connection.base_url or VENDORS.get(connection.kind, ""), "proxy": connection.proxy}
    return {name: without_user(url) for name, url in named.items() if url}


def launch_context(engine: Engine, context: JobContext, root: Path, log: Path | None = None) -> LaunchContext:
    """The environment of a CLI agent: working folder ``root``, child of the job, allowed variables."""
    from wfe_mcp.jobs.environment import MARK, child_env
    from wfe_mcp.jobs.job_context import mark_of
    from wfe_mcp.providers.agents import LaunchContext

    mark = {MARK: mark_of(context.job.id, context.job.fence)}
    return LaunchContext(root, context.run_child, lambda names: child_env(names, engine.environment) | mark, log)
