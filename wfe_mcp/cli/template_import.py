"""``wfe-mcp templates import``: how does a workflow of another system come in?"""

from pathlib import Path
from typing import Annotated

import typer

from wfe_mcp.cli.door import Door
from wfe_mcp.cli.template_versions import tell_kept

__all__ = ["import_file"]

Source = Annotated[str, typer.Argument(metavar="FILE", help="A wfe/1 JSON file, or a folder with template.json.")]


def import_file(door: Door, source: Source) -> None:
    """Store a template of your own or somebody else's; it counts once you trust it."""
    from wfe_mcp.engine.versions import keep_version
    from wfe_mcp.workflow.load import load_definition

    kept = keep_version(door.engine, load_definition(Path(source)), "imported")
    tell_kept(door, kept, f"Stored {kept.name} {kept.version}.")
