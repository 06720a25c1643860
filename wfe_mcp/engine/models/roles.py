"""Resolution of names to roles, providers and models.

    the run's frozen tables  >  a role now  >  a provider's name, provider/model  >  [roles.default]

A run keeps the roles that its template names, their fallbacks and their providers as they were at its start, without
keys. Later names (another driver, a retry with another role) are looked up in the configuration as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, Suggestion, nearest, nearest_hint
from wfe_mcp.workspace.config.provider_kinds import KINDS, facts_of
from wfe_mcp.workspace.config.provider_tables import FrozenProvider, FrozenRole, builtin_provider
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.config.settings_tables import Settings

DEFAULT = "default"
"""The role whose settings hold for the roles of templates that have none (S0-44)."""

_NAMED = 8

Frozen = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FilledRole:
    """A role and the provider that fills it."""

    role: FrozenRole
    provider: FrozenProvider


def freeze_roles(loaded: LoadedSettings, names: Iterable[str], extra: Mapping[str, FrozenRole]) -> Frozen:
    """``{"roles": …, "providers": …}`` of what ``names`` and their fallbacks need, as far as it is configured.

    ``extra``: roles that are made for this run alone, by name.
    """
    declared = list(names)
    roles: dict[str, FrozenRole] = {}
    waiting = [*declared]
    while waiting:
        name = waiting.pop(0)
        role = extra.get(name) or _trusted_role(loaded, name, declared=name in declared)
        if role is not None and name not in roles:
            roles[name] = role
            waiting += role.fallback
    providers = {role.provider for role in roles.values()}
    provider_by_name = {name: provider for name in sorted(providers) if (provider := provider_now(loaded, name))}
    return {
        "roles": {name: role.model_dump(mode="json") for name, role in sorted(roles.items())},
        "providers": {name: provider.model_dump(mode="json") for name, provider in provider_by_name.items()},
    }


def fill_role(
    loaded: LoadedSettings, name: str, frozen: Mapping[str, Any] | None = None, *, declared: bool = False
) -> FilledRole:
    """The role and provider of ``name``: a role, a provider, or ``provider/model``.

    ``frozen``: the settings of a run. ``declared``: the name comes from a template, so that ``[roles.default]`` holds
    where it has no table. Refuses ``bad_argument``, ``needs_trust`` and ``unavailable``.
    """
    kept = (frozen or {}).get("roles", {}).get(name)
    if kept is not None:
        role = FrozenRole.model_validate(kept)
        values = (frozen or {}).get("providers", {}).get(role.provider)
        provider = FrozenProvider.model_validate(values) if values else _provider(loaded, role)
        _refuse_lapsed(loaded, role, provider)
        return FilledRole(role, provider)
    role = _trusted_role(loaded, name, declared=declared)
    if role is None:
        raise _unknown(loaded, name)
    return FilledRole(role, _provider(loaded, role))


def fallbacks(
    loaded: LoadedSettings, first: FilledRole, frozen: Mapping[str, Any] | None = None
) -> Iterator[FilledRole]:
    """The fallbacks of ``first``, in order, without repetition. Unusable ones are skipped."""
    seen = {(first.provider.name, first.role.model)}
    waiting = list(first.role.fallback)
    while waiting:
        try:
            role = fill_role(loaded, waiting.pop(0), frozen)
        except Refused:
            continue
        if (role.provider.name, role.role.model) not in seen:
            seen.add((role.provider.name, role.role.model))
            waiting = [*role.role.fallback, *waiting]
            yield role


def refuse_unsigned(loaded: LoadedSettings, name: str, frozen: Mapping[str, Any] | None) -> None:
    """Refuse a reviewer whose role, provider or fallback no one has trusted. Refuses what ``fill_role`` refuses.

    A reviewer decides a gate, and a table of the user's own configuration can name any program or address. What a
    run froze before it was trusted counts once the same tables are trusted. Who merely works needs no trust: their work
    passes the gates.
    """
    first = fill_role(loaded, name, frozen, declared=True)
    for choice in (first, *fallbacks(loaded, first, frozen)):
        role, provider = choice.role, choice.provider
        if role.is_unsigned and not _is_signed_now(role, _trusted_role(loaded, role.name, declared=True)):
            raise _own(f"Role '{role.name}'")
        if provider.is_unsigned and not _is_signed_now(provider, provider_now(loaded, provider.name)):
            raise _own(f"Provider '{provider.name}'")


def _is_signed_now(kept: FrozenRole | FrozenProvider, now: FrozenRole | FrozenProvider | None) -> bool:
    return now == kept.model_copy(update={"is_unsigned": False})


def provider_now(loaded: LoadedSettings, name: str) -> FrozenProvider | None:
    """The provider of trusted configuration, or the built-in one; None when there is none."""
    settings = loaded.settings.providers.get(name) or builtin_provider(name)
    at = f"providers.{name}."
    if settings is None:
        return None
    return settings.frozen(name, from_project=is_projects(loaded, at), is_unsigned=_is_unsigned(loaded, at))


def known_names(settings: Settings) -> list[str]:
    """Every role and provider that the user may name, roles first."""
    return [*settings.roles, *provider_names(settings)]


def provider_names(settings: Settings) -> list[str]:
    """Every provider, those without a table last."""
    return list(dict.fromkeys([*settings.providers, *(kind for kind in KINDS if facts_of(kind).is_builtin)]))


def _trusted_role(loaded: LoadedSettings, name: str, *, declared: bool) -> FrozenRole | None:
    """The configured and trusted role ``name``; None when there is none."""
    roles = loaded.settings.roles
    if name not in roles:
        provider, _, model = name.partition("/")
        if provider_now(loaded, provider) is not None:
            return FrozenRole(name=name, provider=provider, model=model)
    table = name if name in roles or not declared else DEFAULT
    role = roles.get(table)
    at = f"roles.{table}."
    if role is None:
        return None
    return role.frozen(name, from_project=is_projects(loaded, at), is_unsigned=_is_unsigned(loaded, at))


def _is_unsigned(loaded: LoadedSettings, prefix: str) -> bool:
    """True when the user's own configuration contributes to a table with bytes that no one has trusted."""
    return not loaded.user_is_trusted and any(
        key.startswith(prefix) and origin.layer == "user" for key, origin in loaded.origins.items()
    )


