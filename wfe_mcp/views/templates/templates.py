"""Views of templates and their versions, and answers about making them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.templates import catalogue, versions
from wfe_mcp.engine.templates.catalogue import Offer
from wfe_mcp.engine.templates.versions import KeptVersion
from wfe_mcp.store.records.templates import TemplateRecord
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.values.diff import ChangeJson, difference
from wfe_mcp.views.values.model import Json, JsonObject, PathNote, plain, second, view_model, view_of
from wfe_mcp.workflow.load import input_schemas

_MANY_BYTES = 7_500
"""What the lines of all templates may take; an answer has 10 kB."""


@view_model
class TemplateLine:
    """A template: what it is for, and what to give it.

    ``default``: starts where none is named; ``niche``: for special cases; ``source``: empty where it comes with the server.
    """

    name: str
    title: str
    version: str
    default: bool = False
    niche: bool = False
    state: str = ""
    description: str = ""
    source: str = ""
    inputs: JsonObject


@view_model
class TemplateList:
    """Templates, the default first, those for special cases last; ``unreadable``: the names of those that cannot be read."""

    templates: tuple[TemplateLine, ...]
    unreadable: tuple[str, ...] = ()


@view_model
class VersionRow:
    """One kept version: where it came from and when."""

    version: str
    sha256: str
    source: str
    kept_at: str
    parent: str = ""
    state: str = ""
    """Empty, or why it is out of use."""


@view_model
class TemplateView:
    """The whole definition of a template."""

    template: JsonObject
    source: str
    state: str = ""
    versions: tuple[VersionRow, ...] = ()


@view_model
class TemplateSchema:
    """The JSON Schema of every template."""

    json_schema: JsonObject


@view_model
class RequiresView:
    """What a template needs of configuration."""

    checks: tuple[str, ...]
    roles: tuple[str, ...]
    servers: tuple[str, ...]
    context: tuple[str, ...]
    plugins: tuple[str, ...]
    templates: tuple[str, ...]


@view_model
class KeptView:
    """A version that was kept: what it needs of configuration, what keeps it from starting yet."""

    template: str
    version: str
    sha256: str
    requires: RequiresView
    not_yet: tuple[PathNote, ...] = ()
    warnings: tuple[str, ...] = ()
    shadowed_by: str = ""


def template_lines(offers: Sequence[Offer]) -> tuple[TemplateLine, ...]:
    """A line each. Where all are too many for one answer, only the first says everything about its inputs, and those for
    special cases only which they require.
    """
    lines = tuple(_line(offer) for offer in offers)
    if len(json.dumps(plain(lines))) <= _MANY_BYTES:
        return lines
    return *lines[:1], *(
        replace(line, inputs=_input_names(line.inputs, only_required=line.niche)) for line in lines[1:]
    )


def _line(offer: Offer) -> TemplateLine:
    source = "" if offer.source == "shipped" else _source(offer)
    return view_of(TemplateLine, offer, source=source, inputs=inputs_schema(offer))


def _input_names(inputs: JsonObject, *, only_required: bool) -> JsonObject:
    """Which inputs there are, without what they must look like."""
    if only_required:
        return {"type": "object", "required": inputs.get("required", [])}
    kinds = {
        name: {"type": schema["type"]} if "type" in schema else {} for name, schema in input_schemas(inputs).items()
    }
    return {"type": "object", "required": inputs.get("required", []), "properties": kinds}


def template_view(offer: Offer) -> TemplateView:
    """The whole definition with its inputs first."""
    return TemplateView(template=offer.definition, source=_source(offer), state=offer.state or "")


def _source(offer: Offer) -> str:
    """Where it comes from; for what a package brings, which and in which version."""
    return f"{offer.source} {offer.package}".strip()


def kept_view(version: KeptVersion) -> KeptView:
    """A version that was kept."""
    return view_of(
        KeptView,
        version,
        template=version.name,
        requires=view_of(RequiresView, version.requires),
        not_yet=tuple(view_of(PathNote, detail) for detail in version.not_yet),
        warnings=tuple(f"{detail.path}: {detail.message}" for detail in version.warnings),
        shadowed_by=version.shadowed or "",
    )


def version_row(record: TemplateRecord, state: str = "") -> VersionRow:
    """One kept version."""
    return view_of(
        VersionRow,
        record,
        sha256=record.sha256[:16],
        kept_at=second(record.created_at),
        parent=(record.parent_sha256 or "")[:16],
        state=state,
    )


def inputs_schema(offer: Offer) -> JsonObject:
    """The JSON Schema of the inputs."""
    return offer.definition.get("inputs", {"type": "object"})


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
    changes: tuple[ChangeJson, ...]


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
    try:
        report = catalogue.lint_definition(engine, definition, catalogue.project_names(engine))
    except Refused as refused:
        if refused.code != "invalid_template" or not refused.details:
            raise
        faults, warnings, requires = refused.details, (), None
    else:
        faults, warnings, requires = report.errors, report.warnings, view_of(RequiresView, report.requires)
    problems = [view_of(Problem, fault, severity="error") for fault in faults]
    problems += [view_of(Problem, warning, severity="warning") for warning in warnings]
    return Envelope(
        True, summary=plural(len(faults), "error"), view=LintView(problems=tuple(problems), requires=requires)
    )


def diff(engine: Engine, by: By, name: str, against: str = "") -> Envelope:
    """How a template differs from the one it was made from, or from ``against``."""
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
    rows = tuple(map(version_row, versions.versions(engine, catalogue.template_definition(engine, name).name)))
    return Envelope(True, summary=plural(len(rows), "version"), view=VersionList(versions=rows))


def clone(engine: Engine, by: By, name: str, new_name: str, version: str = "") -> Envelope:
    """Copy a template under a name of its own."""
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
    version = versions.edit(engine, base, definition)
    summary = f"Stored {version.name} {version.version}; {base.version} is unchanged."
    return Envelope(True, summary=summary, view=kept_view(version))


def use(engine: Engine, by: By, name: str, action: str) -> Envelope:
    """Make a template the default, enable, disable or archive it."""
    act, state = _USES[action]
    template = act(engine, by, name)
    return Envelope(True, summary=f"{template}: {state}", view=TemplateUse(template=template, state=state))


def _make_default(engine: Engine, by: By, name: str) -> str:
    return versions.make_default(engine, by, name).name


_USES = {
    "default": (_make_default, "default"),
    "enable": (versions.enable, "enabled"),
    "disable": (versions.disable, "disabled"),
    "archive": (versions.archive, "archived"),
}
"""Action → what does it, and the state after it."""
