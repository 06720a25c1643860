"""``wfe-mcp edit``: correct the prompt or the artifact of a phase yourself."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wfe_mcp.artifacts.parse import parse_json, read_artifact
from wfe_mcp.cli.terminal.confirm import open_in_editor
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Note, Phase, PinFd, Run
from wfe_mcp.cli.terminal.waiting import wait_for_gates
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.workspace.files.project_files import named_file

Draft = Annotated[
    int | None, typer.Option("--draft", metavar="N", help="Begin with draft N, a refused submission of the phase.")
]
File = Annotated[str, typer.Option("--path", "--file", metavar="FILE", help="Submit this file; no editor opens.")]
Take = Annotated[
    str,
    typer.Option("--take", metavar="REVIEWER", help="Take what this reviewer suggests, or the opinion with this id."),
]


def edit(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    draft: Draft = None,
    path: File = "",
    take: Take = "",
    note: Note = "",
    pin_fd: PinFd = None,
) -> None:
    """Correct the prompt or the artifact of a phase; its gates run again.

    Before work it is the prompt, and the agent gets it exactly as you leave it. After work it is the artifact, while it
    awaits approval and after it failed. Asks for your PIN.
    """
    from wfe_mcp.engine.phases.edit import is_prompt

    engine, run, spot = invocation.engine, invocation.resolve_run(run, phase), PhasePath(phase)
    if sum([draft is not None, bool(path), bool(take)]) > 1:
        raise Refused("bad_argument", "--draft, --path and --take exclude each other.", "Give one of them.")
    if is_prompt(engine, run, spot):
        if draft is not None:
            raise Refused("bad_argument", f"{phase!r} has no drafts: work has not begun.", "Omit --draft.")
        _edit_prompt(invocation, run, spot, path, take, pin_fd)
    else:
        _edit_artifact(invocation, run, spot, (draft, path, take), note, pin_fd)


def _edit_prompt(invocation: Invocation, run: str, spot: PhasePath, path: str, take: str, pin_fd: int | None) -> None:
    from wfe_mcp.engine.phases import edit as edits

    engine = invocation.engine
    with ExitStack() as until_stored:
        if take:
            text = edits.suggestion_of(engine, run, spot, take)
        elif path:
            text = _read(path, "Name a text file.").decode(errors="replace")
        else:
            opened = _in_editor(edits.prompt_to_edit(engine, run, spot), "prompt.md", run, spot)
            text = until_stored.enter_context(opened)
        by = invocation.person(pin_fd, f"edit the prompt of {spot}")
        attempt = edits.edit_prompt(engine, by, run, spot, text).state.current(spot)
    wait_for_gates(invocation, run, spot, attempt.number)
    data: dict[str, Any] = {"prompt": {"sha256": attempt.sha256, "attempt": attempt.number}}
    what = f"Edited the prompt of {shell_path(spot)}, now {str(attempt.sha256)[:12]}"
    invocation.outcome(spot, what, data)


def _edit_artifact(
    invocation: Invocation,
    run: str,
    spot: PhasePath,
    source: tuple[int | None, str, str],
    note: str,
    pin_fd: int | None,
) -> None:
    from wfe_mcp.engine.phases import edit as edits
    from wfe_mcp.views.answers import tool_answers as answers

    engine, (draft, path, take) = invocation.engine, source
    text, schema = edits.text_to_edit(engine, run, spot, draft)
    with ExitStack() as until_stored:
        if take:
            value = edits.suggested_artifact(schema, edits.suggestion_of(engine, run, spot, take))
        elif path:
            value = read_artifact(schema, path, _read(path, "Name a .json or .md file."))
        else:
            value = parse_json(until_stored.enter_context(_in_editor(text, "artifact.json", run, spot)))
        by = invocation.person(pin_fd, f"edit {spot}")
        receipt = edits.edit(engine, by, run, spot, value, note or (f"suggested by {take}" if take else ""))
    wait_for_gates(invocation, run, spot, receipt.attempt)
    invocation.render(answers.submitted_answer(engine, run, spot, receipt.attempt, receipt.revision))


def _read(path: str, hint: str) -> bytes:
    with named_file(path, "read", hint):
        return Path(path).read_bytes()


@contextmanager
def _in_editor(text: str, name: str, run: str, spot: PhasePath) -> Generator[str]:
    again = ["wfe-mcp", "edit", run, str(spot), "--path"]
    with open_in_editor(text, name, f"wfe-mcp edit {run} {shell_path(spot)} --path FILE", again) as file:
        try:
            changed = file.read_bytes().decode()
        except UnicodeDecodeError:
            raise Refused("bad_argument", "Your editor did not save UTF-8.", "Save it as UTF-8.") from None
        yield changed
