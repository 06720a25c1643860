"""Answers about making templates: faults without storing, differences, copies, versions, use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.templates import catalogue, versions
from wfe_mcp.views.diff import difference
from wfe_mcp.views.envelope import Envelope
from wfe_mcp.views.model import Json, JsonObject, view_model, view_of
from wfe_mcp.views.templates import RequiresView, kept_view, requires_view, version_row

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.templates import VersionRow


@view_model
class Problem:
    """One fault of a definition. ``severity``: ``error`` stops it from being stored, ``warning`` does not."""

    path: str
    message: str
    severity: str
    expected: Json = None
    got: Json = None


@view_model
class LintView:
    """What is wrong with a definition, and what it needs of configuration."""

    problems: tuple[Problem, ...]
    requires: RequiresView | None = None


@view_model
class TemplateDiff:
    """How one definition differs from another."""

    old: str
    new: str
    changes: tuple[JsonObject, ...]


@view_model
class TemplateUse:
    """A template and the state that it is in now."""

    template: str
    state: str


@view_model
class VersionList:
    """The kept versions of a template, newest first."""

    versions: tuple[VersionRow, ...]


def lint(engine: Engine, by: By, definition: dict[str, Any]) -> Envelope:
    """Every fault of a definition; nothing is stored."""
    del by
    try:
        report = catalogue.linted(engine, definition, catalogue.project_names(engine))
    except Refused as refused:
        if refused.code != "invalid_template" or not refused.details:
            raise
        faults, warnings, requires = refused.details, (), None
    else:
        faults, warnings, requires = report.errors, report.warnings, requires_view(report.requires)
    found = [view_of(Problem, each, severity="error") for each in faults]
    found += [view_of(Problem, each, severity="warning") for each in warnings]
    return Envelope(True, summary=plural(len(faults), "error"), view=LintView(problems=tuple(found), requires=requires))


def diff(engine: Engine, by: By, name: str, against: str = "") -> Envelope:
    """How a template differs from the one it was made from, or from ``against``."""
    del by
    offer = catalogue.template_definition(engine, name)
    old = catalogue.template_definition(engine, against).definition if against else versions.parent_of(engine, offer)
    if old is None:
        raise Refused(
            "bad_argument",
            f"{offer.name} {offer.version} was not made from another template.",
            f"Name one to compare with: wfe-mcp templates diff {name} OTHER",
        )
    old_is, new_is = f"{old['name']} {old['version']}", f"{offer.name} {offer.version}"
    changes = tuple(difference(old, offer.definition))
    summary = f"{old_is} -> {new_is}: {plural(len(changes), 'change')}"
    return Envelope(True, summary=summary, view=TemplateDiff(old=old_is, new=new_is, changes=changes))


def kept_versions(engine: Engine, by: By, name: str) -> Envelope:
    """The kept versions of a template."""
    del by
    rows = tuple(map(version_row, versions.versions(engine, catalogue.template_definition(engine, name).name)))
    return Envelope(True, summary=plural(len(rows), "version"), view=VersionList(versions=rows))


def clone(engine: Engine, by: By, name: str, new_name: str, version: str = "") -> Envelope:
    """Copy a template under a name of its own."""
    del by
    return Envelope(
        True, summary=f"Copied {name} to {new_name}.", view=kept_view(versions.clone(engine, name, new_name, version))
    )


def edit(engine: Engine, by: By, name: str, definition: dict[str, Any]) -> Envelope:
    """Store an edited definition as the next version of a template, as a person: its name starts it once it is trusted."""
    if not by.is_human:
        raise Refused(
            "needs_human",
            "A version that starts by its name is stored by a person.",
            f"An agent stores one by POST /templates; or ask the user to run: wfe-mcp templates edit {name}",
        )
    base = catalogue.template_definition(engine, name)
    kept = versions.edit(engine, base, definition)
    summary = f"Stored {kept.name} {kept.version}; {base.version} is unchanged."
    return Envelope(True, summary=summary, view=kept_view(kept))


def use(engine: Engine, by: By, name: str, action: str) -> Envelope:
    """Make a template the default, enable, disable or archive it."""
    act, state = _USES[action]
    found = act(engine, by, name)
    return Envelope(True, summary=f"{found}: {state}", view=TemplateUse(template=found, state=state))


def _make_default(engine: Engine, by: By, name: str) -> str:
    return versions.make_default(engine, by, name).name


_USES = {
    "default": (_make_default, "default"),
    "enable": (versions.enable, "enabled"),
    "disable": (versions.disable, "disabled"),
    "archive": (versions.archive, "archived"),
}
"""Action → what does it, and the state after it."""
