"""Issues of a forge: listed, read and closed over its API, and as entries that become work items.

    label                                    becomes
    bug, defect; feature, enhancement …      the kind; without one it is a task
    priority: high, P1; severity::critical   the priority, the highest of them
    every label                              a tag

Rules:
1. An issue is known by its address, which is made of the configured place and its number, never of what the forge answers.
2. Its text is kept as text. What does not fit is cut and named; what an item has no field for is named once.
3. A confidential issue is left out: the text of an item gets into prompts and pull requests.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from msgspec import Struct

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.item_values import LINE_CHARS, LINES_MOST, PRIORITIES
from wfe_mcp.core.items import ItemKind, ItemStatus
from wfe_mcp.core.texts import one_line
from wfe_mcp.core.units import plural
from wfe_mcp.delivery.forges.blockers import Blocked
from wfe_mcp.delivery.forges.channels import Api
from wfe_mcp.tools.fault import ToolFault

if TYPE_CHECKING:
    from wfe_mcp.importers.entries import Entries

MOST_ISSUES = 2_000
"""Of one import; the label narrows it."""
STATES = ("open", "closed", "all")
_PAGES = (100, 25, 5, 1)
"""Issues of a page: fewer where an answer is too large. Each divides the one before, so that no issue is skipped."""


class _Words(NamedTuple):
    """How a forge calls things. ``path``, ``address``: of its issues, for the repository; ``close``: method and body."""

    path: str
    address: str
    query: str
    states: Mapping[str, str]
    close: tuple[str, Mapping[str, str]]


_FORGES: Mapping[str, _Words] = {
    "github": _Words(
        "repos/{path}/issues",
        "https://{host}/{repository}/issues",
        "sort=created&direction=asc",
        {"open": "open", "closed": "closed", "all": "all"},
        ("PATCH", {"state": "closed", "state_reason": "completed"}),
    ),
    "gitlab": _Words(
        "projects/{path}/issues",
        "https://{host}/{repository}/-/issues",
        "order_by=created_at&sort=asc",
        {"open": "opened", "closed": "closed", "all": "all"},
        ("PUT", {"state_event": "close"}),
    ),
}
TRACKERS = tuple(_FORGES)
"""The forges whose issues are read."""

_KINDS: Mapping[ItemKind, frozenset[str]] = {
    ItemKind.THREAT: frozenset({"security", "vulnerability", "threat"}),
    ItemKind.BUG: frozenset({"bug", "defect", "regression", "crash"}),
    ItemKind.REQUIREMENT: frozenset({"feature", "feature request", "enhancement", "requirement"}),
    ItemKind.IDEA: frozenset({"idea", "proposal"}),
}
"""The ends of the labels that name a kind; of several kinds the first of this table."""

_URGENCY: Mapping[int, frozenset[str]] = {
    10: frozenset({"critical", "blocker", "urgent", "p0"}),
    8: frozenset({"high", "major", "p1"}),
    5: frozenset({"normal", "medium", "p2"}),
    3: frozenset({"low", "minor", "p3"}),
    1: frozenset({"trivial", "p4"}),
}
_SEVERITY: Mapping[int, frozenset[str]] = {
    10: frozenset({"critical", "1"}),
    9: frozenset({"high", "2"}),
    7: frozenset({"medium", "3"}),
    5: frozenset({"low", "4"}),
    3: frozenset({"info"}),
}
"""The ends of the labels that name a priority; of those that begin with ``sev`` as findings have it."""


class _Wire(Struct):
    """An issue as either forge describes it."""

    state: str
    title: str
    number: int = 0
    iid: int = 0
    body: str | None = None
    description: str | None = None
    state_reason: str | None = None
    labels: list[str | dict[str, Any]] = []
    type: str | dict[str, Any] | None = None
    comments: int = 0
    user_notes_count: int = 0
    assignees: list[Any] = []
    milestone: dict[str, Any] | None = None
    confidential: bool = False
    pull_request: dict[str, Any] | None = None


class Issue(NamedTuple):
    """An issue. ``dropped``: it was closed as not planned; ``more``: what it has there and an item has not."""

    number: int
    url: str
    title: str
    body: str
    is_open: bool
    dropped: bool
    labels: tuple[str, ...]
    more: tuple[str, ...]
    confidential: bool


@dataclass(frozen=True, slots=True)
class Tracker:
    """The issues of one repository. Every method raises Blocked, NotYet, ToolFault and StepStopped."""

    api: Api

    @property
    def address(self) -> str:
        """That of its issues: ``/12`` after it is the address of one."""
        return self._words.address.format(**self.api.place._asdict())

    def list_issues(self, label: str, state: str) -> tuple[list[Issue], bool]:
        """The issues with a label ("": any) and of a state, oldest first; and whether there are more than are read."""
        query = f"state={self._words.states[state]}&{self._words.query}"
        query += f"&labels={quote(label, safe='')}" if label else ""
        issues: list[Issue] = []
        read, sizes = 0, list(_PAGES)
        while len(issues) <= MOST_ISSUES:
            page = f"{self._path}?{query}&per_page={sizes[0]}&page={read // sizes[0] + 1}"
            try:
                wires = self.api.fetch(page, "repository with issues", list[_Wire])
            except ToolFault:  # as a page of over 1 MB is
                if len(sizes) == 1:
                    raise
                sizes.pop(0)
                continue
            issues += [self._issue(wire) for wire in wires if wire.pull_request is None]
            read += len(wires)
            if len(wires) < sizes[0]:
                return issues[:MOST_ISSUES], len(issues) > MOST_ISSUES
        return issues[:MOST_ISSUES], True

    def get(self, number: int) -> Issue | None:
        """One issue; None where there is none with that number, or where it is a pull request."""
        try:
            wire = self.api.fetch(f"{self._path}/{number}", f"issue #{number}", _Wire)
        except Blocked as blocked:
            if blocked.code == "missing":
                return None
            raise
        return None if wire.pull_request is not None else self._issue(wire)

    def close(self, number: int) -> None:
        """Close it as completed."""
        method, body = self._words.close
        self.api.change(method, f"{self._path}/{number}", body, f"close issue #{number}")

    @property
    def _words(self) -> _Words:
        return _FORGES[self.api.place.forge]

    @property
    def _path(self) -> str:
        place = self.api.place
        return self._words.path.format(path=quote(place.repository, safe="/" if place.forge == "github" else ""))

    def _issue(self, wire: _Wire) -> Issue:
        names = [label if isinstance(label, str) else str(label.get("name", "")) for label in wire.labels]
        if isinstance(wire.type, dict):  # of GitHub; GitLab's is a word such as ISSUE
            names.append(str(wire.type.get("name", "")))
        number = wire.number or wire.iid
        there = {
            "comments": wire.comments or wire.user_notes_count,
            "assignees": wire.assignees,
            "a milestone": wire.milestone,
        }
        return Issue(
            number,
            f"{self.address}/{number}",
            wire.title,
            (wire.body or wire.description or "").replace("\r\n", "\n"),
            wire.state.startswith("open"),
            wire.state_reason in {"not_planned", "duplicate"},
            tuple(dict.fromkeys(filter(None, (one_line(" ".join(label_name.split())) for label_name in names)))),
            tuple(name for name, value in there.items() if value),
            wire.confidential,
        )


def entries_of(issues: Iterable[Issue], address: str, *, has_more: bool) -> "Entries":
    """The issues as entries, and what of them is in none. ``has_more``: there are more than were read."""
    # Every run loads this module, and not the importers.
    from wfe_mcp.importers.entries import Entries, Entry, cut_body, describe_entry

    entries: list[Entry] = []
    lost: list[Detail] = []
    there: dict[str, int] = {}
    for issue in issues:
        if issue.confidential:
            lost.append(Detail(issue.url, "it is confidential, and the text of an item gets into pull requests"))
            continue
        values = describe_entry(issue.title or f"Issue {issue.number}", issue.body)
        values["tags"] = [label[:LINE_CHARS] for label in issue.labels[:LINES_MOST]]
        values["priority"] = _priority(issue.labels)
        lost += cut_body(values, issue.url)
        if len(issue.labels) > LINES_MOST:
            lost.append(
                Detail(issue.url, f"{plural(len(issue.labels) - LINES_MOST, 'label')}: an item has {LINES_MOST}")
            )
        for what in issue.more:
            there[what] = there.get(what, 0) + 1
        kind, reason = _kind(issue.labels), "" if issue.is_open else "closed in the tracker"
        first = ItemStatus.IDEA if kind is ItemKind.IDEA else ItemStatus.PLANNED
        status = first if issue.is_open else ItemStatus.DROPPED if issue.dropped else ItemStatus.DONE
        entries.append(Entry(str(issue.number), kind, values, status=status, reason=reason, place=issue.url))
    lost += [Detail(address, f"{what} of {plural(count, 'issue')} stay there") for what, count in there.items()]
    if has_more:
        lost.append(Detail(address, f"it has more than {MOST_ISSUES:,} of them; --label narrows them"))
    return Entries("issues", tuple(entries), tuple(lost), "/", "the tracker")


def _kind(labels: Iterable[str]) -> ItemKind:
    ends = {_end(label) for label in labels}
    return next((kind for kind, names in _KINDS.items() if names & ends), ItemKind.TASK)


def _priority(labels: Iterable[str]) -> int:
    tables = ((_end(label), _SEVERITY if label.casefold().startswith("sev") else _URGENCY) for label in labels)
    priorities = [number for end, table in tables for number, names in table.items() if end in names]
    return max(priorities, default=PRIORITIES["normal"])


def _end(label: str) -> str:
    """What a label says after its scope: ``high`` of ``priority: high``, ``Priority/High`` and ``priority::high``."""
    return cast("str", re.split(r"[:/]+|(?<=severity)-|(?<=priority)-", label.casefold())[-1]).strip()
