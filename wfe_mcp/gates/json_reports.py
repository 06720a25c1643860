"""Test results from the JSON that test runners write: jest, vitest, mocha, playwright, RSpec, go, node.

A value that is missing or of another type reads as empty; a document of another kind is refused.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import cast

from wfe_mcp.core.json_pointer import under
from wfe_mcp.gates.findings import Json, items, number, storable, text
from wfe_mcp.gates.markup import MAX_DEPTH, UnreadableReport, read_json
from wfe_mcp.gates.results import Case, Outcome, TestResults, results_of

_MOST_OUTSIDE = 1_000
"""Errors outside of the examples that are counted: a report may say any number."""
_NOT_INSTALLED = re.compile(r"Executable doesn't exist at|Host system is missing dependencies")


def parse_jest(content: bytes) -> TestResults:
    """The JSON of jest; vitest's has the same shape."""
    files = _list_at(read_json(content), "testResults")
    return results_of(chain.from_iterable(_jest_file(file) for file in files))


_JEST: dict[str, Outcome] = {"passed": "passed", "failed": "failure"}


def _jest_file(file: Json) -> Iterator[Case]:
    name = _path(text(file, "name"))
    tests = items(file, "assertionResults")
    for test in tests:
        names = (*_texts(test, "ancestorTitles"), text(test, "title"))
        message = next(iter(_texts(test, "failureMessages")), "")
        yield Case(names, _JEST.get(text(test, "status"), "skipped"), name, message)
    if not tests and text(file, "status") == "failed":
        yield Case((), "unloaded", name, text(file, "message"))


def parse_mocha(content: bytes) -> TestResults:
    """The JSON of mocha."""
    report = read_json(content)
    _list_at(report, "tests")
    listed: tuple[tuple[str, Outcome], ...] = (("passes", "passed"), ("failures", "failure"), ("pending", "skipped"))
    return results_of(_mocha_test(test, outcome) for key, outcome in listed for test in items(report, key))


def _mocha_test(test: Json, outcome: Outcome) -> Case:
    title, full = text(test, "title"), text(test, "fullTitle")
    suites = full.removesuffix(title).strip()
    is_hook = outcome == "failure" and re.match(r'"(before|after)( each| all)" hook', title)
    message = text(under(test, "err"), "message")
    names = (suites, title) if suites else (title,)
    return Case(names, "error" if is_hook else outcome, _path(text(test, "file")), message)


def parse_playwright(content: bytes) -> TestResults:
    """The JSON of playwright. A test whose browser is not installed did not run."""
    report = read_json(content)
    suites = _list_at(report, "suites")
    folder = text(under(report, "config"), "rootDir")
    tests = (case for suite in suites for case in _playwright_suite(suite, (), folder))
    broken = (Case((), "unloaded", "", _strip_colours(text(error, "message"))) for error in items(report, "errors"))
    return results_of((*tests, *broken))


def _playwright_suite(suite: Json, names: tuple[str, ...], folder: str) -> Iterator[Case]:
    for spec in items(suite, "specs"):
        for test in items(spec, "tests"):
            results = items(test, "results")
            message = _strip_colours(text(under(results[-1], "error"), "message")) if results else ""
            outcome = _PLAYWRIGHT.get(text(test, "status"), "skipped")
            if outcome == "failure" and _NOT_INSTALLED.search(message):
                outcome = "unloaded"
            file = _path(f"{folder}/{text(spec, 'file')}" if folder else text(spec, "file"))
            yield Case((*names, text(spec, "title")), outcome, file, message)
    if len(names) > MAX_DEPTH:
        raise UnreadableReport(f"its suites are nested more than {MAX_DEPTH} deep")
    for inner in items(suite, "suites"):
        yield from _playwright_suite(inner, (*names, text(inner, "title")), folder)


_PLAYWRIGHT: dict[str, Outcome] = {"expected": "passed", "flaky": "passed", "unexpected": "failure"}


