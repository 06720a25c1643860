"""Trials: each found check runs once, by the same path as at a gate, before ``init`` stores it.

    passed     exit 0; a test check ran at least one test
    red        it works, and reports problems now: failing tests, findings of a linter
    the rest   it does not work here, and is not stored

    it fails ──► once more with the user's whole environment ──► passes: the variables that it needs are proposed
    a test check that works ──► once more, in a checkout ──► the same counts: `where = "checkout"`, else the worktree

Rules:
1. A trial runs code of the project: the caller has shown the commands, and the user has agreed.
2. A test check works when tests ran, whatever their result; without any test it proves nothing.
3. Logs go to a temporary folder; what the check itself writes stays, reports below ``.wfe`` where git ignores them.
4. A checkout brings what tests need and git ignores, or should (``_BRING``). Without counts nothing shows that the same tests ran.
5. A check that fails runs once more with all variables of the user's shell. Where it passes then, the names that it
   needs are found and proposed (``shell_environment``); a check that is configured already is never changed.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import duration, plural
from wfe_mcp.engine.checks.outcomes import WORKS, Outcome
from wfe_mcp.engine.checks.shell_environment import needed_names, shell_names
from wfe_mcp.gates.brought import ENVIRONMENT_MARK, is_environment
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.remedies import failed_before_tests, remedy
from wfe_mcp.jobs.output import plain_text, without_notices
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.git.names import untracked_files
from wfe_mcp.workspace.git.working_tree import HashedTree, hashed_tree
from wfe_mcp.workspace.system.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wfe_mcp.workspace.config.checks import CheckSettings, Where
    from wfe_mcp.workspace.discovery.found_checks import FoundCheck

CHECK_LIMIT_S = 120.0
ALL_LIMIT_S = 300.0

_LAST_LINES = 5

_BRING = (".venv", "venv", "node_modules", "vendor", "deps")
"""Folders of environments and installed packages, looked for in the project and in the folder of the check."""

_ABSENT = re.compile(
    r"No module named \S+|no such (?:sub)?command\b.*|.*\bis not installed\b.*|.*: (?:command )?not found$|.*Cannot find module.*"
    r"|.*could not determine executable.*|.*Missing script.*|.*not recognized as an internal or external command.*"
    r"|Could not find (?:command|gem)\b.*|bundler: command not found.*|.*canceled due to missing packages.*"
    r"|make(?:\[\d+\])?: \S+: No such file or directory|.*\b(?:Error|exit code|exit status) 127\b.*",
    re.MULTILINE | re.IGNORECASE,
)
"""A line by which a runner reports that the tool itself is missing."""

_CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;", re.MULTILINE)
_SOME_TESTS = re.compile(r"^(?:ok|FAIL)\s+\S+\s+(?:[\d.]+s|\(cached\))", re.MULTILINE)
_NO_TESTS = re.compile(
    r"\[no test files\]|No tests were found|no tests? (?:files? )?(?:were )?found|No tests to run|no tests ran"
    r"|0 examples, 0 failures|No tests executed|No test is available",
    re.IGNORECASE,
)
_ERROR = re.compile(r"(?:\S+: )?\w*error(?:\[\w+\]| \w+)?: \S.*", re.IGNORECASE)
"""By which a program says what was wrong: ``pytest: error: unrecognized arguments: …``, ``SyntaxError: …``, ``error[E0425]: …``."""
_LINE_CHARS = 200
"""So much of a line is looked at: some are as long as the log."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How one check ran. ``message``: one line for the user; ``tail``: the last lines of its output, if it failed.

    ``tests``: how many ran. ``changed``: files that it changed and that git does not ignore: a gate would not accept it.
    ``place``: where a test check will run, and why there, in one line. ``check`` says the same in its settings.
    ``needs``: the variables of the user's shell without which it does not work, by name; the settings of a new check pass them.
    ``repair``: what makes it work here, as far as that can be seen: "install go", "run `npm ci`".
    """

    check: FoundCheck
    outcome: Outcome
    message: str
    duration_s: float = 0.0
    tests: int | None = None
    tail: str = ""
    changed: tuple[str, ...] = ()
    place: str = ""
    needs: tuple[str, ...] = ()
    repair: str = ""

    @property
    def works(self) -> bool:
        """Whether the check may be stored."""
        return self.outcome in WORKS

    @property
    def failing(self) -> bool:
        """Whether it is a test check of which tests fail."""
        return self.outcome == "red" and self.check.kind == "test"


def not_tried(checks: Iterable[FoundCheck]) -> list[Trial]:
    """``checks`` without a trial."""
    return [Trial(check, "not_tried", "") for check in checks]


def try_checks(
    root: Path,
    checks: Iterable[FoundCheck],
    environ: Mapping[str, str] | None = None,
    *,
    limit_s: float = CHECK_LIMIT_S,
    all_s: float = ALL_LIMIT_S,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Trial]:
    """Run each of ``checks`` once, at most ``limit_s`` seconds each and ``all_s`` in all. Yields as they end.

    A test check that works runs once more, in a checkout, within the same limits.
    """
    end = clock() + all_s
    for check in checks:
        if check.settings.sarif:
            write_gitignore(root)  # a scanner does not make the folder of its report
        left_s = end - clock()
        if left_s <= 0:
            yield Trial(check, "timed_out", f"not run: the trials of all checks reached {duration(all_s)}")
            continue
        trial, counts = _try_where(root, check, environ, min(limit_s, left_s), "worktree")
        if trial.duration_s and (not trial.works or trial.failing):
            trial, counts = _with_shell(root, trial, counts, environ, lambda: min(limit_s, end - clock()))
        if check.kind == "test" and trial.works:
            left_s = end - clock()
            trial = _with_place(root, trial, counts, environ, min(limit_s, left_s))
        yield trial


def unignored_environments(root: Path, checks: Iterable[FoundCheck]) -> list[str]:
    """The virtual environments at the top and of ``checks`` that are part of the tree since git does not ignore them, as lines for
    .gitignore.
    """
    marks = [f"{path}/{ENVIRONMENT_MARK}" for path in _folders_to_bring(root, (check.settings for check in checks))]
    marks += [path.relative_to(root).as_posix() for path in root.glob(f"*/{ENVIRONMENT_MARK}")]
    return [mark.removesuffix(ENVIRONMENT_MARK) for mark in untracked_files(root, list(dict.fromkeys(marks)))]


_Counts = tuple[int, int, int, int]
"""The exit code, and how many tests passed, failed and were skipped."""


def _try_where(
    root: Path, check: FoundCheck, environ: Mapping[str, str] | None, limit_s: float, where: Where
) -> tuple[Trial, _Counts | None]:
    """How ``check`` runs ``where``, and its counts; None where its tests are not counted."""
    frozen = check.settings.frozen(check.name).model_copy(update={"timeout_s": limit_s})
    with temporary_folder("trial") as folder:
        judged = run_check(frozen, name=check.name, root=root, evidence_dir=folder, environ=environ, where=where)
        output = "" if judged.log_path is None else plain_text(Path(judged.log_path).read_bytes())
    facts = judged.data
    if facts.get(
        "no_room"
    ):  # it says nothing of the check: the worktree, chosen because of it, would weaken the gates for good
        raise Refused("unavailable", judged.message, "Try again when there is room.")
    if facts.get("missing") or "exit_code" not in facts:
        why = _not_started(check, facts, judged.message)
        repair = remedy(check.settings.argv, check.settings.cwd, root, "") if where == "worktree" else ""
        step = _step(repair) or (f"install {check.settings.argv[0]}" if facts.get("no_program") else "")
        return Trial(check, "not_found", "; ".join(filter(None, (why, repair))), repair=step), None
    seconds = float(facts["duration_s"])
    outcome, message, tests = _outcome(check, facts, output, limit_s)
    lines = [line for line in without_notices(output).splitlines() if line.strip()]
    errors = filter(None, (_ERROR.search(line[:_LINE_CHARS]) for line in lines))
    if outcome in {"failed", "no_tests"} and (error := next(errors, None)):
        message = f"{message}: {error[0]}"
    repair = ""
    if outcome not in WORKS:
        # What only a checkout lacks is there already: to install it would repair nothing.
        repair = _repair(root, check, output) if where == "worktree" else ""
        message = "; ".join(filter(None, (message, repair)))
    tail = "" if outcome in WORKS else "\n".join(lines[-_LAST_LINES:])
    trial = Trial(check, outcome, message, seconds, tests, tail, tuple(facts["tree"]["changed"]), repair=_step(repair))
    results: Mapping[str, Any] | None = facts.get("tests")
    counted = _test_counts(results, output) if outcome in WORKS else None
    if counted is None:
        return trial, None
    ran, failed = counted
    return trial, (facts["exit_code"], ran - failed, failed, results["skipped"] if results else 0)


def _repair(root: Path, check: FoundCheck, output: str) -> str:
    """What is missing, with the command that installs it, or the script that failed before the tests; empty where neither is seen."""
    settings = check.settings
    if missing := remedy(settings.argv, settings.cwd, root, output):
        return missing
    here = root / (settings.cwd or ".")
    script = failed_before_tests(settings.argv, here, output) if check.kind == "test" else ""
    return f"{script} failed before the tests" if script else ""


def _step(repair: str) -> str:
    """The part of a repair that a person does."""
    command = re.search(r"run `[^`]+`$", repair)
    return command[0] if command else ""


def _with_shell(
    root: Path, trial: Trial, counts: _Counts | None, environ: Mapping[str, str] | None, left_s: Callable[[], float]
) -> tuple[Trial, _Counts | None]:
    """``trial``, or where its check passes with more variables of the user's shell, the trial with those that it needs."""
    check, source = trial.check, os.environ if environ is None else environ
    settings = check.settings
    names = shell_names(source, settings.env)
    best: list[tuple[Trial, _Counts | None]] = []

    def with_variables(more: Iterable[str]) -> FoundCheck:
        return replace(check, settings=settings.model_copy(update={"env": [*settings.env, *more]}))

    def works(more: Sequence[str]) -> bool:
        room_s = left_s()
        if room_s <= 0:
            raise TimeoutError
        again = _try_where(root, with_variables(more), environ, room_s, "worktree")
        if again[0].outcome == "passed":
            best[:] = [again]
        return again[0].outcome == "passed"

    try:
        if trial.outcome == "timed_out" or not names or not works(names):
            return trial, counts
        if works(()):  # the run with all of them fetched or built what the check needs
            best_trial, its_counts = best[0]
            message = f"{best_trial.message}, after a first run with all variables of your shell"
            return replace(best_trial, message=message), its_counts
        needs = needed_names(names, works)
    except TimeoutError:
        why = "; it passes with all variables of your shell, and there was no time to find which of them it needs"
        return (replace(trial, message=trial.message + why) if best else trial), counts
    listed = ", ".join(needs)
    if check.is_configured:
        line = f"env = {json.dumps([*settings.env, *needs])}"
        why = f"it passes with {listed} of your shell: set {line} in [checks.{check.name}], then run wfe-mcp trust"
        return replace(trial, message=f"{trial.message}; {why}", needs=tuple(needs)), counts
    best_trial, its_counts = best[0]
    message = f"{best_trial.message}, with {listed}"
    return replace(best_trial, check=with_variables(needs), message=message, needs=tuple(needs)), its_counts


