"""GitLab: merge requests over its REST API, version 4."""

from fnmatch import fnmatchcase
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
_DEVELOPER, _MAINTAINER = 30, 40
_STATES: dict[str, PullState] = {"opened": "open", "merged": "merged"}
_WAIT = frozenset({"", "unchecked", "checking", "preparing", "approvals_syncing", "ci_still_running"})
_BLOCKED: dict[str, BlockerCode] = {
    "conflict": "conflict",
    "need_rebase": "behind",
    "draft_status": "draft",
    "ci_must_pass": "checks",
    "external_status_checks": "checks",
    "status_checks_must_pass": "checks",
    "security_policy_violations": "checks",
    "security_policy_pipeline_check": "checks",
    "not_approved": "review",
    "requested_changes": "review",
    "discussions_not_resolved": "review",
}
"""``detailed_merge_status`` → the blocker; ``mergeable`` has none, and any other word is ``protected``."""

_POSSIBLE: dict[str, tuple[Strategy, ...]] = {
    "merge": ("merge", "squash"),
    "rebase_merge": ("merge", "squash"),
    "ff": ("ff", "rebase", "squash"),
}
"""The project's merge method → our strategies that it has."""


class _Merge(Struct):
    iid: int
    state: str
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int | None = None
    web_url: str = ""
    sha: str | None = None
    detailed_merge_status: str = ""
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None


class _Pipeline(Struct):
    sha: str
    ref: str = ""
    status: str = ""


class _Level(Struct):
    access_level: int | None = 0
    access_level_description: str | None = ""


class _Project(Struct):
    merge_method: str = "merge"
    permissions: dict[str, _Level | None] = {}


class _User(Struct):
    username: str = ""


class _ProtectedBranch(Struct):
    name: str
    push_access_levels: list[_Level] = []
    merge_access_levels: list[_Level] = []


@dataclass(frozen=True, slots=True)
class GitLab:
    """Merge requests of one project at GitLab."""

    api: Api

    def find(self, change: Change) -> PullRequest | None:
        """The newest one from this branch of this project, at this head, to this base; of a fork none."""
        query = f"source_branch={quote(change.branch, safe='')}&target_branch={quote(change.base, safe='')}"
        path = f"{self._path}/merge_requests?state=all&order_by=created_at&{query}&per_page={_NEWEST}"
        merges = self.api.fetch(path, "project", list[_Merge])
        same = [
            _read(merge)
            for merge in merges
            if merge.source_project_id == merge.target_project_id and merge.sha == change.head
        ]
        return next((pull for pull in same if pull.state == "open"), same[0] if same else None)

    def get(self, number: int) -> PullRequest:
        """With the pipelines of its head, and whether it can be merged."""
        path = f"{self._path}/merge_requests/{number}"
        merge = self.api.fetch(path, f"merge request !{number}", _Merge)
        pull = _read(merge)
        if pull.state != "open":
            return pull
        pipelines = self.api.maybe(f"{path}/pipelines?per_page=100", list[_Pipeline]) or []
        newest = {
            pipeline.ref: pipeline.status for pipeline in reversed(pipelines) if pipeline.sha == pull.head
        }  # listed newest first
        return pull._replace(checks=_checks(set(newest.values()) - {"skipped"}, merge.detailed_merge_status))

    def open(self, change: Change, text: Text) -> None:
        """Open it; its branch stays after the merge."""
        body = {
            "title": text.title,
            "description": text.body,
            "source_branch": change.branch,
            "target_branch": change.base,
            "remove_source_branch": False,
        }
        self.api.change("POST", f"{self._path}/merge_requests", body, "open the merge request")

    def merge(self, number: int, head: str, strategy: Strategy, text: Text) -> None:
        """Merge with ``sha``: GitLab answers 409 when the head moved. How is the project's setting, which is read first."""
        pull = f"!{number}"
        method = self.api.fetch(self._path, "project", _Project).merge_method
        possible = _POSSIBLE.get(method, ())
        if strategy not in possible:
            why = f"the project's merge method is {method!r}"
            allowed = ", ".join(possible) or "none"
            raise Blocked("strategy", forge="GitLab", pull=pull, strategy=strategy, why=why, possible=allowed)
        asked: dict[str, Any] = {"sha": head, "squash": strategy == "squash", "should_remove_source_branch": False}
        message = f"{text.title}\n\n{text.body}".strip()
        asked |= {"squash_commit_message": message} if strategy == "squash" else {"merge_commit_message": message}
        reply = self.api.send("PUT", f"{self._path}/merge_requests/{number}/merge", asked)
        if reply.status >= 400:
            raise self.api.merge_blocker(reply, pull, head, self.get(number))

    def close(self, number: int) -> None:
        """Close it."""
        self.api.change("PUT", f"{self._path}/merge_requests/{number}", {"state_event": "close"}, f"close !{number}")

    def abilities(self, branch: str) -> Abilities:
        """From the login's access level and the protected branches that match ``branch``, by name or pattern."""
        login = self.api.fetch("user", "user", _User).username
        access = self.api.fetch(self._path, "project", _Project).permissions.values()
        level = max((right.access_level or 0 for right in access if right is not None), default=0)
        branches = self.api.maybe(f"{self._path}/protected_branches?per_page=100", list[_ProtectedBranch]) or []
        rules = [protected for protected in branches if fnmatchcase(branch, protected.name)]
        push = _reaches(
            level, [level_needed for rule in rules for level_needed in rule.push_access_levels], is_free=not rules
        )
        merge = _reaches(
            level, [level_needed for rule in rules for level_needed in rule.merge_access_levels], is_free=not rules
        )
        return Abilities(login, push, merge, level >= _MAINTAINER, tuple(map(_rule_text, rules)))

    @property
    def _path(self) -> str:
        return f"projects/{quote(self.api.place.repository, safe='')}"


def _read(merge: _Merge) -> PullRequest:
    state = _STATES.get(merge.state, "closed")
    word = merge.detailed_merge_status
    waits = word in _WAIT
    merged = merge.merge_commit_sha or merge.squash_commit_sha or merge.sha or ""
    return PullRequest(
        merge.iid,
        merge.web_url,
        state,
        merge.source_branch,
        merge.target_branch,
        merge.sha or "",
        "yes" if word == "mergeable" else "wait" if waits else "no",
        None if waits or word == "mergeable" or state != "open" else _BLOCKED.get(word, "protected"),
        word.replace("_", " "),
        merged if state == "merged" else "",
    )


def _checks(found: set[str], word: str) -> Checks:
    """``word``: of the merge request; it counts what GitLab requires, of which there may be no pipeline."""
    if _BLOCKED.get(word) == "checks" or found & {"failed", "canceled"}:
        return "failed"
    if word == "ci_still_running" or found - {"success"}:
        return "running"
    return "passed" if found else "none"


def _reaches(level: int, needed: list[_Level], *, is_free: bool) -> bool:
    """Without a rule a developer may; with rules, the most permissive one counts, as GitLab has it. 0 is no one."""
    return (
        level >= _DEVELOPER
        if is_free
        else any(level >= (level_needed.access_level or 0) > 0 for level_needed in needed)
    )


def _rule_text(rule: _ProtectedBranch) -> str:
    def people(levels: list[_Level]) -> str:
        return ", ".join(level.access_level_description or "?" for level in levels) or "no one"

    return f"{rule.name}: push by {people(rule.push_access_levels)}, merge by {people(rule.merge_access_levels)}"


def gitlab(place: ForgePlace, channel: Channel) -> GitLab:
    """GitLab, or a GitLab of your own, at ``place``."""
    return GitLab(Api(place, channel))
