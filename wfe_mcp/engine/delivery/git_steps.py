"""The steps ``git.branch``, ``git.commit`` and ``git.push``, and how each is undone.

Each observes where it acts before it calls, so that a second start after a crash finds what the first one did.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wfe_mcp.delivery.attestations.ref import REF
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.pull_request_text import inert_message
from wfe_mcp.delivery.git import commits, refs, remote as remotes
from wfe_mcp.engine.delivery.attest import attest_and_push
from wfe_mcp.engine.delivery.operations import Operation, merge_in, newest_operation, operate
from wfe_mcp.engine.delivery.place import (
    DeliveryPlace,
    approved_files,
    branch_of,
    made_branch,
    newest_base,
    note_on_item,
    remote_of,
    tip_of,
)
from wfe_mcp.engine.kernel.step_call import StepCall
from wfe_mcp.workspace.files.paths import match_globs, readable
from wfe_mcp.workspace.git.repository import branch as current_branch, changes, commit_message, head, is_ancestor
from wfe_mcp.workspace.git.stored_form import touched_paths
from wfe_mcp.workspace.git.working_tree import parts_of
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wfe_mcp.core.items import Item
    from wfe_mcp.jobs.job_context import JobContext
    from wfe_mcp.workflow.model.delivery import GitBranch, GitCommit, GitPush

_NAMED = 3
"""How many paths a command names: a longer message loses its middle where several are shown."""


def make_branch(place: DeliveryPlace, call: StepCall, _context: JobContext, params: GitBranch) -> Mapping[str, Any]:
    """Make the branch at the base and change over to it; the working folder stays as it is."""
    place = place._replace(title=params.title)
    root, base = place.root, params.base or place.base
    name = params.branch or place.settings.branch.format_map(place.values)
    refs.refuse_name(name)
    refs.refuse_unfinished(root)
    if place.is_protected(name):
        raise DeliveryFault(
            f"'{name}' is protected, so no change is made on it. Name another branch; then retry.", "protected"
        )
    target = {"branch": name, "base": base}
    operation = newest_operation(place.engine, call, "git.branch", target)
    if operation is None or operation.undone:
        earlier = made_branch(place.operations)
        if refs.commit_of(root, refs.ref_of(name)):
            if earlier is None or earlier.done is None or earlier.done["branch"] != name:
                raise DeliveryFault(
                    f"Branch '{name}' exists and was not made by this run. Delete it (git branch -d {name}), or name another one in "
                    "the step's parameter 'branch'; then retry the phase.",
                    "conflict",
                )
            refs.attach(root, name)
            return {**earlier.done, "resumed": True}
        start = _not_merged(place, earlier, base) or _base_commit(place, call, base)
        before = {"branch": current_branch(root) or "", "commit": head(root) or "", "start": start}
    else:
        before = operation.before
    start = str(before["start"])

    def observe() -> Mapping[str, Any] | None:
        is_there = refs.commit_of(root, refs.ref_of(name)) and current_branch(root) == name
        return {"branch": name, "base": base, "sha": start} if is_there else None

    def act() -> None:
        if not refs.commit_of(root, refs.ref_of(name)):
            refs.move(root, refs.ref_of(name), start, refs.NONE, f"run {call.run.id}")
        refs.attach(root, name)

    seen = operate(place.engine, call, "git.branch", target, before, observe, act)
    note_on_item(place, {"branch": name})
    return seen


def seen_branch(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The branch that a call made, whether HEAD is on it or not."""
    there = refs.commit_of(place.root, refs.ref_of(str(operation.target["branch"])))
    return {**operation.target, "sha": there} if there else None


def refuse_other_commits(operations: Sequence[Operation], place: DeliveryPlace, operation: Operation) -> None:
    """Refuse to undo a branch, or a commit on it, that is at a commit which none of ``operations`` made, or while the user merges or
    rebases here. Raises DeliveryFault ``conflict``.
    """
    refs.refuse_unfinished(place.root)
    name = str(operation.target["branch"])
    there = refs.commit_of(place.root, refs.ref_of(name))
    if there not in {refs.NONE, *_known_commits(operations, name)}:
        raise _others_commits(name)


