"""The values that callers give to the fields of a work item: what each may hold, and how an item keeps it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from wfe_mcp.core.canonical import cannot_be_encoded
from wfe_mcp.core.claims import checked_evidence, checked_tests
from wfe_mcp.core.errors import Detail, Refused, near_miss, pointer
from wfe_mcp.core.texts import is_line, unseen

PRIORITIES: Mapping[str, int] = {"critical": 10, "high": 8, "normal": 5, "low": 3}
"""The words for a priority; it is a number from 1 to 10, and the highest comes first."""

TITLE_CHARS, BODY_CHARS, LINE_CHARS, LINES_MOST = 200, 20_000, 500, 50

_ADDRESS = re.compile(r"https?://[^\s/@:]+(:\d+)?(/\S*)?")
"""A tracker's address, without a name or password in it."""

Values = Mapping[str, Any]
"""Fields of an item and their values, as JSON has them."""

GIVEN = (
    *("title", "body", "priority", "parent", "needs", "scopes", "criteria", "tags", "sequential", "source"),
    *("tests", "evidence"),
)
"""The fields that callers give; the others follow from what happens. The last two are of a claim."""
ATTACH = "attach"
"""What callers give beside them: paths of files, which the item then holds."""
_BESIDE = {"kind", "status", "id"}
"""What the callers of a tool and of the HTTP API name beside the item."""
LISTS = frozenset(
    {"needs", "scopes", "criteria", "tags", "imported", "runs", "commits", "tests", "results", "evidence", "files"}
)
"""The fields that are lists."""


def check_values(given: Values) -> dict[str, Any]:
    """``given``, each value as an item keeps it. Refuses ``bad_argument`` with all faults at once."""
    faults: list[Detail] = []
    values: dict[str, Any] = {}
    asks = False
    for name, value in given.items():
        if name not in GIVEN:
            names = (*GIVEN, ATTACH)
            near = near_miss(name, names)
            asks = asks or (not faults and bool(near))
            what = "stands beside item, not in it" if name in _BESIDE else f"is no field that can be given{near}"
            faults.append(Detail(pointer("item", name), what, list(names), name))
            continue
        if name == "tests":
            wrong, values[name] = checked_tests(value)
            faults += [Detail(pointer("item", name, *where), what, expected) for what, expected, *where in wrong]
            continue
        fault, values[name] = _check_value(name, value)
        if fault:
            faults.append(Detail(pointer("item", name), *fault, values[name] or value))
    if faults:
        raise _wrong(faults, asks=asks)
    return values


def _check_value(name: str, value: object) -> tuple[tuple[str, object] | None, object]:
    if name == "priority":
        number = PRIORITIES.get(value.lower(), value) if isinstance(value, str) else value
        is_one = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 10
        return (None if is_one else ("is no priority", f"1 to 10, or {', '.join(PRIORITIES)}")), number
    if name == "sequential":
        return (None if isinstance(value, bool) else ("is no yes or no", "true or false")), value
    if name == "evidence":
        return checked_evidence(value)
    if name in LISTS:
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, list | tuple):
            return ("is no list", "a list of texts"), value
        kept = [
            str(line).strip() if isinstance(line, str | int | float) else "" for line in cast("Iterable[object]", lines)
        ]
        wrong = next((text for text in kept if not is_line(text, LINE_CHARS)), None)
        if wrong is not None or len(kept) > LINES_MOST:
            return (
                "has what is no text, or one that is empty, too long, no single line or with letters that no one sees",
                f"up to {LINES_MOST} lines",
            ), value
        outside = [
            scope for scope in kept if name == "scopes" and (scope.startswith(("/", "~")) or ".." in scope.split("/"))
        ]
        if outside:
            return (f"has a path outside the project: {outside[0]}", "paths within the project"), value
        return None, list(dict.fromkeys(kept))
    return _checked_text(name, value)


def _checked_text(name: str, value: object) -> tuple[tuple[str, str] | None, object]:
    text = value.strip() if isinstance(value, str) else value
    most = BODY_CHARS if name == "body" else TITLE_CHARS
    if not isinstance(text, str):
        return ("is no text", f"up to {most} characters"), value
    if len(text) > most:
        return (f"is longer than {most:,} characters", f"up to {most} characters"), text[:80]
    if "\x00" in text or cannot_be_encoded(text):
        return ("holds NUL or half a character, which cannot be stored", "plain text"), value
    if name != "body" and text and not is_line(text, most):
        hidden = ", ".join(unseen(text))
        return (f"has letters that no one sees: {hidden}" if hidden else "is no single line", "one line"), value
    if name == "source" and "://" in text and not _ADDRESS.fullmatch(text):
        return ("is no address", "https://HOST/PATH, without a user's name"), value
    return None, text


def wrong_value(name: str, message: str, expected: str, got: object) -> Refused:
    """The refusal of the value ``got`` of the field ``name``."""
    return _wrong([Detail(pointer("item", name), message, expected, got)])


def _wrong(faults: Sequence[Detail], *, asks: bool = False) -> Refused:
    """The refusal with all ``faults``; its message is the first of them. ``asks``: that one ends with a question."""
    message = f"{faults[0].path}: {faults[0].message}"
    return Refused("bad_argument", message if asks else f"{message}.", "Correct it and call again.", tuple(faults))
