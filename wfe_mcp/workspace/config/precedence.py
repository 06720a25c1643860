"""Precedence of restrictive settings: a later layer cannot loosen them.

    policy.templates                          what every layer allows that says anything
    artifacts.on_mismatch,                    the project's word, else the user's, else the others'; a variable or a flag
    templates.<t>.on_mismatch                 may only turn ``warn`` into ``block``

An agent's shell sets variables and writes files, so what keeps it from something cannot be undone by one of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["narrow"]

Layer = tuple[str, Mapping[str, Any]]
"""Its name and what it says."""

_FILES = {"user", "project"}


def narrow(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    """Change ``values``, which the ``layers`` (lowest first) were merged into, to what they may say together."""
    _narrow_policy(layers, values)
    _narrow_mismatch(layers, values)


def _narrow_policy(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    lists: list[list[str]] = [
        said["templates"] for _, each in layers if "templates" in (said := each.get("policy", {}))
    ]
    if len(lists) > 1:
        values["policy"]["templates"] = [name for name in lists[-1] if all(name in allowed for allowed in lists)]


def _narrow_mismatch(layers: Sequence[Layer], values: dict[str, Any]) -> None:
    for name, template in values.get("templates", {}).items():
        if "on_mismatch" in template:
            template["on_mismatch"] = _strictest([(layer, _said(each, name)) for layer, each in layers])
    if "on_mismatch" in values.get("artifacts", {}):
        values["artifacts"]["on_mismatch"] = _strictest([(layer, _said(each)) for layer, each in layers])


def _said(layer: Mapping[str, Any], template: str = "") -> str | None:
    """What one layer says of a template: by its name, else of all."""
    own = layer.get("templates", {}).get(template, {}).get("on_mismatch")
    return own or layer.get("artifacts", {}).get("on_mismatch")


def _strictest(said: Sequence[tuple[str, str | None]]) -> str:
    files = [word for layer, word in said if word is not None and layer in _FILES]
    others = [word for layer, word in said if word is not None and layer not in _FILES]
    return "block" if "block" in others else (files or others)[-1]
