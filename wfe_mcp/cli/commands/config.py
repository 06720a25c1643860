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
