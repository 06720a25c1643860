"""Checks of ``doctor`` on the configuration, the trust that it needs, and the PIN.

Where all clients of a folder work over a bridge, its runs are at a server, and nothing here waits for trust or a PIN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, near_miss
from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.pending import PendingTrust


def server_of(engine: Engine) -> str:
    """The server that has the runs of this folder; empty: this machine."""
    from wfe_mcp.cli.terminal.client_changes import places_of
    from wfe_mcp.clients.health import server_here

    return server_here(places_of(engine.root))


def configuration_findings(engine: Engine, server: str) -> Iterator[HealthFinding]:
    """Whether the configuration can be read, and what of the project needs trust. ``server``: has the runs, empty: none."""
    from wfe_mcp.engine.templates.trust import pending_trust
    from wfe_mcp.workspace.git.repository import lacks_our_folder

    loaded = engine.settings()
    if server:
        yield HealthFinding(
            "configuration", "ok", f"of the project at {server}, where it is trusted and its checks run"
        )
    elif loaded.project_file is None and lacks_our_folder(engine.root):
        why = "a sparse checkout left .wfe/ out, so its checks and keys do not count here"
        yield HealthFinding("configuration", "problem", f"{why}; fix: git sparse-checkout add .wfe")
    elif loaded.project_file is None:
        yield HealthFinding("configuration", "note", "none in this project; fix: wfe-mcp init")
    elif not loaded.problems:
        yield HealthFinding("configuration", "ok", str(loaded.project_file))
    for problem in loaded.problems:
        yield HealthFinding("configuration", "problem", problem.message)
    for trust in () if server else pending_trust(engine):
        yield from _pending(engine, trust)


def _pending(engine: Engine, trust: PendingTrust) -> Iterator[HealthFinding]:
    """What needs trust: how many effects are new or changed, and what weakens a gate.

    The project's configuration is a problem, with each effect as ``trust`` shows it: until then its checks do not run, and
    gates wait. Those of a template are whole prompts.
    """
    from wfe_mcp.cli.terminal.effects import change_lines
    from wfe_mcp.engine.templates.trust_listing import trust_listing

    listing = trust_listing(engine, trust)
    changes = [row for row in listing.changes if row.mark != "same"]
    weaker = "; ".join(f"{row.effect.subject}: {row.effect.detail}" for row in listing.weakening)
    what = (
        f"{plural(len(changes), 'effect')} new or changed"
        if changes
        else "no effect is new or changed, but its text is"
    )
    message = f"{trust.name} needs your review: {what}"
    message += f"; WEAKENS GATES: {weaker}" if weaker else ""
    is_configuration = trust.kind == "configuration"
    message += "; its checks do not run before that, and gates wait" if is_configuration else ""
    level = "problem" if is_configuration else "note"
    yield HealthFinding("trust", level, f"{message}; fix: wfe-mcp trust, or in a browser: wfe-mcp ui")
    for change in changes if is_configuration else ():
        yield HealthFinding(f"trust {trust.name}", "note", " ".join(map(str.strip, change_lines(change))))


def person_findings(engine: Engine, server: str) -> Iterator[HealthFinding]:
    """The PIN and its resets, and what the roles of a server name and does not count. ``server``: has the runs, empty: none."""
    from wfe_mcp.engine.access.roles import role_faults
    from wfe_mcp.engine.approvals.pin import key_health, pin_is_set
    from wfe_mcp.engine.approvals.pin_reset import retired_keys

    if server and not pin_is_set(engine):
        yield HealthFinding("PIN", "ok", f"not set, and not needed: people decide at {server}")
    else:
        yield HealthFinding("PIN", *key_health(engine))
    with engine.store.read() as tx:
        for key in retired_keys(tx):
            reset = f"reset on {key.at:%Y-%m-%d} by {key.by}: {key.successor} signs in place of {key.key}"
            yield HealthFinding("PIN", "note", f"{reset}. If you did not do that: wfe-mcp verify")
        projects = tx.projects.all()
    for name, role in engine.settings().settings.server.roles.items():
        for fault in role_faults(role, projects):
            yield HealthFinding(f"[server.roles.{name}] projects", "problem", fault)


def template_findings(engine: Engine) -> Iterator[HealthFinding]:
    """Templates that lists leave out, and what the configuration says of templates and phases that are not there."""
    from wfe_mcp.engine.templates.catalogue import offers, unreadable

    faulty = unreadable(engine)
    for name, refused in faulty.items():
        yield HealthFinding(f"template {name}", "note", f"{refused.message} To see more: wfe-mcp templates show {name}")
    settings = engine.settings().settings
    if not (settings.templates or settings.policy.templates):
        return
    known = {offer.name: offer for offer in offers(engine, all_states=True)}
    named = [("[policy] templates", name) for name in settings.policy.templates or ()]
    for place, name in (*named, *((f"[templates.{name}]", name) for name in settings.templates)):
        if name not in known and name not in faulty:
            yield HealthFinding(place, "note", f"no template is called {name!r}{near_miss(name, known)}")
    for name in (name for name in settings.templates if name in known):
        if fault := _configuration_fault(engine, known[name]):
            yield HealthFinding(f"[templates.{name}]", "problem", fault)


def _configuration_fault(engine: Engine, offer: Offer) -> str:
    """Why no run of the template can start with its configuration; empty where it has no fault."""
    from wfe_mcp.engine.templates.catalogue import whole_definition
    from wfe_mcp.engine.templates.overrides import configure_plan

    try:
        definition = whole_definition(engine, offer.definition).definition
        configure_plan(engine, engine.plans.compile_checked(definition), engine.settings())
    except Refused as refused:
        return refused.text
    return ""
