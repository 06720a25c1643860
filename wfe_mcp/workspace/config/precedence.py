"""Precedence of restrictive settings: a later layer cannot loosen them.

    policy.templates                          allowed by every layer that sets it
    policy.evidence, policy.people            the highest of all layers
    artifacts.on_mismatch,                    the project's value, else the user's; a variable
    templates.<t>.on_mismatch                 may only say ``block``
    [sandbox], [http] proxy and ca_file,      the user's own file only
    [notify], [server],
    base_url of a provider with a key

An agent's shell can set variables and write files, so neither may loosen a restriction on the agent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wfe_mcp.core.errors import Detail, pointer
from wfe_mcp.core.evidence_levels import strictest
from wfe_mcp.workspace.config.checks import SandboxSettings
from wfe_mcp.workspace.config.documents import Document, merge
from wfe_mcp.workspace.config.event_tables import NotifySettings
from wfe_mcp.workspace.config.provider_tables import ProviderSettings, kind_of
from wfe_mcp.workspace.config.server_table import ServerSettings

Layer = tuple[str, Mapping[str, Any]]
"""Its name and its values."""

_FILES = {"user", "project"}


def narrow(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    """Restrict ``values``, merged from ``layers`` (lowest first), to what all layers permit."""
    _narrow_policy(layers, values)
    _narrow_mismatch(layers, values)


def _narrow_policy(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    lists: list[list[str]] = [
        policy["templates"] for _, document in layers if "templates" in (policy := document.get("policy", {}))
    ]
    if len(lists) > 1:
        values["policy"]["templates"] = [name for name in lists[-1] if all(name in allowed for allowed in lists)]
    least = strictest(*(document.get("policy", {}).get("evidence") for _, document in layers))
    if least is not None:
        values["policy"]["evidence"] = least
    people = [document["policy"]["people"] for _, document in layers if "people" in document.get("policy", {})]
    if people:
        values["policy"]["people"] = max(people)


def _narrow_mismatch(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    for name, template in values.get("templates", {}).items():
        if "on_mismatch" in template:
            template["on_mismatch"] = _strictest(
                [(layer, _declared_value(document, name)) for layer, document in layers]
            )
    if "on_mismatch" in values.get("artifacts", {}):
        values["artifacts"]["on_mismatch"] = _strictest(
            [(layer, _declared_value(document)) for layer, document in layers]
        )


def _declared_value(layer: Mapping[str, Any], template: str = "") -> str | None:
    """A layer's value for a template: its own, else the general one."""
    own = layer.get("templates", {}).get(template, {}).get("on_mismatch")
    return own or layer.get("artifacts", {}).get("on_mismatch")


def _strictest(declared: Sequence[tuple[str, str | None]]) -> str:
    files = [word for layer, word in declared if word is not None and layer in _FILES]
    others = [word for layer, word in declared if word is not None and layer not in _FILES]
    return "block" if "block" in others or not files else files[-1]


_AT_HOME = (
    ("http", "proxy", "decides who sees your keys"),
    ("http", "ca_file", "decides who sees your keys"),
    *(("sandbox", key, "decides what makes your sandboxes") for key in SandboxSettings.model_fields),
    *(("notify", key, "decides how you are notified") for key in NotifySettings.model_fields),
    *(("server", key, "decides who logs in, and what others may do and use") for key in ServerSettings.model_fields),
)
"""Table and key that only the user's own configuration sets, and why."""


def leave_at_home(layers: Sequence[Layer], problems: list[Detail]) -> None:
    """Remove from the project's layer what only the user's own file says, each a problem."""
    own = [values for name, values in layers if name == "project"]
    for table, key, why in _AT_HOME:
        if any(document.get(table, {}).pop(key, None) for document in own):
            what = f"[{table}] {key} {why}: name it in your own configuration, a project's does not count"
            problems.append(Detail(pointer(table, key), what))
    for name, table in (item for document in own for item in document.get("providers", {}).items()):
        whole: Document = {}
        for _, values in layers:
            merge(whole, values.get("providers", {}).get(name, {}))
        kind = kind_of(name, provider := ProviderSettings.model_validate(whole))
        if "base_url" in table and kind is not None and provider.needs_key(kind):
            del table["base_url"]
            what = f"[providers.{name}] has a key, so a project does not say where it goes: name base_url in your own configuration"
            problems.append(Detail(pointer("providers", name, "base_url"), what))
