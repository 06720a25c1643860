"""``wfe-mcp edit``: correct the artifact of a phase yourself and submit it."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, PinFd, Run
from wfe_mcp.core.errors import Refused

Draft = Annotated[
    int | None, typer.Option("--draft", metavar="N", help="Begin with draft N, a refused submission of the phase.")
]
File = Annotated[str, typer.Option("--path", "--file", metavar="FILE", help="Submit this file; no editor opens.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Kept with the revision.")]


def edit(
    invocation: Invocation, run: Run, phase: Phase, draft: Draft = None, path: File = "", note: Note = "",
    pin_fd: PinFd = None,
) -> None:  # fmt: skip
    """Correct the artifact of a phase yourself; its gates run.

    It works while the phase awaits approval and after it failed. Asks for your PIN.
    """
    from wfe_mcp.cli.terminal.waiting import wait_for_gates
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.phases.edit import edit as store
    from wfe_mcp.engine.phases.edit import text_to_edit
    from wfe_mcp.views import tool_answers as answers
    from wfe_mcp.views.envelopes import standing_of

    engine, run = invocation.engine, invocation.at(run, phase)
    state = standing_of(engine, run).loaded.state
    spot = PhasePath(phase)
    if spot not in state.attempts:
        raise Refused("unknown_phase", f"The run has no phase {phase!r}.", f"Its phases: wfe-mcp status {run}")
    text, schema = text_to_edit(engine, run, spot, draft)
    value = _from_file(schema, path) if path else _edited(text, f"wfe-mcp edit {run} {phase} --path FILE")
    by = invocation.person(pin_fd, f"edit {phase}")
    receipt = store(engine, by, run, spot, value, note)
    wait_for_gates(invocation, run, phase, receipt.attempt)
    invocation.render(answers.submitted(engine, run, phase, receipt.attempt, receipt.revision))


def _from_file(schema: str | dict[str, Any], path: str) -> object:
    from wfe_mcp.artifacts.parse import read_artifact

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Refused(
            "bad_argument", f"{path} cannot be read: {error.strerror}.", "Name a .json or .md file."
        ) from None
    return read_artifact(schema, path, content)


def _edited(text: str, instead: str) -> object:
    from wfe_mcp.artifacts.parse import parse_json
    from wfe_mcp.cli.terminal.editor import edit_file

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "artifact.json")
        file.write_text(text, encoding="utf-8", newline="\n")
        edit_file(file, instead)
        changed = file.read_text(encoding="utf-8")
    if changed == text:
        raise Refused("bad_argument", "You changed nothing in the editor. Nothing was stored.", "Edit again.")
    return parse_json(changed)
