"""The ``command`` gate: runs a check of the project, judges its result and keeps the evidence.

    tree and HEAD before → the frozen command, supervised, where it says → tree and HEAD after
                                    │
         exit code, time, output (log, sha256, last lines), reports (tests, coverage, scanner)
                                    │
                    what the template expects → Judgement, all of the above as evidence

Rules:
1. A report counts only when this execution wrote it; an unchanged older one is noted and ignored.
2. An unreadable report does not fail the gate by itself; it is noted. An expectation that needs it is undecided.
3. The gate reports which paths changed, also those that have their bytes again; the engine decides what that means
   (design §4). In a checkout the copy is read again: a pass is a warning where files of the tree were written.
4. A check gives evidence of a level (core/evidence_levels.py). Below the level that is asked for, it does not run.
5. The evidence names the program that ran, with its sha256, and the variables that it got.
6. Its credentials are handed out when it starts, and hidden in its output and its reports.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.evidence_levels import Level, is_enough
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.gates.check import Execution, execution, program_facts, written_by
from wfe_mcp.gates.counts import Count, count_of
from wfe_mcp.gates.expectation import Expectation, Observed, proved_by_file, unmet
from wfe_mcp.gates.judgement import Judgement, failed, passed, room_note, shortened, skipped, undecided
from wfe_mcp.gates.place import NotPossibleError, Place, given_credentials, level_of_check, place_of
from wfe_mcp.gates.remedies import remedy
from wfe_mcp.gates.reports import Reports, hide_in_reports, read_reports, stamps
from wfe_mcp.gates.results import origin
from wfe_mcp.jobs import child
from wfe_mcp.jobs.handed import HandOut, not_handed
from wfe_mcp.jobs.output import plain_text, without_notices
from wfe_mcp.workspace.config.checks import FrozenCheck, Where
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.files.staging import Stamp, changed_meanwhile
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import HashedTree, SeenFiles, changed_paths

KIND = "command"
_MEND_CHECK = "ask the user to correct this check in .wfe/config.toml and to run `wfe-mcp trust`."
_ASK_REPORT = (
    "ask the user to make this check write a report (for tests, the runner's JUnit reporter) and to set its path as `junit` "
    "or `coverage` in .wfe/config.toml."
)
TAIL_BYTES = 2_000
MAX_CHANGED_PATHS = 100
MAX_NOTES = 50


def run_check(
    check: FrozenCheck | None,
    *,
    name: str,
    root: Path,
    evidence_dir: Path,
    expect: Mapping[str, object] | None = None,
    if_missing: Literal["fail", "note"] = "fail",
    environ: Mapping[str, str] | None = None,
    run: child.RunChild = child.run_child,
    skipped_before: int | None = None,
    level: Level | None = None,
    where: Where | None = None,
    exact: frozenset[str] = frozenset(),
    test_file: str = "",
    seen: SeenFiles | None = None,
    look_after: Callable[[SeenFiles], object] | None = None,
    makes: SandboxSettings | None = None,
    of: HashedTree | None = None,
    hand: HandOut = not_handed,
) -> Judgement:
    """Run the frozen check ``name`` of the project ``root`` and judge it. ``check`` None: the project has no such check.

    ``run`` is the job's ``run_child``, which records the child's process group and ends it on a cancel.
    ``skipped_before``: number of tests that the check skipped before; None: unknown.
    ``level``: the least level of evidence. ``where``: instead of the check's own, to try it there. ``exact``, ``test_file``: see ``Expectation.of``.
    ``seen``: the files just before. ``look_after``: gets the look at the files just after a check in the worktree.
    ``makes``: what makes sandboxes, in configuration now. ``of``: the tree of a commit: the check acts, in a checkout of it.
    ``hand``: gives the check its credentials when it starts.
    """
    if check is None:
        return _missing(name, if_missing, f"The project has no check {name!r}.")
    try:
        expectation = Expectation.of(expect or {}, exact, test_file)
    except ValueError as exc:
        return undecided(KIND, f"The gate on check {name!r} cannot be judged: {exc}.", "correct the template.")
    if where is not None:
        sandboxed = check.sandbox and where == "checkout"
        check = check.model_copy(update={"where": where, "sandbox": sandboxed})
    if not is_enough(level_of_check(check), level):
        return _below_level(check, level)
    root, log = root.resolve(), _log(evidence_dir, check.name)
    files = seen or SeenFiles(root)
    tree = of or files.tree(written_by(check))
    nodes = None if tree.id is None else tree.files
    try:
        with place_of(check, root, nodes, evidence_dir, environ, makes, acts=of is not None) as place:
            before = _Before(root, tree, files, is_here=check.where == "worktree" and of is None)
            return _run(check, expectation, place, before, log, if_missing, run, skipped_before, look_after, hand)
    except NotPossibleError as exc:
        return undecided(KIND, str(exc), exc.next_step, {"check": check.name, "level": level_of_check(check)})


def _below_level(check: FrozenCheck, level: Level | None) -> Judgement:
    own = level_of_check(check)
    why = f"Check {check.name!r} gives evidence of level {own}, and at least {level} is asked for."
    keys = {"checkout": '`where = "checkout"`', "sandbox": '`where = "checkout"` and `sandbox = true`'}
    step = f"ask the user to set {keys.get(level or '', 'a runner')} for this check in .wfe/config.toml and to run `wfe-mcp trust`."
    return failed(KIND, why, step, {"check": check.name, "level": own, "level_asked": level})


@dataclass(frozen=True, slots=True)
class _Before:
    """The project before the check: its root, its tree, and the look that saw it. ``is_here``: the check runs in the folder."""

    root: Path
    tree: HashedTree
    seen: SeenFiles
    is_here: bool

    def stamps(self) -> dict[str, Stamp | None]:
        """What ``lstat`` says of its files, those that a check may read though git ignores them included."""
        return self.seen.stamps({**self.tree.files, **self.tree.watched})

    def stamps_after(self, tree: HashedTree, seen: SeenFiles) -> dict[str, Stamp | None]:
        """The same of the files before and after, as a later look saw them."""
        return seen.stamps({**self.tree.files, **self.tree.watched, **tree.files, **tree.watched})


def _hidden(name: str, program: Path, root: Path) -> Judgement:
    """``program`` does not exist in the sandbox. The project is there as a checkout, elsewhere; nothing else can be brought."""
    why = f"Check {name!r} starts {str(program)!r}, which is hidden in its sandbox."
    if program.is_relative_to(root):
        relative = program.relative_to(root).as_posix()
        brought = f"ask the user to write {relative!r} in `argv`, to name its folder in `bring` where git ignores it"
        return undecided(KIND, why, f"{brought}, and to run `wfe-mcp trust`.")
    elsewhere = (
        "ask the user to install it outside the folders of wfe-mcp's own data and settings, which a sandbox hides"
    )
    return undecided(KIND, why, f"{elsewhere}, or to remove `sandbox` from the check, and to run `wfe-mcp trust`.")


def _run(
    check: FrozenCheck,
    expectation: Expectation,
    place: Place,
    project: _Before,
    log: Path,
    if_missing: Literal["fail", "note"],
    run: child.RunChild,
    skipped_before: int | None,
    look_after: Callable[[SeenFiles], object] | None,
    hand: HandOut,
) -> Judgement:
    name, root = check.name, project.root
    is_worktree = project.is_here
    report = (log if is_worktree else place.reports / log.name).with_suffix(".tests")
    plan = execution(check, place.root, report, place.env)
    if not plan.cwd.resolve().is_relative_to(place.root.resolve()):
        return undecided(KIND, f"Check {name!r} would run outside the project, in {check.cwd!r}.", _MEND_CHECK)
    if plan.tests is not None and plan.tests.is_asked:
        plan.tests.folder.mkdir(parents=True, exist_ok=True)
    head_before, old_reports = head(root), stamps(plan)
    stamped = project.stamps() if is_worktree else {}
    try:
        program = Path(child.program_path(plan.argv, plan.cwd, place.env))
        program_file = program.parent.resolve() / program.name
        if not place.sees(program_file):
            return _hidden(name, program, root)
        started = program_facts(program)
        # What is brought is hashed while the check runs.
        with given_credentials(check, hand) as given, ThreadPoolExecutor(1) as pool:
            place = replace(place, env=place.env | dict(given.variables))
            facts_of_place = pool.submit(place.data, check)
            result = run(
                place.wrap(plan.argv, plan.cwd, program_file, given.folders),
                cwd=plan.cwd,
                env=place.env | dict(plan.env),
                timeout_s=check.timeout_s,
                log_path=log,
                linger_s=plan.runner.reporter.linger_s if plan.runner and plan.runner.reporter else 0.0,
            )
    except child.ChildNotStarted as exc:
        fault = {"no_program": isinstance(exc, child.ProgramMissing), "fault": str(exc)}
        return _missing(name, if_missing, f"Check {name!r} could not start. {exc}", fault)
    if not place.has_begun() and result.exit_code is not None:
        why = f"The sandbox of check {name!r} could not be made: {result.output_tail.strip()[-500:]}"
        return undecided(KIND, why, "ask the user whether this works: `bwrap --unshare-all --ro-bind / / true`.")
    if check.credentials:
        hide_in_reports(plan, old_reports, log)
    reports = read_reports(plan, place.root, old_reports, log, is_cut=result.output_bytes > child.MAX_OUTPUT_BYTES)
    count = count_of(plan, reports.tests, result.exit_code, log)
    before, after = _Files(project.tree.id, head_before), _Files(project.tree.id, head_before)
    touched: list[str] = []
    if is_worktree:
        seen_after = SeenFiles(root)  # the one look after the check
        tree_after = seen_after.tree(plan.ignored)
        if look_after is not None:
            look_after(seen_after)
        after = _Files(tree_after.id, head(root))
        touched = changed_meanwhile(stamped, project.stamps_after(tree_after, seen_after))
    facts = _Facts(root, log, check, plan, expectation, result, count, reports, before, after, skipped_before)
    foreign = place.foreign()
    judgement = _judgement(facts) if not foreign else _written_into(_judgement(facts), foreign)
    place_facts = facts_of_place.result() | {"program": started, "room": foreign[:MAX_CHANGED_PATHS]}
    data = _data(facts, touched, place.notes) | place_facts | {"passed": judgement.kind is VerdictKind.PASS}
    return replace(judgement, data=data, evidence_kind=KIND, log_path=str(log))


@dataclass(frozen=True, slots=True)
class _Files:
    """The hash of the working tree and the commit at HEAD; None without git."""

    tree: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of one execution in the project ``root``, with its ``log``: what ran, what was expected, what was observed."""

    root: Path
    log: Path
    check: FrozenCheck
    plan: Execution
    expectation: Expectation
    result: child.ChildResult
    count: Count
    reports: Reports
    before: _Files
    after: _Files
    skipped_before: int | None = None

    def observed(self, exit_code: int) -> Observed:
        return Observed(
            exit_code,
            self.count.tests,
            self.reports.coverage_percent,
            self.result.duration_s,
            self.skipped_before,
            self.count.no_test,
            lambda: plain_text(self.log.read_bytes()),
        )


