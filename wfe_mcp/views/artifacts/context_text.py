"""The context pack as Markdown, for a prompt or a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wfe_mcp.core.texts import clean
from wfe_mcp.core.units import plural
from wfe_mcp.views.runs.recoveries import blocker_line
from wfe_mcp.workspace.system.redaction import without_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.views.artifacts.context_pack import ContextPack, DutyView, PhaseReport


def context_text(pack: ContextPack) -> str:
    """The pack as Markdown: a section for each of its parts, those that are empty left out."""
    sections = {
        "Sent back": _sent_back(pack),
        "Your phase": _duty(pack.duty),
        "Goal": [
            f"- {name}: {clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))}"
            for name, value in pack.inputs.items()
        ],
        "Facts of the project, by a person": [
            f"- {_line(name)}: {_line(str(text))}" for name, text in pack.facts.items()
        ],
        "Reports": [line for report in pack.reports for line in _report(pack, report)],
        "Commits since the run began": [f"- {commit.commit} {_line(commit.subject)}" for commit in pack.commits],
        "Changed files": _changes(pack),
        "Blockers": [f"- {_line(blocker_line(blocker))}" for blocker in pack.blockers],
        "Attached files": [
            f"- {attachment.artifact} {_line(attachment.name)} ({attachment.media_type}), of {attachment.phase}: {_line(attachment.note)}".rstrip(
                ": "
            )
            for attachment in pack.attachments
        ],
        "Left out": [f"- {plural(count, 'line')} of {name}" for name, count in pack.left_out.items()],
    }
    head = [f"# Context of {pack.duty.phase} in run {pack.run}", "", f"{_line(pack.title)} ({pack.template})"]
    body = [line for name, lines in sections.items() if lines for line in ("", f"## {name}", "", *lines)]
    return without_hidden("\n".join([*head, *body]) + "\n")


def _sent_back(pack: ContextPack) -> list[str]:
    notes = [f"{note['from']}, attempt {note['attempt']}:\n{clean(str(note['message']))}" for note in pack.feedback]
    return [f"**{pack.warning}**", "", *notes] if pack.warning else []


def _duty(duty: DutyView) -> Iterator[str] | list[str]:
    role = f"- role {duty.role}" + (f": {_line(duty.role_description)}" if duty.role_description else "")
    line = f"- submit the artifact {duty.artifact} ({duty.schema})"
    return [
        f"- {_line(duty.title)}: {duty.state}, attempt {duty.attempt}, iteration {duty.iteration}",
        *([role] if duty.role else []),
        *([line] if duty.artifact else []),
        *(f"- gate {_line(gate)}" for gate in duty.gates),
    ]


def _report(pack: ContextPack, report: PhaseReport) -> list[str]:
    back = ", it sent the run back" if report.sent_back else ""
    named = f"### {report.artifact} of {report.phase}, attempt {report.attempt}: {report.state}{back}"
    call = f"read_artifact(run={pack.run!r}, phase={report.phase!r}, revision={report.revision})"
    return [named, "", clean(report.text) if report.text else f"`{call}`", ""]


def _changes(pack: ContextPack) -> list[str]:
    files_changed = pack.changes
    if files_changed.note:
        return [files_changed.note]
    lines = [f"- {file.status} {_line(file.path)} +{file.added} -{file.removed}" for file in files_changed.files]
    return [*lines, f"{plural(files_changed.added, 'new line')}, {files_changed.removed:,} removed"] if lines else []


def _line(text: str) -> str:
    return " ".join(clean(text).split())