def parse_rspec(content: bytes) -> TestResults:
    """The JSON of RSpec."""
    report = read_json(content)
    cases = [_rspec_example(example) for example in _list_at(report, "examples")]
    outside = number(under(report, "summary"), "errors_outside_of_examples_count")
    messages = [*_texts(report, "messages"), *[""] * min(outside, _MOST_OUTSIDE)][: max(outside, 0)]
    return results_of((*cases, *(Case((), "unloaded", "", message) for message in messages)))


_RSPEC: dict[str, Outcome] = {"passed": "passed", "failed": "failure"}


def _rspec_example(example: Json) -> Case:
    full, own = text(example, "full_description"), text(example, "description")
    suites = full.removesuffix(own).strip()
    names = (suites, own) if suites else (own,)
    message = text(under(example, "exception"), "message")
    file = text(example, "file_path").removeprefix("./")
    return Case(names, _RSPEC.get(text(example, "status"), "skipped"), file, message)


def parse_node(content: bytes) -> TestResults:
    """What ``node_reporter.mjs`` writes: a line per test of ``node --test``."""
    return results_of(_node_test(read_json(line)) for line in content.splitlines())


def _node_test(line: Json) -> Case:
    _list_at(line, "names")
    outcome = _NODE.get(text(line, "outcome"), "skipped")
    return Case(_texts(line, "names"), outcome, _path(text(line, "file")), text(line, "message"))


_NODE: dict[str, Outcome] = {"passed": "passed", "failed": "failure", "unloaded": "unloaded"}


def parse_go(content: bytes) -> TestResults:
    """The events of ``go test -json``, among which the compiler may have printed lines of its own."""
    events = [*_events(content)]
    if not events:
        raise UnreadableReport("it holds no event of `go test -json`")
    printed: dict[tuple[str, str], str] = {}
    ended: dict[tuple[str, str], str] = {}
    for event in events:
        key, action = (text(event, "Package"), text(event, "Test")), text(event, "Action")
        if action == "output":
            printed[key] = (printed.get(key, "") + text(event, "Output"))[:2_000]
        elif action in _GO:
            ended[key] = action
    tests = {key: action for key, action in ended.items() if key[1]}
    parents = {(package, test.rpartition("/")[0]) for package, test in tests}
    red = {(package, test) for (package, test), action in tests.items() if action == "fail"}
    of_children = {(package, test.rpartition("/")[0]) for package, test in red}
    cases = [
        Case(tuple(test.split("/")), _GO[action], package, _go_message(printed.get((package, test), "")))
        for (package, test), action in tests.items()
        if (package, test) not in parents or (action == "fail" and (package, test) not in of_children)
    ]
    # A package that fails without a failing test did not compile, or ended in its TestMain.
    dead = [
        Case((), "unloaded", package, _go_message(printed.get((package, ""), "")))
        for (package, test), action in ended.items()
        if not test and action == "fail" and not any(package == of for of, _ in red)
    ]
    return results_of((*cases, *dead))


_GO: dict[str, Outcome] = {"pass": "passed", "fail": "failure", "skip": "skipped"}


def go_text(output: str) -> str:
    """The output of ``go test -json`` as ``go test`` prints it."""
    return "".join(_go_line(line) for line in output.splitlines())


def _go_line(line: str) -> str:
    event = _event(line)
    return f"{line}\n" if event is None else text(event, "Output")


def _go_message(output: str) -> str:
    lines = (line.strip() for line in output.splitlines())
    return next((line for line in lines if line and not line.startswith(("===", "---", "FAIL"))), "")


def _events(content: bytes) -> Iterator[Json]:
    for line in content.decode("utf-8", errors="replace").splitlines():
        event = _event(line)
        if event is not None:
            yield event


def _event(line: str) -> Json | None:
    if not line.startswith('{"'):
        return None
    try:
        event: Json = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if text(event, "Action") else None


def _list_at(report: Json, key: str) -> list[Json]:
    if not isinstance(report, dict) or key not in report:
        raise UnreadableReport(f"it has no {key!r}")
    return items(cast("Json", report), key)


def _texts(value: Json, key: str) -> tuple[str, ...]:
    return tuple(storable(item) for item in items(value, key) if isinstance(item, str))


def _path(file: str) -> str:
    return file.replace("\\", "/")


def _strip_colours(message: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", message)
