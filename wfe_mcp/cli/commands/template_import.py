"""``wfe-mcp templates import``: store a template, a workflow or plan of another system."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.commands.import_run import Format, path_in, write_missing, write_work
from wfe_mcp.cli.commands.templates import render_kept
from wfe_mcp.cli.terminal.changes import detail_views, render_losses
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.shell_words import shell_line, shell_word

if TYPE_CHECKING:
    from wfe_mcp.importers import ImportedPlan, ImportedSettings

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="wfe/1 (JSON or a folder), AFU-9 JSON, ai-workflow-engine's config.yml or gates, aiw's .ai-workflow.yaml, "
        "milestones.md or backlog.md; or the folder of Task Master, Backlog.md, spec-kit, OpenSpec, spec-workflow or shrimp.",
    ),
]
Version = Annotated[
    str, typer.Option("--version", metavar="TEXT", help="The template's version, instead of the one in the file.")
]
Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name of the template, instead of the one in the file; of a table of stored workflows the one to take.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FILE",
        help="Where to write a plan; else .wfe/plans/NAME.json. For the work of another tool: a folder.",
    ),
]


def import_(
    invocation: Invocation, source: Source, version: Version = "", name: Name = "", to: Target = "", wanted: Format = ""
) -> None:
    """Store a template, or turn a plan into an artifact."""
    from wfe_mcp.engine.templates.versions import keep_version, next_version
    from wfe_mcp.importers import ImportedPlan, ImportedSettings, ImportedWork, read_workflow

    path = Path(source)
    imported = read_workflow(path, name, wanted)
    if isinstance(imported, ImportedWork):
        write_work(invocation, imported, source, to)
        return
    if isinstance(imported, ImportedPlan):
        write_plan(invocation, imported, path, to)
        return
    if isinstance(imported, ImportedSettings):
        _render_settings(invocation, imported)
        return
    definition = imported.definition | ({"version": version} if version else {})
    try:
        kept = keep_version(invocation.engine, definition, "imported")
    except Refused as no:
        if no.code != "conflict":
            raise
        named = ["--name", name] if name else []
        again = [
            "wfe-mcp",
            "templates",
            "import",
            source,
            *named,
            "--version",
            next_version(str(definition["version"])),
        ]
        raise replace(no, hint=f"Store it as another version: {shell_line(again)}") from None
    notes = {"not_carried": detail_views(imported.not_carried), "added": detail_views(imported.added)}
    more = {"format": imported.format} | {key: entries for key, entries in notes.items() if entries}
    render_kept(invocation, kept, f"Stored {kept.name} {kept.version}, from {imported.format}.", more)


def write_plan(
    invocation: Invocation, imported: "ImportedPlan", source: Path, to: str, *, as_items: bool = False
) -> None:
    """Write the plan, and beside it the inputs of the template that works it. Files with other content are not replaced.

    ``as_items``: its milestones and tasks become work items, too.
    """
    from wfe_mcp.cli.commands.work_files import render_imported
    from wfe_mcp.views.work.imports import imported_items

    root = invocation.engine.root
    target = Path(to) if to else root / ".wfe" / "plans" / f"{source.stem}.json"
    inputs = target.with_suffix(".inputs.json")
    write_missing(root, {target: imported.plan, inputs: {"plan": imported.plan}}, "file")
    start = f"wfe-mcp start milestones --inputs {shell_word(f'@{path_in(root.resolve(), inputs.resolve())}')}"
    milestones, quality, lost = (
        imported.plan["milestones"],
        imported.plan["quality"],
        detail_views(imported.not_carried),
    )
    tasks = sum(len(milestone["tasks"]) for milestone in milestones)
    summary = f"{plural(len(milestones), 'milestone')} with {plural(tasks, 'task')}, score {quality['score']}: {target}"
    data = {"format": imported.format, "schema": "milestone_plan@1", "path": str(target), "artifact": imported.plan}
    data |= {"inputs": str(inputs), "start": start}
    items = imported_items(invocation.engine, invocation.by, source) if as_items else None
    data |= {"items": {"summary": items.summary} | items.data} if items else {}

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for problem in quality["problems"]:
            screen.line(f"! line {problem['line']}: {problem['message']}", "yellow")
        render_losses(screen, lost)
        if items:
            render_imported(screen, items, with_lost=False)
        screen.next(invocation.in_git("milestones", start))

    invocation.answer(summary, render, data=data | ({"not_carried": lost} if lost else {}))


def _render_settings(invocation: Invocation, imported: "ImportedSettings") -> None:
    """Show the configuration; the user decides where it goes."""
    from wfe_mcp.views.templates.imports import start_command

    start = start_command(imported)
    lost, toml = detail_views(imported.not_carried), imported.toml()
    summary = (
        f"{_describe_settings(imported)}; add this to .wfe/config.toml:"
        if toml
        else f"It has no configuration of {imported.template}."
    )
    data: dict[str, Any] = {"format": imported.format, "settings": imported.settings(), "toml": toml}
    more = {"inputs": imported.inputs, "not_carried": lost}

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        screen.print_quoted(toml)
        if start:
            screen.line(f"To start it: {start}")
        render_losses(screen, lost)

    invocation.answer(summary, render, data=data | {key: value for key, value in more.items() if value})


def _describe_settings(imported: "ImportedSettings") -> str:
    checks = f"{plural(len(imported.checks), 'check')}, " if imported.checks else ""
    return f"{checks}{plural(len(imported.phases), 'phase')} of {imported.template}"
