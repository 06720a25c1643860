"""Runs the check of a task on a runner: the tree out of git's store into a clean room, the command, its output and its reports.

    mirror (objects checked) ──► the files of exactly the tree ──► sandbox, or a checkout where there is none ──► statement

Rules:
1. Git checks nothing out: no hook, filter, attribute or submodule takes part (``workspace/git/trees.py``).
2. The check gets variables of the runner's own environment by name, and the credentials that were handed with the task.
3. ``[sandbox]`` of the user who runs the runner says what makes the clean room, bubblewrap or a container. What it names is never
   replaced by less; the network is for the check to have, which the server sends.
4. Nothing is judged here.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.execute import CheckExecution, execute
from wfe_mcp.gates.place import NoRoomError, NotPossibleError, place_of
from wfe_mcp.gates.reports import report_files
from wfe_mcp.gates.runner_protocol import MAX_REPORTS, MAX_REPORTS_BYTES, Statement, Task, Written
from wfe_mcp.jobs import child
from wfe_mcp.jobs.container import sandbox_maker
from wfe_mcp.jobs.handed import HandedVariables, hand_variables
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.files.disk import full_folder
from wfe_mcp.workspace.files.paths import path_fault
from wfe_mcp.workspace.git.batch import entries_below
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.objects import Node, Trees
from wfe_mcp.workspace.system.redaction import hide

REPORT = "check.tests"
"""The name, without a suffix, of the report that a test runner is asked for, on the runner and at the server."""

_NEVER = {"", ".", "..", ".git"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a task, before it is signed."""

    statement: Statement
    log: bytes = b""
    reports: tuple[Written, ...] = ()


def carry_out(
    task: Task,
    mirror: Path,
    folder: Path,
    key: str,
    run: child.RunChild,
    environ: Mapping[str, str] | None = None,
    makes: SandboxSettings | None = None,
) -> Ran:
    """Run the check of ``task``; its commit is in ``mirror``. ``folder``: for the log. ``key``: public half, for the statement."""
    log = folder / "check.log"
    facts: dict[str, Any] = task.names() | {"key": key, "argv": task.check.argv}
    for value in (*task.variables.values(), *task.files.values()):
        hide(value)
    try:
        files = _files_of(mirror, task)
        makes = makes or SandboxSettings()
        maker = sandbox_maker(makes)
        fault = maker if isinstance(maker, str) else None
        _refuse_less(task.check, makes, fault)
        check = task.check.model_copy(update={"where": "checkout", "sandbox": fault is None, "bring": ()})

        def hand(_: FrozenCheck) -> AbstractContextManager[HandedVariables]:
            return hand_variables(task.variables, task.files)

        with place_of(check, mirror, files, folder, environ, makes, stored=True) as place:
            if full := full_folder(folder, place.reports):
                raise NoRoomError(f"Check {check.name!r} did not run: the disk of {full} on {task.runner} is full.")
            done = execute(check, place, mirror, place.reports / REPORT, log, run, hand)
            reports = _reports(done, place.root, place.reports)
            facts |= _facts(done, place.root, fault) | {"notes": tuple(place.notes[:50])}
            if done.result.exit_code != 0 and (full := full_folder(folder, place.reports)):
                facts["place"] |= {"full": str(full)}
    except child.ChildNotStarted as exc:
        facts |= {"fault": str(exc)[:4_000], "no_program": isinstance(exc, child.ProgramMissing)}
        return Ran(Statement(**facts, log_sha256=sha256_hex(b"")))
    except NotPossibleError as exc:
        if isinstance(exc, NoRoomError):
            facts |= {"place": {"no_room": True, "began": exc.began}}
        facts |= {"fault": str(exc)[:4_000], "next_step": exc.next_step[:4_000]}
        return Ran(Statement(**facts, log_sha256=sha256_hex(b"")))
    content = log.read_bytes()
    hashes = {report.path: sha256_hex(report.content) for report in reports}
    return Ran(Statement(**facts, log_sha256=sha256_hex(content), reports=hashes), content, reports)


def _refuse_less(check: FrozenCheck, makes: SandboxSettings, fault: str | None) -> None:
    if fault is not None and (check.sandbox or makes.is_own):
        who = f"Check {check.name!r} runs" if check.sandbox else "This runner runs checks"
        why = f"{who} in a sandbox only, and this runner makes none. {fault}"
        raise NotPossibleError(why, "ask the user to do so on the runner.")


def _files_of(mirror: Path, task: Task) -> dict[str, Node]:
    """The files of the task's tree. Refuses a commit with another one, and paths that git never makes."""
    files = entries_below(mirror, task.commit)
    tree = Trees(require_repository(mirror).hash_name).tree_of(files)[0]
    if tree != task.tree:
        raise NotPossibleError(f"The server named tree {task.tree[:12]}, and its commit has {tree[:12]}.", "try again.")
    if bad := next((path for path in files if _NEVER & {*path.lower().split("/")}), ""):
        raise NotPossibleError(f"The tree has the path {bad!r}, which no checkout may have.", "remove it.")
    return files


def _facts(done: CheckExecution, root: Path, fault: str | None) -> dict[str, Any]:
    result = done.result
    place = done.facts | {"where": done.facts["level"]} | ({"unsandboxed": fault} if fault is not None else {})
    return {
        "argv_run": done.plan.argv,
        "root": str(root),
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "duration_s": result.duration_s,
        "output_bytes": result.output_bytes,
        "changed": tuple(done.foreign[:100]),
        "survivors": len(result.survivors),
        "place": place,
    }


def _reports(done: CheckExecution, root: Path, asked: Path) -> tuple[Written, ...]:
    """What the check wrote, as far as it is a report; the rest of too many or too large ones is left out."""
    reports: list[Written] = []
    left = MAX_REPORTS_BYTES
    for path in report_files(done.plan, done.old_reports):
        below = next(
            ((kind, base) for kind, base in (("files", root), ("reports", asked)) if path.is_relative_to(base)), None
        )
        size = path.lstat().st_size
        # ``resolve``: a folder of it may be a link that the check made.
        if (
            below is None
            or path_fault(path.relative_to(below[1]).as_posix())
            or size > left
            or len(reports) == MAX_REPORTS
            or path.resolve() != below[1].resolve() / path.relative_to(below[1])
        ):
            continue
        left -= size
        reports.append(
            Written.model_construct(
                path=f"{below[0]}/{path.relative_to(below[1]).as_posix()}", content=path.read_bytes()
            )
        )
    return tuple(reports)
