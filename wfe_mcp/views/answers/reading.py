"""The answers of the tools that only read. Loads no SDK: the server gives them before it has loaded it.

Each function takes the engine, the caller and the tool's arguments, as ``tool_answers`` does.
"""

from typing import TYPE_CHECKING

from wfe_mcp.core.model import By
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.moves.envelope import Envelope, Next, idle_status

if TYPE_CHECKING:
    from wfe_mcp.engine.templates.catalogue import Offer

_SHOWN = 20


def status(engine: Engine, by: By, run: str = "", detail: str = "brief") -> Envelope:
    """The state of ``run``; without it the open runs of the project, or with ``detail`` project what the project is."""
    if detail == "project":
        from wfe_mcp.views.project.context import project_context

        view = project_context(engine)
        return Envelope(True, summary=f"Project {view.name}", next=(Next("status", {}),), view=view)
    idle = None if run else idle_status(engine)
    if idle is not None:
        return idle
    from wfe_mcp.views.answers import run_status

    return run_status.status(engine, by, run, detail)


def list_templates(
    engine: Engine, by: By, query: str = "", name: str = "", *, all_states: bool = False, limit: int | None = _SHOWN
) -> Envelope:
    """The templates of this project; with ``name`` the whole definition. ``all_states``: archived and disabled ones too.

    ``limit``: at most so many, because an agent reads every line; None: all.
    """
    from wfe_mcp.engine.templates import catalogue
    from wfe_mcp.views.templates.templates import TemplateList, inputs_schema, template_lines, template_view

    if name:
        offer = catalogue.template_definition(engine, name)
        need = {"inputs": "/data/template/inputs"} if "inputs" in offer.definition else {}
        start = Next("start_run", {"template": name}, need)
        refused = catalogue.lacking_trust(engine, offer, name)
        lacks = refused.text if refused else _lacks(engine, offer)
        return Envelope(
            True,
            summary=f"Template {offer.name} {offer.version}: {lacks or offer.title}",
            next=() if offer.state or lacks else (start,),
            view=template_view(offer),
        )
    offers = catalogue.offers(engine, query, all_states=all_states)
    lines = template_lines(offers[:limit])
    starts = tuple(
        _start(engine, offer, index, is_whole=lines[index].inputs == inputs_schema(offer))
        for index, offer in enumerate(offers[:3])
        if not offer.state
    )
    faulty = () if query else tuple(catalogue.unreadable(engine))
    what = plural(len(offers), "template") + (f" for {query!r}" if query else "")
    if len(lines) < len(offers):
        what += f", {len(lines)} of them here; query finds the others"
    return Envelope(True, summary=what, next=starts, view=TemplateList(templates=lines, unreadable=faulty))


def _start(engine: Engine, offer: "Offer", index: int, *, is_whole: bool) -> Next:
    """The call that starts a template of the list; or that reads it whole, with what keeps it from starting or passing."""
    from wfe_mcp.engine.checks.missing import lacking_checks
    from wfe_mcp.engine.templates.catalogue import lacking_trust

    is_trusted = lacking_trust(engine, offer, offer.name) is None
    why = "a check that it needs is not configured" if is_trusted and lacking_checks(engine, offer) else ""
    if why or not (is_trusted and is_whole):
        return Next("list_templates", {"name": offer.name}, why=why)
    return Next("start_run", {"template": offer.name}, {"inputs": f"/data/templates/{index}/inputs"})


def _lacks(engine: Engine, offer: "Offer") -> str:
    """Which checks a run of the template cannot pass without here, and how each is added; empty where it has them."""
    from wfe_mcp.engine.checks.missing import lacking_checks

    missing = lacking_checks(engine, offer)
    return " ".join(f"It needs check {check.name}, which is not configured; fix: {check.fix}." for check in missing)