def is_projects(loaded: LoadedSettings, prefix: str) -> bool:
    """True when the project's configuration contributes to a table."""
    return any(key.startswith(prefix) and origin.layer == "project" for key, origin in loaded.origins.items())


def _unknown(loaded: LoadedSettings, name: str) -> Refused:
    """Why ``name`` is unknown: it needs trust or is not configured."""
    waiting = loaded.pending
    if waiting is not None and (name in waiting.roles or name.partition("/")[0] in waiting.providers):
        return _needs_trust(f"Role '{name}'" if name in waiting.roles else f"Provider '{name.partition('/')[0]}'")
    roles = ", ".join(list(loaded.settings.roles)[:_NAMED])
    named = f"A person names one: wfe-mcp providers role {name} PROVIDER MODEL"
    return Refused(
        "bad_argument",
        f"No role or provider '{name}' is configured.",
        nearest_hint(name, known_names(loaded.settings), f"Configured: {roles}. " if roles else "", named),
    )


def _provider(loaded: LoadedSettings, role: FrozenRole) -> FrozenProvider:
    provider = provider_now(loaded, role.provider)
    if provider is not None:
        return provider
    if loaded.pending is not None and role.provider in loaded.pending.providers:
        raise _needs_trust(f"Provider '{role.provider}'")
    near = nearest(role.provider, provider_names(loaded.settings))
    add = f"wfe-mcp providers add {role.provider}"
    hint = (
        Suggestion(f"Did you mean '{near[0]}'? Fix [roles.{role.name}], or add it: {add}") if near else f"Add it: {add}"
    )
    raise Refused("unavailable", f"Role '{role.name}' names provider '{role.provider}', which is not configured.", hint)


def _refuse_lapsed(loaded: LoadedSettings, role: FrozenRole, provider: FrozenProvider) -> None:
    """Refuse settings of a project configuration that is no longer trusted, as for checks."""
    if loaded.untrusted and (role.from_project or provider.from_project):
        raise _needs_trust(f"Role '{role.name}'" if role.from_project else f"Provider '{provider.name}'")


def _own(what: str) -> Refused:
    return Refused(
        "needs_trust",
        f"{what} is in your own configuration, which is not trusted as it is now, so it reviews nothing.",
        "Ask the user to review it: wfe-mcp trust. A run whose reviewers changed since it started is started again",
    )


def _needs_trust(what: str) -> Refused:
    return Refused("needs_trust", f"{what} is in untrusted configuration.", "Ask the user to review it: wfe-mcp trust")
