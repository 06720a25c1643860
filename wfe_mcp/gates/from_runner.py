"""Judges the report of a runner, by the same code as an execution of this process: what it printed and wrote, read here.

    log and report files, whose hashes the runner signed ──► the reports that this check writes ──► what the gate expects

A runner can say that another program printed something; it cannot say what that means for the gate.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.check import Execution, TestReport, execution
from wfe_mcp.gates.command import log_file, missing
from wfe_mcp.gates.counts import count_of
from wfe_mcp.gates.executed import KIND, Facts, Files, data_of, judgement_of, written_into
from wfe_mcp.gates.expectation import Expectation
from wfe_mcp.gates.judgement import Judgement, undecided
from wfe_mcp.gates.on_runner import REPORT
from wfe_mcp.gates.reports import read_reports
from wfe_mcp.gates.results import below
from wfe_mcp.gates.runner_protocol import Report
from wfe_mcp.jobs.child import MAX_OUTPUT_BYTES, ChildResult
from wfe_mcp.jobs.output import plain_text
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.redaction import raw_without_hidden
from wfe_mcp.workspace.system.temporary import temporary_folder

_TAIL_BYTES = 64_000
_OF_THE_PLACE = ("where", "program", "variables", "sandbox", "network", "unsandboxed")
"""What of the runner's place stands beside what was judged."""


def judge_report(
    report: Report,
    check: FrozenCheck,
    expectation: Expectation,
    *,
    root: Path,
    evidence_dir: Path,
    tree: str | None,
    head: str | None,
    if_missing: Literal["fail", "note"] = "fail",
    skipped_before: int | None = None,
) -> Judgement:
    """The judgement of ``report``, whose signature holds. ``tree``, ``head``: of the project ``root``, which the runner was given."""
    stated, name = report.statement, check.name
    signed = {"runner": {"statement": stated.model_dump(mode="json"), "signature": report.signature}, "level": "runner"}
    if stated.fault and stated.next_step:
        no_room = {"no_room": True, "began": bool(stated.place.get("began"))} if stated.place.get("no_room") else {}
        return _with(undecided(KIND, stated.fault, stated.next_step, {"check": name} | no_room), signed)
    if stated.fault:
        fault = {"no_program": stated.no_program, "fault": stated.fault}
        what = f"Check {name!r} could not start on {stated.runner}. {stated.fault}"
        step = (
            "ask the user to install it on that runner, or to give the check `labels` that only runners with it have."
        )
        return _with(missing(name, if_missing, what, fault, step), signed)
    log = log_file(evidence_dir, name)
    content = raw_without_hidden(report.log)
    replace_file(log, content)
    result = ChildResult(
        exit_code=stated.exit_code,
        timed_out=stated.timed_out,
        cancelled=stated.exit_code is None and not stated.timed_out,
        duration_s=stated.duration_s,
        output_tail=plain_text(content[-_TAIL_BYTES:]),
        output_sha256=stated.log_sha256,
        output_bytes=stated.output_bytes,
        log_path=log,
    )
    with temporary_folder("report") as received:
        for written in report.reports:
            place = received / written.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw_without_hidden(written.content))
        plan = _read_from(execution(check, root, received / "reports" / REPORT, {}), root, received)
        there = Path(stated.root)
        reports = read_reports(plan, there, {}, log, is_cut=stated.output_bytes > MAX_OUTPUT_BYTES)
        count = count_of(plan, reports.tests, result.exit_code, log)
    if count.tests is not None:
        count = replace(count, tests=below(there, below(there / (check.cwd or ""), count.tests)))
    files = Files(tree, head)
    facts = Facts(
        root,
        log,
        check,
        replace(plan, argv=stated.argv_run),
        expectation,
        result,
        count,
        reports,
        files,
        files,
        skipped_before,
    )
    changed = list(stated.changed)
    judged = judgement_of(facts)
    judged = judged if not changed else written_into(judged, changed)
    if judged.kind is VerdictKind.FAIL and (full := stated.place.get("full")):
        why = f"The disk of {full} on {stated.runner} was full when check {name!r} failed, which may be why. {judged.reason}"
        data = {"check": name, "no_room": True, "began": True}
        return _with(undecided(KIND, why, "ask the user to make room there.", data), signed)
    place = {key: stated.place[key] for key in _OF_THE_PLACE if key in stated.place}
    data = data_of(facts, [], list(stated.notes)) | place | {"room": changed} | signed
    return replace(
        judged, data=data | {"passed": judged.kind is VerdictKind.PASS}, evidence_kind=KIND, log_path=str(log)
    )


def _read_from(plan: Execution, root: Path, received: Path) -> Execution:
    """``plan``, whose reports are read from what was received: no file of this machine is taken for one of the runner."""

    def move_path(path: Path) -> Path:
        if path.is_relative_to(received):
            return path
        return received / "files" / path.relative_to(root) if path.is_relative_to(root) else received / "elsewhere"

    tests: TestReport | None = plan.tests and replace(plan.tests, folder=move_path(plan.tests.folder))
    return replace(plan, reports={kind: move_path(path) for kind, path in plan.reports.items()}, tests=tests)


def _with(judged: Judgement, more: Mapping[str, Any]) -> Judgement:
    return replace(judged, data={**judged.data, **more})
