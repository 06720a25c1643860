"""Views of webhooks, their deliveries and what starts runs; no secret, and of an address its origin alone."""

import time
from collections.abc import Callable

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.triggers.incoming import systems
from wfe_mcp.engine.triggers.schedules import schedules
from wfe_mcp.engine.webhooks.deliveries import WebhookDelivery, deliveries, delivery_of, receivers, send_test
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.values.model import view_model, view_of
from wfe_mcp.workspace.config.origins import origin_of

_TEST_S = 30.0


@view_model
class ReceiverView:
    """A configured webhook. ``fault``: why nothing can be sent, or why what is tried again was not taken."""

    name: str
    origin: str
    events: tuple[str, ...]
    templates: tuple[str, ...]
    projects: tuple[str, ...]
    format: str
    enabled: bool
    waiting: int
    failed: int
    fault: str = ""


@view_model
class WebhooksView:
    """The webhooks of a project, and their newest deliveries. ``faults``: why others of the configuration do not count."""

    webhooks: tuple[ReceiverView, ...]
    deliveries: tuple[WebhookDelivery, ...]
    faults: tuple[str, ...] = ()


def receiver_views(engine: Engine) -> tuple[ReceiverView, ...]:
    """Every webhook that counts here."""
    return tuple(
        view_of(
            ReceiverView,
            receiver.hook,
            name=receiver.name,
            origin=origin_of(receiver.hook.url) or "",
            waiting=receiver.waiting,
            failed=receiver.failed,
            fault=receiver.fault,
        )
        for receiver in receivers(engine)
    )


def webhooks_view(engine: Engine) -> WebhooksView:
    """The webhooks of the project of ``engine``, and their newest deliveries."""
    newest = tuple(deliveries(engine, limit=100))
    faults = engine.settings().faults_in("webhooks")
    return WebhooksView(webhooks=receiver_views(engine), deliveries=newest, faults=faults)


def webhook_test(engine: Engine, name: str, pause: Callable[[], object]) -> Envelope:
    """Send a test event to a webhook, once, and say what came back. ``pause``: waits a moment while a worker sends it."""
    job, end = send_test(engine, name), time.monotonic() + _TEST_S
    while (delivery := delivery_of(engine, job)).state in {"waiting", "behind", "sending"} and time.monotonic() < end:
        pause()
    if delivery.state == "delivered":
        return Envelope(True, summary=f"{name} answered {delivery.answer}: it gets what happens.", view=delivery)
    why = delivery.error or "earlier deliveries are tried first"
    see = f"See: wfe-mcp webhook deliveries --webhook {name}"
    error = Refused("unavailable", f"The test of {name} failed: {why}.", see)
    return Envelope(False, summary=error.message, view=delivery, error=error)


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
    """What starts templates in a project, besides people and clients. ``faults``: as those of webhooks."""

    incoming: tuple[IncomingView, ...]
    schedules: tuple[ScheduleView, ...]
    faults: tuple[str, ...] = ()


def triggers_view(engine: Engine) -> TriggersView:
    """What starts templates in the project of ``engine``."""
    settings = engine.settings()
    faults = settings.faults_in("incoming") + settings.faults_in("schedule")
    return TriggersView(incoming=incoming_views(engine), schedules=schedule_views(engine), faults=faults)


def incoming_views(engine: Engine) -> tuple[IncomingView, ...]:
    """The systems that configuration allows."""
    return tuple(
        view_of(
            IncomingView,
            system.settings,
            name=system.name,
            inputs=(*system.settings.inputs, *system.settings.from_body),
            fault=system.fault,
        )
        for system in systems(engine)
    )


def schedule_views(engine: Engine) -> tuple[ScheduleView, ...]:
    """The schedules that count."""
    return tuple(
        view_of(
            ScheduleView,
            schedule,
            template=schedule.settings.template,
            cron=schedule.settings.cron,
            timezone=schedule.settings.timezone,
            enabled=schedule.settings.enabled,
        )
        for schedule in schedules(engine)
    )
