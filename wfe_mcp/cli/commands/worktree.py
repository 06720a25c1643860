"""``wfe-mcp worktree``: further work trees of a project, ready to work in side by side."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import join_names, plural
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from wfe_mcp.engine.maintenance.worktrees import MadeWorktree

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, which is that of its branch too: fix-login.")]
Which = Annotated[str, typer.Argument(metavar="NAME", help="Its folder's name or its path.")]
Base = Annotated[str, typer.Option("--base", metavar="REV", help="Where a new branch begins.")]
Force = Annotated[bool, typer.Option("--force", help="Also with work in it that is nowhere else.", show_default=False)]


def add(invocation: Invocation, name: Name, base: Base = "HEAD") -> None:
    """Make a work tree beside the project, ready to work in.

    It gets the files that .worktreeinclude names, free ports and the set-up of [worktrees] in the configuration. What a
    first call left half done, a second one completes.
    """
    from wfe_mcp.engine.maintenance.worktrees import make_worktree

    with invocation.screen.busy("Making the work tree…"):
        worktree = make_worktree(invocation.engine, name, base)
    ports = ", ".join(f"{variable}={port}" for variable, port in worktree.ports.items())

    loaded = invocation.engine.settings()
    waits = loaded.pending is not None and loaded.pending.worktrees != loaded.settings.worktrees
    state = "is not ready" if worktree.lacks or waits else "is ready"
    summary = f"{worktree.tree.path} {state}, on the branch {worktree.tree.branch}"

    def render(screen: Screen) -> None:
        screen.line(f"{summary}.", "bold")
        more = (
            f"{plural(worktree.copied, 'file')} copied" if worktree.copied else "",
            f"ports: {ports}" if ports else "",
            f"set up by the check {worktree.set_up}" if worktree.set_up else "",
        )
        for line in filter(None, more):
            screen.line(f"  {line}")
        if worktree.lacks:
            screen.line(f"  ! {_lack(worktree)}", "yellow")
        if waits:
            screen.line(
                "  ! [worktrees] counts once you trust it: wfe-mcp trust, then the same command again", "yellow"
            )
        screen.next(shell_line(["cd", str(worktree.tree.path)]))

    data = _row(worktree.tree) | {"copied": worktree.copied, "ports": dict(worktree.ports), "set_up": worktree.set_up}
    invocation.answer(summary, render, data=data | {"lacks": list(worktree.lacks)})


def list_all(invocation: Invocation) -> None:
    """List the work trees of the project, with the open runs in each."""
    from wfe_mcp.engine.maintenance.worktrees import project_worktrees

    worktrees = project_worktrees(invocation.engine)

    def render(screen: Screen) -> None:
        rows = [
            (
                tree.path.name + ("  (missing)" if tree.missing else ""),
                tree.branch or f"{tree.commit[:12]} (no branch)",
                ", ".join(runs) or "no open run",
                " ".join(f"{name}={port}" for name, port in ports.items()),
                tree.path,
            )
            for tree, ports, runs in worktrees
        ]
        screen.table(("work tree", "branch", "runs", "ports", "folder"), rows)
        if len(worktrees) == 1:
            screen.next("wfe-mcp worktree add NAME")

    rows = [_row(tree) | {"ports": ports, "runs": runs} for tree, ports, runs in worktrees]
    invocation.answer(plural(len(worktrees), "work tree"), render, data={"worktrees": rows})


def remove(invocation: Invocation, name: Which, force: Force = False) -> None:
    """Remove a work tree, and its branch if nothing is lost.

    The branch goes where the current one has all of it. A work tree with open runs stays, and one with work that is nowhere else.
    """
    from wfe_mcp.engine.maintenance.worktrees import remove as remove_tree

    tree, branch = remove_tree(invocation.engine, name, force=force)
    kept = f" The branch {tree.branch} stays." if tree.branch and not branch else ""
    gone = f", and its branch {branch}, of which nothing is lost" if branch else ""
    invocation.answer(f"Removed {tree.path}{gone}.{kept}", data=_row(tree) | {"branch_removed": bool(branch)})


def enter(invocation: Invocation, name: str) -> None:
    """Make a work tree and go on in it: the rest of the command acts there. Where runs deliver, they make the branch."""
    from wfe_mcp.engine.maintenance.worktrees import make_worktree

    with invocation.screen.busy("Making the work tree…"):
        delivers = invocation.engine.settings().settings.delivery.mode != "none"
        worktree = make_worktree(invocation.engine, name, detached=delivers)
    invocation.go_to(worktree.tree.path)
    if not invocation.screen.as_json:
        branch = worktree.tree.branch and f", on the branch {worktree.tree.branch}"
        invocation.screen.line(f"In {worktree.tree.path}{branch}:")
        if worktree.lacks:
            invocation.screen.line(f"  ! {_lack(worktree)}", "yellow")


def _lack(worktree: "MadeWorktree") -> str:
    """What checks need and the work tree has not, and the ways to have it there."""
    named = join_names(worktree.lacks)
    return (
        f"Its checks need {named}, which only the project's folder has: name it in .worktreeinclude and run the same command "
        "again, or make it there with a check that `[worktrees] setup` names."
    )


def _row(tree: Any) -> dict[str, Any]:
    return {"folder": str(tree.path), "branch": tree.branch, "commit": tree.commit, "missing": tree.missing}
