"""The keys of a configuration that remove or weaken a gate.

    templates.<t>.phases.<p>.approver      skip, or a role's opinion in place of the user's approval
    templates.<t>.phases.<p>.allow_rewrite true: a reviewer may change the artifact
    templates.<t>.phases.<p>.missing_checks   a check that the project does not have no longer stops the phase
    templates.<t>.phases.<p>.prompt.…, .response.…   the same of one stage; model, criteria: another reviewer, other questions
    templates.<t>.roles.<r>                another reviewer than the template's
    sandbox.bubblewrap, sandbox.sha256     another program that makes the sandboxes of checks
    templates.<t>.on_mismatch, artifacts.on_mismatch   warn: a changed file no longer blocks

They count only from bytes that the user trusts, whichever folder names the file. What strengthens counts from any bytes (``strengthening.py``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

Path = tuple[str, ...]


def weakening_keys(values: Mapping[str, Any]) -> Iterator[Path]:
    """The paths of the keys in ``values``, one layer or all of them, that remove or weaken a gate."""
    for name, template in tables(values, "templates"):
        for phase, keys in tables(template, "phases"):
            at = ("templates", name, "phases", phase)
            for stage in ((), ("prompt",), ("response",)):
                given = keys.get(stage[0]) if stage else keys
                yield from _of_stage(given, (*at, *stage), is_stage=bool(stage))
        for role, _ in tables(template, "roles"):
            yield ("templates", name, "roles", role)
        if template.get("on_mismatch") == "warn":
            yield ("templates", name, "on_mismatch")
    artifacts = values.get("artifacts")
    if isinstance(artifacts, dict) and cast("dict[str, Any]", artifacts).get("on_mismatch") == "warn":
        yield ("artifacts", "on_mismatch")
    sandbox = values.get("sandbox")
    if isinstance(sandbox, dict):
        yield from (("sandbox", key) for key, value in cast("dict[str, Any]", sandbox).items() if value)


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
    found = values.get(key)
    for name, table in cast("dict[str, Any]", found).items() if isinstance(found, dict) else ():
        if isinstance(table, dict):
            yield name, cast("dict[str, Any]", table)
