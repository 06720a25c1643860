"""The keys of a configuration that strengthen a gate: they count from any bytes, and outlive those that were trusted.

    templates.<t>.phases.<p>.approver       human: the user's approval is required too
                                            a role: its opinion too, where no approval would be replaced
    templates.<t>.phases.<p>.allow_rewrite  false: no reviewer changes the artifact
    templates.<t>.on_mismatch, artifacts.on_mismatch   block

    bytes of the project that are not trusted ──► what strengthens, roles excepted ─┐
    bytes that a person trusted last ──► kept in the database ──► what strengthens ─┴─► added to what counts

An agent can edit or remove a file, or name another folder for it. That loosens nothing: each of these keys holds until a
person trusts bytes without it. ``policy`` is kept by ``engine/templates/trust.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config.documents import Document, put
from wfe_mcp.workspace.config.gate_keys import Path, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


FileLayer = Literal["user", "project"]


@dataclass(frozen=True, slots=True)
class KeptStrict:
    """What strengthens a gate in the bytes ``sha256`` of a layer that a person trusted last."""

    layer: FileLayer
    sha256: str
    values: Document


@dataclass(frozen=True, slots=True)
class Strengthened:
    """A key that counts although its bytes are not trusted now. ``where``: the file that has or had it."""

    layer: FileLayer
    where: str
    path: Path


def strengthening(values: Mapping[str, Any], *, signed: bool) -> Document:
    """The part of ``values`` that strengthens a gate. ``signed``: a person trusted these bytes, so roles count too."""
    found: Document = {}
    for path, value in _strict_keys(values, signed=signed):
        put(found, list(path), value)
    return found


def strengthen(values: Document, layer: FileLayer, where: str, strict: Mapping[str, Any]) -> Iterator[Strengthened]:
    """Add ``strict`` to ``values`` where they ask for less; each key that changed."""
    for path, value in _strict_keys(strict, signed=True):
        if _asks_for_less(_value(values, path), value):
            put(values, list(path), value)
            yield Strengthened(layer, where, path)
    general = strict.get("artifacts", {}).get("on_mismatch")
    for name, template in tables(values, "templates"):
        own = strict.get("templates", {}).get(name, {}).get("on_mismatch")
        if (own or general) == "block" and template.get("on_mismatch") == "warn":
            template["on_mismatch"] = "block"
            yield Strengthened(layer, where, ("templates", name, "on_mismatch"))


def _strict_keys(values: Mapping[str, Any], *, signed: bool) -> Iterator[tuple[Path, object]]:
    for name, template in tables(values, "templates"):
        for phase, keys in tables(template, "phases"):
            at = ("templates", name, "phases", phase)
            approver = keys.get("approver")
            if approver == "human" or (signed and approver not in {None, "skip"}):
                yield (*at, "approver"), approver
            if keys.get("allow_rewrite") is False:
                yield (*at, "allow_rewrite"), False
        if template.get("on_mismatch") == "block":
            yield ("templates", name, "on_mismatch"), "block"
    if values.get("artifacts", {}).get("on_mismatch") == "block":
        yield ("artifacts", "on_mismatch"), "block"


def _asks_for_less(now: object, strict: object) -> bool:
    """Whether ``now`` asks for less than ``strict``; a role in place of a person never counts."""
    return now in {None, "skip"} if isinstance(strict, str) and strict not in {"human", "block"} else now != strict


def _value(values: Mapping[str, Any], path: Iterable[str]) -> object:
    found: object = values
    for part in path:
        found = cast("dict[str, object]", found).get(part) if isinstance(found, dict) else None
    return found
