"""``wfe-mcp config``: the settings of a project, and the origin of each."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

Origin = Annotated[bool, typer.Option("--origin", help="Show the layer and file of each value.")]


def show(invocation: Invocation, origin: Origin = False) -> None:
    """List every setting of this project."""
    from wfe_mcp.views.envelope import Envelope

    loaded = invocation.engine.settings()
    values: dict[str, Any] = {}
    for key, value in loaded.values().items():
        place = loaded.origins[key]
        values[key] = {"value": value, "origin": place.layer, "where": place.where} if origin else value
    problems = [{"path": each.path, "message": each.message} for each in loaded.problems]
    untrusted = [str(path) for path in loaded.untrusted]
    data = (
        {"settings": values}
        | ({"problems": problems} if problems else {})
        | ({"untrusted": untrusted} if untrusted else {})
    )
    answer = Envelope(True, summary=f"{len(values)} settings", data=data)

    def tell(screen: "Screen") -> None:
        if origin:
            rows = [
                (key, one["value"], " ".join(filter(None, (one["origin"], one["where"]))))
                for key, one in values.items()
            ]
            screen.table(("setting", "value", "from"), rows)
        else:
            screen.table(("setting", "value"), list(values.items()))
        for path in untrusted:
            screen.line(f"! {path} has no effect until you trust it: wfe-mcp trust", "yellow")
        for problem in problems:
            screen.line(f"! {problem['message']}", "yellow")

    invocation.render(answer, tell)


def project(invocation: Invocation) -> None:
    """Show the project: languages, folders with a manifest, checks.

    Nothing of the project runs. Agents read the same as the resource wfe://project.
    """
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.project import project_view

    view = project_view(invocation.engine)
    names = ", ".join(each.name for each in view.languages) or "no known language"
    answer = Envelope(True, summary=f"{view.root}: {names}", view=view)

    def tell(screen: "Screen") -> None:
        screen.line(answer.summary, "bold")
        screen.table(
            ("language", "files", "folders"),
            [(each.name, each.files, ", ".join(each.folders)) for each in view.languages],
        )
        screen.table(("folder", "manifests"), [(each.path, ", ".join(each.manifests)) for each in view.packages])
        screen.table(
            ("check", "in", "command", ""),
            [
                (each.name, each.cwd, " ".join(each.argv), each.fault or ("" if each.configured else "not configured"))
                for each in view.checks
            ],
        )
        if any(not each.configured for each in view.checks):
            screen.next("wfe-mcp init")

    invocation.render(answer, tell)
