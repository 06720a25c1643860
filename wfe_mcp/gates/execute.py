"""Starts the command of a check in its place and waits for its end: here, and on a runner.

Nothing is judged: what it printed and wrote is read by ``reports.py`` and ``executed.py``.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.check import Execution, execution, program_facts
from wfe_mcp.gates.executed import MAX_CHANGED_PATHS
from wfe_mcp.gates.place import CheckPlace, NoRoomError, NotPossibleError, given_credentials
from wfe_mcp.gates.reports import Stamps, hide_in_reports, stamps
from wfe_mcp.jobs import child
from wfe_mcp.jobs.handed import HandOut
from wfe_mcp.workspace.config.checks import FrozenCheck


@dataclass(frozen=True, slots=True)
class CheckExecution:
    """One execution. ``old_reports``: the reports from before it. ``foreign``: files of the place that it may not write, and did.

    ``facts``: of the place and the program, for the evidence.
    """

    plan: Execution
    result: child.ChildResult
    old_reports: Stamps
    foreign: list[str]
    facts: dict[str, Any]


def execute(
    check: FrozenCheck, place: CheckPlace, root: Path, report: Path, log: Path, run: child.RunChild, hand: HandOut
) -> CheckExecution:
    """Run ``check`` in ``place``. ``root``: of the project; ``report``: where its runner may write one, without a suffix.

    Raises ChildNotStarted, and NotPossibleError where the place does not allow it.
    """
    name = check.name
    plan = execution(check, place.root, report, place.env)
    if not plan.cwd.resolve().is_relative_to(place.root.resolve()):
        raise NotPossibleError(f"Check {name!r} would run outside the project, in {check.cwd!r}.")
    if plan.tests is not None and plan.tests.is_asked:
        plan.tests.folder.mkdir(parents=True, exist_ok=True)
    old_reports = stamps(plan)
    image = place.maker.image
    try:
        program = Path(plan.argv[0] if image else child.program_path(plan.argv, plan.cwd, place.env))
    except child.ProgramMissing as missing:
        raise _not_brought(check, plan, place, root) or missing from None
    program_file = program if image else program.parent.resolve() / program.name
    if not place.sees(program_file):
        raise _hidden(name, program, root)
    # The image has the program, and all that it loads.
    started = {"path": f"{program} in {image}", "sha256": place.maker.id} if image else program_facts(program)
    # What is brought is hashed while the check runs.
    with given_credentials(check, hand) as variables, ThreadPoolExecutor(1) as pool:
        place = replace(place, env=place.env | dict(variables.variables))
        facts_of_place = pool.submit(place.data, check)
        argv, env = place.wrap(plan.argv, plan.cwd, program_file, variables.folders, place.env | dict(plan.env))
        try:
            result = run(
                argv,
                cwd=plan.cwd,
                env=env,
                timeout_s=check.timeout_s,
                log_path=log,
                linger_s=plan.runner.reporter.linger_s if plan.runner and plan.runner.reporter else 0.0,
            )
        finally:
            place.maker.end(place.root.parent.name)  # a container goes on without the program that started it
    if result.log_fault:
        log.unlink()
        raise NoRoomError(f"The log of check {name!r}, {log}, could not be written: {result.log_fault}.", began=True)
    if not place.has_begun() and result.exit_code is not None:
        why = f"The sandbox of check {name!r} could not be made: {result.output_tail.strip()[-500:]}"
        raise NotPossibleError(why, f"ask the user whether this works: `{place.maker.trial}`.")
    if check.credentials:
        hide_in_reports(plan, old_reports, log)
    foreign = place.foreign()
    facts = facts_of_place.result() | {"program": started, "room": foreign[:MAX_CHANGED_PATHS]}
    return CheckExecution(plan, result, old_reports, foreign, facts)


def _not_brought(check: FrozenCheck, plan: Execution, place: CheckPlace, root: Path) -> NotPossibleError | None:
    """The fault of a checkout without a program that the project has; None where the project lacks it too."""
    program = Path(os.path.normpath(plan.cwd / plan.argv[0]))
    if check.where != "checkout" or not program.is_relative_to(place.root):
        return None
    relative = program.relative_to(place.root)
    if not (root / relative).is_file():
        return None
    absent = next(path for path in (*reversed(relative.parents), relative) if not (place.root / path).exists())
    why = f"Check {check.name!r} starts {plan.argv[0]!r}, which the project has and its checkout does not"
    line = f"bring = {json.dumps([*check.bring, absent.as_posix()])}"
    return NotPossibleError(
        f"{why}: a checkout has what git does not ignore, and what `bring` names.",
        f"ask the user to write `{line}` into [checks.{check.name}] of .wfe/config.toml, and to run `wfe-mcp trust`.",
    )


def _hidden(name: str, program: Path, root: Path) -> NotPossibleError:
    """``program`` does not exist in the sandbox. The project is there as a checkout, elsewhere; nothing else can be brought."""
    why = f"Check {name!r} starts {str(program)!r}, which is hidden in its sandbox."
    if program.is_relative_to(root):
        relative = program.relative_to(root).as_posix()
        brought = f"ask the user to write {relative!r} in `argv`, to name its folder in `bring` where git ignores it"
        return NotPossibleError(why, f"{brought}, and to run `wfe-mcp trust`.")
    elsewhere = (
        "ask the user to install it outside the folders of wfe-mcp's own data and settings, which a sandbox hides"
    )
    return NotPossibleError(why, f"{elsewhere}, or to remove `sandbox` from the check, and to run `wfe-mcp trust`.")
