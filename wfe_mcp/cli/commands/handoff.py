"""``wfe-mcp handoff`` and ``context``: what the next worker of a run or phase must know."""

from pathlib import Path
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused

SomeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the newest open one.")]
Write = Annotated[
    str,
    typer.Option(
        "--write", metavar="DIR", help="Write START_HERE.md, current-status.md and next-handoff.md there too."
    ),
]


def handoff(invocation: Invocation, run: SomeRun = "", write: Write = "") -> None:
    """Summarize what is done, decided and open in a run."""
    from wfe_mcp.views.reports.handoff import handoff as page_of, run_of

    run = run_of(invocation.engine, run)
    page = page_of(invocation.engine, run)
    written = _write(invocation, run, write) if write else []
    data = {"markdown": page} | ({"written": written} if written else {})

    def render(screen: Screen) -> None:
        screen.quoted(page.rstrip())
        for each in written:
            screen.line(f"Written: {each}")

    invocation.answer(f"Hand-off of run {run}", render, run=run, data=data)


def _write(invocation: Invocation, run: str, folder: str) -> list[str]:
    """Write all three files or none. Other files are not replaced, and nothing is written outside the project."""
    from wfe_mcp.views.reports.handoff import MARK, files
    from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

    root = invocation.engine.root
    target = Path(folder).absolute()
    try:
        below = target.resolve().relative_to(root).as_posix()
    except ValueError:
        raise Refused(
            "path_outside_project", f"{folder} is not in the project {root}.", "Name a folder of the project."
        ) from None
    before = "" if below == "." else f"{below}/"
    made = {f"{before}{name}": text for name, text in files(invocation.engine, run).items()}
    for path in made:
        there = read_if_there(root, path)
        if there is not None and not there.startswith(MARK.encode()):
            raise Refused(
                "conflict",
                f"{path} exists already, and wfe-mcp did not write it.",
                "Name another folder, or move that file.",
            )
    for path, text in made.items():
        write_atomic(root, path, text)
    return list(made)


OfPhase = Annotated[str, typer.Argument(metavar="[PHASE]", help="The phase; without it the one that is next.")]


def context(invocation: Invocation, run: Run, phase: OfPhase = "") -> None:
    """Print what the next worker of a phase must know.

    Its task and role, the goal, the reports of earlier phases, why the run came back, commits and changed files since the
    run began, open blockers and attached files. Agents read the same with read_artifact, artifact context:pack.
    """
    from wfe_mcp.views.artifacts.context_pack import context_pack
    from wfe_mcp.views.artifacts.context_text import context_text
    from wfe_mcp.views.reports.envelopes import envelope_of

    run = invocation.at(run, phase or None)
    found = invocation.overview(run)
    pack = context_pack(invocation.engine, found, phase, whole=True)
    answer = envelope_of(found, f"Context of {pack.duty.phase}", pack)

    def render(screen: Screen) -> None:
        screen.quoted(context_text(pack).rstrip())

    invocation.render(answer, render)
