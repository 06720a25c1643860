"""The manifest of a run: what went into it and what came out, by hashes that other runs can be compared with.

    inputs_hash     template, inputs, and what was frozen: checks, servers, roles, bundles, environment, our version;
                    not the run before, of which the first prompt has a line
    outputs_hash    the artifacts that count, and what each step of the server answered

Times, logs and counts of a check that ran as a step do not count: they differ although the answer is the same. The idea is
that of S2-16.
"""

from typing import Any, cast

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, RunRecord, StepRecord, StepStatus

_SAME_EACH_TIME = ("check", "verdict", "exit_code", "timed_out")
_COMPARED = 200


def manifest(tx: Tx, loaded: LoadedRun, rows: list[StepRecord] | None = None) -> dict[str, Any]:
    """The manifest of a run, as far as it has come. ``score``: of completed runs with these inputs, how many agree.

    ``rows``: its steps as they were at another moment.
    """
    record = loaded.record
    rows = tx.steps.of_run(record.id) if rows is None else rows
    outputs = _outputs_hash(loaded, rows)
    values: dict[str, Any] = {
        "engine": tx.documents.load(record.frozen_sha256).get("engine", ""),
        "template": {"name": record.template, "version": record.template_version, "sha256": record.template_sha256},
        "definition_sha256": record.definition_sha256,
        "spec_sha256": record.spec_sha256,
        "inputs_sha256": record.inputs_sha256,
        "frozen_sha256": record.frozen_sha256,
        "artifacts": [
            {"phase": attempt.phase, "attempt": attempt.number, "revision": attempt.revision, "sha256": attempt.sha256}
            for attempt in _counting(loaded)
        ],
        "steps": [_step(row) for row in _worked_steps(loaded, rows)],
        "inputs_hash": _inputs_hash(tx, record),
        "outputs_hash": outputs,
    }
    if record.status is RunStatus.COMPLETED:
        others = [_outputs_hash(other, tx.steps.of_run(other.record.id)) for other in _alike(tx, record)]
        same = others.count(outputs) + 1
        values["score"] = {"runs": len(others) + 1, "same_outputs": same, "share": round(same / (len(others) + 1), 3)}
    return values


def _inputs_hash(tx: Tx, record: RunRecord) -> str:
    frozen = tx.documents.load(record.frozen_sha256)
    frozen = sha256_of({name: value for name, value in frozen.items() if name not in {"last_run", "head"}})
    return sha256_of([record.template_sha256, record.definition_sha256, record.inputs_sha256, frozen])


def _outputs_hash(loaded: LoadedRun, rows: list[StepRecord]) -> str:
    steps = [[row.phase, row.step, _answer_hash(row)] for row in _worked_steps(loaded, rows)]
    by_server = {row.phase for row in rows}
    artifacts = [[attempt.phase, attempt.sha256] for attempt in _counting(loaded) if attempt.phase not in by_server]
    return sha256_of([sorted(artifacts), steps])


def _counting(loaded: LoadedRun) -> list[Attempt]:
    """The attempts whose artifacts count."""
    newest = (tries[-1] for tries in loaded.state.attempts.values())
    return [attempt for attempt in newest if attempt.status is AttemptStatus.COMPLETED and attempt.sha256]


def _worked_steps(loaded: LoadedRun, rows: list[StepRecord]) -> list[StepRecord]:
    """The steps of the newest attempts that are over, in order."""
    newest = {path: tries[-1].number for path, tries in loaded.state.attempts.items()}
    over = {StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED}
    return [row for row in rows if row.status in over and newest.get(row.phase) == row.attempt]


def _step(row: StepRecord) -> dict[str, Any]:
    entry = {
        "phase": row.phase,
        "attempt": row.attempt,
        "step": row.step,
        "does": row.does,
        "state": str(row.status),
        "served_by": row.served_by,
        "input_sha256": sha256_of(row.input) if row.input is not None else "",
        "output_sha256": _answer_hash(row),
    }
    return {key: value for key, value in entry.items() if value}


def _answer_hash(row: StepRecord) -> str:
    if row.status is not StepStatus.DONE:
        return sha256_of({"state": str(row.status)})
    if row.does.startswith("check "):
        output = cast("dict[str, Any]", row.output)
        return sha256_of({key: output[key] for key in _SAME_EACH_TIME if key in output})
    return sha256_of(row.output)


def _alike(tx: Tx, record: RunRecord) -> list[LoadedRun]:
    """The project's newest other completed runs into which the same went."""
    page = tx.runs.page(record.project_id, template=record.template, status=[RunStatus.COMPLETED], limit=_COMPARED)
    wanted = _inputs_hash(tx, record)
    others = [run for run in page.runs if run.id != record.id and run.inputs_sha256 == record.inputs_sha256]
    runs = [tx.runs.load(run.id) for run in others if _inputs_hash(tx, run) == wanted]
    return [loaded for loaded in runs if loaded is not None]
