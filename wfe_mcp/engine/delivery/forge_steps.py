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

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import Blocked, NotYet
from wfe_mcp.delivery.forges.protocol import Change, PullRequest
from wfe_mcp.delivery.forges.pull_request_text import issue_of, merge_text, pull_request_text
from wfe_mcp.delivery.git.commits import list_paths
from wfe_mcp.delivery.git.merges import changed_files
from wfe_mcp.delivery.git.refs import commit_of, held_by, move, ref_of, tree_of
from wfe_mcp.delivery.git.remote import fetch
from wfe_mcp.engine.delivery.approved import refuse_unapproved
from wfe_mcp.engine.delivery.attest import attest_and_push
from wfe_mcp.engine.delivery.operations import Operation, merges_in, operate
from wfe_mcp.engine.delivery.place import DeliveryPlace, base_of, branch_of, fork_of, note_on_item
from wfe_mcp.engine.delivery.proposals import proposal_of, refuse_unready, was_shown
from wfe_mcp.engine.delivery.site import Site, site_of
from wfe_mcp.jobs.job_context import JobContext, RetryLater
from wfe_mcp.workspace.git.repository import branch as current_branch, is_ancestor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.workflow.model.delivery import ForgeClose, ForgeMerge, ForgeOpen, ForgeStatus

    Seen = Mapping[str, Any]

T = TypeVar("T")

TRIES = 5
"""How often one job asks a forge that has no answer yet, where the step has no ``retry``."""


class _OpenedPullRequest(NamedTuple):
    """The pull request of a run, as a step works on it."""

    call: StepCall
    context: JobContext
    site: Site
    change: Change
    number: int

    @property
    def target(self) -> dict[str, Any]:
        return {"number": self.number, **_target(self.site, self.change)}

    def get(self) -> PullRequest:
        return self.ask(lambda: self.site.forge.get(self.number))

    def ask(self, ask: Callable[[], T]) -> T:
        return _ask_or_wait(self.call, self.context, ask)


def open_step(place: DeliveryPlace, call: StepCall, context: JobContext, params: ForgeOpen) -> Seen:
    """Open the pull request of the pushed commit, unless there is one."""
    refuse_unready(place, call)
    change = _pushed_commit(place, branch_of(place, params.branch), base_of(place, call, params.base))
    request = _OpenedPullRequest(call, context, _site(place, context), change, _number(place) or 0)

    def look() -> PullRequest | None:
        pull_request = request.ask(lambda: request.site.forge.find(change))
        # The forge has not seen the push yet.
        if pull_request is None and request.number and request.get().state == "open":
            _later(call, context, f"#{request.number} does not show commit {change.head[:12]} yet", None)
        if pull_request is not None and pull_request.state == "closed":
            raise Blocked("closed", pull=f"#{pull_request.number}", url=pull_request.url)
        return pull_request

    first = [look()]

    def observe() -> Seen | None:
        pull_request = first.pop() if first else look()
        return None if pull_request is None else _pull_request_seen(pull_request)

    def act() -> None:
        text = pull_request_text(proposal_of(place, change, title=params.title), request.site.place)
        request.ask(lambda: request.site.forge.open(change, text))

    before = {"number": first[0].number if first[0] is not None else 0}
    seen = operate(place.engine, call, "forge.open", _target(request.site, change), before, observe, act)
    note_on_item(place, {"pull_request": str(seen["url"])})
    return seen


def status_step(place: DeliveryPlace, call: StepCall, context: JobContext, params: ForgeStatus) -> Seen:
    """Whether the pull request can be merged, and its checks. Nothing is changed, so this is no operation."""
    request = _opened_pull_request(place, call, context)
    pull = request.get()
    if params.require and pull.state != "merged":
        _refuse(request, pull)
    now = {"merge": pull.merge, "checks": pull.checks, "blocker": pull.blocker or "", "why": pull.why}
    return {**_pull_request_seen(pull), **now}


