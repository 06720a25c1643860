"""``wfe-mcp templates clone``, ``edit``, ``diff`` and what is in use: how does a workflow change?"""

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.versions import KeptVersion

__all__ = ["archive", "clone", "default", "diff", "disable", "edit", "enable", "tell_kept"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The template, or one version: NAME@VERSION.")]
NewName = Annotated[str, typer.Argument(metavar="NEW_NAME", help="What the copy is called.")]
Version = Annotated[str, typer.Option("--version", metavar="TEXT", help="The copy's version; else the original's.")]
File = Annotated[
    str, typer.Option("--file", metavar="FILE", help="The edited template; without it your $EDITOR opens.")
]
Other = Annotated[str, typer.Argument(metavar="[OTHER]", help="What to compare with; else what it was made from.")]


def clone(door: Door, name: Name, new_name: NewName, version: Version = "") -> None:
    """Copy a template under a name of your own, to change it there."""
    from wfe_mcp.engine.templates.versions import clone as copy

    tell_kept(door, copy(door.engine, name, new_name, version), f"Copied {name} to {new_name}.")


def edit(door: Door, name: Name, file: File = "") -> None:
    """Make a new version of a template. The old one stays as it is, and so does every run that follows it."""
    from wfe_mcp.engine.templates.catalogue import template_definition
    from wfe_mcp.engine.templates.versions import edit as keep_edited
    from wfe_mcp.workflow.load import load_definition

    base = template_definition(door.engine, name)
    definition = load_definition(Path(file)) if file else _edited(base)
    kept = keep_edited(door.engine, base, definition)
    tell_kept(door, kept, f"{kept.name} {kept.version} is kept; {base.version} stays as it is.")


def diff(door: Door, name: Name, other: Other = "") -> None:
    """Show how a template differs from what it was made from, or from another one."""
    from wfe_mcp.cli.terminal.changes import tell_changes
    from wfe_mcp.engine.templates.catalogue import template_definition
    from wfe_mcp.engine.templates.versions import parent_of
    from wfe_mcp.views.diff import difference
    from wfe_mcp.views.envelope import Envelope

    offer = template_definition(door.engine, name)
    old = template_definition(door.engine, other).definition if other else parent_of(door.engine, offer)
    if old is None:
        raise Refused("bad_argument", f"{offer.name} {offer.version} was not made from another template.",
                      f"Name one to compare with: wfe-mcp templates diff {name} OTHER")  # fmt: skip
    old_is, new_is = f"{old['name']} {old['version']}", f"{offer.name} {offer.version}"
    changes = difference(old, offer.definition)
    data = {"old": old_is, "new": new_is, "changes": changes}
    answer = Envelope(True, summary=f"{old_is} -> {new_is}: {len(changes)} change(s)", data=data)

    def tell(screen: "Screen") -> None:
        screen.line(answer.summary, "bold")
        tell_changes(screen, changes, 300)

    door.tell(answer, tell)


def default(door: Door, name: Name) -> None:
    """Let lists of this project begin with NAME."""
    from wfe_mcp.engine.templates.versions import make_default

    offer = make_default(door.engine, door.by, name)
    _say(door, offer.name, f"{offer.name} comes first in this project now.", "default")


def enable(door: Door, name: Name) -> None:
    """Let runs start from a disabled or archived template again."""
    from wfe_mcp.engine.templates.versions import enable as put_in_use

    found = put_in_use(door.engine, door.by, name)
    _say(door, found, f"{found} can be started again.", "enabled")


def disable(door: Door, name: Name) -> None:
    """Let no run start from a template until you enable it. Runs under way go on."""
    from wfe_mcp.engine.templates.versions import disable as put_out_of_use

    found = put_out_of_use(door.engine, door.by, name)
    _say(door, found, f"No run starts from {found} until: wfe-mcp templates enable {found}", "disabled")


def archive(door: Door, name: Name) -> None:
    """Put a template away, or one version of it. Nothing is deleted, and runs under way go on."""
    from wfe_mcp.engine.templates.versions import archive as put_away

    found = put_away(door.engine, door.by, name)
    _say(door, found, f"{found} is put away; wfe-mcp templates enable {found} brings it back.", "archived")


def tell_kept(door: Door, kept: "KeptVersion", summary: str, more: dict[str, Any] | None = None) -> None:
    """A version that was kept: what it needs, what it cannot do yet, and that a person has to trust it."""
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.templates import kept_view

    data = kept_view(kept) | (more or {})
    answer = Envelope(True, summary=summary, data=data)

    def tell(screen: "Screen") -> None:
        screen.line(summary, "bold")
        needs = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in data["requires"].items() if names)
        if needs:
            screen.line(f"It needs {needs}.")
        for text in data.get("warnings", []):
            screen.line(f"! {text}", "yellow")
        for text in data.get("not_carried", []):
            screen.line(f"! not carried: {text['path'] or '(whole)'}: {text['message']}", "yellow")
        if kept.not_yet:
            screen.line("It is stored, but no run can start from it before this program can do:", "yellow")
        for detail in kept.not_yet:
            screen.line(f"! {detail.path}: {detail.message}", "yellow")
        if kept.shadowed:
            screen.line(f"! .wfe/templates has a {kept.name} of its own, which comes first.", "yellow")
        screen.line(f"A run starts from it once you trust it: wfe-mcp trust {kept.name}")

    door.tell(answer, tell)


def _say(door: Door, name: str, summary: str, state: str) -> None:
    from wfe_mcp.views.envelope import Envelope

    door.tell(Envelope(True, summary=summary, data={"template": name, "state": state}))


def _edited(base: "Offer") -> dict[str, Any]:
    """The template as it comes out of the person's editor; it goes in with the next version number."""
    from wfe_mcp.engine.templates.versions import next_version
    from wfe_mcp.workflow.load import load_definition

    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not words:
        raise Refused("bad_argument", "No editor is set.",
                      f"Set EDITOR, or edit a file: wfe-mcp templates export {base.name} FILE, "
                      f"then wfe-mcp templates edit {base.name} --file FILE")  # fmt: skip
    opened = {**base.definition, "version": next_version(base.version)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{base.name}.json")
        file.write_text(json.dumps(opened, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
        try:
            ended = subprocess.run([*words, str(file)], check=False).returncode
        except OSError as error:
            raise Refused("bad_argument", f"The editor {words[0]!r} cannot be started: {error.strerror}.",
                          "Set EDITOR to a program that is there.") from None  # fmt: skip
        if ended != 0:
            raise Refused(
                "bad_argument", f"The editor ended with exit code {ended}, so nothing was kept.", "Edit again."
            )
        edited = load_definition(file)
    if edited == opened:
        raise Refused(
            "bad_argument", "Nothing was changed in the editor, so nothing was kept.", "Edit again, or leave it."
        )
    return edited
