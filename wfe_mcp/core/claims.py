"""Claims: statements about the work, how each is tested, and the status that follows from the results.

    a test failed, or evidence contradicts it             falsified
    all tests passed, and one result at least supports    validated
    nothing was run, and no evidence was judged           pending
    else, such as after an error of a check               inconclusive

Rules:
1. A test names a check of the configuration, never a command; its type says how the result of that check is read.
2. Only a person says that evidence supports or contradicts a claim, and only a person answers a list.
3. The text and the tests of a claim stay as they were added.
"""

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from wfe_mcp.core.errors import nearest_hint
from wfe_mcp.core.texts import is_line, one_line

Values = Mapping[str, Any]
Fault = tuple[str, object, *tuple[int | str, ...]]
"""What is wrong, what is expected, and where in the value: the index of a test and its key."""

COMPARISONS = {"gte": "at least", "lte": "at most", "eq": "exactly"}
COUNTS = ("passed", "failed", "errors", "skipped")
"""Of the tests of a check."""
MEASURES = ("coverage_percent", "duration_s", *COUNTS)
"""What the server itself measures of a check."""
GOLD_METRICS = {"accuracy": "gte", "mean_error": "lte"}
"""The metrics of a comparison with a gold set, and the comparison of each where none is given."""
MOST_TESTS, MOST_EVIDENCE, _LINE_CHARS, _REGEX_CHARS = 10, 50, 500, 300
MOST_LISTED = 20


class TestType(NamedTuple):
    """When a test of a type passes, and its keys: those that it needs, and those that it may have."""

    __test__ = False  # no class of tests

    passes: str
    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


TYPES: Mapping[str, TestType] = {
    "script": TestType("The check exits with 0.", ("check",)),
    "unit_test": TestType("The tests of the check pass, and at least one ran.", ("check",), ("tests",)),
    "benchmark": TestType(
        "A figure in the output of the check, or in a file that it wrote, is as wanted. Give either regex or pointer.",
        ("check", "threshold"),
        ("regex", "pointer", "file", "comparison"),
    ),
    "metric_threshold": TestType(
        "What the server measures of the check is as wanted.", ("check", "metric", "threshold"), ("comparison",)
    ),
    "gold_set": TestType(
        "An output file of the check agrees with known answers.",
        ("check", "gold_set", "output", "threshold"),
        ("metric", "comparison"),
    ),
    "manual": TestType("A person answers a list.", ("checklist",)),
}
_ANY = ("name", "type", "stages")
_LISTS = {"tests", "stages", "checklist"}
_ASKS = {
    "check": "a check of the configuration that only looks: none that deploys or gets a credential",
    "tests": "the names of the tests that must pass, one a line; without any all that ran",
    "threshold": "the number that the figure is compared with",
    "comparison": "gte: at least; lte: at most; eq: exactly",
    "regex": r"where the figure is, such as p95: ([0-9.]+); the last one that it finds counts",
    "pointer": "where the figure is in JSON, such as /results/0/p95",
    "file": "a file of the project that the check wrote; without one its output",
    "metric": "what is compared",
    "gold_set": "a gold set of the configuration",
    "output": "the file of the project that has the answers",
    "checklist": "what a person looks at, one a line",
    "name": "how it is called; without one test-1, test-2, …",
    "stages": "the stages of a run that it is meant for, one a line; without any all of them",
}
"""What a form asks for at each key."""


def checked_tests(value: object) -> tuple[list[Fault], list[dict[str, Any]]]:
    """``value`` as the tests of a claim, each with a name, or the faults in it."""
    if not isinstance(value, list | tuple) or not 0 < len(cast("Sequence[object]", value)) <= MOST_TESTS:
        return [("is no list of tests", f"1 to {MOST_TESTS} tests, such as {{type: script, check: NAME}}")], []
    faults: list[Fault] = []
    kept: list[dict[str, Any]] = []
    for number, test_given in enumerate(cast("Sequence[object]", value), 1):
        test_faults, test = _checked_test(test_given)
        name = test.get("name", f"test-{number}")
        if test and any(name == kept_test["name"] for kept_test in kept):
            test_faults.append((f"has the name {name!r} twice", "another name", "name"))
        faults += [(f"test {number} {what}", expected, number - 1, *key) for what, expected, *key in test_faults]
        kept.append({"name": name} | test)
    return faults, [] if faults else kept


