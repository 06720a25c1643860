"""Which templates can this project start?

    .wfe/templates  >  saved or imported  >  shipped        the first found by name wins

A name that is not shipped needs a person's trust in its bytes before a run starts from it (design §6, §7).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.engine.plans import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store.records import TemplateRecord
    from wfe_mcp.workflow.catalogue import CatalogueEntry

__all__ = ["Offer", "find_template", "import_template", "offers", "template_definition", "trust_key"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A template that can be named: where it comes from and its definition."""

    name: str
    version: str
    title: str
    description: str
    source: str
    definition: dict[str, Any]
    default: bool = False


def offers(engine: Engine, query: str = "") -> list[Offer]:
    """The templates of this project by name, default first; ``query`` keeps those that hold every word of it.

    One that cannot be read is left out here; naming it says what is wrong with it.
    """
    found: dict[str, Offer] = {}
    for name, read in _readers(engine).items():
        with contextlib.suppress(Refused):
            found[name] = read()
    words = query.lower().split()
    hits = [
        offer
        for offer in found.values()
        if all(word in f"{offer.name} {offer.title} {offer.description}".lower() for word in words)
    ]
    return sorted(hits, key=lambda offer: (not offer.default, offer.name))


def template_definition(engine: Engine, name: str) -> Offer:
    """The template called ``name``. Refuses ``unknown_template`` with the nearest names."""
    known = _readers(engine)
    if name in known:
        return known[name]()
    near = nearest(name, known)
    hint = f"Did you mean {near[0]!r}?" if near else f"Templates: {', '.join(sorted(known))}."
    raise Refused("unknown_template", f"No template is called {name!r}.", hint)


def find_template(engine: Engine, name: str) -> Plan:
    """The plan of the template called ``name``, ready to start. Refuses what nobody trusts yet."""
    offer = template_definition(engine, name)
    engine.plans.report(offer.definition)
    plan = engine.plans.of(offer.definition)
    if offer.source != "shipped":
        with engine.store.read() as tx:
            trusted = tx.is_trusted(engine.project_id, trust_key(name), plan.sha256)
        if not trusted:
            raise Refused("needs_trust", f"Template {name!r} comes from this {_origin(offer)} and nobody trusts it yet.",
                          f"Ask the user to look at it (wfe-mcp templates show {name}) and run: wfe-mcp trust {name}")  # fmt: skip
    return plan


def import_template(engine: Engine, definition: dict[str, Any], source: str) -> Offer:
    """Store ``definition`` as a version of its name. Refuses ``invalid_template`` and ``conflict``."""
    from wfe_mcp.store.records import NewTemplate
    from wfe_mcp.workflow.lint import lint

    report = lint(definition)
    if not report.ok:
        raise Refused("invalid_template", f"The template has {len(report.errors)} error(s).",
                      "Fix what the details name and try again.", tuple(report.errors))  # fmt: skip
    plan = plan_of(definition)
    requires = {
        "checks": list(report.requires.checks),
        "roles": list(report.requires.roles),
        "servers": list(report.requires.servers),
    }
    with engine.store.tx() as tx:
        tx.save_template(
            NewTemplate(engine.project_id, source, plan.template.name, plan.template.version, plan.definition, plan.sha256,
                        plan.template.title, plan.template.description, requires)
        )  # fmt: skip
    return _offer("stored", definition)


def trust_key(name: str) -> str:
    """The name under which trust in a template is kept."""
    return f"template:{name}"


def _readers(engine: Engine) -> dict[str, Callable[[], Offer]]:
    """How to read each template, by name; what the project has shadows what is shipped."""
    from wfe_mcp.workflow.catalogue import project_templates, shipped_templates

    found: dict[str, Callable[[], Offer]] = {}
    for entry in shipped_templates():
        found[entry.name] = partial(_read, "shipped", entry)
    with engine.store.read() as tx:
        for record in tx.templates(engine.project_id):
            found[record.name] = partial(_stored, engine, record)
    for entry in project_templates(engine.root):
        found[entry.name] = partial(_read, "project", entry)
    return found


def _read(source: str, entry: CatalogueEntry) -> Offer:
    return _offer(source, entry.read().value)


def _stored(engine: Engine, record: TemplateRecord) -> Offer:
    with engine.store.read() as tx:
        return _offer("stored", tx.document(record.sha256))


def _offer(source: str, definition: dict[str, Any]) -> Offer:
    return Offer(
        str(definition.get("name", "")), str(definition.get("version", "")), str(definition.get("title", "")),
        str(definition.get("description", "")), source, definition, bool(definition.get("default", False)),
    )  # fmt: skip


def _origin(offer: Offer) -> str:
    return "repository" if offer.source == "project" else "project's saved templates"
