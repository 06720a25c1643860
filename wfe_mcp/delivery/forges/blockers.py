"""What stops a delivery: one text and one next step for each reason.

A blocker is cleared by a person or by later work, and the step then continues where it was: it observes first.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from wfe_mcp.delivery.fault import Blocker, DeliveryFault

BlockerCode = Literal[
    "unfinished",
    "unaudited",
    "recovery",
    "branch",
    "unopened",
    "remote",
    "forge",
    "api",
    "login",
    "credentials",
    "permission",
    "missing",
    "answer",
    "moved",
    "protected",
    "checks",
    "review",
    "draft",
    "behind",
    "conflict",
    "head",
    "base",
    "closed",
    "strategy",
    "refused",
    "unknown",
    "difference",
]


class _Words(NamedTuple):
    """``kind``: what a person must clear, as the steps of a delivery name it."""

    kind: Blocker
    happened: str
    next: str


_TAKE_IN = "Take the base in: wfe-mcp retry {run} {judged}, then git fetch {remote} {base} && git merge FETCH_HEAD; have the result approved."

BLOCKERS: Mapping[BlockerCode, _Words] = {
    "unfinished": _Words(
        "review", "Work item {item} has unfinished tasks: {why}.", "Finish or drop them: wfe-mcp work list"
    ),
    "unaudited": _Words(
        "audit",
        "A commit has no passing audit: {why}.",
        "Let its gates judge it again: wfe-mcp rollback {run} {shown}; or deliver it as it is: wfe-mcp retry {run} {deliver}",
    ),
    "recovery": _Words(
        "recovery",
        "The recovery of {phase} is open: {why}.",
        "Say what became of it: wfe-mcp recovery resolve {run} {shown} --reason TEXT; then wfe-mcp retry {run} {deliver}",
    ),
    "branch": _Words(
        "no_branch", "Branch {branch} is not on the remote.", "Push it with a git.push step before this one."
    ),
    "unopened": _Words("no_branch", "This run has opened no pull request.", "Put a step forge.open before this one."),
    "remote": _Words("no_remote", "There is no remote {remote!r}.", "Add it: git remote add {remote} ADDRESS"),
    "forge": _Words(
        "configuration",
        "No forge is known at the address of remote {remote!r}.",
        'Set [delivery] forge and api in your own configuration. Without a forge, mode = "merge" delivers.',
    ),
    "api": _Words(
        "configuration",
        "The API of the forge at {host} is not configured.",
        "Set [delivery] api in trusted configuration: a token is never sent to an address that only a remote names.",
    ),
    "login": _Words(
        "credentials",
        "{forge} has no login here: [delivery] names no credential, and the process that delivers finds no {program} in its PATH.",
        "Store a token: wfe-mcp credential add NAME, and name it in [delivery] credential; or install {program} where it starts.",
    ),
    "credentials": _Words("credentials", "{forge} did not accept the login: {why}.", "{login}"),
    "permission": _Words(
        "credentials", "{forge} forbids this to the login: {why}.", "Give it write access to {repository}."
    ),
    "missing": _Words(
        "configuration",
        "{forge} has no {what} that this login can see.",
        "Check the address of the remote and what the login may read.",
    ),
    "answer": _Words(
        "forge",
        "{forge} did not describe the {what} as its API does: {why}.",
        "Check [delivery] forge and api, then retry.",
    ),
    "moved": _Words(
        "configuration", "{forge} redirects this repository.", "Set the remote to its new address: git remote set-url"
    ),
    "protected": _Words(
        "protected", "{forge} blocks the merge of {pull}: {why}.", "Clear it at {url}, then retry this phase."
    ),
    "checks": _Words(
        "checks",
        "Checks of {pull} did not pass: {why}.",
        "Run them again at {url}, then retry this phase; or correct the change: wfe-mcp retry {run} {committed}",
    ),
    "review": _Words("review", "{pull} waits for a review: {why}.", "Ask for it at {url}, then retry this phase."),
    "draft": _Words("review", "{pull} is a draft.", "Mark it as ready at {url}, then retry this phase."),
    "behind": _Words("conflict", "{pull} is behind its base.", _TAKE_IN),
    "conflict": _Words("conflict", "{pull} conflicts with its base.", _TAKE_IN),
    "head": _Words(
        "differs",
        "{pull} is at commit {found}, and {expected} was approved.",
        "See who pushed at {url}. Take it in: wfe-mcp retry {run} {judged}, then git fetch {remote} {branch} && git merge FETCH_HEAD; have "
        "the result approved. Or push the approved commit there again, then retry this phase.",
    ),
    "base": _Words(
        "differs", "{pull} goes to {found!r}, and {expected!r} was approved.", "Change its base back at {url}."
    ),
    "closed": _Words("forge", "{pull} was closed without a merge.", "Open it again at {url}, or cancel the run."),
    "strategy": _Words(
        "configuration",
        "{forge} cannot merge {pull} by {strategy}: {why}.",
        "Set [delivery] strategy to one of: {possible}.",
    ),
    "refused": _Words("forge", "{forge} refused to {what}: {why}.", "Clear the reason, then retry this phase."),
    "unknown": _Words("forge", "{why}; it was asked {tries} times.", "Look at {url}, then retry this phase."),
    "difference": _Words(
        "unfaithful",
        "The merged tree {found} is not the approved tree {expected}: they differ in {why}.",
        "See it: git diff {expected} {found}. Retry this phase to accept that difference, or revert {commit} on {base!r}.",
    ),
}
"""What happened, and what to do next, by code. ``{…}``: what the caller knows."""


class _Facts(dict[str, object]):
    """A text is shown also where a fact of it is not known."""

    def __missing__(self, name: str) -> str:
        return f"({name} unknown)"


class Blocked(DeliveryFault):
    """A delivery that a person, or later work, must clear. Nothing was changed at the forge.

    ``facts``: what its text may name; the caller that catches it adds those of the run.
    """

    def __init__(self, code: BlockerCode, **known: object) -> None:
        why = known.get("why")
        self.code: BlockerCode = code
        self.facts = _Facts(known | ({"why": why.rstrip(".")} if isinstance(why, str) else {}))
        super().__init__(code, BLOCKERS[code].kind)

    @property
    def happened(self) -> str:
        """What happened, and why."""
        return BLOCKERS[self.code].happened.format_map(self.facts)

    @property
    def next(self) -> str:
        """What to do next."""
        return BLOCKERS[self.code].next.format_map(self.facts)

    def __str__(self) -> str:
        return f"{self.happened} Next: {self.next} [{self.code}]"


class NotYet(Exception):
    """The forge has no answer yet: ask again in ``after_s`` seconds; None: as the job decides."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s
