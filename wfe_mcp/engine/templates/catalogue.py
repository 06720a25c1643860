"""The templates that this project can start.

    .wfe/templates  >  imported or edited, the newest version  >  shipped, or of an installed package

The first found by name wins. A version that an agent saved is started as NAME@VERSION only, until the user makes it the
default; where nothing else has its name, the name starts the first one. A name that is neither shipped nor installed needs a person's trust in its bytes before a run starts from it (design §6, §7). People can
put a template out of use by its name, whichever of the three it is, or one kept version as ``NAME@VERSION``: what it
shadowed counts again.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import word_set
from wfe_mcp.store.records.templates import TemplateMark, TemplateRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.catalogue import CatalogueEntry, Definition, PackageTemplate
    from wfe_mcp.workflow.flows import Whole
    from wfe_mcp.workflow.lint import LintReport, ProjectNames

    _Readers = dict[str, Callable[[], "Offer"]]
    _Marks = Mapping[str, frozenset[TemplateMark]]

_NICHE = word_set(
    """
    ci_failure_handler dependency_update deploy fix_deploy_failure incident issue_triage jpa_mt pr_review_workflow
    recovery revert role_pipeline
    """
)
"""Shipped templates for one kind of project or incident, and those that others use: lists name them last."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A template that can be named: where it comes from and its definition."""

    name: str
    version: str
    title: str
    description: str
    source: str
    """Shipped, package, project or stored."""
    definition: dict[str, Any]
    sha256: str
    """Of the definition, as it is named in runs and trust."""
    default: bool = False
    state: str = ""
    """Empty, or why it does not start here: ``disabled`` or ``archived``."""
    package: str = ""
    """The installed package and its version."""

    @property
    def niche(self) -> bool:
        """Whether it is shipped for special cases; the default never is."""
        return self.source == "shipped" and self.name in _NICHE and not self.default

    @property
    def is_installed(self) -> bool:
        """Whether a person installed it, with us or with another package: then it needs no trust of its own."""
        return self.source in {"shipped", "package"}


def offers(engine: Engine, query: str = "", *, all_states: bool = False) -> list[Offer]:
    """The templates of this project by name, default first, special cases last; ``query`` keeps those that hold every word of it.

    One that cannot be read is left out here; naming it says what is wrong with it. What is out of use is left out too,
    unless ``all_states``.
    """
    readers, marks = _readers(engine)
    readable = [offer for offer in _read_all(readers).values() if isinstance(offer, Offer)]
    words = query.lower().split()
    hits = [
        offer
        for offer in _with_marks(readable, marks)
        if (all_states or not offer.state)
        and all(word in f"{offer.name} {offer.title} {offer.description}".lower() for word in words)
    ]
    # A project's own default comes before the one that is shipped.
    return sorted(
        hits, key=lambda offer: (not offer.default, offer.default and offer.is_installed, offer.niche, offer.name)
    )


def unreadable(engine: Engine) -> dict[str, Refused]:
    """Why the templates that ``offers`` leaves out cannot be read, by name."""
    return {name: refused for name, refused in _read_all(_readers(engine)[0]).items() if isinstance(refused, Refused)}


def _read_all(readers: _Readers) -> dict[str, Offer | Refused]:
    """Each template by name, or why it cannot be read."""
    templates: dict[str, Offer | Refused] = {}
    for name, read in readers.items():
        try:
            templates[name] = read()
        except Refused as refused:
            templates[name] = refused
    return templates


def default_template(engine: Engine) -> str:
    """The name of the template that starts when none is named: the project's own default, else the shipped one.

    Refuses ``unknown_template`` where no template in use is a default, and ``conflict`` where several of the project are.
    """
    templates = offers(engine)
    if templates and templates[0].default:
        same = [offer.name for offer in templates if offer.default and offer.source == templates[0].source]
        if len(same) > 1:
            raise Refused(
                "conflict",
                f"No template is named, and several are the default: {', '.join(same)}.",
                f"Name one, or choose the default: wfe-mcp templates default {same[0]}",
            )
        return templates[0].name
    raise Refused(
        "unknown_template",
        "No template is named, and none is the default of this project.",
        f"Name one: {', '.join(offer.name for offer in templates)}." if templates else "Save one: save_template.",
    )


def known_templates(engine: Engine) -> list[str]:
    """Every name that a template has here, readable or not."""
    return sorted(_readers(engine)[0])


def template_definition(engine: Engine, name: str, outer: str = "") -> Offer:
    """The template called ``name``, or the kept version ``NAME@VERSION``. Refuses ``unknown_template`` with the nearest.

    ``outer``: the template that runs it inside, which is not what was meant.
    """
    base, at, version = name.partition("@")
    known, marks = _readers(engine)
    if base in known:
        return _with_marks([_version(engine, base, version, known[base]) if at else known[base]()], marks)[0]
    others = sorted({*known} - {outer})
    hint = nearest_hint(base, others, f"Templates: {', '.join(others)}.")
    raise Refused("unknown_template", f"No template is called {base!r}.", hint)


