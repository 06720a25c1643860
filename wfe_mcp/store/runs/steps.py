"""Steps that the server executes, and their results."""

from sqlalchemy import bindparam, delete, insert, select

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import STEP_RUN
from wfe_mcp.store.records.steps import StepRecord, StepStatus
from wfe_mcp.store.repository import Part, Repository, columns_for, row_from

_SELECT = select(*columns_for(StepRecord, STEP_RUN))
_ORDER = (STEP_RUN.c.phase, STEP_RUN.c.attempt, STEP_RUN.c.position)
_OF_RUN = _SELECT.where(STEP_RUN.c.run_id == bindparam("run_id")).order_by(*_ORDER)
_OF_ATTEMPT = _OF_RUN.where(STEP_RUN.c.phase == bindparam("phase"), STEP_RUN.c.attempt == bindparam("attempt"))
_WITH_KEY = _OF_RUN.where(STEP_RUN.c.idempotency_key == bindparam("key"), STEP_RUN.c.status == StepStatus.DONE)
_THIS = (
    STEP_RUN.c.run_id == bindparam("run_id_"),
    STEP_RUN.c.phase == bindparam("phase_"),
    STEP_RUN.c.attempt == bindparam("attempt_"),
    STEP_RUN.c.step == bindparam("step_"),
)
_GONE = delete(STEP_RUN).where(*_THIS)
_NEW = insert(STEP_RUN)


class StepRepository(Repository):
    """The steps of attempts."""

    _seals = Part(SealRepository)

    def save(self, step: StepRecord) -> None:
        """Write the current state of a step, replacing the earlier row."""
        key = {"run_id_": step.run_id, "phase_": step.phase, "attempt_": step.attempt, "step_": step.step}
        self._run(_GONE, key)
        self._run(_NEW, row_from(step, STEP_RUN))
        if step.finished_at is not None:
            this = (STEP_RUN.c.phase == step.phase, STEP_RUN.c.attempt == step.attempt, STEP_RUN.c.step == step.step)
            self._seals.keep("step", step.run_id, STEP_RUN.c.run_id == step.run_id, *this)

    def of_run(self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None) -> list[StepRecord]:
        """The steps of an attempt in order; without an attempt, of the whole run."""
        if phase is None:
            return self._all(StepRecord, _OF_RUN, {"run_id": run_id})
        return self._all(StepRecord, _OF_ATTEMPT, {"run_id": run_id, "phase": phase, "attempt": attempt})

    def with_key(self, run_id: RunId, key: str) -> StepRecord | None:
        """The finished step of the run that has this idempotency key."""
        return self._first(StepRecord, _WITH_KEY, {"run_id": run_id, "key": key})
