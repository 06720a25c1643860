"""``wfe-mcp plan``: validate, score, improve and import a plan of milestones."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wfe_mcp.cli.commands.template_import import Target, write_plan
from wfe_mcp.cli.terminal.changes import detail_views, render_losses
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.workflow.load import read_text
from wfe_mcp.workspace.files.project_files import write_new
from wfe_mcp.workspace.system.shell_words import shell_word

Source = Annotated[str, typer.Argument(metavar="FILE", help="A milestones.md or backlog.md.")]
Milestones = Annotated[str, typer.Argument(metavar="FILE", help="A milestones.md.")]
Goal = Annotated[str, typer.Argument(metavar="GOAL", help="What the plan is to reach.")]
Context = Annotated[str, typer.Option("--context", metavar="FILE", help="Text about the project, put into the prompt.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the changes and write nothing.")]
Written = Annotated[str, typer.Option("--to", metavar="FILE", help="Where to write the result.")]


def validate(invocation: Invocation, source: Source) -> None:
    """List every fault of a plan, by line; exit 1 if it cannot be imported."""
    from wfe_mcp.importers import read_plan

    imported = read_plan(Path(source)).import_plan()
    milestones, quality = imported.plan["milestones"], imported.plan["quality"]
    tasks = sum(len(milestone["tasks"]) for milestone in milestones)
    summary = f"{source}: {plural(len(milestones), 'milestone')} with {plural(tasks, 'task')}, score {quality['score']}"
    lost = detail_views(imported.not_carried)

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        _render_problems(screen, quality)
        render_losses(screen, lost)

    invocation.answer(summary, render, data={"format": imported.format, "quality": quality, "not_carried": lost})


def score(invocation: Invocation, source: Source) -> None:
    """Score a plan: 100 minus each penalty."""
    from wfe_mcp.importers import read_plan

    reading = read_plan(Path(source))
    quality = reading.plan["quality"]
    errors = detail_views(reading.report.errors)
    summary = f"{source}: score {quality['score']} of 100"
    data: dict[str, Any] = {"format": reading.format, "quality": quality} | ({"errors": errors} if errors else {})

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        _render_problems(screen, quality)
        if errors:
            screen.line(
                f"! {plural(len(errors), 'line')} not read, so not scored: wfe-mcp plan validate {shell_word(source)}",
                "yellow",
            )

    invocation.answer(summary, render, data=data)


def prompt(invocation: Invocation, goal: Goal, about: Context = "") -> None:
    """Print a prompt with which any chat model writes a milestones.md."""
    from wfe_mcp.importers.plan_prompt import plan_prompt

    if not goal.strip():
        raise Refused("bad_argument", "The goal is empty.", 'Say what the plan is to reach: wfe-mcp plan prompt "…"')
    text = plan_prompt(goal.strip(), read_text(Path(about), "context").strip() if about else "")
    invocation.answer("A prompt for a plan", lambda screen: screen.lines(text), data={"prompt": text})


def optimize(invocation: Invocation, source: Milestones, dry_run: DryRun = False, to: Written = "") -> None:
    """Propose a better order and size of the tasks of a milestones.md."""
    from wfe_mcp.importers import read_plan
    from wfe_mcp.importers.milestones import FORMAT, read_milestones
    from wfe_mcp.importers.plan_prompt import as_markdown, optimise_plan

    if not dry_run and not to:
        raise Refused(
            "bad_argument",
            "Where the result goes is not said.",
            f"To only look: wfe-mcp plan optimize {shell_word(source)} --dry-run. To write it: --to FILE",
        )
    reading = read_plan(Path(source))
    if reading.format != FORMAT:
        raise Refused("bad_argument", f"{source} is a backlog; its items have no order yet.", "Name a milestones.md.")
    reading.refuse()
    before, proposal = reading.plan["quality"]["score"], optimise_plan(reading.plan)
    text = as_markdown(proposal.plan)
    after = read_milestones(text).plan["quality"]["score"]
    summary = f"{source}: {plural(len(proposal.changes), 'change')}, score {before} → {after}"
    if not dry_run:
        write_new(Path(to), text)
        summary += f"; written to {to}"
    lost = detail_views(reading.report.not_carried)
    data = {
        "changes": proposal.changes,
        "score": {"before": before, "after": after},
        "milestones_md": text,
        "not_carried": lost,
    }

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for change in proposal.changes:
            screen.line(f"  {change}")
        render_losses(screen, lost)
        if dry_run and proposal.changes:
            screen.line(f"To write it: wfe-mcp plan optimize {shell_word(source)} --to FILE")

    invocation.answer(summary, render, data=data)


def import_(invocation: Invocation, source: Source, to: Target = "") -> None:
    """Turn a plan into an artifact that a phase takes, and into work items."""
    from wfe_mcp.importers import read_plan

    write_plan(invocation, read_plan(Path(source)).import_plan(), Path(source), to, as_items=True)


def _render_problems(screen: Screen, quality: dict[str, Any]) -> None:
    for problem in quality["problems"]:
        stops = ", stops an import" if problem["blocking"] else ""
        screen.line(f"! line {problem['line']}: {problem['message']} (−{problem['penalty']}{stops})", "yellow")
