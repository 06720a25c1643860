"""Import of role reports of Workflow Hub: one report, or a list of reports and hand-offs.

    report      {role, status, summary, details, raw_output, actor}                               (S4-10, S4-12)
    hand-off    {from_role, to_role, stage, status, context, report, report_status, report_summary}      (S4-18)

Rules:
1. One phase for each, in the order of the file. The whole file is kept as input of the run.
2. A report that fits is ``role_report@1``: findings in its details become findings. One that does not fit is a document,
   and is reported. For plain text the report is
   its last JSON object; without one there is no report and no pass.
3. A report's verdict is what a role said there, not a decision here.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.engine.transfer.foreign import Foreign, ForeignPhase, utc

KIND = "workflow-hub"
MAX_REPORTS = 1_000
"""Reports in one file."""

_HINT = "Nothing was stored. Give a role report {role, status, summary, …}, a hand-off, or a list of them."
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_REPORT = frozenset({"role", "status", "summary", "details"})
_HAND_OFF = frozenset({"from_role", "to_role", "stage", "status", "report", "report_status", "report_summary"})
_TIME = "created_at"

_LISTS = ("tests_added", "tests_changed", "commands_run", "failing_tests", "requirements_covered")
_COUNTS = ("tests_run", "tests_passed")
_FOUND = ("vulnerabilities", "issues", "findings", "security_issues")
_NAMES = {
    "title": ("title", "name", "issue", "type"),
    "recommendation": ("recommendation", "remediation", "fix"),
    "severity": ("severity",),
    "file": ("file",),
    "line": ("line",),
    "detail": ("detail", "description"),
}
"""What the fields of a finding are called there; the first that is set."""


def read_reports(content: bytes, place: Path) -> Foreign:
    """The reports in a file. Refuses ``invalid_artifact``, ``too_large``, with the pointer into it."""
    try:
        value = parse_json(content)
    except Refused as no:
        raise Refused(no.code, f"{place.name} is refused: {no.message}", _HINT, no.details) from None
    entries = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= MAX_REPORTS:
        _refuse("", f"it holds {len(entries)} reports", f"1 to {MAX_REPORTS}", len(entries))
    written = datetime.fromtimestamp(int(place.stat().st_mtime), UTC)
    named = [
        _time(pointer(index) if isinstance(value, list) else "", fields)
        for index, entry in enumerate(entries)
        if isinstance(entry, dict) and (fields := cast("dict[str, Any]", entry)).get(_TIME) is not None
    ]
    reading = _ReportReader(min(named, default=written))
    for index, entry in enumerate(entries):
        reading.take(pointer(index) if isinstance(value, list) else "", index + 1, entry)
    phases = reading.phases
    if not named:
        reading.statements.append(
            f"the reports name no times ({_TIME}): all of it is dated {written.date()}, as the file is"
        )
    roles = ", ".join(dict.fromkeys(phase.id.rpartition("_report")[0] for phase in phases))
    return Foreign(
        KIND,
        "hub_reports",
        f"Role reports of Workflow Hub: {roles}"[:200],
        "hub",
        str(place.resolve().parent),
        {"reports": entries},
        phases,
        phases[0].at,
        phases[-1].at,
        sha256_of(entries),
        reading.left_open,
        tuple(reading.statements),
        tuple(reading.lost),
    )


class _ReportReader:
    """``begin``: the time of reports before the first that names one."""

    def __init__(self, begin: datetime) -> None:
        self.begin = begin
        self.phases: list[ForeignPhase] = []
        self.statements: list[str] = []
        self.lost: list[Detail] = []
        self.left_open = ""
        self._times: dict[str, int] = {}

    def take(self, at: str, number: int, one: Any) -> None:
        """One report or hand-off as the next phase."""
        if not isinstance(one, dict):
            _refuse(at, "it is no report", "an object", one)
        entry = cast("dict[str, Any]", one)
        handed = "to_role" in entry
        role = entry.get("to_role" if handed else "role")
        if not (isinstance(role, str) and _ROLE.fullmatch(role)):
            _refuse(
                f"{at}/{'to_role' if handed else 'role'}",
                "it names no role",
                "a letter, then letters, digits, - and _",
                role,
            )
        who = f"{number}: {entry.get('from_role')!s:.40} to {role}" if handed else f"{number}: {role}"
        for key in sorted(set(entry) - (_HAND_OFF if handed else _REPORT) - {_TIME}):
            self.lost.append(Detail(at + pointer(key), "is in the inputs of the run, not in the report"))
        report, place = self._report(at, entry, handed=handed)
        schema, content = "markdown_doc@1", _document(entry)
        if report is None:
            self.statements.append(f"{who}, {entry.get('status')!s:.40}: no report in it; that is no pass")
        else:
            whole = self._build_report(place, role, report)
            faults = validate("role_report@1", whole).faults
            if faults:
                self.statements.append(
                    f"{who}: no valid report, kept as a document ({faults[0].path}: {faults[0].message})"
                )
            else:
                schema, content = "role_report@1", whole
                self.statements.append(f"{who} says {whole['status']}")
        is_open = handed and entry.get("status") in ("pending", "in_progress")
        self.left_open = f"the hand-off {who} was {entry['status']} in Workflow Hub" if is_open else ""
        self._add(at, entry, role, who, schema, content, is_accepted=not is_open)

    def _add(
        self,
        at: str,
        entry: dict[str, Any],
        role: str,
        who: str,
        schema: str,
        content: dict[str, Any],
        *,
        is_accepted: bool,
    ) -> None:
        if self.phases and not self.phases[-1].is_accepted:
            _refuse(
                at, "it follows a hand-off that is still open", "a later one only after the end of the one before", who
            )
        name = role.replace("-", "_").lower()
        self._times[name] = count = self._times.get(name, 0) + 1
        before = self.phases[-1].at if self.phases else self.begin
        when = max(_time(at, entry), before) if entry.get(_TIME) is not None else before
        self.phases.append(
            ForeignPhase(
                f"{name}_report{'' if count == 1 else f'_{count}'}",
                f"Report of {role}",
                "Imported: the role's instructions are in the inputs.",
                at or "the report",
                when,
                schema,
                content,
                is_accepted,
            )
        )

    def _report(self, at: str, entry: dict[str, Any], *, handed: bool) -> tuple[dict[str, Any] | None, str]:
        """The report of one entry and its pointer; None where there is none."""
        if not handed:
            if {"status", "summary"} & set(entry):
                return entry, at
            return _in_text(entry.get("raw_output")), f"{at}/raw_output"
        value = entry.get("report")
        fields = cast("dict[str, Any]", value) if isinstance(value, dict) else _in_text(value)
        more = {name: entry[f"report_{name}"] for name in ("status", "summary") if entry.get(f"report_{name}")}
        return (None, at) if fields is None and "status" not in more else ({**more, **(fields or {})}, f"{at}/report")

    def _build_report(self, at: str, role: str, report: dict[str, Any]) -> dict[str, Any]:
        """The report as ``role_report@1``. What has no place there is listed."""
        value = report.get("details")
        details = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if value is not None and details is not value:
            self.lost.append(Detail(f"{at}/details", "is no object; it is in the inputs"))
        kept = {name: details[name] for name in (*_LISTS, *_COUNTS) if name in details}
        findings: list[dict[str, Any]] = []
        for name in _FOUND:
            entries = details.get(name, [])
            if isinstance(entries, list):
                findings += [_finding(entry) for entry in cast("list[Any]", entries)]
        for key in sorted(set(details) - set(kept) - set(_FOUND)):
            self.lost.append(
                Detail(f"{at}/details{pointer(key)}", "has no place in role_report@1; it is in the inputs")
            )
        more: dict[str, Any] = {"details": kept} if kept else {}
        more |= {"findings": findings} if findings else {}
        return {"role": role, "status": report.get("status"), "summary": report.get("summary")} | more


def _finding(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {"severity": "medium", "title": entry}
    fields = cast("dict[str, Any]", entry)
    values = {
        ours: next((fields[name] for name in theirs if fields.get(name)), None) for ours, theirs in _NAMES.items()
    }
    severity = str(values["severity"] or "medium").lower()
    return {key: value for key, value in values.items() if value is not None} | {"severity": severity}


def _in_text(text: object) -> dict[str, Any] | None:
    """The last JSON object in what an agent printed (S4-15)."""
    from wfe_mcp.providers.output import value_in

    if not isinstance(text, str):
        return None
    value = value_in(text)
    starts = [match.start() for match in re.finditer(r"^\{", text, re.MULTILINE)]
    for start in reversed(starts[-50:]) if value is None else ():
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
            return cast("dict[str, Any]", parse_json(text[start:end]))
        except (ValueError, RecursionError, Refused):
            continue
    return value


def _document(entry: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(entry, indent=1, ensure_ascii=False)
    return {"front": {}, "body": f"~~~~json\n{text}\n~~~~\n"}


def _time(at: str, entry: dict[str, Any]) -> datetime:
    try:
        return utc(datetime.fromisoformat(entry[_TIME]))
    except (TypeError, ValueError):
        _refuse(f"{at}/{_TIME}", "it is no time", "ISO 8601", entry[_TIME])


def _refuse(place: str, message: str, expected: object, found: object) -> NoReturn:
    raise Refused(
        "invalid_artifact",
        f"The reports are refused at {place or 'their whole'}: {message}.",
        _HINT,
        (Detail(place, message, expected, str(found)[:80]),),
    )
