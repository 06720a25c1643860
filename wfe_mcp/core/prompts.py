"""Prompts that gates judge before work, and comments on lines of a change.

    reads well as it is, so every place that shows feedback shows them          with_comments
    can be taken apart again into file, side, line and text                     split_comments

They are part of the one text that a person signs: a statement, an event and a database of before know them too.
"""

import re
from collections.abc import Iterable
from typing import Literal

from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import shell_path


def is_rejected_prompt(state: RunState, attempt: Attempt) -> bool:
    """True where a person, or a reviewer of an opinion gate, rejected the prompt of ``attempt``."""
    if attempt.stage is not Stage.BEFORE or attempt.fail_kind is None or attempt.status is AttemptStatus.ROLLED_BACK:
        return False
    gates = state.phase(attempt.phase).gates_before
    failed = (gates[verdict.gate].kind for verdict in attempt.verdicts if verdict.kind is VerdictKind.FAIL)
    return attempt.fail_kind is FailKind.REJECTED or "opinion" in failed


def prompt_edit_refused(state: RunState, attempt: Attempt, command: c.Edit) -> Refused | None:
    """Why the edited prompt of ``attempt`` is not taken. One that was rejected is not put to the same reviewers again."""
    if not command.by.is_human:
        return Refused(
            "needs_human",
            "Only the user can edit a prompt that waits for its gates.",
            f"Ask the user to run: wfe-mcp edit RUN {shell_path(command.phase)}",
        )
    if state.phase(attempt.phase).kind == "steps":
        return Refused(
            "illegal_transition",
            f"The server runs the steps of phase {attempt.phase!r}; no agent gets its prompt.",
            "Approve it, or reject it with feedback.",
        )
    if attempt.sha256 is None:
        return Refused(
            "illegal_transition",
            f"Phase {attempt.phase!r} has no prompt: {attempt.reason or 'it is being made'}",
            "Fix what its template names, then retry the phase.",
        )
    if command.sha256 == attempt.sha256 and attempt.status is not AttemptStatus.FAILED:
        return Refused(
            "bad_argument", "The prompt is the same as before. Nothing was stored.", "Change it, or approve it."
        )
    tries = (tried for tried in state.attempts[attempt.phase] if tried.sha256 == command.sha256)
    rejected = next((tried for tried in tries if is_rejected_prompt(state, tried)), None)
    if rejected is None:
        return None
    return Refused(
        "conflict",
        f"This prompt was rejected in attempt {rejected.number}: {rejected.reason}",
        "Change what was rejected, and edit again.",
    )


Side = Literal["old", "new"]

_HEAD = "Comments on lines:"
_LINE = re.compile(r"- (?P<file>.+?):(?P<line>[1-9]\d*) \((?P<side>old|new)\): (?P<text>.*)")
_MORE = "  "


@dataclass(frozen=True, slots=True)
class LineComment:
    """What a person says about one line. ``side``: of the file before the change, or after it. ``line``: counts from 1."""

    file: str
    line: int
    text: str
    side: Side = "new"


def with_comments(feedback: str, comments: Iterable[LineComment]) -> str:
    """``feedback`` with the comments below it; as it is without any."""
    lines = [_write_comment(comment) for comment in comments]
    return "\n".join([*([feedback.strip(), ""] if feedback.strip() else []), _HEAD, *lines]) if lines else feedback


def split_comments(text: str) -> tuple[str, tuple[LineComment, ...]]:
    """The feedback and the comments of ``text``; the text itself and no comments where it has none."""
    before, heading, after = text.partition(f"{_HEAD}\n")
    if not heading or (before and not before.endswith("\n")):
        return text, ()
    comments: list[LineComment] = []
    for line in after.split("\n"):
        read = _LINE.fullmatch(line)
        if read:
            side: Side = "old" if read["side"] == "old" else "new"
            comments.append(LineComment(read["file"], int(read["line"]), read["text"], side))
        elif comments and line.startswith(_MORE):
            last = comments[-1]
            comments[-1] = LineComment(last.file, last.line, f"{last.text}\n{line.removeprefix(_MORE)}", last.side)
        else:
            return text, ()
    return before.strip(), tuple(comments)


def _write_comment(comment: LineComment) -> str:
    text = comment.text.strip().replace("\r\n", "\n").replace("\n", f"\n{_MORE}")
    return f"- {comment.file}:{comment.line} ({comment.side}): {text}"