def _with_place(
    root: Path, trial: Trial, counts: _Counts | None, environ: Mapping[str, str] | None, limit_s: float
) -> Trial:
    """``trial`` with the place where its check will run: a checkout where the same tests pass and fail there."""
    tree = hashed_tree(root)
    if why := _no_checkout(tree, counts, limit_s):
        return replace(trial, place=f"the worktree: {why}")
    bring = _to_bring(root, trial.check.settings, tree)
    update = {"where": "checkout"} | ({"bring": bring} if bring else {})
    moved = replace(trial.check, settings=trial.check.settings.model_copy(update=update))
    again, counts_there = _try_where(root, moved, environ, limit_s, "checkout")
    if counts_there == counts:
        brought = f" that brings {', '.join(bring)}" if bring else ""
        return replace(trial, check=moved, place=f"a checkout{brought}: the same {_summary(counts)}")
    if counts_there is None:
        return replace(trial, place=f"the worktree: in a checkout, {again.message}")
    return replace(trial, place=f"the worktree: in a checkout {_summary(counts_there)}, here {_summary(counts)}")


def _no_checkout(tree: HashedTree, counts: _Counts | None, limit_s: float) -> str:
    """Why a checkout is not tried; empty where it can be."""
    if tree.id is None:
        return "a checkout needs git and a repository"
    if counts is None:
        return "its tests are not counted, so a checkout cannot be compared"
    return "" if limit_s > 0 else "the trials of all checks reached their limit before a checkout was tried"


