"""``wfe-mcp ci github|gitlab``: write the job that runs ``verify --branch`` as a required check."""

import re
from difflib import get_close_matches
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.ci import FORGES, ci_file
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

Forge = Annotated[str, typer.Argument(metavar="github|gitlab", help="The forge.")]
Branch = Annotated[
    str,
    typer.Option(
        "--branch",
        metavar="BRANCH",
        help="The branch that is protected; without it [delivery] base, else that of the remote's HEAD, else main.",
    ),
]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")


def ci(invocation: Invocation, forge: Forge, branch: Branch = "") -> None:
    """Write the CI job that verifies a branch.

    It checks each change against the approvers of its base. The actions it uses are pinned by commit. Writing it again changes nothing; a file of yours is not overwritten.
    """
    if forge not in FORGES:
        nearest = (get_close_matches(forge, FORGES, 1) or [FORGES[0]])[0]
        raise Refused(
            "bad_argument", f"There is no job for {forge!r}; got one for {', '.join(FORGES)}.", f"wfe-mcp ci {nearest}"
        )
    branch = branch or _base(invocation)
    if not _NAME.fullmatch(branch):
        raise Refused("bad_argument", f"{branch!r} is no name of a branch.", "Name it as git branch lists it.")
    file, root = ci_file(forge, branch), invocation.project.root
    before = read_if_there(root, file.path)
    if before is not None and before.decode(errors="replace").replace("\r\n", "\n") != file.text:
        raise Refused(
            "conflict",
            f"{file.path} exists and is another file.",
            f"Compare it, move it away, then write it again: wfe-mcp ci {forge}",
        )
    if before is None:
        write_atomic(root, file.path, file.text)
    first = () if invocation.engine.project.is_git else ("Here is no git repository yet: git init",)
    after = [*first, *file.after]
    summary = f"Wrote {file.path}" if before is None else f"{file.path} is as it should be"

    def show(screen: Screen) -> None:
        screen.line(summary, "green")
        for line in after:
            screen.line(f"  {line}")

    invocation.answer(summary, show, data={"file": file.path, "written": before is None, "after": after})


def _base(invocation: Invocation) -> str:
    from wfe_mcp.delivery.git.remote import base_at

    delivery = invocation.engine.settings().settings.delivery
    is_set = "base" in delivery.model_fields_set
    return delivery.base if is_set else base_at(invocation.project.root, delivery.remote) or delivery.base
