"""The step ``git.clean``: which branches of a run are merged, and how they are removed, here and on the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git import refs, remote as remotes
from wfe_mcp.engine.delivery.operations import Operation, operate, removed_branches
from wfe_mcp.engine.delivery.place import DeliveryPlace, remote_of
from wfe_mcp.engine.kernel.step_call import CommandCall, StepCall
from wfe_mcp.workspace.git.repository import branch as current_branch, is_ancestor
from wfe_mcp.workspace.git.worktrees import worktrees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.workflow.model.delivery import GitClean


def clean(place: DeliveryPlace, call: StepCall, _context: JobContext, params: GitClean) -> Mapping[str, Any]:
    """Remove the merged branches of the run; with ``dry_run`` only name them, and what stays, with the reason."""
    goes, stays = merged_branches(place, params.branch)
    remote = remote_of(place) if params.remote else None
    facts = {"branches": sorted(goes), "stays": stays, "remote": remote.name if remote else ""}
    if params.dry_run or not goes:
        return {"dry_run": params.dry_run, **facts}
    for name, sha in goes.items():
        remove_branch(call, place, name, sha, remote)
    return {"dry_run": False, **facts}


def seen_clean(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The branch, once it is gone here."""
    name = str(operation.target["branch"])
    return None if refs.commit_of(place.root, refs.ref_of(name)) else {"branch": name, "sha": ""}


def undo_clean(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The branch is here again; what was removed on the remote stays removed."""
    name, sha = str(operation.target["branch"]), str(operation.before["sha"])
    if refs.commit_of(place.root, refs.ref_of(name)) != sha:
        refs.move(place.root, refs.ref_of(name), sha, refs.NONE, f"undo of run {operation.run}")
    return {"branch": name, "sha": sha}


def merged_branches(
    place: DeliveryPlace, named: str, also: Sequence[Operation] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """The branches that the run made and that are in the base, with their commits; the others with the reason.

    ``also``: what others did with them.
    """
    operations = [*place.operations, *also]
    # Begun and not seen to its end, and gone already. One that is still here is judged again.
    goes = {
        str(operation.target["branch"]): str(operation.before["sha"])
        for operation in operations
        if operation.kind == "git.clean"
        and operation.after is None
        and operation.target["branch"] not in removed_branches(operations)
        and not refs.commit_of(place.root, refs.ref_of(operation.target["branch"]))
    }
    stays: dict[str, str] = {}
    landed = {
        str(operation.target["branch"]): str(operation.target.get("sha", ""))
        for operation in operations
        if operation.kind in {"git.merge", "forge.merge"} and operation.done is not None and not operation.undone
    }
    branches = {
        str(operation.done["branch"])
        for operation in operations
        if operation.kind == "git.branch" and operation.done and not operation.undone
    }
    for name in sorted(branches):
        sha = refs.commit_of(place.root, refs.ref_of(name))
        if not sha or (named and name != named):
            continue
        elsewhere = refs.held_by(place.root, name)
        if place.is_protected(name):
            stays[name] = "protected"
        elif landed.get(name) != sha and not is_ancestor(place.root, sha, refs.ref_of(place.settings.base)):
            stays[name] = "not merged"
        elif elsewhere is not None and any(
            worktree.locked for worktree in worktrees(place.root) if worktree.branch == name
        ):
            stays[name] = f"its worktree {elsewhere} is locked"
        else:
            goes[name] = sha
    return goes, stays


def remove_branch(
    call: StepCall | CommandCall, place: DeliveryPlace, name: str, sha: str, remote: remotes.Remote | None
) -> None:
    """Remove a merged branch of the run, the work tree that has it and the branch on ``remote``. Raises DeliveryFault."""
    root = place.root
    before = {"sha": sha} | ({"by": call.by} if isinstance(call, CommandCall) else {})
    target = {"branch": name, "remote": remote.name if remote else ""}

    def observe() -> Mapping[str, Any] | None:
        is_gone = not refs.commit_of(root, refs.ref_of(name))
        is_gone = is_gone and (remote is None or not remotes.commit_at(remote, name))
        return {"branch": name, "sha": ""} if is_gone else None

    def allow() -> None:
        there = remotes.commit_at(remote, name) if remote is not None else ""
        where = f"'{name}' on {remote.name}" if remote is not None and there not in {"", sha} else f"'{name}'"
        if {there, refs.commit_of(root, refs.ref_of(name))} - {"", sha}:
            raise DeliveryFault(f"{where} has other commits than the merged ones: it stays.", "conflict")

    def act() -> None:
        if current_branch(root) == name:
            _leave(place, name, sha)
        if (folder := refs.held_by(root, name)) is not None:
            refs.remove_worktree(root, folder)
        if remote is not None and remotes.commit_at(remote, name):
            remotes.push(remote, {refs.ref_of(name): ""}, expected=sha)
        if refs.commit_of(root, refs.ref_of(name)):
            refs.remove(root, refs.ref_of(name), sha)

    operate(place.engine, call, "git.clean", target, before, observe, act, allow)


def _leave(place: DeliveryPlace, name: str, sha: str) -> None:
    """Change over to the base; where another folder has it, or it has other files here, to the merged commit and no branch."""
    root, base = place.root, place.settings.base
    here = refs.commit_of(root, refs.ref_of(base))
    if here and refs.held_by(root, base) is None and refs.has_same_files(root, sha, here):
        refs.attach(root, base)
        return
    merged = [
        operation.commit
        for operation in place.operations
        if operation.kind.endswith(".merge") and operation.target["branch"] == name
    ]
    same = [commit for commit in merged if refs.commit_of(root, commit) and refs.has_same_files(root, sha, commit)]
    refs.detach(root, same[-1] if same else sha)
