"""Does the report come from the right role, with the right status?

Rules:
1. No report, or one without a status, is a fail: silence is not consent (B-25).
2. A report of another role is refused, whatever it says (B-26).
"""

from collections.abc import Mapping

from wfe_mcp.gates.judgement import Judgement, failed, passed
from wfe_mcp.workflow.model import ReportGate

__all__ = ["judge_report"]

KIND = "report"


def judge_report(gate: ReportGate, report: object, *, phase_role: str | None = None) -> Judgement:
    """Judge the submitted ``report``. ``phase_role`` is who must report where the gate names nobody."""
    wanted = gate.role or phase_role
    found = _text(report, "role"), _text(report, "status") or _text(report, "verdict")
    role, status = found
    data = {"role": role, "status": status, "wanted": {"role": wanted, "status": gate.status}}
    if not status:
        why = "There is no report with a status; no report counts as a fail."
        return failed(KIND, why, f'submit a report whose status is "{gate.status}" once that is true.', data)
    if wanted is not None and role != wanted:
        shown = f"role {role!r}" if role else "no role"
        why = f"The report comes from {shown}, expected {wanted!r}."
        return failed(KIND, why, f"let {wanted!r} do the work and report, then submit again.", data)
    if status != gate.status:
        why = f"The report says {status!r}, expected {gate.status!r}.{_summary(report)}"
        return failed(KIND, why, "mend what the report names, then submit a new report.", data)
    return passed(KIND, f"The report says {status!r}.", data)


def _text(report: object, key: str) -> str:
    value: object = report.get(key) if isinstance(report, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - foreign JSON
    return value if isinstance(value, str) else ""


def _summary(report: object) -> str:
    summary = _text(report, "summary")
    return f" It sums up: {summary[:500]}" if summary else ""
