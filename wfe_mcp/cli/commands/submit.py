"""``wfe-mcp submit`` and ``attach``: hand an artifact or a file to a phase."""

import os
from pathlib import Path
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Note, Phase, PinFd, Run
from wfe_mcp.cli.terminal.waiting import wait_for_gates
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.units import plural

File = Annotated[
    str,
    typer.Option(
        "--path",
        "--file",
        metavar="FILE",
        help="The artifact: .json, .md or a folder. In .wfe/ no gate counts it as a change.",
    ),
]
Attempt = Annotated[int | None, typer.Option("--attempt", metavar="N", help="Refuse unless this attempt is open.")]
Attach = Annotated[
    list[str] | None,
    typer.Option("--attach", metavar="FILE", help="A file of the project to keep as proof, best in .wfe/; repeatable."),
]


def submit(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    path: File,
    attempt: Attempt = None,
    note: Note = "",
    attach: Attach = None,
    pin_fd: PinFd = None,
) -> None:
    """Submit the artifact of a phase and wait for its gates.

    A free phase is claimed first.
    """
    from wfe_mcp.views.answers import tool_answers as answers
    from wfe_mcp.views.runs.models import SubmittedView

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    loaded = invocation.overview(run).loaded
    is_persons = phase in loaded.state.attempts and loaded.state.phase(PhasePath(phase)).kind == "human"
    by = invocation.person(pin_fd, f"submit {phase}") if is_persons or pin_fd is not None else invocation.by
    root = Path(loaded.record.worktree)
    proofs = [in_project(proof, root) for proof in attach or ()]
    answer = answers.submit_artifact(engine, by, run, phase, attempt, None, in_project(path, root), note, proofs)
    submitted = answer.view_as(SubmittedView)
    wait_for_gates(invocation, run, phase, submitted.attempt)
    invocation.render(answers.submitted_answer(engine, run, phase, submitted.attempt, submitted.revision))


Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, reports, logs; at most 5 MB each.")]
About = Annotated[str, typer.Option("--note", metavar="TEXT", help="What the files show.")]


def attach(invocation: Invocation, run: Run, phase: Phase, files: Files, note: About = "") -> None:
    """Attach files to the open attempt of a phase.

    They are stored with the run and shown where the phase is decided; no gate reads them.
    """
    from wfe_mcp.engine.phases.attach import attach as keep
    from wfe_mcp.views.runs.attachments import attachment_line
    from wfe_mcp.views.values.model import plain
    from wfe_mcp.workspace.files.given_files import from_anywhere

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    heads = keep(engine, invocation.by, run, phase, from_anywhere(files), note)
    lines = [plain(attachment_line(head)) for head in heads]
    what = f"Attached {plural(len(heads), 'file')} to {shell_path(phase)}, attempt {heads[0].attempt}"
    invocation.outcome(phase, what, {"attachments": lines})


def in_project(path: str, root: Path) -> str:
    """``path`` relative to the project; as typed when it is outside (and is refused)."""
    # Not resolve(): a link in the path is refused, so it must stay one.
    here = Path(os.path.normpath(Path.cwd() / path))
    if Path(path).is_absolute() or os.path.lexists(here):
        for folder in here.parents if root.is_dir() else ():  # the folder of the project, also where a link leads to it
            if folder.exists() and folder.samefile(root):
                return here.relative_to(folder).as_posix()
    return path
