"""The ``report`` gate: a report of the required role with the required status.

Rules:
1. A missing report, or one without a status, fails: silence is not consent (B-25).
2. A report of another role fails, whatever its status (B-26).
"""

from collections.abc import Mapping

from wfe_mcp.gates.judgement import Judgement, failed, passed
from wfe_mcp.gates.scene import Submission
from wfe_mcp.workflow.model.gates import ReportGate

KIND = "report"


def judge(gate: ReportGate, submission: Submission) -> Judgement:
    """Judge the submitted report; where the gate names no role, that of the phase is required."""
    report, label = submission.artifact, gate.role or submission.phase_role
    role_and_status = _text(report, "role"), _text(report, "status") or _text(report, "verdict")
    role, status = role_and_status
    data = {"role": role, "status": status, "wanted": {"role": label, "status": gate.status}}
    if not status:
        why = "There is no report with a status, which counts as a failure."
        return failed(KIND, why, f'report the status "{gate.status}" once that is true.', data)
    if label is not None and role != label:
        shown = f"role {role!r}" if role else "no role"
        why = f"The report comes from {shown}, expected {label!r}."
        return failed(KIND, why, f"let {label!r} do the work and report.", data)
    if status != gate.status:
        why = f"The report's status is {status!r}, expected {gate.status!r}.{_summary(report)}"
        return failed(KIND, why, "fix what the report names.", data)
    return passed(KIND, f"The report's status is {status!r}.", data)


def _text(report: object, key: str) -> str:
    value: object = report.get(key) if isinstance(report, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - foreign JSON
    return value if isinstance(value, str) else ""


def _summary(report: object) -> str:
    summary = _text(report, "summary")
    return f" Its summary: {summary[:500]}" if summary else ""
