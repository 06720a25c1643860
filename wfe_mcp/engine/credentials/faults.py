"""What is wrong with stored credentials, and what of a run waits for that."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from wfe_mcp.core.approval_guards import lacks_credential
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, StepRecord


class CredentialFault(NamedTuple):
    """A credential that is missing, has expired (``is_missing``) or soon will. ``command``: what the user runs."""

    what: str
    command: str
    is_missing: bool

    @property
    def text(self) -> str:
        """What is wrong, with the command."""
        return f"{self.what}: {self.command}"


def credential_faults(engine: Engine, names: Collection[str], tx: Tx | None = None) -> list[CredentialFault]:
    """What is wrong with the credentials of these names, or soon will be. ``tx``: where the caller is in one."""
    if not names:
        return []
    from wfe_mcp.engine.credentials.stored import credentials

    now, there = engine.clock(), {credential.name: credential for credential in reversed(credentials(engine, tx))}
    absent = [name for name in names if name not in there]
    faults = [
        CredentialFault(f"credential {name} is not stored", f"wfe-mcp credential add {name}", True) for name in absent
    ]
    for name in names:
        if name in there and (warning := there[name].warning(now)):
            is_over = there[name].state(now) == "expired"
            faults.append(CredentialFault(warning, f"wfe-mcp credential rotate {name}", is_over))
    return faults


def lacking_credentials(
    engine: Engine, tx: Tx, loaded: LoadedRun, waiting: Iterable[StepRecord]
) -> tuple[tuple[PhasePath, tuple[CredentialFault, ...]], ...]:
    """The phases with a gate or a step that waits for credentials, each with what is wrong with them now.

    ``waiting``: the steps that wait for a person; those for a credential name it in their ``output``.
    """
    asked = [(row.phase, row.output["credentials"]) for row in waiting if row.output]
    for attempt in filter(lacks_credential, loaded.state.moving_attempts):
        evidence = tx.evidence.of_run(loaded.record.id, attempt.phase, attempt.number)
        verdict = next(record for record in reversed(evidence) if record.id == attempt.verdicts[-1].evidence)
        asked.append((attempt.phase, verdict.data["credentials"]))
    return tuple(
        (phase, tuple(fault for fault in credential_faults(engine, names, tx) if fault.is_missing))
        for phase, names in asked
    )