def _to_bring(root: Path, settings: CheckSettings, tree: HashedTree) -> list[str]:
    """The folders of packages that no file of the tree is in, and all environments: git may ignore them later."""
    return [
        path
        for path in _folders_to_bring(root, [settings])
        if is_environment(root / path) or not any(file.startswith(f"{path}/") for file in tree.files)
    ]


def _folders_to_bring(root: Path, checks: Iterable[CheckSettings]) -> list[str]:
    """The folders of environments and packages that are in the project or in the folder of a check."""
    folders = dict.fromkeys(("", *(f"{check.cwd}/" for check in checks if check.cwd)))
    named = [f"{folder}{name}" for folder in folders for name in _BRING]
    return [path for path in named if (root / path).is_dir()]


def _summary(counts: _Counts | None) -> str:
    code, passed, failed, skipped = counts or (0, 0, 0, 0)
    parts = [f"{passed} passed"] + [f"{failed} failed"] * bool(failed) + [f"{skipped} skipped"] * bool(skipped)
    return ", ".join(parts) + (f" (exit code {code})" if code else "")


def _not_started(check: FoundCheck, facts: Mapping[str, Any], message: str) -> str:
    """Why the program did not start, without paths of this machine where it is just missing."""
    if facts.get("no_program"):
        return f"{check.settings.argv[0]} is not installed"
    return str(facts.get("fault") or facts.get("reason") or message)


