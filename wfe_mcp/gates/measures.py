"""Reads the result of a claim's test from a run of its check: an exit code, tests, a figure, a comparison with a gold set.

    passed, failed    the check ran, and what it shows is as the claim says, or not
    error             the check could not run, or shows nothing that could be read: it says nothing about the claim

Rules:
1. A file counts only when this execution wrote it. It is read where the check ran, before a checkout is removed.
2. A check that fails has figures only as counts of its tests, where one of them failed.
3. An expression of a claim comes from an agent: it is searched in a process of its own, under a time limit.
"""

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.claims import COMPARISONS, COUNTS, is_met
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.json_pointer import part_at
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.jobs.child import ChildResult, RunChild, run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.output import plain_text
from wfe_mcp.workspace.config.claim_table import GoldSetSettings
from wfe_mcp.workspace.files.project_files import read_if_there

MOST_BYTES = 10_000_000
"""Of a file that is read: an output, a gold set."""
_SEARCH_S = 10.0
_WHY_CHARS = 400
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_SEARCH = """
import re, sys
found = None
for found in re.finditer(sys.argv[1], sys.stdin.buffer.read().decode("utf-8", "replace"), re.MULTILINE):
    pass
if found is not None:
    print("found", found.group(1) if found.re.groups else found.group())
"""

Test = Mapping[str, Any]


class _UnreadableError(Exception):
    """There is no figure; the text says why."""


Check = Callable[[Mapping[str, object], RunChild], Judgement]
"""Runs the check of a test: what is expected of it, and what starts its program."""


def measure(
    tests: Sequence[Test],
    check: Check,
    run: RunChild,
    root: Path,
    cwd: str | None,
    gold_sets: Mapping[str, GoldSetSettings],
) -> list[dict[str, Any]]:
    """Run the check of ``tests``, which expect the same of it, once, and read the result of each. ``cwd``: its folder in the project."""
    files = {name for test in tests if (name := _file_of(test))}
    folders = len([part for part in Path(cwd or ".").parts if part != "."])
    written = dict[str, bytes | Refused | None]()

    def run_watched(argv: Sequence[str], *, cwd: Path, **limits: Any) -> ChildResult:
        place = cwd.parents[folders - 1] if folders else cwd
        before = {name: _stamp(place / name) for name in files}
        result = run(argv, cwd=cwd, **limits)
        for name in files:
            if _stamp(place / name) != before[name]:
                try:
                    written[name] = read_if_there(place, name, MOST_BYTES)
                except Refused as refused:
                    written[name] = refused
        return result

    try:
        judgement = check(expected_of(tests[0]), run_watched)
    except Refused as refused:
        return [{"outcome": "error", "why": refused.message[:_WHY_CHARS], "log": ""} for _ in tests]
    data = judgement.data
    facts: dict[str, Any] = {
        "log": judgement.log_path or "",
        "tree": data.get("tree", {}).get("before"),
        "head": data.get("head", {}).get("before"),
        "output_sha256": data.get("output", {}).get("sha256", ""),
        "exit_code": data.get("exit_code"),
        "level": data.get("level"),
        "program": data.get("program"),
    }
    return [facts | _read(test, judgement, written.get(_file_of(test)), root, gold_sets) for test in tests]


def _file_of(test: Test) -> str:
    return str(test.get("file") or test.get("output") or "")


def _read(
    test: Test,
    judgement: Judgement,
    written: bytes | Refused | None,
    root: Path,
    gold_sets: Mapping[str, GoldSetSettings],
) -> dict[str, Any]:
    data = judgement.data
    first = (judgement.reason or judgement.message).split("\n", 1)[0][:_WHY_CHARS].rstrip(".")
    if _could_not_run(judgement):
        return {"outcome": "error", "why": first}
    if changed := data.get("tree", {}).get("changed"):
        return {"outcome": "error", "why": f"the check itself changed files: {', '.join(changed[:3])}"}
    if test["type"] in {"script", "unit_test"}:
        return {"outcome": "passed" if judgement.kind is VerdictKind.PASS else "failed", "why": first}
    counts: Mapping[str, Any] = data.get("tests") or {}
    are_counted = test.get("metric") in COUNTS and (counts.get("failed") or counts.get("errors"))
    if judgement.kind is not VerdictKind.PASS and not are_counted:
        return {"outcome": "error", "why": first}
    try:
        value, more = _figure(test, judgement, written, root, gold_sets.get(test.get("gold_set", "")))
    except _UnreadableError as fault:
        return {"outcome": "error", "why": str(fault)[:_WHY_CHARS]}
    threshold, comparison = float(test["threshold"]), str(test["comparison"])
    outcome = "passed" if is_met(value, comparison, threshold) else "failed"
    why = f"{value:g}, wanted {COMPARISONS[comparison]} {threshold:g}{more}"
    return {"outcome": outcome, "value": value, "why": why[:_WHY_CHARS]}


def expected_of(test: Test) -> dict[str, object]:
    """What a test expects of its check besides an end: tests with the same share one run of it."""
    if test["type"] != "unit_test":
        return {}
    return {"passes": list(test["tests"])} if test.get("tests") else {"min_tests": 1}


def _could_not_run(judgement: Judgement) -> bool:
    """Whether what is wrong is not what the check says: its program is missing, it ran too long, a person must act first."""
    return judgement.kind in {VerdictKind.ERROR, VerdictKind.AWAITING} or judgement.data.get("exit_code") is None


