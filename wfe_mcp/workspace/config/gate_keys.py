"""The keys of a configuration that weaken a gate, and those that strengthen one.

What removes or weakens a gate counts only from bytes that the user trusts, whichever folder names the file:

    templates.<t>.phases.<p>.approver      skip, or a role's opinion in place of the user's approval
    templates.<t>.phases.<p>.allow_rewrite true: a reviewer may change the artifact
    templates.<t>.phases.<p>.missing_checks   a check that the project does not have no longer stops the phase
    templates.<t>.phases.<p>.prompt.…, .response.…   the same of one stage; model, criteria: another reviewer, other questions
    templates.<t>.roles.<r>                another reviewer than the template's
    sandbox.…                              another program or image that makes the sandboxes of checks
    notify.command, notify.apprise         a program and addresses that you hear from
    delivery.…                             another base, whose weaker tests would be no change of a phase, or place for a token
    http.proxy, http.ca_file, http.logins  another one who answers for a reviewer, or gets a login
    templates.<t>.on_mismatch, artifacts.on_mismatch   warn: a changed file no longer blocks
    checks.<c>.…, environments.<e>.…, mcp_servers.<s>.…   of the user's own file, where the project's has that table: what is
                                           judged or called is what the project says, and no key beside it

What strengthens a gate counts from any bytes, and outlives those that were trusted:

    templates.<t>.phases.<p>.approver       human: the user's approval is required too
                                            a role: its opinion too, where no approval would be replaced
    templates.<t>.phases.<p>.people, policy.people   more people approve
    templates.<t>.phases.<p>.allow_rewrite  false: no reviewer changes the artifact
    templates.<t>.on_mismatch, artifacts.on_mismatch   block

    bytes of the project that are not trusted ──► what strengthens, roles excepted ─┐
    bytes that a person trusted last ──► kept in the database ──► what strengthens ─┴─► added to what counts

An agent can edit or remove a file, or name another folder for it. That loosens nothing: each of these keys holds until a
person trusts bytes without it. ``policy`` is kept by ``engine/templates/trust.py``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config.checks import SandboxSettings
from wfe_mcp.workspace.config.delivery_table import DeliverySettings
from wfe_mcp.workspace.config.documents import Document, put
from wfe_mcp.workspace.config.edits import value_at

Path = tuple[str, ...]

_OUTSIDE = {
    "sandbox": (*SandboxSettings.model_fields,),
    "notify": ("command", "apprise"),
    "delivery": (*DeliverySettings.model_fields,),
    "http": ("proxy", "ca_file", "logins"),
}
"""Table and keys: what makes, answers or receives outside this process."""


def weakening_keys(values: Mapping[str, Any]) -> Iterator[Path]:
    """The paths of the keys in ``values``, one layer or all of them, that remove or weaken a gate."""
    for name, template in tables(values, "templates"):
        for phase, keys in tables(template, "phases"):
            at = ("templates", name, "phases", phase)
            for stage in ((), ("prompt",), ("response",)):
                stage_keys = keys.get(stage[0]) if stage else keys
                yield from _of_stage(stage_keys, (*at, *stage), is_stage=bool(stage))
        for role, _ in tables(template, "roles"):
            yield ("templates", name, "roles", role)
        if template.get("on_mismatch") == "warn":
            yield ("templates", name, "on_mismatch")
    artifacts = values.get("artifacts")
    if isinstance(artifacts, dict) and cast("dict[str, Any]", artifacts).get("on_mismatch") == "warn":
        yield ("artifacts", "on_mismatch")
    for table, keys in _OUTSIDE.items():
        stage_keys = values.get(table)
        if isinstance(stage_keys, dict):
            yield from ((table, key) for key in keys if cast("dict[str, Any]", stage_keys).get(key))


def keys_beside(own: Mapping[str, Any], project: Mapping[str, Any]) -> Iterator[Path]:
    """The paths of the keys in ``own`` that would be added to a check, an environment or a server of ``project``."""
    for table in ("checks", "environments", "mcp_servers"):
        named = dict(tables(project, table))
        yield from ((table, name, key) for name, keys in tables(own, table) if name in named for key in keys)


def _of_stage(given: object, at: Path, *, is_stage: bool) -> Iterator[Path]:
    if not isinstance(given, dict):
        return
    keys = cast("dict[str, Any]", given)
    if keys.get("approver") not in {None, "human"}:
        yield (*at, "approver")
    if keys.get("allow_rewrite") is True:
        yield (*at, "allow_rewrite")
    if keys.get("missing_checks"):
        yield (*at, "missing_checks")
    if is_stage:
        yield from ((*at, key) for key in ("criteria", "model") if key in keys)


def model_tables(values: Mapping[str, Any]) -> Iterator[str]:
    """The tables of roles and providers: from bytes that the user does not trust they fill no reviewer of a gate."""
    for table in ("roles", "providers"):
        yield from (f"{table}.{name}" for name in values.get(table, {}))


def tables(values: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables in ``values[key]``, each with its name."""
    table_values = values.get(key)
    for name, table in cast("dict[str, Any]", table_values).items() if isinstance(table_values, dict) else ():
        if isinstance(table, dict):
            yield name, cast("dict[str, Any]", table)


