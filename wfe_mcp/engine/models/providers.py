"""Model providers: list, add, change and remove them in the user's configuration.

The one set of functions behind ``wfe-mcp providers`` and the other interfaces. Changes go into the user's own configuration,
never into a project's; a key goes to where ``secrets`` keeps it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.connections import connection_of, needs_model
from wfe_mcp.engine.models.roles import provider_names, provider_now
from wfe_mcp.engine.models.secrets import forget_key, is_there, keep_key, unread_key
from wfe_mcp.resources import plugins
from wfe_mcp.workspace.config.provider_kinds import ProviderKind, facts_of
from wfe_mcp.workspace.config.provider_tables import FrozenProvider, ProviderSettings
from wfe_mcp.workspace.config.settings import LoadedSettings, refuse_faults
from wfe_mcp.workspace.files.programs import configured_program

ProviderState = Literal["needs trust", "disabled", "no key", "not installed", "usable"]


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider as shown to the user."""

    name: str
    kind: ProviderKind
    where: str
    """Its address, program or package; empty for the vendor's own."""
    key: str
    """Where its key is; empty when it takes none."""
    has_key: bool
    """Whether there is a key."""
    enabled: bool
    layer: str
    """Whose configuration names it; ``built in`` without a table."""
    trusted: bool
    """False: its configuration needs trust."""
    roles: tuple[str, ...] = ()
    """Those that it fills."""
    missing: str = ""
    """Its program, where that is not found."""

    @property
    def state(self) -> ProviderState:
        """The first thing that keeps it from use; ``usable``: a call can be tried."""
        states: tuple[tuple[ProviderState, bool], ...] = (
            ("needs trust", not self.trusted),
            ("disabled", not self.enabled),
            ("no key", bool(self.key) and not self.has_key),
            ("not installed", bool(self.missing)),
            ("usable", True),
        )
        return next(state for state, holds in states if holds)

    @property
    def is_usable(self) -> bool:
        """Whether a call can be tried."""
        return self.state == "usable"

    @property
    def fault(self) -> str:
        """What keeps it from use, with what to do; empty where nothing does."""
        faults: dict[ProviderState, str] = {
            "needs trust": "needs trust; fix: wfe-mcp trust",
            "disabled": f"disabled; fix: wfe-mcp providers enable {self.name}",
            "no key": f"{unread_key(self.key)}; fix: wfe-mcp providers key {self.name}",
            "not installed": f"program {self.missing} is not found; fix: install it",
        }
        return faults.get(self.state, "")


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A configured role; ``fault`` says why it cannot be used."""

    name: str
    provider: str
    model: str
    fallback: tuple[str, ...]
    layer: str
    trusted: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RemovedProvider:
    """``key``: whether a key went too. ``roles``: those that still name the provider."""

    key: bool
    roles: tuple[str, ...]


def list_providers(engine: Engine) -> list[ProviderLine]:
    """Every provider: those with a table by name, then those that need none."""
    loaded = engine.settings()
    lines = [_line(engine, loaded, name, provider_now(loaded, name)) for name in provider_names(loaded.settings)]
    if loaded.pending is not None:
        waiting = replace(loaded, settings=loaded.pending)
        new = [name for name in loaded.pending.providers if name not in loaded.settings.providers]
        lines += [_line(engine, waiting, name, provider_now(waiting, name), trusted=False) for name in new]
    return sorted(lines, key=lambda line: line.layer == "built in")


def roles(engine: Engine) -> list[RoleLine]:
    """Every configured role by name, including those that need trust."""
    loaded = engine.settings()
    known = loaded.settings.roles
    every = {**(loaded.pending.roles if loaded.pending is not None else {}), **known}
    return [
        RoleLine(
            name,
            role.provider,
            role.model or "",
            tuple(role.fallback),
            ", ".join(_layers(loaded, f"roles.{name}.")) or "project",
            name in known,
            _fault(engine, name),
        )
        for name, role in sorted(every.items())
    ]


def add(engine: Engine, by: By, name: str, table: Mapping[str, Any], key: str | None = None) -> ProviderLine:
    """Write ``[providers.<name>]`` into the user's own configuration, and keep ``key`` where the table says.

    Refuses ``bad_argument`` for what a table may not hold, and ``conflict`` where the user has one of this name.
    """
    from wfe_mcp.workspace.config.config_file import change_user_config
    from wfe_mcp.workspace.config.toml_tables import with_table

    loaded = engine.settings()
    provider = _parse_provider(loaded, name, table)
    if "user" in _layers(loaded, f"providers.{name}."):
        raise Refused(
            "conflict",
            f"Your configuration has a provider '{name}' already.",
            f"Give it another key with wfe-mcp providers key {name}, or take it out first: wfe-mcp providers remove {name}",
        )
    if key is not None:
        _keep(engine, by, name, provider.key or "", key)
    try:
        change_user_config(lambda text: with_table(text, ("providers", name), dict(table)))
    except Refused:
        if key is not None and provider.key is not None:
            forget_key(engine, by, name, provider.key)
        raise
    return line_of(engine, name)


def give_key(engine: Engine, by: By, name: str, place: str, key: str | None = None) -> ProviderLine:
    """Store ``key`` at ``place`` for ``name``; a key stored elsewhere is removed."""
    provider = line_of(engine, name)
    _refuse_projects(provider)
    refuse_faults("providers", name, {"key": place})
    if key is not None:
        _keep(engine, by, name, place, key)
    _write_setting(name, "key", place)
    if provider.key and provider.key != place:
        forget_key(engine, by, name, provider.key)
    return line_of(engine, name)


def turn(engine: Engine, name: str, *, on: bool) -> ProviderLine:
    """Enable the provider, or call no model of it, also in runs that are open. Refuses ``conflict``: the project says otherwise."""
    line_of(engine, name)
    _write_setting(name, "enabled", on)
    line = line_of(engine, name)
    if line.enabled is not on:
        raise Refused(
            "conflict",
            f"The project's configuration turns provider '{name}' {'off' if on else 'on'}, and wins.",
            "Change [providers] in .wfe/config.toml and run: wfe-mcp trust",
        )
    return line


def remove(engine: Engine, by: By, name: str) -> RemovedProvider:
    """Take ``[providers.<name>]`` out of the user's own configuration, and its key from where we keep it."""
    from wfe_mcp.workspace.config.config_file import change_user_config
    from wfe_mcp.workspace.config.toml_tables import without_table

    provider = line_of(engine, name)
    if provider.layer == "built in":
        raise Refused(
            "bad_argument",
            f"Provider '{name}' is built in, so there is nothing to take out.",
            f"Turn it off: wfe-mcp providers disable {name}",
        )
    _refuse_projects(provider)
    change_user_config(lambda text: without_table(text, ("providers", name)))
    gone = bool(provider.key) and forget_key(engine, by, name, provider.key)
    return RemovedProvider(gone, provider.roles)


