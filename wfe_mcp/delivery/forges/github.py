"""GitHub: pull requests over its REST API, version 2022-11-28."""

from typing import Any
from urllib.parse import quote

from msgspec import Struct

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.delivery.forges.blockers import Blocked, BlockerCode
from wfe_mcp.delivery.forges.channels import Api
from wfe_mcp.delivery.forges.protocol import (
    Abilities,
    Change,
    Channel,
    Checks,
    ForgePlace,
    PullRequest,
    PullState,
    Strategy,
    Text,
)

_NEWEST = 5
_MERGEABLE = frozenset({"clean", "has_hooks", "unstable"})
_STOPS_PUSH = frozenset({"pull_request", "update", "required_status_checks"})
_FAILED = frozenset({"failure", "timed_out", "cancelled", "action_required", "startup_failure"})
_BLOCKED: dict[str, BlockerCode] = {"dirty": "conflict", "behind": "behind", "draft": "draft", "blocked": "protected"}
"""``mergeable_state`` → the blocker. ``unknown``: GitHub is still computing."""


class _Named(Struct):
    full_name: str = ""
    login: str = ""
    protected: bool = False
    permissions: dict[str, bool] = {}


class _Side(Struct):
    ref: str
    sha: str
    repo: _Named | None = None


class _Pull(Struct):
    number: int
    state: str
    head: _Side
    base: _Side
    html_url: str = ""
    merged: bool = False
    merged_at: str | None = None
    mergeable_state: str | None = None
    merge_commit_sha: str | None = None


class _Check(Struct):
    name: str
    status: str = ""
    conclusion: str | None = None


class _Checks(Struct):
    check_runs: list[_Check] = []


class _Context(Struct):
    context: str


class _Parameters(Struct):
    required_approving_review_count: int = 0
    required_status_checks: list[_Context] = []


class _Rule(Struct):
    type: str
    ruleset_id: int = 0
    parameters: _Parameters | None = None


class _Ruleset(Struct):
    current_user_can_bypass: str = ""


