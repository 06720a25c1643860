"""What a deployment would change, for the person who decides on it: commits, items, evidence, and what a rollback would do."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from wfe_mcp.core.model import RunId
from wfe_mcp.delivery.git.refs import commit_of
from wfe_mcp.engine.artifacts.step_target import TargetCall
from wfe_mcp.engine.deployments.history import known
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.views.approvals.model import DeploymentShown
from wfe_mcp.workspace.config.environment_table import EnvironmentSettings
from wfe_mcp.workspace.git.command import output_of

MOST_COMMITS = 50
_FIELDS = (
    "%h %s%x1f%(trailers:key=Wfe-Item,valueonly,separator=%x2c)%x1f%(trailers:key=Wfe-Run,valueonly,separator=%x2c)"
)


def deployments_shown(
    engine: Engine, tx: Tx, run: RunRecord, calls: Sequence[TargetCall], head: str
) -> tuple[DeploymentShown, ...]:
    """Of each call that deploys."""
    environments = engine.settings().settings.environments
    found: list[DeploymentShown] = []
    for call in calls:
        params = cast("dict[str, str]", call.params or {})
        name = params.get("environment", "")
        if call.action == "builtin deploy" and name in environments:
            commit = commit_of(Path(run.worktree), params.get("commit") or head) or head
            found.append(_shown(engine, tx, run, name, environments[name], commit))
    return tuple(found)


def _shown(
    engine: Engine, tx: Tx, run: RunRecord, name: str, settings: EnvironmentSettings, commit: str
) -> DeploymentShown:
    running = known(engine, tx).running(name)
    before = running.commit if running else ""
    rows = _log(Path(run.worktree), before, commit)
    runs = dict.fromkeys([str(run.id), *(each for row in rows for each in row[2].split(",") if each)])
    items = dict.fromkeys(each for row in rows for each in row[1].split(",") if each)
    return DeploymentShown(
        environment=name,
        address=settings.address,
        commit=commit,
        before=before,
        commits=tuple(row[0] for row in rows),
        items=tuple(items),
        evidence=tuple(_evidence(tx, runs)),
        rollback=_rollback(settings, before),
    )


def _log(root: Path, before: str, commit: str) -> list[list[str]]:
    """The commits that are in ``commit`` and not in ``before``: hash and subject, items, runs."""
    wanted = [commit] if not before or not commit_of(root, before) else [f"{before}..{commit}"]
    if not commit:
        return []
    listed = output_of(root, "log", f"-{MOST_COMMITS}", f"--format={_FIELDS}%x1e", *wanted).decode(errors="replace")
    rows = (row.strip("\n").split("\x1f") for row in listed.split("\x1e"))  # which str.strip() takes for space
    return [row for row in rows if len(row) == 3]


def _evidence(tx: Tx, runs: Iterable[str]) -> Iterable[str]:
    """The newest result of each check of each run."""
    for run in runs:
        found = (each for each in tx.evidence.of_run(cast("RunId", run)) if "check" in each.data)
        newest = {(each.phase, str(each.data["check"])): bool(each.data.get("passed")) for each in found}
        yield from (
            f"{check}: {'passed' if passed else 'failed'} ({phase} of {run})"
            for (phase, check), passed in newest.items()
        )


def _rollback(settings: EnvironmentSettings, before: str) -> str:
    if not before and settings.rollback is None:
        return "nothing: no deployment there succeeded before"
    return (
        f"check '{settings.check_of('rollback')}' brings {before or 'what was there before'} back; then health is asked"
    )
