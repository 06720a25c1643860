"""The steps ``forge.open``, ``forge.status``, ``forge.merge`` and ``forge.close``: one pull request for the change of a run.

    git.push observed ──► forge.open ──► forge.status ──► forge.merge ──► merged tree = approved tree?
                             │ the number is kept           │ only at that head        no: a person decides

Rules:
1. What is proposed is the commit that this run pushed, as its log has it. A pull request is found again by its number and
   that commit; a branch of the same name is not enough.
2. A forge that is still computing, or that limits requests, is asked again by the step's ``retry``, else by its job.
3. A merged tree that is not the approved one is a blocker that shows the difference. A person who retries the phase
   accepts it: a merged commit never changes, so there is no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import BLOCKERS, Blocked, NotYet
from wfe_mcp.delivery.forges.protocol import Change
from wfe_mcp.delivery.forges.pull_request_text import merge_text, pull_request_text
from wfe_mcp.delivery.git.refs import commit_of, held_by, move, ref_of, tree_of
from wfe_mcp.delivery.git.remote import fetch
from wfe_mcp.engine.delivery.operations import operate
from wfe_mcp.engine.delivery.place import Place, branch_of, note_on_item, place_of
from wfe_mcp.engine.delivery.proposals import proposal_of
from wfe_mcp.engine.delivery.site import Site, site_of
from wfe_mcp.jobs.job_context import JobContext, RetryLater
from wfe_mcp.workspace.git.command import run_git, text_of
from wfe_mcp.workspace.git.repository import branch as current_branch, is_ancestor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wfe_mcp.delivery.forges.protocol import PullRequest
    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.workflow.model.delivery import ForgeClose, ForgeMerge, ForgeOpen, ForgeStatus

    Seen = Mapping[str, Any]

T = TypeVar("T")

TRIES = 5
"""How often one job asks a forge that has no answer yet, where the step has no ``retry``."""

_MOST_NAMES = 10
_MOST_CHARS = 4_000
"""Of a difference in a message."""


def open_step(engine: Engine, call: StepCall, context: JobContext, params: ForgeOpen) -> Seen:
    """Open the pull request of the pushed commit, unless there is one."""
    place = _placed(engine, call)
    if isinstance(place, str):
        return {"skipped": place}
    _refuse_unfinished(place)
    site = _site(place, context)
    change = _pushed(place, branch_of(place, params.branch), params.base)
    target = _target(site, change)

    def look() -> PullRequest | None:
        found = _asked(call, context, lambda: site.forge.find(change))
        if found is None and (known := _number(place)) is not None:
            moved = _asked(call, context, lambda: site.forge.get(known))
            if moved.state == "open":  # the forge has not seen the push yet
                _later(call, context, f"#{known} does not show commit {change.head[:12]} yet", None)
        if found is not None and found.state == "closed":
            raise Blocked("closed", pull=f"#{found.number}", url=found.url)
        return found

    first = [look()]

    def observe() -> Seen | None:
        found = first.pop() if first else look()
        return None if found is None else _seen(found)

    def act() -> None:
        facts = proposal_of(place, change, title=params.title)
        _asked(call, context, lambda: site.forge.open(change, pull_request_text(facts, site.place)))

    before = {"number": first[0].number if first[0] is not None else 0}
    seen = operate(engine, call, "forge.open", target, before, observe, act)
    note_on_item(place, {"pull_request": str(seen["url"])})
    return seen


def status_step(engine: Engine, call: StepCall, context: JobContext, params: ForgeStatus) -> Seen:
    """Whether the pull request can be merged. Nothing is changed, so this is no operation."""
    place = _placed(engine, call)
    if isinstance(place, str):
        return {"skipped": place}
    site, (change, number) = _site(place, context), _opened(place)
    pull = _asked(call, context, lambda: site.forge.get(number))
    value = {**_seen(pull), "merge": pull.merge, "why": pull.why}
    if params.require and pull.state != "merged":
        _refuse(call, context, pull, change, site)
    return value


def merge_step(engine: Engine, call: StepCall, context: JobContext, params: ForgeMerge) -> Seen:
    """Merge at the approved commit, then compare the trees."""
    place = _placed(engine, call)
    if isinstance(place, str):
        return {"skipped": place}
    site, (change, number) = _site(place, context), _opened(place)
    target = {"number": number, **_target(site, change)}

    def observe() -> Seen | None:
        pull = _asked(call, context, lambda: site.forge.get(number))
        if pull.state != "merged":
            return None
        return {**_seen(pull), "commit": pull.merged, "tree": _merged_tree(place, site, pull)}

    def act() -> None:
        pull = _asked(call, context, lambda: site.forge.get(number))
        _refuse(call, context, pull, change, site)
        text = merge_text(proposal_of(place, change), number)
        strategy = params.strategy or place.settings.strategy
        _asked(call, context, lambda: site.forge.merge(number, change.head, strategy, text))

    approved = tree_of(place.root, change.head)
    seen = operate(engine, call, "forge.merge", target, {"tree": approved}, observe, act)
    if seen["tree"] != approved and not _is_accepted(engine, call):
        why = _difference(place.root, change.head, str(seen["commit"]))
        raise Blocked("difference", found=str(seen["tree"])[:12], expected=approved[:12], why=why)
    _bring_along(place.root, change.base, str(seen["commit"]))
    return {**seen, "approved_tree": approved, "is_approved_tree": seen["tree"] == approved}


def _bring_along(root: Path, base: str, merged: str) -> None:
    """The base here has the merged commit too, where no working folder has it checked out and it only has to go forward."""
    here = commit_of(root, ref_of(base))
    is_free = current_branch(root) != base and held_by(root, base) is None
    if here and here != merged and is_free and is_ancestor(root, here, merged):
        move(root, ref_of(base), merged, here, "merged at the forge")


def close_step(engine: Engine, call: StepCall, context: JobContext, _params: ForgeClose) -> Seen:
    """Close the pull request without a merge."""
    place = _placed(engine, call)
    if isinstance(place, str):
        return {"skipped": place}
    site, (change, number) = _site(place, context), _opened(place)
    target = {"number": number, **_target(site, change)}

    def observe() -> Seen | None:
        pull = _asked(call, context, lambda: site.forge.get(number))
        return None if pull.state == "open" else _seen(pull)

    return operate(
        engine,
        call,
        "forge.close",
        target,
        {"state": "open"},
        observe,
        lambda: _asked(call, context, lambda: site.forge.close(number)),
    )


def undo_open(engine: Engine, operation: Operation) -> Seen | None:
    """Close the pull request that was opened; None: it was there before. Raises DeliveryFault once it is merged."""
    number = int((operation.done or {}).get("number", 0))
    if not number or operation.before.get("number"):
        return None
    with engine.store.read() as tx:
        place = place_of(engine, engine.load(tx, operation.run).record)
    if isinstance(place, str):
        raise DeliveryFault(f"{operation.kind} cannot be undone here: {place}.", "configuration")
    forge = site_of(place).forge
    pull = forge.get(number)
    if pull.state == "merged":
        raise DeliveryFault(
            f"#{number} is merged, so it cannot be closed. Undo the merge by a run that reverts {pull.merged[:12]}.",
            "forge",
        )
    if pull.state == "open":
        forge.close(number)
        pull = forge.get(number)
    return _seen(pull)


def undo_merge(_engine: Engine, operation: Operation) -> Seen | None:
    """A merge at a forge is never taken out of the base: a change that reverts it goes the same way as every change."""
    commit = str((operation.done or {}).get("commit", ""))
    if not commit:
        return None
    raise DeliveryFault(
        f"{commit[:12]} is on the base. Start a run that reverts it: git revert {commit[:12]}", "protected"
    )


def undo_close(_engine: Engine, operation: Operation) -> Seen | None:
    """What was closed stays closed: the undo of what opened it would close it again."""
    return operation.done


def undo_status(_engine: Engine, _operation: Operation) -> Seen | None:
    """Reading changes nothing."""
    return None


def _refuse_unfinished(place: Place) -> None:
    """What belongs to the work item of the run is over: a milestone is proposed whole."""
    if place.item is None:
        return
    with place.engine.store.read() as tx:
        children = tx.items.children(place.engine.project_id, place.item.id)
    if left := [one.id for one in children if not one.is_over]:
        raise Blocked("unfinished", item=place.item.id, why=", ".join(left[:_MOST_NAMES]))


def _placed(engine: Engine, call: StepCall) -> Place | str:
    """Where the run is delivered; else why it has no pull request."""
    place = place_of(engine, call.run)
    if isinstance(place, str) or place.settings.mode == "pull_request":
        return place
    return f"[delivery] mode is {place.settings.mode}"


def _site(place: Place, context: JobContext) -> Site:
    return site_of(place, lambda: context.stop.is_asked)


def _target(site: Site, change: Change) -> dict[str, Any]:
    repository = f"{site.place.host}/{site.place.repository}"
    return {"repository": repository, "branch": change.branch, "base": change.base, "sha": change.head}


def _pushed(place: Place, branch: str, base: str) -> Change:
    """The commit of ``branch`` that this run pushed last. Raises Blocked ``branch``."""
    pushes = [one for one in place.operations if one.kind == "git.push" and one.state == "observed"]
    found = next((one.target for one in reversed(pushes) if one.target["branch"] == branch), None)
    if found is None:
        raise Blocked("branch", branch=repr(branch))
    return Change(branch, base or place.settings.base, str(found["sha"]))


def _opened(place: Place) -> tuple[Change, int]:
    """The change that this run proposed last, and the number of its pull request. Raises Blocked ``unopened``."""
    found = _last_open(place)
    number = _number(place)
    if found is None or number is None:
        raise Blocked("unopened")
    return Change(*(str(found.target[name]) for name in ("branch", "base", "sha"))), number


def _number(place: Place) -> int | None:
    found = _last_open(place)
    return int(found.after["number"]) if found is not None and found.after is not None else None


def _last_open(place: Place) -> Operation | None:
    known = reversed(place.operations)
    return next((one for one in known if one.kind == "forge.open" and one.state == "observed"), None)


def _seen(pull: PullRequest) -> dict[str, Any]:
    return {
        "number": pull.number,
        "url": pull.url,
        "state": pull.state,
        "branch": pull.branch,
        "base": pull.base,
        "head": pull.head,
    }


def _refuse(call: StepCall, context: JobContext, pull: PullRequest, change: Change, site: Site) -> None:
    """Refuse what cannot be merged now, with the reason that the forge has."""
    named = f"#{pull.number}"
    if pull.state == "closed":
        raise Blocked("closed", pull=named, url=pull.url)
    if pull.head != change.head:
        raise Blocked("head", pull=named, found=pull.head[:12], expected=change.head[:12], url=pull.url)
    if pull.base != change.base:
        raise Blocked("base", pull=named, found=pull.base, expected=change.base, url=pull.url)
    if pull.merge == "wait":
        _later(call, context, f"{named} cannot be merged yet: {pull.why}", None, url=pull.url)
    if pull.blocker is not None:
        raise Blocked(pull.blocker, forge=site.place.host, pull=named, why=pull.why, url=pull.url)


def _asked(call: StepCall, context: JobContext, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except NotYet as not_yet:
        _later(call, context, str(not_yet), not_yet.after_s)
        raise  # not reached: it always raises


def _later(call: StepCall, context: JobContext, reason: str, after_s: float | None, url: str = "") -> None:
    """Ask again later: by the step's own ``retry``, else by the job as long as it has tries, else a person decides."""
    if call.step.retry is not None and after_s is None:
        raise DeliveryFault(f"{reason}. It is asked again by the step's retry.")
    if context.job.tries < TRIES:
        raise RetryLater(reason, after_s)
    raise Blocked("unknown", why=reason, tries=TRIES, url=url or "the forge")


def _merged_tree(place: Place, site: Site, pull: PullRequest) -> str:
    """The tree of the merged commit, which is brought here first: its id proves what it holds."""
    fetch(site.remote, pull.base)
    if not (pull.merged and commit_of(place.root, pull.merged)):
        raise DeliveryFault(
            f"The merged commit {pull.merged[:12] or '?'} is not on {pull.base!r} of the remote.", "forge"
        )
    return tree_of(place.root, pull.merged)


def _is_accepted(engine: Engine, call: StepCall) -> bool:
    """A person was shown the difference and retried the phase: an earlier attempt ended with it, and only a person retries that."""
    with engine.store.read() as tx:
        numbers = range(1, call.attempt.number)
        rows = [row for number in numbers for row in tx.steps.of_run(call.run.id, call.attempt.phase, number)]
    return any(row.step == call.row.step and row.output == {"blocker": BLOCKERS["difference"].kind} for row in rows)


def _difference(root: Path, one: str, other: str) -> str:
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "-U0")
    text = text_of(run_git(root, "diff", *options, one, other))
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}\n… {len(text) - _MOST_CHARS:,} more characters"