def find_template(engine: Engine, name: str) -> CompiledTemplate:
    """The plan of the template called ``name`` with those that it runs inside, ready to start.

    Refuses disabled and untrusted templates, inside too.
    """
    offer = _in_use(engine, name)
    result = whole_definition(engine, offer.definition, ready=True)
    plan = copy(engine.plans.compile_checked(result.definition))
    _require_trust(engine, offer, name)
    plan.own, plan.own_sha256 = offer.definition, offer.sha256
    return plan


def whole_definition(engine: Engine, definition: dict[str, Any], *, ready: bool = False) -> Whole:
    """``definition`` with the templates that it runs inside. ``ready``: refuses the first that cannot be started."""
    from wfe_mcp.workflow.flows import whole

    outer = str(definition.get("name", ""))

    def find(name: str) -> dict[str, Any]:
        if not ready:
            return template_definition(engine, name, outer).definition
        return _require_trust(engine, _in_use(engine, name, outer), name).definition

    result = whole(definition, find)
    if ready and result.faults:
        no = result.faults[0][1]
        code = "invalid_template" if no.code == "unknown_template" else no.code
        message = f"Template {definition.get('name')!r} runs another inside: {no.message}"
        raise Refused(code, message, no.hint, tuple(detail for detail, _ in result.faults))
    return result


def lint_definition(engine: Engine, definition: dict[str, Any], project: ProjectNames | None = None) -> LintReport:
    """What lint says of ``definition`` with the templates that this project has for it to run inside."""
    from wfe_mcp.workflow.lint import lint

    result = whole_definition(engine, definition)
    report = lint(result.definition, project)
    return replace(report, errors=(*report.errors, *(detail for detail, _ in result.faults)))


def project_names(engine: Engine) -> ProjectNames | None:
    """The names in the project's configuration; None without one, where names are only listed as required."""
    from wfe_mcp.engine.models.roles import known_names
    from wfe_mcp.workflow.lint import ProjectNames

    loaded = engine.settings()
    if loaded.project_file is None:
        return None
    settings = loaded.pending or loaded.settings
    return ProjectNames(
        frozenset(settings.checks),
        frozenset(known_names(settings)),
        frozenset(settings.mcp_servers),
        context=frozenset(settings.context),
    )


def _in_use(engine: Engine, name: str, outer: str = "") -> Offer:
    offer = template_definition(engine, name, outer)
    if offer.state:
        raise Refused(
            "unavailable",
            f"Template {offer.name!r} is {offer.state} in this project, so no run starts from it.",
            f"Choose another (list_templates), or ask the user to run: wfe-mcp templates enable {name}",
        )
    return offer


def unused_versions(engine: Engine) -> list[str]:
    """Versions that an agent saved and no name starts, as ``NAME@VERSION``, which need trust of their own."""
    with engine.store.read() as tx:
        saved = [template for template in tx.templates.of_project(engine.project_id) if template.source == "saved"]
    starts = {offer.name: offer.version for offer in offers(engine, all_states=True)} if saved else {}
    return [
        f"{template.name}@{template.version}" for template in saved if starts.get(template.name) != template.version
    ]


def lacking_trust(engine: Engine, offer: Offer, name: str) -> Refused | None:
    """The refusal to start ``offer``, called ``name``, before a person trusts it; None where it is trusted."""
    with engine.store.read() as tx:
        if offer.is_installed or is_trusted(tx, engine, offer):
            return None
    return Refused(
        "needs_trust",
        f"Template {name!r} of this {_origin(offer)} is not trusted yet.",
        f"Ask the user to review it (wfe-mcp templates show {name}) and run: wfe-mcp trust {name} (in a browser: wfe-mcp ui)",
    )


def _require_trust(engine: Engine, offer: Offer, name: str) -> Offer:
    if refused := lacking_trust(engine, offer, name):
        raise refused
    return offer


def trust_key(name: str) -> str:
    """The name under which trust in the template called ``name`` is kept; ``NAME@VERSION`` for a kept version."""
    return f"template:{name}"


def trust_keys(name: str, version: str) -> tuple[str, str]:
    """The names under which trust in this version can be kept.

    The file in the repository has one of its own: trust in its bytes replaces trust in those it had before. A kept
    version never changes, so trust in one says nothing about another.
    """
    return trust_key(name), trust_key(f"{name}@{version}")


def trust_key_of(offer: Offer) -> str:
    """The name under which trust in ``offer`` is given."""
    of_file, of_version = trust_keys(offer.name, offer.version)
    return of_version if offer.source == "stored" else of_file


def is_trusted(tx: Tx, engine: Engine, offer: Offer) -> bool:
    """True when a person trusts exactly this definition."""
    return any(tx.trust.is_given(engine.project_id, key, offer.sha256) for key in trust_keys(offer.name, offer.version))


