"""Views of environments: what runs where, how it is, and the deployments that brought it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.engine.deployments.history import DeploymentHistory, known_deployments
from wfe_mcp.views.values.model import second, view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.config.delivery_table import EnvironmentSettings


@view_model
class EnvironmentView:
    """An environment. ``commit``, ``version``, ``run``: what runs there; empty where that is not known.

    ``state``: that of the last deployment. ``health``: ``healthy``, ``unhealthy``, or empty before it was asked.
    """

    name: str
    kind: str
    address: str = ""
    host: str = ""
    state: str = ""
    commit: str = ""
    version: str = ""
    run: str = ""
    health: str = ""
    health_at: str = ""
    why: str = ""


@view_model
class DeploymentView:
    """A deployment. ``state``: deploying, checking, deployed, failed, rolling back, rolled back, rollback failed or in doubt.

    ``before``: the commit that ran there before. ``rolled_back_at``: when its rollback began. ``log``: the file with the output of its last check.
    """

    environment: str
    state: str
    commit: str
    version: str
    run: str
    at: str
    before: str = ""
    approved_by: str = ""
    rolled_back_at: str = ""
    why: str = ""
    log: str = ""


@view_model
class Deployments:
    """What runs where, and the deployments, the newest first. ``faults``: why other environments do not count."""

    environments: tuple[EnvironmentView, ...]
    deployments: tuple[DeploymentView, ...]
    faults: tuple[str, ...] = ()


def deployments_view(engine: Engine, environment: str = "") -> Deployments:
    """The environments of a project and their history; of one alone when it is named. Refuses ``bad_argument``."""
    configured, history = engine.settings().settings.environments, known_deployments(engine)
    names = dict.fromkeys((*configured, *(deployment.environment for deployment in history.deployments)))
    if environment and environment not in names:
        none = "Name one in .wfe/config.toml, [environments.NAME], then: wfe-mcp trust"
        hint = nearest_hint(environment, names, f"Configured: {', '.join(configured)}." if configured else none)
        raise Refused("bad_argument", f"No environment {environment!r} is configured.", hint)
    asked = [environment] if environment else list(names)
    return Deployments(
        environments=tuple(_environment(name, configured.get(name), history) for name in asked),
        deployments=tuple(
            view_of(DeploymentView, deployment, rolled_back_at=second(deployment.rollback))
            for deployment in history.deployments
            if deployment.environment in asked
        ),
        faults=engine.settings().faults_in("environments"),
    )


def _environment(name: str, settings: EnvironmentSettings | None, history: DeploymentHistory) -> EnvironmentView:
    running, health = history.running(name), history.health.get(name)
    last, is_known = history.newest(name), history.unknown(name) is None
    return EnvironmentView(
        name=name,
        kind=settings.kind if settings else "not configured",
        address=settings.address if settings else "",
        host=settings.host if settings else "",
        state=last.state if last else "",
        commit=running.commit if running and is_known else "",
        version=running.version if running and is_known else "",
        run=running.run if running and is_known else "",
        health="" if health is None else "healthy" if health.ok else "unhealthy",
        health_at="" if health is None else second(health.at),
        why=last.why if last else "",
    )
