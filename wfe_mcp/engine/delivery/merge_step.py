"""The step ``git.merge``: the change gets into the base, here and on the remote, without a working folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git import commits, merges, refs, remote as remotes
from wfe_mcp.engine.delivery.attest import attest_and_push
from wfe_mcp.engine.delivery.operations import Operation, begun, operate
from wfe_mcp.engine.delivery.place import Place, branch_of, place_of, remote_of, tip_of
from wfe_mcp.workspace.git.repository import branch as current_branch, commit_message, is_ancestor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.workflow.model.delivery import GitMerge


def make_merge(engine: Engine, call: StepCall, _context: JobContext, params: GitMerge) -> Mapping[str, Any]:
    """Merge the branch of the change into the base. A merged tree that is not the approved one is not taken."""
    place = place_of(engine, call.run)
    if isinstance(place, str):
        return {"skipped": place}
    if place.settings.mode == "pull_request":
        return {"skipped": "[delivery] mode is pull_request"}
    root, base = place.root, params.base or place.settings.base
    name, remote = branch_of(place, params.branch), remote_of(place)
    tip, strategy = tip_of(root, name), params.strategy or place.settings.strategy
    target = {"base": base, "branch": name, "sha": tip, "strategy": strategy}
    known = begun(engine, call, "git.merge", target)
    there = remotes.fetch(remote, base) if remote else ""
    before = known.before if known and not known.undone else {"sha": _base_now(place, base, there), "remote": there}
    message = commits.with_trailers(params.message or _message(place, name, tip, strategy), place.trailers)
    result = merges.merged(root, str(before["sha"]), tip, strategy, message)
    _refuse_other_files(root, tip, result, base)

    def is_in(commit: str) -> bool:
        return bool(commit) and is_ancestor(root, result, commit)

    def observe() -> Mapping[str, Any] | None:
        is_done = is_in(refs.commit_of(root, refs.ref_of(base))) and (remote is None or is_in(there))
        return {"base": base, "sha": result, "tree": refs.tree_of(root, result), "branch": name} if is_done else None

    def act() -> None:
        nonlocal there
        if (folder := refs.held_by(root, base)) is not None:
            raise DeliveryFault(
                f"'{base}' is checked out in {folder}, whose files would no longer be those of its commit. Change over there: git switch "
                "--detach; then retry the phase.",
                "conflict",
            )
        attest_and_push(engine, place, remote, result)
        if remote is not None and not is_in(there):
            remotes.push(remote, result, refs.ref_of(base))
            there = remotes.fetch(remote, base)
        here = refs.commit_of(root, refs.ref_of(base))
        if not is_in(here):
            refs.move(root, refs.ref_of(base), result, here, f"merge of run {call.run.id}")
        if current_branch(root) == base:
            refs.index_follows(root)

    return operate(engine, call, "git.merge", target, before, observe, act)


def undo_merge(_engine: Engine, operation: Operation) -> Mapping[str, Any] | None:
    """A merge is not taken back: others may build on it."""
    base, sha = operation.target["base"], str((operation.done or {}).get("sha", ""))[:12]
    raise DeliveryFault(
        f"The change is in '{base}' as {sha}. A merge is not undone: start a run that reverts it, with its own gates: "
        f'wfe-mcp start quick_fix --inputs \'{{"problem": "Revert {sha} on {base}"}}\'',
        "conflict",
    )


def _message(place: Place, branch: str, tip: str, strategy: str) -> str:
    """That of a squash is the message of the last commit; a merge names its branch."""
    if strategy == "squash":
        return commit_message(place.root, tip)
    return f"Merge {branch}: {place.values['title']}"


def _base_now(place: Place, base: str, there: str) -> str:
    """The commit of the base to merge into. Raises DeliveryFault ``conflict``, ``no_branch``."""
    here = refs.commit_of(place.root, refs.ref_of(base))
    if not here and not there:
        raise DeliveryFault(
            f"There is no branch '{base}' to merge into. Name it in [delivery] base; then retry.", "no_branch"
        )
    if not here or not there or here == there:
        return there or here
    if is_ancestor(place.root, here, there):
        return there
    if is_ancestor(place.root, there, here):
        raise DeliveryFault(
            f"'{base}' here ({here[:12]}) has commits that {place.settings.remote} does not have: they would be pushed with the change. "
            f"Push or drop them first: git log {there[:12]}..{here[:12]}; then retry the phase.",
            "conflict",
        )
    raise DeliveryFault(
        f"'{base}' here ({here[:12]}) and on {place.settings.remote} ({there[:12]}) have both gone on. Bring them together, then retry.",
        "conflict",
    )


def _refuse_other_files(root: Any, tip: str, result: str, base: str) -> None:
    approved, merged = refs.tree_of(root, tip), refs.tree_of(root, result)
    if approved == merged:
        return
    paths = merges.changed_files(root, approved, merged)
    raise DeliveryFault(
        f"Approved is tree {approved[:12]}, merged would be tree {merged[:12]}: '{base}' has gone on. They differ in "
        f"{commits.listed(paths)}. Nothing was merged. Bring '{base}' into the change, so that its gates and approvals judge these "
        "files too; then retry the phase.",
        "differs",
    )