def _log(evidence_dir: Path, name: str) -> Path:
    """The log of this execution; numbered, so that no file is overwritten."""
    evidence_dir.mkdir(parents=True, exist_ok=True)
    stem = "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
    number = 1
    while (log := evidence_dir / f"{stem}-{number}.log").exists():
        number += 1
    return log.absolute()


def _missing(
    name: str, if_missing: Literal["fail", "note"], what: str, fault: Mapping[str, Any] | None = None
) -> Judgement:
    """``fault``: why its program did not start, as data."""
    data = {"check": name, "missing": True, "reason": what, **(fault or {})}
    if if_missing == "note":
        return skipped(KIND, what, data)
    return failed(KIND, what, "ask the user to add the check with `wfe-mcp init` (or to install its program).", data)


def _judgement(facts: _Facts) -> Judgement:
    result, name = facts.result, facts.check.name
    shown = f"Check {name!r} ({' '.join(facts.check.argv)})"
    if result.cancelled:
        return undecided(KIND, f"{shown} was stopped before it ended.", "submit again once the run continues.")
    if result.exit_code is None:
        why = f"{shown} reached its timeout of {facts.check.timeout_s:g} s and was ended.{_last_lines(facts)}"
        return failed(KIND, why, "find what hangs or is slow, fix it, then submit again.")
    observed = facts.observed(result.exit_code)
    faults = unmet(facts.expectation, observed)
    if not faults:
        outcome = "passed" if result.exit_code == 0 else "failed, as this gate requires"
        return passed(
            KIND, f"{shown} {outcome} (exit {result.exit_code}){_count_words(facts)}{_named_tests(facts, observed)}."
        )
    reasons = "; ".join(fault.reason for fault in faults)
    no_test = facts.count.no_test
    note = f"; {no_test}" if no_test and no_test not in reasons else ""
    why = f"{shown} failed the gate: {reasons}{note}{_count_words(facts)}.{_last_lines(facts)}"
    if all(fault.is_unknowable for fault in faults):
        return undecided(KIND, why, _ASK_REPORT)
    return failed(KIND, why, _repair(facts) or _next_step(facts.expectation))


