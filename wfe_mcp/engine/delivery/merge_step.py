"""The steps ``git.merge``, ``git.revert`` and ``git.clean``: the change gets into the base, is taken out again, and leaves no branch.

A merge needs no working folder. Branches are removed here and on the remote, once they are merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.pull_request_text import inert_message
from wfe_mcp.delivery.git import commits, merges, refs, remote as remotes
from wfe_mcp.engine.delivery.approved import approval_again, refuse_unapproved
from wfe_mcp.engine.delivery.attest import attest_and_push
from wfe_mcp.engine.delivery.forge_steps import issue_after_merge
from wfe_mcp.engine.delivery.operations import (
    Operation,
    merges_in,
    merges_left,
    merges_of_newest_base,
    newest_operation,
    operate,
    operations_of,
    removed_branches,
)
from wfe_mcp.engine.delivery.place import (
    DeliveryPlace,
    base_of,
    branch_of,
    fork_of,
    made_branch,
    newest_base,
    refuse_base,
    remote_of,
    tip_of,
)
from wfe_mcp.engine.delivery.proposals import refuse_unready
from wfe_mcp.engine.kernel.step_call import CommandCall, StepCall
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.repository import (
    branch as current_branch,
    changes,
    commit_message,
    commits_between,
    head,
    is_ancestor,
)
from wfe_mcp.workspace.git.working_tree import SeenFiles
from wfe_mcp.workspace.git.worktrees import worktrees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.workflow.model.delivery import GitClean, GitMerge, GitRevert


def make_merge(place: DeliveryPlace, call: StepCall, context: JobContext, params: GitMerge) -> Mapping[str, Any]:
    """Merge the branch of the change into the base. A merged tree that is not the approved one is not taken."""
    refuse_unready(place, call)
    root, base = place.root, base_of(place, call, params.base)
    name, remote = branch_of(place, params.branch), remote_of(place)
    tip, strategy = tip_of(root, name), params.strategy or place.settings.merges_by
    target = {"base": base, "branch": name, "sha": tip, "strategy": strategy}
    operation = newest_operation(place.engine, call, "git.merge", target)
    there = remotes.fetch(remote, base) if remote else ""
    before = (
        operation.before
        if operation and not operation.undone
        else {"sha": _base_now(place, base, there), "remote": there}
    )
    message = commits.with_trailers(
        inert_message(params.message) or _message(place, name, tip, strategy), place.trailers
    )
    result = merges.merge_commit(root, str(before["sha"]), tip, strategy, message)
    _refuse_other_files(place, call, tip, result, base)

    # Its files there would not be those of its commit: it stays, and its folder is brought along by a pull.
    folder = refs.held_by(root, base)
    is_left = folder is not None

    def is_in(commit: str) -> bool:
        return bool(commit) and is_ancestor(root, result, commit)

    def observe() -> Mapping[str, Any] | None:
        is_here = (remote is not None and is_left) or is_in(refs.commit_of(root, refs.ref_of(base)))
        is_done = is_here and (remote is None or is_in(there))
        return {"base": base, "sha": result, "tree": refs.tree_of(root, result), "branch": name} if is_done else None

    def allow() -> None:
        refuse_unapproved(place, call.attempt, str(before["sha"]), tip, base, strategy)
        if is_left and remote is None and not is_in(refs.commit_of(root, refs.ref_of(base))):
            raise DeliveryFault(
                f"'{base}' is checked out in {folder}, so it is moved there, with its files: git -C '{folder}' merge --ff-only {result}; "
                "then retry the phase.",
                "conflict",
            )
        if remote is None or is_in(there):  # else it goes along
            attest_and_push(place, remote, result)

    def act() -> None:
        nonlocal there
        if remote is not None and not is_in(there):
            attest_and_push(place, remote, result, also={refs.ref_of(base): result})
            there = remotes.fetch(remote, base)
        here = refs.commit_of(root, refs.ref_of(base))
        if not is_left and not is_in(here):
            refs.move(root, refs.ref_of(base), result, here, f"merge of run {call.run.id}")
        if current_branch(root) == base:
            refs.index_follows(root)

    seen = operate(place.engine, call, "git.merge", target, before, observe, act, allow)
    return {**seen, **issue_after_merge(place, call, context)}


def make_revert(place: DeliveryPlace, call: StepCall, _context: JobContext, params: GitRevert) -> Mapping[str, Any]:
    """Take the merged change of another run out of the files, as git would revert it; index, HEAD and commits stay."""
    root = place.root
    base, _, changes_out = changes_of(place, params.run, operations_of(place.engine, params.run))
    target = {"run": params.run, "sha": changes_out[0][1]}
    operation = newest_operation(place.engine, call, "git.revert", target)
    before = (
        operation.before
        if operation and not operation.undone
        else {"sha": head(root) or "", "tree": SeenFiles(root).tree(()).id}
    )
    now = str(before["sha"])
    was = commits.contents(root, now).files
    wanted = commits.contents(root, merges.revert_tree(root, now, changes_out)).files
    prefix = require_repository(root).prefix
    files = {
        path.removeprefix(prefix): wanted.get(path)
        for path in was.keys() | wanted.keys()
        if was.get(path) != wanted.get(path) and path.startswith(prefix)
    }
    if not files:
        raise DeliveryFault(f"What run {params.run} merged is not in the files any more. Cancel this run.")

    def observe() -> Mapping[str, Any] | None:
        snapshot = SeenFiles(root).tree(())
        is_done = all(commits.is_as_stored(root, path, snapshot.files.get(path), node) for path, node in files.items())
        # At a second start it is not known what else has changed since the call.
        tree = (operation.done or {}).get("tree") if operation and operation.called else snapshot.id
        seen = {"run": params.run, "base": base, "sha": now, "files": len(files)} | ({"tree": tree} if tree else {})
        return seen if is_done else None

    def allow() -> None:
        if changed := [] if operation and operation.called else [line[3:] for line in changes(root)]:
            raise DeliveryFault(
                f"The folder has changes that are not committed: {commits.list_paths(changed)}. Commit or stash them; then retry the phase.",
                "differs",
            )

    return operate(
        place.engine, call, "git.revert", target, before, observe, lambda: commits.write_files(root, files), allow
    )


def changes_of(place: DeliveryPlace, run: str, done: list[Operation]) -> tuple[str, str, list[tuple[str, str]]]:
    """The branch that ``run`` merged into last, where that is gone the configured base; its newest commit; and where each change
    that was merged there began, with its last commit, the newest first.

    ``done``: the operations of that run. Raises DeliveryFault ``conflict``, ``no_branch``, ``protected``.
    """
    merged = merges_left(place.engine, done) or merges_in(done)  # a person may have brought it back since
    if not merged:
        raise DeliveryFault(f"Run {run} has merged nothing that could be undone.", "no_branch")
    merged = merges_of_newest_base(merged)
    base, start = _went_to(place, run, str(merged[-1].target["base"]))
    changes = [_change(place.root, done, merge) for merge in reversed(merged)]
    if not all(commit and refs.commit_of(place.root, commit) for change in changes for commit in change):
        raise DeliveryFault(
            f"The commits of run {run} are not in this repository. Fetch them; then retry.", "no_branch"
        )
    return base, start, changes


def _went_to(place: DeliveryPlace, run: str, base: str) -> tuple[str, str]:
    with place.engine.store.read() as tx:
        is_of_here = not place.engine.load(tx, run).record.origin_sha256
    if is_of_here and base != place.settings.base:  # what a bundle says chooses no branch
        remote = remote_of(place)
        there = remotes.fetch(remote, base) if remote is not None else ""
        if there or (remote is None and refs.commit_of(place.root, refs.ref_of(base))):
            refuse_base(place, base)
            return base, newest_base(place, base, there)
    return place.settings.base, newest_base(place, place.settings.base)


def _change(root: Path, done: list[Operation], merge: Operation) -> tuple[str, str]:
    tip = refs.commit_of(root, str(merge.target["sha"]))
    if not tip:  # the merged commit has it, and maybe what others brought into the base since the change left it
        tip = refs.commit_of(root, merge.commit)
        if merge.kind == "forge.merge" and (merge.done or {}).get("tree") != merge.before.get("tree"):
            return _before_own(root, merge, tip), tip
    before = [step for step in done[: done.index(merge)] if step.target.get("branch") == merge.target["branch"]]
    return fork_of(root, before, str(merge.before.get("sha", "")), tip), tip


def _before_own(root: Path, merge: Operation, tip: str) -> str:
    """The commit of the base below what a forge made of the change: the last commit, and those below that name the run."""
    trailer = f"Wfe-Run: {merge.run}"
    below = refs.commit_of(root, f"{tip}^")
    while below not in {"", merge.before.get("sha")} and trailer in commit_message(root, below).split("\n"):
        below = refs.commit_of(root, f"{below}^")
    return below


def seen_merge(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The commit that has brought the files of the change into the base since then, on the remote where there is one."""
    target, root = operation.target, place.root
    base, tip = str(target["base"]), str(target["sha"])
    remote, tree = remote_of(place), refs.tree_of(root, tip)
    there = remotes.fetch(remote, base) if remote is not None else refs.commit_of(root, refs.ref_of(base))
    new = commits_between(root, str(operation.before["sha"]), there) if there else []
    sha = tip if tip in new else next((commit for commit in new if refs.tree_of(root, commit) == tree), "")
    return {"base": base, "sha": sha, "tree": tree, "branch": target["branch"]} if sha else None