def _checked_test(given: object) -> tuple[list[Fault], dict[str, Any]]:
    if not isinstance(given, Mapping):
        return [("is no object", "an object with type and check")], {}
    test: dict[str, Any] = dict(cast("Values", given))
    called = str(test.get("type", ""))
    kind = TYPES.get(called)
    if kind is None:
        near = nearest_hint(called, TYPES, "")
        return [(f"has no known type: {called[:40]!r}{near and f' ({near})'}", list(TYPES), "type")], {}
    keys = (*kind.needs, *kind.may, *_ANY)
    unknown = next((str(key) for key in test if key not in keys), None)
    if unknown is not None:
        near = nearest_hint(unknown, keys, "")
        return [(f"has the unknown key {unknown[:40]!r}{near and f' ({near})'}", list(keys))], {}
    lacks = [key for key in kind.needs if test.get(key) in (None, "", [], ())]
    faults: list[Fault] = [(f"of type {test['type']} lacks {key!r}", list(kind.needs), key) for key in lacks]
    given_keys = [key for key in test if key not in lacks]
    faults += [(*wrong, key) for key in given_keys if (wrong := _value_fault(key, test[key])) is not None]
    if test["type"] == "benchmark" and ("regex" in test) == ("pointer" in test):
        faults.append(("needs exactly one of 'regex' and 'pointer'", "where the figure is in the output", "regex"))
    if faults:
        return faults, {}
    if test["type"] == "gold_set":
        test.setdefault("metric", "accuracy")
    names = GOLD_METRICS if test["type"] == "gold_set" else MEASURES if test["type"] == "metric_threshold" else None
    if names is not None and test["metric"] not in names:
        near = nearest_hint(test["metric"], names, "")
        return [(f"has the unknown metric {test['metric']!r}{near and f' ({near})'}", [*names], "metric")], {}
    if "threshold" in test:
        test.setdefault("comparison", GOLD_METRICS.get(test.get("metric", ""), "gte"))
    return [], {key: list(value) if key in _LISTS else value for key, value in test.items()}