def set_role(
    engine: Engine, name: str, provider: str, model: str = "", fallback: Sequence[str] | None = None
) -> RoleLine:
    """Let ``provider`` and ``model`` fill the role, in the user's own configuration. ``fallback`` None: as it is."""
    from wfe_mcp.engine.models.assistant import ROLE, refuse_own_tools  # it calls models, which a status does not need
    from wfe_mcp.workspace.config.config_file import change_user_config
    from wfe_mcp.workspace.config.toml_tables import with_value, without_value

    known = line_of(engine, provider)
    if name == ROLE:
        refuse_own_tools("bad_argument", provider, known.kind)
    if not model and needs_model(known.kind):
        raise Refused(
            "bad_argument",
            f"Provider '{provider}' has no default model, and none is named.",
            f"See those it has: wfe-mcp providers test {provider}",
        )
    table: dict[str, Any] = {"provider": provider} | ({"model": model} if model else {})
    table |= {} if fallback is None else {"fallback": list(fallback)}
    refuse_faults("roles", name, table)

    def change_text(text: str) -> str:
        for key, value in table.items():
            text = with_value(text, ("roles", name), key, value)
        return text if model else without_value(text, ("roles", name), "model")

    change_user_config(change_text)
    return next(line for line in roles(engine) if line.name == name)