def undo_merge(_place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """A merge is not taken out of the base: others may build on it, and a run of its own reverts it."""
    raise DeliveryFault(f"{operation.commit[:12]} is on '{operation.target['base']}'.", "conflict")


def _message(place: DeliveryPlace, branch: str, tip: str, strategy: str) -> str:
    """That of a squash is the message of the last commit; a merge names its branch."""
    if strategy == "squash":
        return inert_message(commit_message(place.root, tip))
    return f"Merge {branch}: {place.values['title']}"


def _base_now(place: DeliveryPlace, base: str, there: str) -> str:
    """The commit of the base to merge into. Raises DeliveryFault ``conflict``, ``no_branch``."""
    newest = newest_base(place, base, there)
    if newest != there and there:
        raise DeliveryFault(
            f"'{base}' here ({newest[:12]}) has commits that {place.settings.remote} does not have: they would be pushed with the change. "
            f"Push or drop them first: git log {there[:12]}..{newest[:12]}; then retry the phase.",
            "conflict",
        )
    return newest


def _refuse_other_files(place: DeliveryPlace, call: StepCall, tip: str, result: str, base: str) -> None:
    root = place.root
    approved, merged = refs.tree_of(root, tip), refs.tree_of(root, result)
    if approved == merged:
        return
    paths = merges.changed_files(root, approved, merged)
    remote = remote_of(place)
    bring = f"git merge {base}" if remote is None else f"git fetch {remote.name} {base} && git merge FETCH_HEAD"
    again = approval_again(place, call.attempt)
    then = f"have the result approved: {again}" if again else "retry the phase whose gates judge these files."
    raise DeliveryFault(
        f"Approved is tree {approved[:12]}, merged would be tree {merged[:12]}: '{base}' has gone on. They differ in "
        f"{commits.list_paths(paths)}. Nothing was merged. Bring '{base}' into the change, on its branch: {bring}; then {then}",
        "differs",
    )


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
    """Change over to the base; where HEAD was on no branch before, another folder has the base, or it has other files here, to the
    merged commit and no branch.
    """
    root = place.root
    merged = [step for step in place.operations if step.kind.endswith(".merge") and step.target["branch"] == name]
    base = str(merged[-1].target["base"]) if merged else place.settings.base
    own = made_branch([step for step in place.operations if step.target.get("branch") == name])
    was_detached = own is not None and not own.before["branch"]
    if not was_detached and refs.can_attach(root, base):
        refs.attach(root, base)
        return
    commits_there = [step.commit for step in merged if refs.commit_of(root, step.commit)]
    same = [commit for commit in commits_there if refs.has_same_files(root, sha, commit)]
    refs.detach(root, same[-1] if same else sha)
