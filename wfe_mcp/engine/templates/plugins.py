"""What installed packages add, with a check of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.resources import GROUPS, PlugInFault, plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wfe_mcp.resources import Group, PlugIn

_WORDS: dict[Group, str] = {
    "artifact_schemas": "schema",
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
    found = {name: _find(name) for name in names}
    return {name: plugin.package for name, plugin in found.items() if plugin is not None}


def _find(name: str) -> PlugIn | None:
    return next((plugins(group)[name] for group in GROUPS if name in plugins(group)), None)


def _fault(plugin: PlugIn) -> str:
    try:
        _use(plugin)
    except PlugInFault as fault:
        return str(fault)
    except Refused as refused:
        return f"{refused.message} {refused.hint}".strip()
    return ""


def _use(plugin: PlugIn) -> Any:
    """Load it as its users do."""
    match plugin.group:
        case "artifact_schemas":
            from wfe_mcp.artifacts.registry import installed_model

            return installed_model(plugin)
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
        raise plugin.fault(f"{len(report.errors)} error(s), the first at {first.path or '/'}: {first.message}")
