"""Checks that templates need and that are not configured. Loads no model of a template: the first list of a server needs this."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.engine.templates.catalogue import Offer, find_template, offers, whole_definition
from wfe_mcp.workflow.delivering import as_delivered
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.required_checks import required_checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wfe_mcp.engine.kernel.engine import Engine

INIT = "wfe-mcp init"


@dataclass(frozen=True, slots=True)
class MissingCheck:
    """A check that is not configured. ``templates``: those that cannot pass without it, the default first.

    ``is_default``: the default template is one of them. ``similar``: configured checks of that kind, ``test-web``.
    """

    name: str
    templates: tuple[str, ...]
    is_default: bool
    similar: tuple[str, ...] = ()

    @property
    def fix(self) -> str:
        """What to do."""
        from wfe_mcp.workspace.discovery.check_table import KINDS

        if self.similar:
            return f"rename one of them in .wfe/config.toml: [checks.{self.similar[0]}] -> [checks.{self.name}]"
        add = f"add [checks.{self.name}] to .wfe/config.toml and run: wfe-mcp trust"
        return f"{INIT}, which finds and tries such a check; or {add}" if self.name in KINDS else add


def missing_checks(engine: Engine) -> list[MissingCheck]:
    """The checks that templates of this project cannot do without and that are not configured, by name."""
    loaded = engine.settings()
    held = (loaded.pending or loaded.settings).checks
    needed: dict[str, list[str]] = {}
    defaults = set[str]()
    for offer in offers(engine):
        try:
            names = required_checks(whole_definition(engine, offer.definition).definition)
        except Refused:  # an invalid template, which doctor names elsewhere
            continue
        for name in names - held.keys():
            needed.setdefault(name, []).append(offer.name)
            if offer.default:
                defaults.add(name)
    return [
        MissingCheck(name, tuple(templates), name in defaults, tuple(_of_kind(name, held)))
        for name, templates in sorted(needed.items())
    ]


def lacking_checks(engine: Engine, offer: Offer) -> tuple[MissingCheck, ...]:
    """The checks without which a run of the template cannot pass here and that are not configured, by name."""
    loaded, name = engine.settings(), offer.name
    held = (loaded.pending or loaded.settings).checks
    definition = whole_definition(engine, offer.definition).definition
    if required_checks(definition) <= held.keys():
        return ()
    try:
        if name in loaded.settings.templates:
            from wfe_mcp.engine.templates.overrides import configure_plan

            plan, _ = configure_plan(engine, find_template(engine, name), loaded, {}, {})
            definition = plan.definition
        else:  # without the rest of the plan, which loads CEL
            if offer.source != "shipped" or definition is not offer.definition:  # what is shipped has its form: 80 ms
                parse(definition)
            definition = as_delivered(definition, delivers=loaded.settings.delivery.mode != "none")
    except Refused:  # why it cannot be started is said where it is
        return ()
    absent = sorted(required_checks(definition) - held.keys())
    return tuple(MissingCheck(check, (name,), False, tuple(_of_kind(check, held))) for check in absent)


def or_go_without(template: str, definition: Mapping[str, Any], errors: Iterable[Detail]) -> str:
    """What the user writes where the project has no such check, as a part of a sentence; empty where no gate lacks one.

    ``errors``: of lint, in the definition of ``template``.
    """
    checks: dict[str, list[str]] = {}
    for error in errors:
        match = re.fullmatch(r"((?:/phases/\d+)+)/(?:prompt_)?gates/\d+/check", error.path)
        if match is None:
            continue
        names, inside = list[str](), definition
        for number in match[1].split("/")[2::2]:
            inside = inside["phases"][int(number)]
            names.append(inside["id"])
        phase = ".".join(names)
        checks.setdefault(f'"{phase}"' if len(names) > 1 else phase, []).append(json.dumps(error.got))
    tables = [
        f"[templates.{template}.phases.{phase}] with missing_checks = [{', '.join(dict.fromkeys(names))}]"
        for phase, names in checks.items()
    ]
    return f", or, where the project has no such check, {' and '.join(tables)}," if tables else ""


def _of_kind(name: str, held: Mapping[str, object]) -> list[str]:
    """The configured checks of the kind of ``name``: ``test-web``."""
    return sorted(check for check in held if check.startswith(f"{name}-"))
