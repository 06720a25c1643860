"""The history of deployments, read from the operations of the project's runs; there is no other record."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wfe_mcp.engine.delivery.operations import Operation, operations_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx

MOST_RUNS = 200
"""So many of the newest runs that deployed are read."""


class Deployment(NamedTuple):
    """One deployment. ``state``: deploying, checking, deployed, failed, rolling back, rolled back, rollback failed, in doubt.

    ``before``: the commit that ran there before; empty for none. ``why``: why it failed. ``log``: the output of its last check.
    ``rollback``: when it was rolled back; None where it was not.
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


class Health(NamedTuple):
    """What the health check of an environment said last."""

    ok: bool
    at: datetime
    run: str
    why: str = ""


class Known(NamedTuple):
    """All that was recorded of the project's environments, the newest deployment first; and the newest health of each."""

    deployments: tuple[Deployment, ...]
    health: dict[str, Health]

    def running(self, environment: str) -> Deployment | None:
        """The newest deployment there that has its evidence and was not rolled back; None where there is none."""
        own = (one for one in self.deployments if one.environment == environment)
        return next((one for one in own if one.state == "deployed"), None)


def known(engine: Engine, tx: Tx | None = None) -> Known:
    """The history of this project."""
    if tx is None:
        with engine.store.read() as tx:
            return known(engine, tx)
    runs = tx.steps.runs_doing(engine.project_id, ("builtin deploy", "builtin health"), MOST_RUNS)
    every = [operations_of(tx, run) for run in runs]
    deployments = sorted((one for each in every for one in _deployments(each)), key=lambda one: one.at, reverse=True)
    health: dict[str, Health] = {}
    for one in sorted(
        (one for each in reversed(every) for one in each if one.kind == "health"), key=lambda one: one.at
    ):
        if one.after is not None and one.target["part"] != "test":
            name = str(one.target["environment"])
            health[name] = Health(bool(one.after["ok"]), one.at, str(one.run), str(one.after["why"]))
    return Known(tuple(deployments), health)


def deployment_of(operations: Sequence[Operation], key: str) -> Deployment | None:
    """The deployment whose operation has this key; None without it."""
    return next((one for one in _deployments(operations) if one.key == key), None)


def _deployments(operations: Sequence[Operation]) -> Iterator[Deployment]:
    for one in operations:
        if one.kind != "deploy":
            continue
        parts = {str(each.target["part"]): each for each in operations if each.target.get("of") == one.key}
        back, last = parts.get("rollback"), [one, *parts.values()]
        last.sort(key=lambda each: each.after is None or not each.after["why"])
        faults = [str(each.after["why"]) for each in last if each.after is not None and each.after["why"]]
        logs = [str(each.after["log"]) for each in last if each.after is not None and each.after["log"]]
        yield Deployment(
            str(one.target["environment"]),
            str(one.run),
            one.key,
            _state(one, parts),
            str(one.target["commit"]),
            str(one.before["version"]),
            str(one.before["commit"]),
            str(one.before["approved_by"]),
            one.at,
            faults[0] if faults else "",
            logs[0 if faults else -1] if logs else "",
            None if back is None else back.at,
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