def _line(
    engine: Engine, loaded: LoadedSettings, name: str, provider: FrozenProvider | None, *, trusted: bool = True
) -> ProviderLine:
    assert provider is not None, "it was listed a moment ago"
    key, words = provider.key or "", provider.argv or facts_of(provider.kind).argv
    has_program = not words or configured_program(words[0], engine.root, engine.environment.get("PATH", os.defpath))
    table = loaded.settings.providers.get(name)
    return ProviderLine(
        name=name,
        kind=provider.kind,
        where=provider.base_url or _package(provider.kind) or " ".join(words),
        key=key,
        has_key=bool(key) and is_there(engine, name, key),
        enabled=table is None or table.enabled,
        layer="project" if not trusted else ", ".join(_layers(loaded, f"providers.{name}.")) or "built in",
        trusted=trusted,
        roles=tuple(role for role, settings in sorted(loaded.settings.roles.items()) if settings.provider == name),
        missing="" if has_program else words[0],
    )


def _package(kind: ProviderKind) -> str:
    """The package that brings providers of ``kind``; empty for a kind of ours."""
    plugin = plugins("providers").get(kind) if facts_of(kind).is_installed else None
    return "" if plugin is None else plugin.package


def _layers(loaded: LoadedSettings, prefix: str) -> list[str]:
    """The layers that define a table, the highest first."""
    layers = {origin.layer for key, origin in loaded.origins.items() if key.startswith(prefix)}
    return [layer for layer in ("environment", "project", "user") if layer in layers]


def _fault(engine: Engine, role: str) -> str:
    try:
        connection_of(engine, role)
    except Refused as refused:
        return refused.text
    return ""


def line_of(engine: Engine, name: str) -> ProviderLine:
    """The provider ``name``. Refuses ``bad_argument`` with the nearest names."""
    lines = {line.name: line for line in list_providers(engine)}
    if name in lines:
        return lines[name]
    hint = nearest_hint(name, lines, f"Providers: {', '.join(lines)}.")
    raise Refused(
        "bad_argument",
        f"No provider '{name}' is configured.",
        f"{hint} Or add it: wfe-mcp providers add {name} --kind KIND",
    )


def _parse_provider(loaded: LoadedSettings, name: str, table: Mapping[str, Any]) -> FrozenProvider:
    """The provider that ``table`` makes. Refuses ``bad_argument`` with every fault, and never repeats a value."""
    refuse_faults("providers", name, table)
    provider = ProviderSettings.model_validate(dict(table))
    fault = provider.fault(name, loaded.settings.http.allow)
    if fault:
        raise Refused(
            "bad_argument", f"Provider '{name}' cannot be used: {fault}.", "See: docs/how-to/add-a-second-model.md"
        )
    return provider.frozen(name)


def _refuse_projects(line: ProviderLine) -> None:
    if line.layer != "built in" and "user" not in line.layer.split(", "):
        raise Refused(
            "bad_argument",
            f"Provider '{line.name}' is defined in the project's configuration.",
            "Change it in .wfe/config.toml and run: wfe-mcp trust",
        )


def _keep(engine: Engine, by: By, name: str, place: str, key: str) -> None:
    if place == "keyring" or place == "stored":
        keep_key(engine, by, name, key, place)
        return
    raise Refused(
        "bad_argument",
        f"Provider '{name}' takes its key from {place or 'nowhere'}, so none is kept.",
        "Say where to keep it: keyring, or stored (encrypted in the database).",
    )


def _write_setting(name: str, key: str, value: object) -> None:
    from wfe_mcp.workspace.config.config_file import change_user_config
    from wfe_mcp.workspace.config.toml_tables import with_value

    change_user_config(lambda text: with_value(text, ("providers", name), key, value))
