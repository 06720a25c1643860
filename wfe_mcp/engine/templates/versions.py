"""Versions of templates: keep, clone, edit, enable, disable, archive.

Rules:
1. A version never changes: other content under the same name and version is refused as ``conflict``.
2. Every new version knows its parent: the one it was cloned or edited from, else the one of its name until now.
3. A version is kept when its form and names are right; one that an agent saves must fit the project's configuration,
   as in lint. What it needs that is not built yet keeps it from starting, not from being kept: it starts once this
   program can do it.
4. A version that an agent saved takes no name that is in use, until the user makes it the default.
5. Whatever is kept here needs a person's trust before a run starts from it (design §7).

What installed packages add, with a check of each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.templates.catalogue import (
    Offer,
    is_trusted,
    known_templates,
    project_names,
    template_definition,
    whole_definition,
)
from wfe_mcp.engine.templates.config_drift import note_template
from wfe_mcp.resources import GROUPS, Group, PlugIn, PlugInFault, plugins
from wfe_mcp.store.records.templates import NewTemplate, TemplateMark, TemplateRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.lint import Requires


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A template version that is kept, or would be. ``not_yet``: what keeps it from starting; ``shadowed``: by whom.

    ``is_old``: it was kept before. ``to_trust``: the name with which to trust it; empty where it is trusted.
    """

    name: str
    version: str
    sha256: str
    requires: Requires
    not_yet: tuple[Detail, ...]
    warnings: tuple[Detail, ...]
    shadowed: str = ""
    is_old: bool = False
    to_trust: str = ""


def keep_version(
    engine: Engine, definition: Mapping[str, Any], source: str, *, parent: Offer | None = None, dry_run: bool = False
) -> KeptVersion:
    """Keep ``definition`` as a version of its name. Refuses ``invalid_template``, all faults at once, and ``conflict``."""
    from wfe_mcp.workflow.lint import lint
    from wfe_mcp.workflow.load import digest, parse

    content = dict(definition)
    _refuse_unkept(content)
    # An agent can correct the names now. What a person brings may come before its configuration.
    report = lint(whole_definition(engine, content).definition, project_names(engine) if source == "saved" else None)
    if report.faults:
        raise Refused(
            "invalid_template",
            f"The template has {plural(len(report.faults), 'error')}: {report.faults[0].message}",
            "Fix what the details name and try again.",
            report.errors,
        )
    template, sha256 = parse(content), digest(content)
    before = parent or _current_template(engine, template.name)
    same = before if before is not None and before.version == template.version else None
    # What a person imports may take the place of what is installed, and a clone has its parent's version.
    if same is not None and same.definition != content and source in {"saved", "edited"}:
        raise Refused(
            "conflict",
            f"Template {template.name!r} {template.version} has other content. A version never changes.",
            f'Give the new definition another version, for example "{next_version(template.version)}".',
        )
    names = ("checks", "roles", "servers", "context", "plugins", "templates")
    kept = {name: list(getattr(report.requires, name)) for name in names}
    new = NewTemplate(
        engine.project_id,
        source,
        template.name,
        template.version,
        sha256,
        template.title,
        template.description,
        kept,
        definition=content,
        parent=None if before is None or before.definition == content else before.definition,
    )
    with engine.store.read() as tx:
        held = tx.templates.get(engine.project_id, new.name, new.version)
    if not dry_run or held is not None:  # what is held already is only compared
        with engine.store.tx() as tx:
            tx.templates.save(new)
            if source != "saved" and held is None:  # the user brought it: its name starts it
                _clear_current(engine, tx, new.name)
    warnings = report.warnings
    if source == "imported" and before is not None and before.is_installed:
        here = f"wfe-mcp brings a template {new.name}: once you trust this one, it starts in its place"
        warnings = (Detail("/name", f"{here}; to keep both: import it with --name NAME"), *warnings)
    shadowed = "project" if before is not None and before.name == new.name and before.source == "project" else ""
    to_trust = "" if dry_run else _name_to_trust(engine, new.name, new.version)
    is_old = held is not None
    return KeptVersion(
        new.name, new.version, sha256, report.requires, report.not_yet, warnings, shadowed, is_old, to_trust
    )


def _name_to_trust(engine: Engine, name: str, version: str) -> str:
    """The template's name where this version is the one in use, else NAME@VERSION; empty where it is trusted."""
    kept = f"{name}@{version}"
    with engine.store.read() as tx:
        if is_trusted(tx, engine, template_definition(engine, kept)):
            return ""
    now = _current_template(engine, name)
    return name if now is not None and (now.source, now.version) == ("stored", version) else kept


