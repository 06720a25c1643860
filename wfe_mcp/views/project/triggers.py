"""Views of what starts templates without a person or a client: other systems, and times; no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.engine.triggers.incoming import systems
from wfe_mcp.engine.triggers.schedules import schedules
from wfe_mcp.views.values.model import view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine


@view_model
class IncomingView:
    """A system that may start a template. ``inputs``: those that it sets; ``fault``: why it starts nothing now."""

    name: str
    template: str
    inputs: tuple[str, ...]
    enabled: bool
    fault: str = ""


@view_model
class ScheduleView:
    """A schedule. ``timezone``: empty for that of this machine. ``last``: its newest time that is over, ``run`` what it started.

    ``fault``: why it starts nothing now, or why the last time did not.
    """

    name: str
    template: str
    cron: str
    timezone: str
    enabled: bool
    next: str = ""
    last: str = ""
    run: str = ""
    fault: str = ""


@view_model
class StartedView:
    """The run that a message started, or had started before."""

    started: str


@view_model
class TriggersView:
    """What starts templates in a project, besides people and clients."""

    incoming: tuple[IncomingView, ...]
    schedules: tuple[ScheduleView, ...]


def triggers_view(engine: Engine) -> TriggersView:
    """What starts templates in the project of ``engine``."""
    return TriggersView(incoming=incoming_views(engine), schedules=schedule_views(engine))


def incoming_views(engine: Engine) -> tuple[IncomingView, ...]:
    """The systems that configuration allows."""
    return tuple(
        IncomingView(
            name=each.name,
            template=each.settings.template,
            inputs=(*each.settings.inputs, *each.settings.from_body),
            enabled=each.settings.enabled,
            fault=each.fault,
        )
        for each in systems(engine)
    )


def schedule_views(engine: Engine) -> tuple[ScheduleView, ...]:
    """The schedules that count."""
    return tuple(
        view_of(
            ScheduleView,
            each,
            template=each.settings.template,
            cron=each.settings.cron,
            timezone=each.settings.timezone,
            enabled=each.settings.enabled,
        )
        for each in schedules(engine)
    )