def merge_step(place: DeliveryPlace, call: StepCall, context: JobContext, params: ForgeMerge) -> Seen:
    """Merge at the approved commit, then compare the trees."""
    request = _opened_pull_request(place, call, context)
    base, tip = request.change.base, request.change.head
    strategy = params.strategy or place.settings.merges_by

    def observe() -> Seen | None:
        pull = request.get()
        return _merge_seen(place, request.site, pull) if pull.state == "merged" else None

    def allow() -> None:
        refuse_unapproved(place, call.attempt, fetch(request.site.remote, base), tip, base, strategy)
        attest_and_push(place, request.site.remote, tip)

    def act() -> None:
        _refuse(request, request.get())
        text = merge_text(proposal_of(place, request.change, params.title), request.number)
        request.ask(lambda: request.site.forge.merge(request.number, tip, strategy, text))

    approved = tree_of(place.root, tip)
    before = {"tree": approved, "sha": fork_of(place.root, place.operations, fetch(request.site.remote, base), tip)}
    seen = operate(place.engine, call, "forge.merge", request.target, before, observe, act, allow)
    if seen["tree"] != approved and not was_shown(place.engine, call, "difference"):
        trees = {"found": str(seen["tree"])[:12], "expected": approved[:12]}
        why = list_paths(changed_files(place.root, approved, str(seen["tree"])))
        raise Blocked("difference", why=why, commit=str(seen["commit"])[:12], base=base, **trees)
    _bring_along(place.root, base, str(seen["commit"]))
    issue = issue_after_merge(place, call, context, request.site)
    return {**seen, "approved_tree": approved, "is_approved_tree": seen["tree"] == approved, **issue}


def issue_after_merge(place: DeliveryPlace, call: StepCall, context: JobContext, site: Site | None = None) -> Seen:
    """What became of the issue that the work item came from. Where ``[delivery]`` says so, it is closed if it is still open.

    ``site``: None where the forge is asked only to close it.
    """
    if place.item is None or "://" not in place.item.source or (site is None and not place.settings.close_issues):
        return {}
    site = site or _site(place, context)
    tracker, number = site.tracker, issue_of(place.item.source, site.place)
    if tracker is None or number is None:
        return {}

    def look() -> Seen:
        issue = _ask_or_wait(call, context, lambda: tracker.get(number))
        state = "missing" if issue is None else "open" if issue.is_open else "closed"
        return {"issue": f"{tracker.address}/{number}", "issue_state": state}

    def observe() -> Seen | None:
        return now if (now := look())["issue_state"] != "open" else None

    if not place.settings.close_issues:
        return look()
    target = {"issue": f"{site.place.host}/{site.place.repository}#{number}"}
    close = partial(_ask_or_wait, call, context, lambda: tracker.close(number))
    return operate(place.engine, call, "issue.close", target, {"issue_state": "open"}, observe, close)


def _bring_along(root: Path, base: str, merged: str) -> None:
    """The base here has the merged commit too, where no working folder has it checked out and it only has to go forward."""
    here = commit_of(root, ref_of(base))
    is_free = current_branch(root) != base and held_by(root, base) is None
    if here and here != merged and is_free and is_ancestor(root, here, merged):
        move(root, ref_of(base), merged, here, "merged at the forge")


def close_step(place: DeliveryPlace, call: StepCall, context: JobContext, _params: ForgeClose) -> Seen:
    """Close the pull request without a merge."""
    request = _opened_pull_request(place, call, context)

    def observe() -> Seen | None:
        pull = request.get()
        return None if pull.state == "open" else _pull_request_seen(pull)

    def act() -> None:
        request.ask(lambda: request.site.forge.close(request.number))

    return operate(place.engine, call, "forge.close", request.target, {"state": "open"}, observe, act)


def seen_open(place: DeliveryPlace, operation: Operation) -> Seen | None:
    """The pull request of the pushed commit, open or merged."""
    request = site_of(place).forge.find(Change(*(str(operation.target[name]) for name in ("branch", "base", "sha"))))
    return None if request is None or request.state == "closed" else _pull_request_seen(request)


def seen_merge(place: DeliveryPlace, operation: Operation) -> Seen | None:
    """The commit that the forge has merged."""
    site = site_of(place)
    pull = site.forge.get(int(operation.target["number"]))
    return _merge_seen(place, site, pull) if pull.state == "merged" else None


def merge_by_others(place: DeliveryPlace, operations: Sequence[Operation]) -> Operation | None:
    """The merge of the pull request that the run opened, which another made at the forge, as an operation of the run.

    None: of ``operations``, those of the run, none opened one, or one merged it; or it is not merged. Raises DeliveryFault, ToolFault, NotYet.
    """
    opened = _last_open(operations)
    if opened is None or opened.done is None:
        return None
    number = int(opened.done["number"])
    if any(merge.target.get("number") == number for merge in merges_in(operations)):
        return None
    site = site_of(place)
    pull = site.forge.get(number)
    if pull.state != "merged":
        return None
    after, tip = _merge_seen(place, site, pull), str(opened.target["sha"])
    before = {"tree": tree_of(place.root, tip), "sha": fork_of(place.root, place.operations, str(after["commit"]), tip)}
    target = {"number": number, **opened.target, "base": after["base"]}  # which a person may have changed there
    key = f"forge.merge:@others:{number}"
    return Operation(place.run.id, key, "forge.merge", target, before, place.engine.clock(), after=after, done=after)


