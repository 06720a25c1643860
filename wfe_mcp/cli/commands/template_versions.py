"""``wfe-mcp templates clone``, ``edit``, ``diff``, ``default``, ``enable``, ``disable`` and ``archive``."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, TemplateName
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.versions import KeptVersion

NewName = Annotated[str, typer.Argument(metavar="NEW_NAME", help="The name of the copy.")]
Version = Annotated[str, typer.Option("--version", metavar="TEXT", help="The copy's version; else the original's.")]
File = Annotated[
    str, typer.Option("--file", metavar="FILE", help="The edited template; without it your $EDITOR opens.")
]
Other = Annotated[str, typer.Argument(metavar="[OTHER]", help="The template to compare with; else its origin.")]


def clone(invocation: Invocation, name: TemplateName, new_name: NewName, version: Version = "") -> None:
    """Copy a template under a new name."""
    from wfe_mcp.engine.templates.versions import clone as copy

    render_kept(invocation, copy(invocation.engine, name, new_name, version), f"Copied {name} to {new_name}.")


def edit(invocation: Invocation, name: TemplateName, file: File = "") -> None:
    """Create a new version of a template.

    The old version and its runs are not changed.
    """
    from wfe_mcp.engine.templates.catalogue import template_definition
    from wfe_mcp.engine.templates.versions import edit as keep_edited
    from wfe_mcp.workflow.load import load_definition

    base = template_definition(invocation.engine, name)
    definition = load_definition(Path(file)) if file else _edited(base)
    kept = keep_edited(invocation.engine, base, definition)
    render_kept(invocation, kept, f"Stored {kept.name} {kept.version}; {base.version} is unchanged.")


def diff(invocation: Invocation, name: TemplateName, other: Other = "") -> None:
    """Compare a template with its origin, or with another one."""
    from wfe_mcp.cli.terminal.changes import render_changes
    from wfe_mcp.views import authoring

    answer = authoring.diff(invocation.engine, invocation.by, name, other)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        render_changes(screen, answer.shown(authoring.TemplateDiff).changes, 300)

    invocation.render(answer, render)


def default(invocation: Invocation, name: TemplateName, pin_fd: PinFd = None) -> None:
    """Make a template the first one in lists of this project.

    With NAME@VERSION, NAME starts that version from now on; that needs your PIN.
    """
    from wfe_mcp.engine.templates.versions import make_default

    if "@" not in name:
        offer = make_default(invocation.engine, invocation.by, name)
        _render_state(invocation, offer.name, f"{offer.name} is now the default.", "default")
        return
    offer = make_default(invocation.engine, invocation.person(pin_fd, f"make {name} the default"), name)
    _render_state(invocation, name, f"{offer.name} is now the default, and starts version {offer.version}.", "default")


def enable(invocation: Invocation, name: TemplateName) -> None:
    """Enable a disabled or archived template."""
    from wfe_mcp.engine.templates.versions import enable as put_in_use

    found = put_in_use(invocation.engine, invocation.by, name)
    _render_state(invocation, found, f"Enabled {found}.", "enabled")


def disable(invocation: Invocation, name: TemplateName) -> None:
    """Start no run from a template until you enable it.

    Open runs continue.
    """
    from wfe_mcp.engine.templates.versions import disable as put_out_of_use

    found = put_out_of_use(invocation.engine, invocation.by, name)
    _render_state(invocation, found, f"Disabled {found}. To enable it: wfe-mcp templates enable {found}", "disabled")


def archive(invocation: Invocation, name: TemplateName) -> None:
    """Hide a template, or one version of it.

    Nothing is deleted, and open runs continue.
    """
    from wfe_mcp.engine.templates.versions import archive as archive_template

    found = archive_template(invocation.engine, invocation.by, name)
    _render_state(invocation, found, f"Archived {found}. To enable it: wfe-mcp templates enable {found}", "archived")


def render_kept(invocation: Invocation, kept: "KeptVersion", summary: str, more: dict[str, Any] | None = None) -> None:
    """A stored version: what it needs, what is not supported yet, and that it needs trust."""
    from wfe_mcp.views.model import plain
    from wfe_mcp.views.templates import kept_view

    view = kept_view(kept)

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        needs = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in plain(view.requires).items() if names)
        if needs:
            screen.line(f"Needs {needs}.")
        for text in view.warnings:
            screen.line(f"! {text}", "yellow")
        for text in (more or {}).get("not_carried", []):
            screen.line(f"! not carried: {text['path'] or '(whole)'}: {text['message']}", "yellow")
        for text in (more or {}).get("added", []):
            screen.line(f"+ added: {text['path']}: {text['message']}")
        if kept.not_yet:
            screen.line("Stored, but no run can start from it: this version of wfe-mcp does not support", "yellow")
        for detail in kept.not_yet:
            screen.line(f"! {detail.path}: {detail.message}", "yellow")
        if kept.shadowed:
            screen.line(f"! .wfe/templates has another {kept.name}, which takes precedence.", "yellow")
        screen.next(f"wfe-mcp trust {kept.name}")

    invocation.answer(summary, render, data=plain(view) | (more or {}))


def _render_state(invocation: Invocation, name: str, summary: str, state: str) -> None:

    invocation.answer(summary, data={"template": name, "state": state})


def _edited(base: "Offer") -> dict[str, Any]:
    """The template as saved in the user's editor, which opens it with the next version number."""
    from wfe_mcp.cli.terminal.editor import edit_file
    from wfe_mcp.engine.templates.versions import next_version
    from wfe_mcp.workflow.load import load_definition

    opened = {**base.definition, "version": next_version(base.version)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{base.name}.json")
        file.write_text(json.dumps(opened, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
        edit_file(
            file, f"wfe-mcp templates export {base.name} FILE, then wfe-mcp templates edit {base.name} --file FILE"
        )
        edited = load_definition(file)
    if edited == opened:
        raise Refused("bad_argument", "You changed nothing in the editor. Nothing was stored.", "Edit again.")
    return edited