def _known_commits(operations: Sequence[Operation], branch: str) -> set[str]:
    """The commits that ``branch`` had before and after each of ``operations``, here or on the remote."""
    own = [operation for operation in operations if operation.target.get("branch") == branch]
    facts = [fact for operation in own for fact in (operation.before, operation.done or {})]
    return {str(fact[name]) for fact in facts for name in ("sha", "start") if name in fact}


def _others_commits(branch: str) -> DeliveryFault:
    return DeliveryFault(
        f"Branch '{branch}' has commits that this run did not record: it stays. See git log {branch}.", "conflict"
    )


def undo_branch(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """HEAD is where it was, on no branch where it cannot be on that of before, and the branch is gone if no commit is on it."""
    done, before, root = operation.done or {}, operation.before, place.root
    ref = refs.ref_of(str(done["branch"]))
    there = refs.commit_of(root, ref)
    if there and there != before["start"]:
        raise _others_commits(str(done["branch"]))
    if current_branch(root) == done["branch"]:
        if before["branch"] and refs.can_attach(root, str(before["branch"])):
            refs.attach(root, str(before["branch"]))
        else:
            refs.detach(root, str(before["commit"]))
    if there:
        refs.remove(root, ref, there)
    return {"branch": str(before["branch"]), "sha": str(before["commit"])}


def make_commit(place: DeliveryPlace, call: StepCall, _context: JobContext, params: GitCommit) -> Mapping[str, Any]:
    """Commit the approved files to the branch of the change; the index follows."""
    root, settings = place.root, place.settings
    refs.refuse_unfinished(root)
    approved = approved_files(place.engine, call.run, call.attempt)
    name = branch_of(place, params.branch)
    if place.is_protected(name):
        raise DeliveryFault(f"'{name}' is protected: git.merge or a pull request changes it, no commit.", "protected")
    if current_branch(root) != name:
        raise DeliveryFault(
            f"HEAD is on '{current_branch(root)}', not on the branch of the change. Change over: git switch {name}; then retry.",
            "conflict",
        )
    parent = tip = refs.commit_of(root, refs.ref_of(name))
    files = {"branch": name, "tree": parts_of(approved.tree)[0]}
    own = f"git.commit:{call.attempt.phase}:{call.row.step}:"
    same = [step for step in place.operations if step.key.startswith(own) and files.items() <= step.target.items()]
    is_known = bool(same) and not same[-1].undone and (same[-1].done is None or same[-1].done["sha"] == tip)
    if is_known:  # begun, or the newest commit of the branch; else the branch has gone elsewhere since
        parent = str(same[-1].before["sha"])
    target = {**files, "on": parent}
    held = commits.contents(root, parent)
    commit = commits.plan(root, approved.tree, approved.ignored, settings.never, held, approved.phase)
    tree, planned = commits.store(root, commit, held, touched_paths(root, approved.began, approved.tree))
    if not planned.changed and not is_known:
        return {"skipped": "nothing changed", "branch": name, "sha": parent, **_left_out(planned)}
    outside = _outside(place, planned.changed)
    if outside and params.scopes == "hold" and place.item is not None:
        raise DeliveryFault(
            f"Files outside the paths of {place.item.id} changed: {commits.list_paths(outside)}. Add their paths: "
            f"{_widening(place.item, outside)}; then retry this phase. Or take them out, and retry {approved.phase!r}.",
            "scopes",
        )
    facts = {"tree": tree, "approved": files["tree"], "files": len(planned.changed), **_left_out(planned)}
    facts["judged"] = approved.phase
    facts |= {"outside": outside} if outside else {}

    def observe() -> Mapping[str, Any] | None:
        now = refs.commit_of(root, refs.ref_of(name))
        is_done = now != parent and refs.facts_of(root, now) == (tree, (parent,))
        return {"branch": name, "sha": now, **facts} if is_done else None

    def act() -> None:
        message = inert_message(params.message) or settings.message.format_map(place.values)
        sha = commits.commit(root, tree, [parent], commits.with_trailers(message, place.trailers), place.engine.clock())
        refs.move(root, refs.ref_of(name), sha, parent, f"commit of run {call.run.id}")

    seen = operate(place.engine, call, "git.commit", target, {"sha": parent}, observe, act)
    refs.index_follows(root)
    if place.item is not None:
        shas = tuple(dict.fromkeys((*place.item.commits, str(seen["sha"]))))
        note_on_item(place, {"branch": name, "commits": shas})
    return seen


def seen_commit(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The commit of the run that is on the branch, right after what the branch was at."""
    branch, parent = str(operation.target["branch"]), str(operation.before["sha"])
    now = refs.commit_of(place.root, refs.ref_of(branch))
    if now in {refs.NONE, parent} or refs.facts_of(place.root, now).parents != (parent,):
        return None
    is_ours = f"Wfe-Run: {operation.run}" in commit_message(place.root, now).split("\n")
    return {"branch": branch, "sha": now} if is_ours else None


def undo_commit(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The branch is at the commit before; the files stay, and are changes again."""
    done, before = operation.done or {}, str(operation.before["sha"])
    ref = refs.ref_of(str(done["branch"]))
    now = refs.commit_of(place.root, ref)
    if now != before:
        refs.move(place.root, ref, before, str(done["sha"]), f"undo of run {operation.run}")
    if current_branch(place.root) == done["branch"]:
        refs.index_follows(place.root)
    return {"branch": done["branch"], "sha": before}


def make_push(place: DeliveryPlace, call: StepCall, _context: JobContext, params: GitPush) -> Mapping[str, Any]:
    """Push the branch of the change to the remote, after what proves it."""
    name, remote = branch_of(place, params.branch), remote_of(place)
    if remote is None:
        return {"skipped": "no remote"}
    if place.is_protected(name):
        raise DeliveryFault(f"'{name}' is protected: git.merge or a pull request changes it, no push.", "protected")
    sha = tip_of(place.root, name)
    target = {"remote": remote.name, "branch": name, "sha": sha}
    operation = newest_operation(place.engine, call, "git.push", target)
    there, proof = remotes.commits_at(remote, name, REF)
    before = operation.before if operation else {"sha": there, "address": remote.shown}

    def observe() -> Mapping[str, Any] | None:
        return _target_if_there(target, there)

    def allow() -> None:
        if there == sha:  # else it goes along
            attest_and_push(place, remote, sha, proof)

    def act() -> None:
        nonlocal there
        attest_and_push(place, remote, sha, proof, {refs.ref_of(name): sha})
        there = remotes.commit_at(remote, name)

    return operate(place.engine, call, "git.push", target, before, observe, act, allow)


def _target_if_there(target: Mapping[str, Any], there: str) -> Mapping[str, Any] | None:
    return target if there == target["sha"] else None


def seen_push(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """What the remote has, if that is the commit to push."""
    return _target_if_there(
        operation.target, remotes.commit_at(_pushed_to(place, operation), str(operation.target["branch"]))
    )


def refuse_pushed_since(operations: Sequence[Operation], place: DeliveryPlace, operation: Operation) -> None:
    """Refuse to undo a push after which someone else pushed to the branch. Raises DeliveryFault ``conflict``, ``no_remote``."""
    remote, branch = _pushed_to(place, operation), str(operation.target["branch"])
    _refuse_pushed(remote, operation, remotes.commit_at(remote, branch), _known_commits(operations, branch))


def _refuse_pushed(remote: remotes.Remote, operation: Operation, there: str, known: Collection[str]) -> None:
    if there not in known:
        raise DeliveryFault(
            f"'{operation.target['branch']}' on {remote.name} is at {there[:12] or 'nothing'}, not at "
            f"{str(operation.target['sha'])[:12]}: someone pushed since, so it stays.",
            "conflict",
        )


def undo_push(place: DeliveryPlace, operation: Operation) -> Mapping[str, Any] | None:
    """The remote branch is as before, if it still has what was pushed."""
    remote, before, branch = _pushed_to(place, operation), str(operation.before["sha"]), str(operation.target["branch"])
    there = remotes.commit_at(remote, branch)
    _refuse_pushed(remote, operation, there, {before, operation.target["sha"]})
    if there != before:
        remotes.push(remote, {refs.ref_of(branch): before}, expected=there)
    return {"branch": branch, "remote": remote.name, "sha": before}


def _pushed_to(place: DeliveryPlace, operation: Operation) -> remotes.Remote:
    remote = remote_of(place)
    if remote is None:
        raise DeliveryFault(
            f"The remote '{operation.target['remote']}' is gone. Add it again; then undo again.", "no_remote"
        )
    return remote


def _not_merged(place: DeliveryPlace, made: Operation | None, base: str) -> str:
    """The commit of the branch that this run made before, if its merge was left out and HEAD is still on it; else empty.

    The template had it merged first, so a person skipped that: the next branch goes on with what is there.
    """
    name = str(made.done["branch"]) if made and made.done else ""
    tip = refs.commit_of(place.root, refs.ref_of(name)) if name else ""
    is_in_base = tip and is_ancestor(place.root, tip, refs.ref_of(base))
    is_merged = any(
        operation.kind.endswith(".merge") and operation.done and operation.target["branch"] == name
        for operation in place.operations
    )
    return "" if is_in_base or is_merged or current_branch(place.root) != name else tip


def _base_commit(place: DeliveryPlace, call: StepCall, base: str) -> str:
    """The commit that a branch begins at: the newest of the base, whose files HEAD has. Raises DeliveryFault ``conflict``."""
    root, start = place.root, newest_base(place, base)
    now = head(root) or ""
    if not refs.has_same_files(root, now, start):
        again = "the phase"
        with suppress(DeliveryFault):  # nothing was judged before: it is the first step
            approved, merge = approved_files(place.engine, call.run, call.attempt), merge_in(place.operations)
            is_merged = bool(merge and merge.seen_at and approved.at and approved.at < merge.seen_at)
            if changes(root) and not is_merged:
                again = f"{approved.phase!r}, so that its gates judge the files of now"
        raise DeliveryFault(
            f"The working folder is at {now[:12]}, and '{base}' at {start[:12]} has other files. Begin there: "
            f"{_way_to(place, base, now, start)}; then retry {again}.",
            "conflict",
        )
    return start


def _way_to(place: DeliveryPlace, base: str, now: str, start: str) -> str:
    """The commands that bring a folder at ``now`` to ``start``, with its changes.

    The clone of a developer, over a bridge, has not fetched what the server has; and git checks ``base`` out in one work tree
    alone: so HEAD leaves its branch, and ``git.branch`` makes the next one.
    """
    root, remote = place.root, remote_of(place)
    commands = [f"git fetch {remote.name} {base}"] if remote is not None else []
    if not is_ancestor(root, now, start):
        commands.append(f"git switch --detach {base}")
    elif current_branch(root) not in {None, base}:
        commands.append("git switch --detach")
    return " && ".join((*commands, f"git merge --ff-only --autostash {start[:12]}"))


def _outside(place: DeliveryPlace, changed: tuple[str, ...]) -> list[str]:
    """The changed files that no scope of the run's item covers; none where it has no scopes."""
    scopes = place.item.scopes if place.item else ()
    return [path for path in changed if not match_globs(path, scopes)] if scopes else []


def _widening(item: Item, outside: list[str]) -> str:
    """The command that gives the item the paths that it has and those ``outside``: --scope replaces all."""
    more = outside if len(outside) <= _NAMED and all(path == readable(path) for path in outside) else ["PATH"]
    words = (word for path in (*item.scopes, *more) for word in ("--scope", path))
    return f"wfe-mcp work edit {item.id} {shell_line(words)}"


def _left_out(planned: commits.PlannedCommit) -> dict[str, Any]:
    return {"excluded": [readable(path) for path in planned.excluded]} if planned.excluded else {}