@dataclass(frozen=True, slots=True)
class GitHub:
    """Pull requests of one repository at GitHub."""

    api: Api

    def find(self, change: Change) -> PullRequest | None:
        """The newest one from this branch of this repository, at this head, to this base; of a fork none."""
        owner = self._repository.partition("/")[0]
        query = f"head={quote(f'{owner}:{change.branch}', safe='')}&base={quote(change.base, safe='')}"
        path = f"{self._path}/pulls?state=all&{query}&per_page={_NEWEST}"
        pulls = self.api.fetch(path, "repository", list[_Pull])
        same = [
            _read(candidate) for candidate in pulls if self._is_ours(candidate) and candidate.head.sha == change.head
        ]
        return next((pull for pull in same if pull.state == "open"), same[0] if same else None)

    def get(self, number: int) -> PullRequest:
        """With its checks, whether it can be merged, and what stops it: rules are asked for only then."""
        pull = _read(self.api.fetch(f"{self._path}/pulls/{number}", f"pull request #{number}", _Pull))
        if pull.state != "open":
            return pull
        checks = self.api.maybe(f"{self._path}/commits/{pull.head}/check-runs?per_page=100", _Checks)
        runs = checks.check_runs if checks is not None else []
        pull = pull._replace(checks=_checks(runs, pull.why))
        return self._explain_blocked(pull, runs) if pull.blocker == "protected" else pull

    def open(self, change: Change, text: Text) -> None:
        """Open it, as no draft, without edits by maintainers of forks."""
        body = {"title": text.title, "body": text.body, "head": change.branch, "base": change.base, "draft": False}
        self.api.change("POST", f"{self._path}/pulls", body, "open the pull request")

    def merge(self, number: int, head: str, strategy: Strategy, text: Text) -> None:
        """Merge with ``sha``: GitHub answers 409 when the head moved."""
        pull = f"#{number}"
        if strategy == "ff":
            possible, why = "merge, squash, rebase", "it makes a commit for each merge"
            raise Blocked("strategy", forge="GitHub", pull=pull, strategy="ff", why=why, possible=possible)
        asked: dict[str, Any] = {"sha": head, "merge_method": strategy}
        if strategy != "rebase":
            asked |= {"commit_title": text.title, "commit_message": text.body}
        reply = self.api.send("PUT", f"{self._path}/pulls/{number}/merge", asked)
        if reply.status >= 400:
            raise self.api.merge_blocker(reply, pull, head, self.get(number))

    def close(self, number: int) -> None:
        """Close it."""
        self.api.change("PATCH", f"{self._path}/pulls/{number}", {"state": "closed"}, f"close #{number}")

    def abilities(self, branch: str) -> Abilities:
        """From the login's permissions and the rules of the branch: rulesets are at ``/rules/branches`` alone.

        The old protection answers 404 where only a ruleset protects.
        """
        login = self.api.fetch("user", "user", _Named).login
        can = self.api.fetch(self._path, "repository", _Named).permissions
        rules = self._rules(branch)
        old = self.api.maybe(f"{self._path}/branches/{quote(branch, safe='')}", _Named)
        is_old = old is not None and old.protected and not rules
        is_free = not (is_old or any(rule.type in _STOPS_PUSH for rule in rules)) or (
            is_old and can.get("admin", False)
        )
        is_free = is_free or (bool(rules) and self._bypasses(rules))
        writes = can.get("push", False)
        texts = ("protected branch",) if is_old else tuple(map(_rule_text, rules))
        merges = writes and (is_free or not any(map(_reviews, rules)))
        return Abilities(login, writes and is_free, merges, can.get("admin", False), texts)

    @property
    def _repository(self) -> str:
        return self.api.place.repository

    @property
    def _path(self) -> str:
        return f"repos/{quote(self._repository)}"

    def _is_ours(self, pull: _Pull) -> bool:
        """Not of a fork: a fork may have a branch of the same name."""
        return pull.head.repo is not None and pull.head.repo.full_name.lower() == self._repository.lower()

    def _explain_blocked(self, pull: PullRequest, runs: list[_Check]) -> PullRequest:
        """What ``blocked`` is about: checks that run or failed, else what the rules of the base require."""
        if failed := [run.name for run in runs if run.conclusion in _FAILED]:
            return pull._replace(blocker="checks", why=", ".join(failed[:_NEWEST]))
        if waiting := [run.name for run in runs if run.status != "completed"]:
            return pull._replace(merge="wait", blocker=None, why=f"checks run: {', '.join(waiting[:_NEWEST])}")
        rules = self._rules(pull.base)
        needs = "; ".join(dict.fromkeys(map(_rule_text, rules))) or "a protection of the branch is not met"
        return pull._replace(blocker="review" if any(map(_reviews, rules)) else "protected", why=needs)

    def _rules(self, branch: str) -> list[_Rule]:
        """The active rules of a branch, of every ruleset."""
        path = f"{self._path}/rules/branches/{quote(branch, safe='')}?per_page=100"
        return self.api.maybe(path, list[_Rule]) or []

    def _bypasses(self, rules: list[_Rule]) -> bool:
        """Whether this login may pass every ruleset that has one of these rules."""
        numbers = {rule.ruleset_id for rule in rules if rule.type in _STOPS_PUSH or _reviews(rule)}
        rulesets = [self.api.maybe(f"{self._path}/rulesets/{number}", _Ruleset) for number in sorted(numbers)]
        return all(ruleset is not None and ruleset.current_user_can_bypass == "always" for ruleset in rulesets)


def _read(pull: _Pull) -> PullRequest:
    is_merged = pull.merged or pull.merged_at is not None
    state: PullState = "merged" if is_merged else "open" if pull.state == "open" else "closed"
    word = pull.mergeable_state or "unknown"
    blocker = _BLOCKED.get(word) if state == "open" else None
    return PullRequest(
        pull.number,
        pull.html_url,
        state,
        pull.head.ref,
        pull.base.ref,
        pull.head.sha,
        "yes" if word in _MERGEABLE else "no" if blocker else "wait",
        blocker,
        word,
        pull.merge_commit_sha or "" if is_merged else "",
    )


def _checks(runs: list[_Check], word: str) -> Checks:
    if any(run.conclusion in _FAILED for run in runs):
        return "failed"
    # ``unstable`` without such a run: a commit status, which is no check run, is not there yet or failed.
    if word == "unstable" or any(run.status != "completed" for run in runs):
        return "running"
    return "passed" if runs else "none"


def _reviews(rule: _Rule) -> bool:
    return rule.parameters is not None and rule.parameters.required_approving_review_count > 0


def _rule_text(rule: _Rule) -> str:
    parameters = rule.parameters or _Parameters()
    match rule.type:
        case "pull_request":
            return f"a pull request, approving reviews: {parameters.required_approving_review_count}"
        case "required_status_checks":
            return f"required checks: {', '.join(check.context for check in parameters.required_status_checks)}"
        case kind:
            return kind.replace("_", " ")


def github(place: ForgePlace, channel: Channel) -> GitHub:
    """GitHub, or GitHub Enterprise, at ``place``."""
    return GitHub(Api(place, channel))