FileLayer = Literal["user", "project"]


@dataclass(frozen=True, slots=True)
class KeptStrict:
    """What strengthens a gate in the bytes ``sha256`` of a layer that a person trusted last."""

    layer: FileLayer
    sha256: str
    values: Document


@dataclass(frozen=True, slots=True)
class StrengthenedKey:
    """A key that counts although its bytes are not trusted now. ``where``: the file that has or had it."""

    layer: FileLayer
    where: str
    path: Path


def strengthening(values: Mapping[str, Any], *, signed: bool) -> Document:
    """The part of ``values`` that strengthens a gate. ``signed``: a person trusted these bytes, so roles count too."""
    document: Document = {}
    for path, value in _strict_keys(values, signed=signed):
        put(document, list(path), value)
    return document


def strengthen(values: Document, layer: FileLayer, where: str, strict: Mapping[str, Any]) -> Iterator[StrengthenedKey]:
    """Add ``strict`` to ``values`` where they ask for less; each key that changed."""
    for path, value in _strict_keys(strict, signed=True):
        if _asks_for_less(value_at(values, path), value):
            put(values, list(path), value)
            yield StrengthenedKey(layer, where, path)
    general = strict.get("artifacts", {}).get("on_mismatch")
    for name, template in tables(values, "templates"):
        own = strict.get("templates", {}).get(name, {}).get("on_mismatch")
        if (own or general) == "block" and template.get("on_mismatch") == "warn":
            template["on_mismatch"] = "block"
            yield StrengthenedKey(layer, where, ("templates", name, "on_mismatch"))


def _strict_keys(values: Mapping[str, Any], *, signed: bool) -> Iterator[tuple[Path, object]]:
    for name, template in tables(values, "templates"):
        for phase, keys in tables(template, "phases"):
            at = ("templates", name, "phases", phase)
            approver = keys.get("approver")
            if approver == "human" or (signed and approver not in {None, "skip"}):
                yield (*at, "approver"), approver
            if keys.get("people") is not None:
                yield (*at, "people"), keys["people"]
            if keys.get("allow_rewrite") is False:
                yield (*at, "allow_rewrite"), False
        if template.get("on_mismatch") == "block":
            yield ("templates", name, "on_mismatch"), "block"
    if values.get("artifacts", {}).get("on_mismatch") == "block":
        yield ("artifacts", "on_mismatch"), "block"
    if values.get("policy", {}).get("people") is not None:
        yield ("policy", "people"), values["policy"]["people"]


def _asks_for_less(now: object, strict: object) -> bool:
    """Whether ``now`` asks for less than ``strict``; a role in place of a person never counts."""
    if type(strict) is int:
        return type(now) is not int or now < strict
    return now in {None, "skip"} if isinstance(strict, str) and strict not in {"human", "block"} else now != strict
