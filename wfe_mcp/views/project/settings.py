"""Views of settings: providers, roles, checks, approval policy, the database. Never the value of a key."""

from __future__ import annotations

from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models import providers
from wfe_mcp.views.approvals.trust import trust_path
from wfe_mcp.views.project.activity import CheckLine, check_lines
from wfe_mcp.views.values.model import JsonObject, view_model, view_of
from wfe_mcp.workspace.config.provider_kinds import KINDS


@view_model
class ProviderSetting:
    """A provider. ``key_source``: where its key is read from; empty when it takes none."""

    name: str
    kind: str
    where: str
    key_source: str
    key_set: bool
    enabled: bool
    trusted: bool
    usable: bool
    layer: str
    roles: tuple[str, ...] = ()


@view_model
class RoleSetting:
    """A role, and who fills it. ``fault``: why it cannot be used."""

    role: str
    provider: str
    model: str
    fallback: tuple[str, ...]
    layer: str
    trusted: bool
    fault: str = ""


@view_model
class DatabaseSetting:
    """The database and the revision of its tables. ``path``: its file or address; a server where people log in does not name it."""

    path: str
    schema: str


@view_model
class SettingsView:
    """The settings that hold in a project. ``approvals``: what agents may do; ``page``: that of the decision page.

    ``kinds``: of providers that can be added. ``untrusted``: the project's configuration needs trust. ``own_trust``: where the
    user's own configuration is trusted, as long as reviewers from it do not count.
    """

    providers: tuple[ProviderSetting, ...]
    roles: tuple[RoleSetting, ...]
    checks: tuple[CheckLine, ...]
    approvals: JsonObject
    page: JsonObject
    database: DatabaseSetting
    kinds: tuple[str, ...]
    untrusted: bool = False
    own_trust: str = ""


@view_model
class CheckTrial:
    """How a check ran once, for a trial. ``works``: it may be relied on."""

    check: str
    outcome: str
    works: bool
    message: str
    seconds: float
    tests: int | None = None
    tail: str = ""
    changed: tuple[str, ...] = ()


def settings_view(engine: Engine) -> SettingsView:
    """The settings that hold in the project of ``engine``."""
    loaded, health = engine.settings(), engine.store.health()
    settings = loaded.settings
    return SettingsView(
        providers=tuple(map(provider_setting, providers.list_providers(engine))),
        roles=tuple(map(role_setting, providers.roles(engine))),
        checks=check_lines(settings),
        approvals=settings.policy.model_dump(mode="json"),
        page=settings.ui.model_dump(mode="json"),
        database=DatabaseSetting(
            path="that of the server" if engine.people_at else health.path, schema=health.revision
        ),
        kinds=KINDS,
        untrusted=bool(loaded.untrusted),
        own_trust=trust_path(engine) if loaded.unsigned_reviewers else "",
    )


def provider_setting(line: providers.ProviderLine) -> ProviderSetting:
    """One provider."""
    return view_of(ProviderSetting, line, key_source=line.key, key_set=line.has_key, usable=line.is_usable)


def role_setting(line: providers.RoleLine) -> RoleSetting:
    """One role."""
    return view_of(RoleSetting, line, role=line.name)
