"""People with keys that a project pins, each under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.scene import AGENT
from wfe_mcp.core.model import Channel, Person
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.approvals.approvers import pin_person
from wfe_mcp.engine.approvals.decide import ask, decide
from wfe_mcp.engine.approvals.statements import person_with
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.approvals.shown import SeenDecision
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.system.ed25519 import new_key, public_half

if TYPE_CHECKING:
    from tests.engine.scene import Scene
    from wfe_mcp.engine.kernel.engine import Engine

PIN = "correct horse"


def owner(scene: Scene) -> Person:
    """Who set the PIN of this database; no key is pinned yet."""
    person = pin.set_pin(scene.engine, PIN, scene.human)
    scene.human = person
    return person


def ada(scene: Scene) -> Person:
    """Who set the PIN, pinned as ``ada``."""
    person = owner(scene)
    mine = pin.own_key(scene.engine)
    assert mine is not None
    pin_person(scene.engine, person, pin.person_key("ada", mine.public_key))
    return person


def another(scene: Scene, by: Person, name: str) -> Person:
    """A person with a key of their own that ``by`` pinned as ``name``; the name of their account is another one."""
    key = new_key()
    pin_person(scene.engine, by, pin.person_key(name, public_half(key)))
    return person_with(scene.engine, key, f"account-of-{name}", Channel.CLI)


def seen_by(engine: Engine, run: str, phase: str = "plan") -> tuple[str, SeenDecision]:
    """The request for the open approval, and what a person sees of it."""
    request = ask(engine, AGENT, run, phase).request.id
    view = open_approval(engine, overview_of(engine, run), phase)
    assert view is not None
    return request, SeenDecision(engine, view)


def approve(scene: Scene, by: Person, run: str, phase: str = "plan", comment: str = "") -> None:
    """Look at what is asked, and approve exactly that."""
    request, seen = seen_by(scene.engine, run, phase)
    decide(scene.engine, by, run, phase, request=request, approval=seen, comment=comment)