def _outcome(
    check: FoundCheck, facts: Mapping[str, Any], output: str, limit_s: float
) -> tuple[Outcome, str, int | None]:
    """What the run shows, in one line, and how many tests ran."""
    code, took = facts["exit_code"], duration(facts["duration_s"])
    if code is None:
        return "timed_out", f"ended after {duration(limit_s)}, the limit of a trial", None
    absent = _ABSENT.search(output) if code else None
    if check.kind == "test":
        return _of_tests(code, took, _test_counts(facts.get("tests"), output), output, absent)
    if code == 0:
        return "passed", took, None
    if absent or code in {126, 127}:
        return "not_found", absent[0].strip() if absent else f"exit code {code}: its program is missing", None
    if code in check.findings:
        return "red", f"reports problems now (exit code {code}), {took}", None
    return "failed", f"exit code {code}", None


def _of_tests(
    code: int, took: str, counted: tuple[int, int] | None, output: str, absent: re.Match[str] | None
) -> tuple[Outcome, str, int | None]:
    ran, failed = counted or (0, 0)
    if failed:
        return "red", f"{failed} of {plural(ran, 'test')} {'fails' if failed == 1 else 'fail'} now, {took}", ran
    if ran and code == 0:
        return "passed", f"{plural(ran, 'test')} in {took}", ran
    if absent:
        return "not_found", absent[0].strip(), None
    if code == 0 and counted is None and (_SOME_TESTS.search(output) or not _NO_TESTS.search(output)):
        return "passed", f"{took}, tests not counted", None
    if code == 0 or _NO_TESTS.search(output):
        return "no_tests", "no tests found", 0
    if _SOME_TESTS.search(output):
        return "red", f"tests fail now (exit code {code}, not counted), {took}", None
    if counted is None:
        return "failed", f"exit code {code}, and its output names no count of tests", None
    return "failed", f"exit code {code}" + ("" if ran else ": no test ran"), ran


def _test_counts(tests: Mapping[str, Any] | None, output: str) -> tuple[int, int] | None:
    """How many tests ran and failed; None where the output cannot be counted.

    Skipped tests did not run, and neither did what a runner reports in place of tests that it could not load.
    """
    cargo = [(int(match[1]), int(match[2])) for match in _CARGO.finditer(output)]
    if cargo:  # one summary for the library, one per file of tests, one for the examples in the documentation
        passed, failed = (sum(column) for column in zip(*cargo, strict=True))
        return passed + failed, failed
    if tests is None:
        return None
    failed = tests["failed"] + sum(1 for test in tests["failing"] if test["kind"] == "error" and not _is_unloaded(test))
    return tests["passed"] + failed, failed


def _is_unloaded(test: Mapping[str, str]) -> bool:
    # The same two signs as ``FailedTest.is_unloaded``, on the evidence's JSON.
    return "unittest.loader._FailedTest" in test["id"] or test["message"].startswith("collection failure")