def _stamp(place: Path) -> tuple[int, int, int] | None:
    try:
        facts = place.lstat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _figure(
    test: Test, judgement: Judgement, written: bytes | Refused | None, root: Path, gold: GoldSetSettings | None
) -> tuple[float, str]:
    """The figure of a test, and what stands beside it."""
    if test["type"] == "metric_threshold":
        measures = judgement.data.get("tests") or {} if test["metric"] in COUNTS else judgement.data
        value = measures.get(test["metric"])
        if value is None:
            raise _UnreadableError(
                f"the check has no {test['metric']!r}: it needs a report of its tests or its coverage"
            )
        return float(value), ""
    if test["type"] == "gold_set":
        if gold is None:
            raise _UnreadableError(f"the configuration has no gold set {test['gold_set']!r}")
        return _compare_gold(test, gold, root, _text(written, test["output"]))
    if test.get("file"):
        text = _text(written, test["file"])
    else:
        text = plain_text(Path(judgement.log_path).read_bytes()) if judgement.log_path else ""
    if test.get("pointer"):
        return _figure_at(text, str(test["pointer"]), whole=bool(test.get("file"))), ""
    return _search_figure(text, str(test["regex"]), root), ""


def _text(written: bytes | Refused | None, name: str) -> str:
    if isinstance(written, Refused):
        raise _UnreadableError(written.message)
    if written is None:
        raise _UnreadableError(f"the check did not write {name!r}")
    try:
        return written.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _UnreadableError(f"{name!r} is no UTF-8 text") from None


def _search_figure(text: str, regex: str, root: Path) -> float:
    argv = (sys.executable, "-I", "-c", _SEARCH, regex)
    result = run_child(argv, cwd=root, env=child_env(), timeout_s=_SEARCH_S, stdin=text.encode("utf-8", "replace"))
    if result.exit_code is None:
        raise _UnreadableError(f"searching {regex!r} took longer than {_SEARCH_S:g} s")
    mark, _, figure = result.output_tail.strip().partition(" ")
    if mark != "found":
        raise _UnreadableError(f"nothing in the output is as {regex!r}")
    # Only between thousands is a comma nothing: 0,93 is no 93.
    plain = figure.replace(",", "") if _THOUSANDS.fullmatch(figure.strip()) else figure
    return _number(plain, f"what {regex!r} finds")


def _figure_at(text: str, pointer: str, *, whole: bool) -> float:
    """The figure at a JSON pointer: of a file, or of the last line of an output that is JSON, else of all of it."""
    lines = [] if whole else [line for line in text.split("\n") if line.lstrip().startswith(("{", "["))][-1:]
    document: Any = None
    for candidate in (text, *lines):
        try:
            document = json.loads(candidate)
            break
        except (ValueError, RecursionError):
            continue
    else:
        raise _UnreadableError("what the check printed is no JSON" if not whole else "the file is no JSON")
    try:
        value = part_at(document, pointer)
    except Refused as refused:
        raise _UnreadableError(refused.message) from None
    if isinstance(value, bool):
        raise _UnreadableError(f"at {pointer!r} is {json.dumps(value)}, no number")
    return _number(value, f"what is at {pointer!r}")


def _number(value: object, what: str) -> float:
    try:
        number = float(cast("Any", value))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _UnreadableError(f"{what} is no number: {str(value)[:40]!r}")
    return number


def _compare_gold(test: Test, gold: GoldSetSettings, root: Path, output: str) -> tuple[float, str]:
    """The metric of an output against a gold set, with how many answers were compared."""
    try:
        known = read_if_there(root, gold.path, MOST_BYTES)
    except Refused as refused:
        raise _UnreadableError(refused.message) from None
    if known is None:
        raise _UnreadableError(f"the gold set {gold.path!r} is missing")
    wanted = _answers(_text(known, gold.path), gold.path, gold)
    answer_by_key = _answers(output, str(test["output"]), gold)
    if not wanted:
        raise _UnreadableError(f"the gold set {gold.path!r} has no answer")
    more = f" ({len(wanted)} answers, gold set sha256 {sha256_hex(known)[:12]})"
    if test["metric"] == "accuracy":
        return sum(answer_by_key.get(key) == value for key, value in wanted.items()) / len(wanted), more
    absent = [key for key in wanted if key not in answer_by_key]
    if absent:
        raise _UnreadableError(f"{test['output']!r} has no answer for {absent[0][:60]!r}, and {len(absent) - 1} more")
    errors = [
        abs(
            _number(answer_by_key[key], f"the answer for {key[:60]!r}")
            - _number(value, f"the gold answer for {key[:60]!r}")
        )
        for key, value in wanted.items()
    ]
    return sum(errors) / len(errors), more


def _answers(text: str, name: str, gold: GoldSetSettings) -> dict[str, str]:
    """The answers in a file by their keys: CSV, a list of objects in JSON, or an object on each line."""
    try:
        if name.lower().endswith((".jsonl", ".ndjson")):
            rows: Any = [json.loads(line) for line in text.split("\n") if line.strip()]
        elif name.lower().endswith(".json"):
            rows = json.loads(text)
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
        pairs = [(str(row[gold.key]).strip(), _plain(row[gold.value])) for row in rows]
    except (ValueError, csv.Error, RecursionError) as fault:
        raise _UnreadableError(f"{name!r} cannot be read: {fault}") from None
    except (KeyError, TypeError, AttributeError, IndexError):
        raise _UnreadableError(f"{name!r} has a row without the columns {gold.key!r} and {gold.value!r}") from None
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _UnreadableError(f"{name!r} has a key twice in {gold.key!r}")
    return members


def _plain(value: object) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True)
