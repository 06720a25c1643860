"""What a deployment would change, for the person who decides on it: commits, items, evidence, and what a rollback would do."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.model import RunId
from wfe_mcp.delivery.git.refs import commit_of
from wfe_mcp.engine.artifacts.step_target import TargetCall
from wfe_mcp.engine.credentials.faults import credential_faults
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.views.approvals.model import DeploymentShown, Target
from wfe_mcp.views.runs.requests import Unusual
from wfe_mcp.workspace.config.delivery_table import STAGES, EnvironmentSettings
from wfe_mcp.workspace.git.command import output_of

MOST_COMMITS = 50
"""So many commits are read for their items and runs."""
_LISTED = 10
_FIELDS = (
    "%h %s",
    "%(trailers:key=Wfe-Item,valueonly,separator=%x2c)",
    "%(trailers:key=Wfe-Run,valueonly,separator=%x2c)",
)


def deployments_shown(
    engine: Engine, tx: Tx, run: RunRecord, calls: Sequence[TargetCall], head: str
) -> tuple[DeploymentShown, ...]:
    """Of each call that deploys."""
    environments = engine.settings().settings.environments
    deployment_showns: list[DeploymentShown] = []
    for call in calls:
        params = cast("dict[str, str]", call.params or {})
        name = params.get("environment", "")
        if call.action == "builtin deploy" and name in environments:
            named = params.get("commit")
            commit = commit_of(Path(run.worktree), str(named)) if named else head
            deployment_showns.append(_show_deployment(engine, tx, run, name, environments[name], commit))
    return tuple(deployment_showns)


def _show_deployment(
    engine: Engine, tx: Tx, run: RunRecord, name: str, settings: EnvironmentSettings, commit: str
) -> DeploymentShown:
    history = known_deployments(engine, tx)
    running, doubt = history.running(name), history.unknown(name)
    before = running.commit if running else ""
    root = Path(run.worktree)
    wanted = commit if not before or not commit_of(root, before) else f"{before}..{commit}"
    rows = _log(root, wanted) if commit else []
    count = int(output_of(root, "rev-list", "--count", wanted)) if commit else 0
    runs = dict.fromkeys([str(run.id), *(word for row in rows for word in row[2].split(",") if word)])
    items = dict.fromkeys(word for row in rows for word in row[1].split(",") if word)
    return DeploymentShown(
        environment=name,
        address=settings.address,
        commit=commit,
        before=before,
        unknown="" if doubt is None else f"{doubt.commit[:12]} of run {doubt.run}: {doubt.state}",
        commits=tuple(row[0] for row in rows[:_LISTED]),
        more_commits=max(0, count - _LISTED),
        items=tuple(items),
        evidence=tuple(_evidence(tx, runs)),
        rollback=_rollback(settings, before),
    )


def _log(root: Path, wanted: str) -> list[list[str]]:
    """The newest commits of the range ``wanted``: hash and subject, items, runs."""
    # NUL alone is in no message: with any other character between the fields, a message could hide a commit.
    listed = output_of(root, "log", "-z", f"-{MOST_COMMITS}", f"--format={'%x00'.join(_FIELDS)}", wanted)
    fields = listed.decode(errors="replace").removesuffix("\0").split("\0") if listed else []
    return [fields[at : at + len(_FIELDS)] for at in range(0, len(fields), len(_FIELDS))]


def _evidence(tx: Tx, runs: Iterable[str]) -> Iterable[str]:
    """How the last run of each check ended, of each run."""
    for run in runs:
        last = {
            str(evidence.data["check"]): evidence
            for evidence in tx.evidence.of_run(cast("RunId", run))
            if "check" in evidence.data
        }
        yield from (
            f"{check}: {_describe_end(evidence.data)} ({evidence.phase} of {run})" for check, evidence in last.items()
        )


def _describe_end(data: Mapping[str, Any]) -> str:
    """How a check itself ended, whatever its gate asked for; with the counts of its tests, where they are known."""
    has_passed, is_accepted = data.get("exit_code") == 0, bool(data.get("passed"))
    outcome = _OUTCOMES[has_passed, is_accepted]
    tests: Mapping[str, Any] = data.get("tests") or {}
    counts = [f"{tests[name]} {name}" for name in ("passed", "failed", "errors", "skipped") if tests.get(name)]
    return f"{outcome} ({', '.join(counts)})" if counts else outcome


_OUTCOMES = {
    (True, True): "passed",
    (True, False): "passed, and its gate failed",
    (False, True): "failed, as its gate required",
    (False, False): "failed",
}
"""By whether the check ended with 0, and whether its gate accepted that."""


def unusual_deployments(engine: Engine, target: Target | None) -> Iterable[Unusual]:
    """Checks of these deployments that miss a credential, or soon will: it is said before a person approves."""
    known = engine.settings().settings
    for deployment_shown in () if target is None else target.deployments:
        settings = known.environments.get(deployment_shown.environment)
        if settings is None:
            continue
        named = [settings.check_of(stage) for stage in STAGES]
        for check in dict.fromkeys(name for name in named if name in known.checks):
            for fault in credential_faults(engine, settings.credentials_of(known.checks[check])):
                why = "The deployment waits for it." if fault.is_missing else ""
                yield Unusual("warning", f"Check {check} of {deployment_shown.environment}: {fault.text}.", why)


def _rollback(settings: EnvironmentSettings, before: str) -> str:
    if not before and settings.rollback is None:
        return "nothing: no deployment there succeeded before"
    return (
        f"check '{settings.check_of('rollback')}' brings {before or 'what was there before'} back; then health is asked"
    )