def clone(engine: Engine, name: str, new_name: str, version: str = "") -> KeptVersion:
    """Keep a copy of the template ``name`` under a name of its own. Refuses a name that is taken."""
    base = template_definition(engine, name)
    if new_name in known_templates(engine):
        raise Refused(
            "conflict",
            f"There is a template called {new_name!r} already.",
            f"Choose another name, or change that one: wfe-mcp templates edit {new_name}",
        )
    copy = {**base.definition, "name": new_name, "version": version or base.version}
    copy.pop("default", None)  # there is one default, and a copy is not it
    return keep_version(engine, copy, "cloned", parent=base)


def edit(engine: Engine, base: Offer, definition: Mapping[str, Any]) -> KeptVersion:
    """Keep ``definition`` as the next version of ``base``, which stays as it is. Refuses its name or version changed wrongly."""
    if definition.get("name") != base.name:
        detail = Detail("/name", "an edit keeps the name", base.name, definition.get("name"))
        raise Refused(
            "invalid_template",
            f"The edited template is called {definition.get('name')!r}, not {base.name!r}.",
            f"Keep the name, or copy it first: wfe-mcp templates clone {base.name} NEW_NAME",
            (detail,),
        )
    if dict(definition) == base.definition:
        raise Refused(
            "bad_argument",
            f"Nothing has changed: this is {base.name} {base.version} as it is.",
            "Change something, or leave it.",
        )
    return keep_version(engine, definition, "edited", parent=base)


def versions(engine: Engine, name: str) -> list[TemplateRecord]:
    """The kept versions of ``name``, newest first; a shipped or repository template may have none."""
    with engine.store.read() as tx:
        return tx.templates.versions(engine.project_id, name)


def parent_of(engine: Engine, offer: Offer) -> dict[str, Any] | None:
    """The definition that ``offer`` was made from; for one in the repository, what it shadows. None when there is none."""
    with engine.store.read() as tx:
        templates = tx.templates.versions(engine.project_id, offer.name)
        own = next((record for record in templates if record.sha256 == offer.sha256), None)
        if own is not None:
            return None if own.parent_sha256 is None else tx.documents.load(own.parent_sha256)
        if offer.source == "project" and templates:
            return tx.documents.load(templates[0].sha256)
    return _shipped_definition(offer.name) if offer.source == "project" else None


def make_default(engine: Engine, by: By, name: str) -> Offer:
    """List ``name`` first in this project from now on; of NAME@VERSION, let the name start that version, too.

    Refuses what is out of use, and a version from anyone but the user.
    """
    offer = template_definition(engine, name)
    version = f"{offer.name}@{offer.version}" if "@" in name else ""
    if version and not by.is_human:
        raise Refused(
            "needs_human",
            f"Only the user decides which version the name {offer.name!r} starts.",
            f"Ask the user to run: wfe-mcp templates default {version}",
        )
    if offer.state:
        raise Refused(
            "unavailable",
            f"Template {offer.name!r} is {offer.state} in this project.",
            f"Run first: wfe-mcp templates enable {offer.name}",
        )
    with engine.store.tx() as tx:
        if version:
            _clear_current(engine, tx, offer.name)
        if version and offer.source == "stored":
            tx.templates.mark(engine.project_id, version, TemplateMark.CURRENT, by)
        tx.templates.mark(engine.project_id, offer.name, TemplateMark.DEFAULT, by)
        note_template(engine, tx, by, "TemplateDefault", version or offer.name)
    return offer


def _clear_current(engine: Engine, tx: Tx, name: str) -> None:
    for key, mark in tx.templates.marks(engine.project_id).items():
        if TemplateMark.CURRENT in mark and key.partition("@")[0] == name:
            tx.templates.unmark(engine.project_id, key, (TemplateMark.CURRENT,))


def enable(engine: Engine, by: By, name: str) -> str:
    """Let runs start from ``name`` (or the version ``NAME@VERSION``) again, disabled or archived; its name.

    Where every version is out of use, the name brings the newest back; a version brings its name back.
    Any caller of the command may do this: a template needs trust to start. It is in the log of settings and shown at
    the next approval.
    """
    known = _name(engine, name)
    _put_in_use(engine, by, known)
    offer = _current_template(engine, known)
    if offer is not None and offer.state:
        known = offer.name if "@" in known else f"{offer.name}@{offer.version}"
        _put_in_use(engine, by, known)
    return known


def _put_in_use(engine: Engine, by: By, key: str) -> None:
    with engine.store.tx() as tx:
        tx.templates.unmark(engine.project_id, key, (TemplateMark.DISABLED, TemplateMark.ARCHIVED))
        note_template(engine, tx, by, "TemplateEnabled", key)


def disable(engine: Engine, by: By, name: str) -> str:
    """Let no run start from ``name`` until it is enabled again; its name. Open runs continue."""
    return _out_of_use(engine, by, name, TemplateMark.DISABLED)


