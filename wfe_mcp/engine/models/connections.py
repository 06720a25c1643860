"""Connections to models: the role, provider and key behind a name, and one question to such a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.models.roles import FilledRole, fallbacks, fill_role
from wfe_mcp.engine.models.secrets import key_of
from wfe_mcp.resources import PlugInFault
from wfe_mcp.workspace.config.provider_kinds import ProviderKind, facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.providers.call import Connection
    from wfe_mcp.providers.plugin import OfferedProvider
    from wfe_mcp.workspace.config.settings import LoadedSettings


def connection_of(
    engine: Engine, name: str, *, frozen: Mapping[str, Any] | None = None, declared: bool = False
) -> Connection:
    """The connection of a role, a provider, or ``provider/model``, with its key.

    ``frozen``: the settings a run keeps. ``declared``: the name is the configured role of a template, which
    ``[roles.default]`` fills where it has no table.
    Refuses ``bad_argument``: no such name; ``needs_trust``; ``unavailable``: off, without a key or a model.
    """
    loaded = engine.settings()
    return connect(engine, loaded, fill_role(loaded, name, frozen, declared=declared), frozen)


def connections_of(
    engine: Engine, name: str, *, frozen: Mapping[str, Any] | None = None, declared: bool = False
) -> tuple[Connection, ...]:
    """That of ``connection_of`` first, then its fallbacks in order; a fallback that cannot be used is left out."""
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
    from wfe_mcp.providers.call import Connection

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
        allow=tuple((frozen or {}).get("http_allow", loaded.settings.http.allow)),
        connect_s=provider.connect_s,
        response_s=provider.response_s,
        total_s=provider.total_s,
        max_tokens=provider.max_tokens,
        temperature=provider.temperature,
        argv=provider.argv,
        fs_ability=role.fs_ability or provider.fs_ability,
        options=provider.options,
    )


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
