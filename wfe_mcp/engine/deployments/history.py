"""The history of deployments, read from the operations of the project's runs; there is no other record."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from wfe_mcp.engine.delivery.operations import Operation, operations_of
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx

MOST_RUNS = 200
"""So many of the newest runs that deployed are read."""


class Deployment(NamedTuple):
    """One deployment. ``state``: deploying, checking, deployed, failed, rolling back, rolled back, rollback failed, in doubt.

    ``before``: the commit that ran there before; empty for none. ``why``: why it failed. ``log``: the output of its last check.
    ``rollback``: when it was rolled back; None where it was not. ``at``: when it began; ``seen_at``: when the last of it was seen.
    """

    environment: str
    run: str
    key: str
    state: str
    commit: str
    version: str
    before: str
    approved_by: str
    at: datetime
    why: str = ""
    log: str = ""
    rollback: datetime | None = None
    seen_at: datetime | None = None


class Health(NamedTuple):
    """What the health check of an environment said last."""

    ok: bool
    at: datetime
    run: str
    why: str = ""


class DeploymentHistory(NamedTuple):
    """All that was recorded of the project's environments, the newest deployment first; and the newest health of each."""

    deployments: tuple[Deployment, ...]
    health: dict[str, Health]

    def running(self, environment: str) -> Deployment | None:
        """The newest deployment there that has its evidence and was not rolled back; None where there is none."""
        return next((deployment for deployment in self._of(environment) if deployment.state == "deployed"), None)

    def newest(self, environment: str) -> Deployment | None:
        """The newest deployment there, however it ended; None where there is none."""
        return next(self._of(environment), None)

    def unknown(self, environment: str) -> Deployment | None:
        """The newest deployment, where it leaves open what runs there: it goes on, is in doubt, or failed and nothing is back."""
        newest = self.newest(environment)
        return None if newest is None or newest.state in {"deployed", "rolled back"} else newest

    def _of(self, environment: str) -> Iterator[Deployment]:
        return (deployment for deployment in self.deployments if deployment.environment == environment)


def known_deployments(engine: Engine, tx: Tx | None = None) -> DeploymentHistory:
    """The history of this project."""
    if tx is None:
        with engine.store.read() as tx:
            return known_deployments(engine, tx)
    runs = tx.steps.runs_doing(engine.project_id, ("builtin deploy", "builtin health"), MOST_RUNS)
    every = [operations_of(tx, run) for run in runs]
    deployments = sorted(
        (deployment for operations in every for deployment in _deployments(operations)),
        key=lambda one: one.at,
        reverse=True,
    )
    health: dict[str, Health] = {}
    for operation in sorted(
        (check for operations in reversed(every) for check in operations if check.kind == "health"),
        key=lambda one: one.at,
    ):
        if operation.after is not None and operation.target["part"] != "test":
            name = str(operation.target["environment"])
            health[name] = Health(
                bool(operation.after["ok"]), operation.at, str(operation.run), str(operation.after["why"])
            )
    return DeploymentHistory(tuple(deployments), health)


def _deployments(operations: Sequence[Operation]) -> Iterator[Deployment]:
    for operation in operations:
        if operation.kind != "deploy":
            continue
        parts = {str(part.target["part"]): part for part in operations if part.target.get("of") == operation.key}
        back, last = parts.get("rollback"), [operation, *parts.values()]
        last.sort(key=lambda each: each.after is None or not each.after["why"])
        faults = [str(part.after["why"]) for part in last if part.after is not None and part.after["why"]]
        logs = [str(part.after["log"]) for part in last if part.after is not None and part.after["log"]]
        yield Deployment(
            str(operation.target["environment"]),
            str(operation.run),
            operation.key,
            _state(operation, parts),
            str(operation.target["commit"]),
            str(operation.before["version"]),
            str(operation.before["commit"]),
            str(operation.before["approved_by"]),
            operation.at,
            faults[0] if faults else "",
            logs[0 if faults else -1] if logs else "",
            None if back is None else back.at,
            max((part.seen_at for part in last if part.seen_at is not None), default=None),
        )


def _state(deploy: Operation, parts: dict[str, Operation]) -> str:
    """``deployed`` has its evidence: a health check that passed, and the tests where the environment has some."""
    if deploy.after is None:
        return "deploying"
    if (back := parts.get("rollback")) is not None:
        return "rolling back" if back.after is None else _OUTCOMES[back.after["ok"]]
    if deploy.after["ok"] is None:
        return "in doubt"
    asked = ["health", *(["test"] if deploy.before["test"] else [])]
    seen = [parts[name].after for name in asked if name in parts]
    if not deploy.after["ok"] or any(after is not None and not after["ok"] for after in seen):
        return "failed"
    return "deployed" if len(seen) == len(asked) and None not in seen else "checking"


_OUTCOMES = {True: "rolled back", False: "rollback failed", None: "in doubt"}