def _written_into(found: Judgement, changed: list[str]) -> Judgement:
    """A pass becomes a warning: whether the check wrote there itself or another process did is unknown."""
    if found.kind is not VerdictKind.PASS:
        return found
    return replace(found, outcome=GateOutcome.WARNING, message=f"{found.message} {room_note(changed)}")


def _repair(facts: _Facts) -> str:
    """What to install, where the check failed because it is missing; empty where tests ran or nothing is missing."""
    tests, plan = facts.count.tests, facts.plan
    if facts.result.exit_code == 0 or (tests is not None and tests.ran):
        return ""
    if missing := remedy(facts.check.argv, plan.cwd, facts.root, _tail(facts)):
        return f"{missing} (ask the user where that is not yours to do), then submit again."
    script = facts.count.failed_script
    return f"fix what {script} reports: the tests run only after it. Then submit again." if script else ""


def _next_step(expectation: Expectation) -> str:
    if expectation.exit_code == "nonzero" or expectation.failing_tests or expectation.fails:
        return "make the tests show the bug (name each by the id the runner prints), then submit again."
    return "fix the code until the check passes, then submit again."


def _count_words(facts: _Facts) -> str:
    tests = facts.count.tests
    if tests is None:
        return f" after {facts.result.duration_s:.1f} s"
    counts = (("passed", tests.passed), ("failed", tests.failed), ("errors", tests.errors), ("skipped", tests.skipped))
    listed = ", ".join(f"{number} {word}" for word, number in counts if number) or "no tests"
    named = [f"{test.id} ({test.message})" if test.message else test.id for test in tests.failing]
    source = f", counted from {origin(tests.as_data())}" if tests.counted_from == "printed" else ""
    failing = f"; failing: {shortened(named, 5)}" if named else ""
    return f", {listed} in {facts.result.duration_s:.1f} s{source}{failing}"