def schemas_of_tests(checks: Iterable[str], gold_sets: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What a form asks for: a JSON Schema of each type of test, which may name these checks and gold sets.

    Whether a test may be kept ``checked_tests`` says.
    """
    names = {"check": sorted(checks), "gold_set": sorted(gold_sets), "comparison": list(COMPARISONS)}

    def key_schema(kind: str, key: str) -> dict[str, Any]:
        known = names | {"metric": list(GOLD_METRICS if kind == "gold_set" else MEASURES)}
        shape: dict[str, Any] = {"type": "array", "items": {"type": "string"}} if key in _LISTS else {"type": "string"}
        shape |= {"type": "number"} if key == "threshold" else {"enum": known[key]} if key in known else {}
        return shape | {"description": _ASKS[key] + ("" if known.get(key, True) else "; none is configured")}

    return {
        name: {
            "type": "object",
            "description": kind.passes,
            "required": list(kind.needs),
            "properties": {key: key_schema(name, key) for key in (*kind.needs, *kind.may, *_ANY) if key != "type"},
        }
        for name, kind in TYPES.items()
    }


def _value_fault(key: str, value: object) -> tuple[str, object] | None:
    if key == "threshold":
        # Compared, since a whole number that no float holds cannot be made one.
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        return None if is_number else ("has a threshold that is no number", "a number")
    if key in _LISTS:
        lines = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
        is_list = 0 < len(lines) <= MOST_LISTED and all(is_line(line, _LINE_CHARS) for line in lines)
        return (
            None
            if is_list
            else (f"has {key!r} that is no list of lines, or has letters that no one sees", f"1 to {MOST_LISTED} lines")
        )
    if not is_line(value, _LINE_CHARS):
        return (
            f"has {key!r} that is no single line, or has letters that no one sees",
            f"1 to {_LINE_CHARS} characters",
        )
    text = str(value)
    if key == "comparison" and text not in COMPARISONS:
        return (f"has the unknown comparison {text!r}", list(COMPARISONS))
    if key in {"file", "output"} and (text.startswith(("/", "~")) or ".." in re.split(r"[/\\]", text)):
        return (f"has {key!r} outside the project: {text}", "a path within the project")
    if key == "pointer" and not text.startswith("/"):
        return ("has a pointer that is no JSON pointer", "such as /results/0/p95")
    if key == "regex":
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            return (f"has a regular expression that cannot be read: {error}", r"such as p95: ([\d.]+)")
        return (
            None if len(text) <= _REGEX_CHARS else ("has too long a regular expression", f"{_REGEX_CHARS} characters")
        )
    return None


def checked_evidence(value: object) -> tuple[tuple[str, object] | None, list[dict[str, Any]]]:
    """``value`` as evidence of a claim, or the first fault in it: what it refers to, why, and what a person says of it."""
    entries = [cast("object", value)] if isinstance(value, Mapping) else value
    if not isinstance(entries, list | tuple) or not 0 < len(cast("Sequence[object]", entries)) <= MOST_EVIDENCE:
        return ("is no list of evidence", "objects with ref and reason"), []
    kept: list[dict[str, Any]] = []
    for entry in cast("Sequence[object]", entries):
        values = dict(cast("Values", entry)) if isinstance(entry, Mapping) else {}
        says = values.get("supports")
        unknown = next((str(key) for key in values if key not in {"ref", "reason", "supports", "test"}), None)
        if unknown is not None:
            return (f"has evidence with the key {unknown!r}", ["ref", "reason", "supports", "test"]), []
        if not (values.get("ref") or values.get("reason")):
            return ("has evidence without ref and reason", "what shows it, or why, in a line"), []
        if says is not None and not isinstance(says, bool):
            return ("has evidence whose 'supports' is neither true, false nor null", "true or false, by a person"), []
        if any(not is_line(values[key], _LINE_CHARS) for key in ("ref", "reason", "test") if key in values):
            return (
                "has evidence that is no single line, or has letters that no one sees",
                f"up to {_LINE_CHARS} characters",
            ), []
        kept.append({key: item for key, item in values.items() if item is not None})
    return None, kept


def is_judged(evidence: Values) -> bool:
    """Whether it supports or contradicts."""
    return evidence.get("supports") is not None


def outcomes(tests: Iterable[Values], results: Iterable[Values], evidence: Iterable[Values]) -> dict[str, Values]:
    """The newest result of each test that has one, by its name; of a list that is the answer of a person."""
    outcome_by_test = {str(result["test"]): result for result in results}
    answers = {str(values["test"]): values for values in evidence if "test" in values and is_judged(values)}
    for test in tests:
        answer = answers.get(test["name"]) if test["type"] == "manual" else None
        if answer is not None:
            answered = "passed" if answer["supports"] else "failed"
            outcome_by_test[test["name"]] = {**answer, "outcome": answered, "why": answer.get("reason", "")}
    return outcome_by_test


def verdict(tests: Sequence[Values], results: Sequence[Values], evidence: Sequence[Values]) -> tuple[str, str]:
    """The status that follows, and why, in a line; the reason is empty where the claim is pending or validated."""
    outcome_by_test = outcomes(tests, results, evidence)
    against = [f"{name}: {values['why']}" for name, values in outcome_by_test.items() if values["outcome"] == "failed"]
    against += [_says(values) for values in evidence if values.get("supports") is False and "test" not in values]
    if against:
        return "falsified", one_line(against[0])[:_LINE_CHARS]
    judged = [values for values in evidence if is_judged(values)]
    if not outcome_by_test and not judged:
        return "pending", ""
    missing = [test["name"] for test in tests if test["name"] not in outcome_by_test]
    errors = [f"{name}: {values['why']}" for name, values in outcome_by_test.items() if values["outcome"] == "error"]
    supports = any(values["outcome"] == "passed" for values in outcome_by_test.values()) or any(
        values["supports"] for values in judged
    )
    if errors or missing or not supports:
        return "inconclusive", one_line(errors[0] if errors else f"{', '.join(missing)} has no result")[:_LINE_CHARS]
    return "validated", ""


def _says(evidence: Values) -> str:
    ref, reason = str(evidence.get("ref", "")), str(evidence.get("reason", ""))
    return f"{ref}: {reason}" if ref and reason else ref or reason


def of_stage(tests: Iterable[Values], stage: str) -> list[Values]:
    """The tests that are meant for a stage; all for "", and those without stages for every one."""
    return [test for test in tests if not stage or not test.get("stages") or stage in test["stages"]]


def is_met(value: float, comparison: str, threshold: float) -> bool:
    """Whether a figure is as its test wants it."""
    if comparison == "eq":
        return math.isclose(value, threshold, rel_tol=1e-9, abs_tol=1e-12)
    return value >= threshold if comparison == "gte" else value <= threshold