def _readers(engine: Engine) -> tuple[_Readers, _Marks]:
    """How to read each template, by name, and the marks of users; what the project has shadows what is shipped."""
    from wfe_mcp.workflow.catalogue import package_templates, project_templates, shipped_templates

    readers: dict[str, Callable[[], Offer]] = {}
    for entry in shipped_templates():
        readers[entry.name] = partial(_read, "shipped", entry)
    for brought in package_templates():
        readers[brought.name] = partial(_brought, brought)
    with engine.store.read() as tx:
        marks, stored = tx.templates.marks(engine.project_id), tx.templates.of_project(engine.project_id)
        for record in reversed(stored):  # the newest comes last, and stays
            # What an agent saved takes no name that is in use until the user makes it the default.
            takes = record.source != "saved" or record.name not in readers
            if takes and not _state(marks, f"{record.name}@{record.version}"):
                readers[record.name] = partial(_stored_offer, engine, record)
        for record in stored:
            key = f"{record.name}@{record.version}"
            if TemplateMark.CURRENT in marks.get(key, ()) and not _state(marks, key):
                readers[record.name] = partial(_stored_offer, engine, record)
        for record in stored:  # where every version is out of use, the newest keeps the name, and is out of use
            readers.setdefault(record.name, partial(_stored_offer, engine, record))
    for entry in project_templates(engine.root):
        readers[entry.name] = partial(_read, "project", entry)
    return readers, marks


def _version(engine: Engine, name: str, version: str, read: Callable[[], Offer]) -> Offer:
    """The kept version, else the template of this name when that is its version."""
    with engine.store.read() as tx:
        templates = tx.templates.versions(engine.project_id, name)
    for record in templates:
        if record.version == version:
            return _stored_offer(engine, record)
    offer = read()
    if offer.version == version:
        return offer
    versions = [record.version for record in templates]
    raise Refused(
        "unknown_template",
        f"Template {name!r} has no version {version!r}.",
        f"Kept versions: {', '.join(versions)}." if versions else f"It is version {offer.version}: leave @VERSION out.",
    )


def _with_marks(found: list[Offer], marks: _Marks) -> list[Offer]:
    """The same offers with the marks of users."""
    chosen = any(TemplateMark.DEFAULT in mark for mark in marks.values())
    marked: list[Offer] = []
    for offer in found:
        default = TemplateMark.DEFAULT in marks.get(offer.name, ()) if chosen else offer.default
        of_version = _state(marks, f"{offer.name}@{offer.version}") if offer.source == "stored" else ""
        marked.append(replace(offer, default=default, state=_state(marks, offer.name) or of_version))
    return marked


def version_states(engine: Engine, name: str) -> dict[str, str]:
    """Version → why it is out of use, of the kept versions of ``name`` that are."""
    with engine.store.read() as tx:
        marks = tx.templates.marks(engine.project_id)
    state_by_version = {key.partition("@")[2]: _state(marks, key) for key in marks if key.startswith(f"{name}@")}
    return {version: state for version, state in state_by_version.items() if state}


def _state(marks: _Marks, key: str) -> str:
    """Why what is marked under ``key`` is out of use; empty when it is not."""
    own_marks = marks.get(key, ())
    return next((mark.value for mark in (TemplateMark.ARCHIVED, TemplateMark.DISABLED) if mark in own_marks), "")


def _read(source: str, entry: CatalogueEntry) -> Offer:
    return _offer(source, entry.read())


def _brought(template: PackageTemplate) -> Offer:
    return replace(_offer("package", template.read()), package=template.plugin.package)


def _stored_offer(engine: Engine, record: TemplateRecord) -> Offer:
    from wfe_mcp.workflow.catalogue import Definition
    from wfe_mcp.workflow.load import digest

    with engine.store.read() as tx:
        definition = tx.documents.load(record.sha256)
    # Trust is in bytes: what a row of the database says they are does not count.
    return _offer("stored", Definition(definition, digest(definition)))


def _offer(source: str, found: Definition) -> Offer:
    definition = found.value
    return Offer(
        str(definition.get("name", "")),
        str(definition.get("version", "")),
        str(definition.get("title", "")),
        str(definition.get("description", "")),
        source,
        definition,
        found.sha256,
        bool(definition.get("default", False)),
    )


def _origin(offer: Offer) -> str:
    return "repository" if offer.source == "project" else "project's saved templates"


def installed_definition(name: str) -> dict[str, Any] | None:
    """The definition of the shipped or package template called ``name``, whatever the project has under that name."""
    from wfe_mcp.workflow.catalogue import package_templates, shipped_templates

    entries = (entry for templates in (shipped_templates, package_templates) for entry in templates())
    return next((entry.read().value for entry in entries if entry.name == name), None)