def _named_tests(facts: _Facts, observed: Observed) -> str:
    """The tests that the gate names; a summary alone does not say that they ran."""
    if by_file := proved_by_file(facts.expectation, observed):
        how = "failed" if facts.expectation.fails else "passed"
        return (
            f"; {how}, proved by the file alone, since the runner does not name the test: {shortened(list(by_file), 5)}"
        )
    fails, passes = facts.expectation.fails, facts.expectation.passes
    parts = (("failed", fails), ("passed", passes))
    return "".join(f"; {word} as named: {shortened(list(names), 5)}" for word, names in parts if names)


def _tail(facts: _Facts, shown: Callable[[str], str] = str) -> str:
    """The last lines that the check printed."""
    readable = facts.plan.runner.readable if facts.plan.runner else str
    return shown(readable(facts.result.output_tail)).strip().encode()[-TAIL_BYTES:].decode(errors="ignore")


def _last_lines(facts: _Facts) -> str:
    tail = _tail(facts, without_notices)
    return f"\nLast lines of its output:\n{tail}" if tail else "\nIt printed no output."


def _nothing_to_compare(facts: _Facts) -> list[str]:
    if not facts.expectation.no_new_skips or facts.skipped_before is not None:
        return []
    return ["this check has no earlier result, so its skipped tests have nothing to be compared with"]


def _data(facts: _Facts, touched: list[str], notes: list[str]) -> dict[str, Any]:
    result, before, after = facts.result, facts.before, facts.after
    changed = touched
    if before.tree and after.tree and before.tree != after.tree:
        changed = sorted({*touched, *changed_paths(facts.root, before.tree, after.tree)})
    return {
        "check": facts.check.name,
        "argv": list(facts.check.argv),
        "argv_run": list(facts.plan.argv),
        "expect": facts.expectation.as_data(),
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "cancelled": result.cancelled,
        "duration_s": result.duration_s,
        "output": {"sha256": result.output_sha256, "bytes": result.output_bytes, "tail": _tail(facts)},
        "tests": facts.count.tests.as_data() if facts.count.tests else None,
        "no_test": facts.count.no_test,
        "coverage_percent": facts.reports.coverage_percent,
        "security": facts.reports.security,
        "reports_sha256": facts.reports.sha256,
        "kept": facts.reports.kept,
        "skipped_before": facts.skipped_before,
        "notes": [*facts.reports.notes, *_nothing_to_compare(facts), *notes[:MAX_NOTES]],
        "tree": {"before": before.tree, "after": after.tree, "changed": changed[:MAX_CHANGED_PATHS]},
        "head": {"before": before.head, "after": after.head},
        "survivors": list(result.survivors),
    }
