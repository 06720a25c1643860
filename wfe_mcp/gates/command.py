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
7. On a full or read-only disk it is undecided, also where the check failed (``no_room`` in the evidence; ``began``: it ran, and may have
   filled the disk itself).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.evidence_levels import Level, is_enough
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.check import written_by
from wfe_mcp.gates.counts import count_of
from wfe_mcp.gates.execute import execute
from wfe_mcp.gates.executed import KIND, Facts, Files, data_of, judgement_of, written_into
from wfe_mcp.gates.expectation import Expectation
from wfe_mcp.gates.judgement import Judgement, failed, needs_credential, skipped, undecided
from wfe_mcp.gates.place import CheckPlace, NoRoomError, NotPossibleError, level_of_check, place_of
from wfe_mcp.gates.reports import read_reports
from wfe_mcp.jobs import child
from wfe_mcp.jobs.handed import HandOut, not_handed
from wfe_mcp.workspace.config.checks import FrozenCheck, Where
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.files.disk import full_folder, is_closed, is_full
from wfe_mcp.workspace.files.staging import Stamp, changed_meanwhile
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import HashedTree, SeenFiles


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
        return missing(name, if_missing, f"The project has no check {name!r}.")
    try:
        expectation = Expectation.of(expect or {}, exact, test_file)
    except ValueError as exc:
        return undecided(KIND, f"The gate on check {name!r} cannot be judged: {exc}.", "correct the template.")
    if where is not None:
        sandboxed = check.sandbox and where == "checkout"
        check = check.model_copy(update={"where": where, "sandbox": sandboxed})
    if not is_enough(level_of_check(check), level):
        return _below_level(check, level)
    root = root.resolve()
    files = seen or SeenFiles(root)
    tree = of or files.tree(written_by(check))
    nodes = None if tree.id is None else tree.files
    try:
        log = log_file(evidence_dir, check.name)
        with place_of(check, root, nodes, evidence_dir, environ, makes, acts=of is not None) as place:
            before = _Before(root, tree, files, is_here=check.where == "worktree" and of is None)
            return _run(check, expectation, place, before, log, if_missing, run, skipped_before, look_after, hand)
    except NotPossibleError as exc:
        return _not_run(check, exc)
    except OSError as exc:
        if not is_closed(exc):
            raise
        return _not_run(check, NoRoomError(f"Check {check.name!r} could not be judged: {exc}.", began=is_full(exc)))


def _not_run(check: FrozenCheck, why: NotPossibleError) -> Judgement:
    data: dict[str, Any] = {"check": check.name, "level": level_of_check(check)}
    if why.lacks:
        return needs_credential(KIND, str(why), why.next_step, data | {"credentials": [*why.lacks]})
    if isinstance(why, NoRoomError):
        data |= {"no_room": True, "began": why.began}
    return undecided(KIND, str(why), why.next_step, data)


def _below_level(check: FrozenCheck, level: Level | None) -> Judgement:
    own = level_of_check(check)
    why = f"Check {check.name!r} gives evidence of level {own}, and at least {level} is asked for."
    keys = {"checkout": '`where = "checkout"`', "sandbox": '`where = "checkout"` and `sandbox = true`'}
    keys["runner"] = '`where = "runner"`'
    step = f"ask the user to set {keys.get(level or '', keys['runner'])} for this check in .wfe/config.toml and to run `wfe-mcp trust`."
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

    def stamps_after(self, tree: HashedTree, files: SeenFiles) -> dict[str, Stamp | None]:
        """The same of the files before and after, as a later look saw them."""
        return files.stamps({**self.tree.files, **self.tree.watched, **tree.files, **tree.watched})


def _run(
    check: FrozenCheck,
    expectation: Expectation,
    place: CheckPlace,
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
    written = log.parent, Path(place.env.get("TMPDIR") or gettempdir())
    if full := full_folder(*written):
        raise NoRoomError(f"Check {name!r} did not run: the disk of {full} is full.")
    head_before = head(root)
    stamped = project.stamps() if is_worktree else {}
    try:
        done = execute(check, place, root, report, log, run, hand)
    except child.ChildNotStarted as exc:
        fault = {"no_program": isinstance(exc, child.ProgramMissing), "fault": str(exc)}
        return missing(name, if_missing, f"Check {name!r} could not start. {exc}", fault)
    plan, result = done.plan, done.result
    reports = read_reports(plan, place.root, done.old_reports, log, is_cut=result.output_bytes > child.MAX_OUTPUT_BYTES)
    count = count_of(plan, reports.tests, result.exit_code, log)
    before, after = Files(project.tree.id, head_before), Files(project.tree.id, head_before)
    touched: list[str] = []
    if is_worktree:
        seen_after = SeenFiles(root)  # the one look after the check
        tree_after = seen_after.tree(plan.ignored)
        if look_after is not None:
            look_after(seen_after)
        after = Files(tree_after.id, head(root))
        touched = changed_meanwhile(stamped, project.stamps_after(tree_after, seen_after))
    facts = Facts(root, log, check, plan, expectation, result, count, reports, before, after, skipped_before)
    judgement = judgement_of(facts) if not done.foreign else written_into(judgement_of(facts), done.foreign)
    if judgement.kind is VerdictKind.FAIL and (full := full_folder(*written)):
        why = f"The disk of {full} was full when check {name!r} failed, which may be why."
        raise NoRoomError(f"{why} {judgement.reason}", began=True)
    data = data_of(facts, touched, place.notes) | done.facts | {"passed": judgement.kind is VerdictKind.PASS}
    return replace(judgement, data=data, evidence_kind=KIND, log_path=str(log))


def log_file(evidence_dir: Path, name: str) -> Path:
    """The log of this execution; numbered, so that no file is overwritten."""
    evidence_dir.mkdir(parents=True, exist_ok=True)
    stem = "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
    number = 1
    while (log := evidence_dir / f"{stem}-{number}.log").exists():
        number += 1
    return log.absolute()


def missing(
    name: str,
    if_missing: Literal["fail", "note"],
    what: str,
    fault: Mapping[str, Any] | None = None,
    step: str = "ask the user to add the check with `wfe-mcp init` (or to install its program).",
) -> Judgement:
    """The judgement of a check that is not there, or whose program is not. ``fault``: why its program did not start, as data."""
    data = {"check": name, "missing": True, "reason": what, **(fault or {})}
    if if_missing == "note":
        return skipped(KIND, what, data)
    return failed(KIND, what, step, data)