def archive(engine: Engine, by: By, name: str) -> str:
    """Archive ``name``: no list shows it and no run starts from it. Returns its name. Nothing is deleted."""
    return _out_of_use(engine, by, name, TemplateMark.ARCHIVED)


def next_version(version: str) -> str:
    """The version after ``version``: its last number raised, ``.1`` where it has none at the end."""
    match = re.fullmatch(r"(.*?)([0-9]{1,9})", version)
    return f"{match[1]}{int(match[2]) + 1}" if match else f"{version}.1"


def _out_of_use(engine: Engine, by: By, name: str, mark: TemplateMark) -> str:
    known = _name(engine, name)
    with engine.store.tx() as tx:
        tx.templates.mark(engine.project_id, known, mark, by)
        tx.templates.unmark(engine.project_id, known, (TemplateMark.DEFAULT,))
        note_template(engine, tx, by, f"Template{mark.value.capitalize()}", known)
    return known


def _name(engine: Engine, name: str) -> str:
    """What is marked: a template by its name, readable or not, or ``NAME@VERSION`` for one kept version."""
    if name in known_templates(engine):
        return name
    offer = template_definition(engine, name)
    return f"{offer.name}@{offer.version}" if offer.source == "stored" else offer.name


def _refuse_unkept(definition: dict[str, Any]) -> None:
    """Too deep, too wide, NUL: refused before anything walks through it."""
    from wfe_mcp.artifacts.parse import check_value

    try:
        check_value(definition)
    except Refused as no:
        details = no.details or (Detail("", no.message),)
        raise Refused("invalid_template", f"The template cannot be kept: {no.message}", no.hint, details) from None


def _current_template(engine: Engine, name: str) -> Offer | None:
    """The template of this name until now; None when there is none that can be read."""
    try:
        return template_definition(engine, name)
    except Refused:
        return None


def _shipped_definition(name: str) -> dict[str, Any] | None:
    from wfe_mcp.workflow.catalogue import shipped_templates

    return next((entry.read().value for entry in shipped_templates() if entry.name == name), None)


_WORDS: dict[Group, str] = {
    "artifact_schemas": "schema",
    "forges": "forge",
    "gates": "gate",
    "providers": "provider",
    "step_builtins": "action",
    "templates": "template",
}


@dataclass(frozen=True, slots=True)
class SeenPlugIn:
    """One thing that a package adds. ``kind``: as shown to readers; ``fault``: why it is unusable, or empty."""

    kind: str
    name: str
    package: str
    fault: str


def plugins_seen() -> Iterator[SeenPlugIn]:
    """Everything that packages add. Loads the code of all of it."""
    for group in GROUPS:
        for plugin in plugins(group).values():
            yield SeenPlugIn(_WORDS[group], plugin.name, plugin.package, _fault(plugin))


def refuse_absent(template: str, names: Iterable[str]) -> None:
    """Refuse ``unavailable`` when no package brings one of ``names``."""
    absent = [name for name in names if _find(name) is None]
    if absent:
        raise Refused(
            "unavailable",
            f"Template {template!r} needs {', '.join(absent)}, which no installed package brings.",
            "Ask the user to install the package; wfe-mcp doctor lists what is there.",
        )


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """The package and its version behind each of ``names``, for a run to keep."""
    plugin_by_name = {name: _find(name) for name in names}
    return {name: plugin.package for name, plugin in plugin_by_name.items() if plugin is not None}


def _find(name: str) -> PlugIn | None:
    return next((plugins(group)[name] for group in GROUPS if name in plugins(group)), None)


def _fault(plugin: PlugIn) -> str:
    try:
        _use(plugin)
    except PlugInFault as fault:
        return str(fault)
    except Refused as refused:
        return refused.text
    return ""


def _use(plugin: PlugIn) -> Any:
    """Load it as its users do."""
    match plugin.group:
        case "artifact_schemas":
            from wfe_mcp.artifacts.registry import installed_model

            return installed_model(plugin)
        case "forges":
            from wfe_mcp.delivery.forges.places import installed_forge

            return installed_forge(plugin.name)
        case "gates":
            from wfe_mcp.workflow.plugin_gates import judge_of

            return judge_of(plugin)
        case "step_builtins":
            from wfe_mcp.tools.builtins import installed_action

            return installed_action(plugin.name)
        case "templates":
            return _template(plugin)
        case "providers":
            from wfe_mcp.providers.plugin import offered_by

            return offered_by(plugin)


def _template(plugin: PlugIn) -> None:
    from wfe_mcp.workflow.catalogue import PackageTemplate
    from wfe_mcp.workflow.lint import lint

    report = lint(PackageTemplate(plugin).read().value)
    if report.errors:
        first = report.errors[0]
        raise plugin.fault(f"{plural(len(report.errors), 'error')}, the first at {first.path or '/'}: {first.message}")