def undo_open(place: DeliveryPlace, operation: Operation) -> Seen | None:
    """Close the pull request that was opened; None: it was there before. Raises DeliveryFault once it is merged."""
    number = int((operation.done or {}).get("number", 0))
    if not number or operation.before.get("number"):
        return None
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
    return _pull_request_seen(pull)


def undo_close(_place: DeliveryPlace, operation: Operation) -> Seen | None:
    """What was closed stays closed: the undo of what opened it would close it again."""
    return operation.done


def _site(place: DeliveryPlace, context: JobContext) -> Site:
    return site_of(place, lambda: context.stop.is_asked)


def _target(site: Site, change: Change) -> dict[str, Any]:
    repository = f"{site.place.host}/{site.place.repository}"
    return {"repository": repository, "branch": change.branch, "base": change.base, "sha": change.head}


def _pushed_commit(place: DeliveryPlace, branch: str, base: str) -> Change:
    """The commit of ``branch`` that this run pushed last. Raises Blocked ``branch``."""
    pushes = [
        operation for operation in place.operations if operation.kind == "git.push" and operation.state == "observed"
    ]
    target = next((operation.target for operation in reversed(pushes) if operation.target["branch"] == branch), None)
    if target is None:
        raise Blocked("branch", branch=repr(branch))
    return Change(branch, base, str(target["sha"]))


def _opened_pull_request(place: DeliveryPlace, call: StepCall, context: JobContext) -> _OpenedPullRequest:
    """The pull request that this run opened last. Raises Blocked ``unopened``."""
    operation, site = _last_open(place.operations), _site(place, context)
    if operation is None or (number := _number(place)) is None:
        raise Blocked("unopened")
    change = Change(*(str(operation.target[name]) for name in ("branch", "base", "sha")))
    return _OpenedPullRequest(call, context, site, change, number)


def _number(place: DeliveryPlace) -> int | None:
    operation = _last_open(place.operations)
    return int(operation.after["number"]) if operation is not None and operation.after is not None else None


def _last_open(operations: Sequence[Operation]) -> Operation | None:
    opened = [operation for operation in operations if (operation.kind, operation.state) == ("forge.open", "observed")]
    return opened[-1] if opened else None


def _pull_request_seen(pull: PullRequest) -> dict[str, Any]:
    return {name: getattr(pull, name) for name in ("number", "url", "state", "branch", "base", "head")}


def _merge_seen(place: DeliveryPlace, site: Site, pull: PullRequest) -> Seen:
    return {**_pull_request_seen(pull), "commit": pull.merged, "tree": _merged_tree(place, site, pull)}


def _refuse(it: _OpenedPullRequest, pull: PullRequest) -> None:
    """Refuse what cannot be merged now, with the reason that the forge has."""
    named, change = f"#{pull.number}", it.change
    if pull.state == "closed":
        raise Blocked("closed", pull=named, url=pull.url)
    if pull.head != change.head:
        raise Blocked(
            "head", pull=named, found=pull.head[:12], expected=change.head[:12], url=pull.url, branch=pull.branch
        )
    if pull.base != change.base:
        raise Blocked("base", pull=named, found=pull.base, expected=change.base, url=pull.url)
    if pull.merge == "wait":
        _later(it.call, it.context, f"{named} cannot be merged yet: {pull.why}", None, url=pull.url)
    if pull.blocker is not None:
        raise Blocked(pull.blocker, forge=it.site.place.host, pull=named, why=pull.why, url=pull.url, base=pull.base)


def _ask_or_wait(call: StepCall, context: JobContext, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except NotYet as not_yet:
        _later(call, context, str(not_yet), not_yet.after_s)
        raise  # not reached: it always raises


def _later(call: StepCall, context: JobContext, reason: str, after_s: float | None, url: str = "") -> None:
    """Ask again later: by the step's own ``retry``, else by the job as long as it has tries, else a person decides."""
    if call.step.retry is not None and after_s is None:
        raise DeliveryFault(f"{reason}.")
    if context.job.tries < TRIES:
        raise RetryLater(reason, after_s)
    raise Blocked("unknown", why=reason, tries=TRIES, url=url or "the forge")


def _merged_tree(place: DeliveryPlace, site: Site, pull: PullRequest) -> str:
    """The tree of the merged commit, which is brought here first: its id proves what it holds."""
    fetch(site.remote, pull.base)
    if not (pull.merged and commit_of(place.root, pull.merged)):
        raise DeliveryFault(
            f"The merged commit {pull.merged[:12] or '?'} is not on {pull.base!r} of the remote.", "forge"
        )
    return tree_of(place.root, pull.merged)
