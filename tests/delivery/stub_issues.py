"""The issues of the stub forge: as GitHub and GitLab list, show and close them."""

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StubIssues:
    """Issues, with numbers of their own."""

    issues: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]], kw_only=True)
    closes: bool = field(default=True, kw_only=True)
    """Whether a merge closes the issue that the pull request says it closes."""

    def report(self, title: str, body: str = "", *labels: str, **more: Any) -> int:
        """A new issue; its number."""
        number = len(self.issues) + 1
        self.issues.append(
            {"number": number, "title": title, "body": body, "state": "open", "labels": list(labels), **more}
        )
        return number

    def issue(self, number: int) -> dict[str, Any]:
        """The issue with that number."""
        return next(each for each in self.issues if each["number"] == number)

    def listed(self, query: dict[str, str], state: str) -> list[dict[str, Any]]:
        """A page of the issues that fit."""
        wanted = [each for each in query.get("labels", "").split(",") if each]
        fits = [
            each
            for each in self.issues
            if state in {"all", each["state"]} and all(label in each["labels"] for label in wanted)
        ]
        size, page = int(query["per_page"]), int(query["page"])
        return fits[(page - 1) * size : page * size]

    def _one(self, rest: str) -> dict[str, Any] | None:
        found = re.fullmatch(r"issues/(\d+)", rest)
        return next((each for each in self.issues if found and each["number"] == int(found[1])), None)

    def issues_at_github(self, rest: str, query: dict[str, str], body: Any) -> Any:
        """What GitHub answers to a path below the repository; None: there is no such issue."""
        if rest == "issues":
            return [self._at_github(each) for each in self.listed(query, query["state"])]
        issue = self._one(rest)
        if issue is None:
            return None
        issue.update(body or {})
        return self._at_github(issue)

    def issues_at_gitlab(self, rest: str, query: dict[str, str], body: Any) -> Any:
        """The same of GitLab."""
        if rest == "issues":
            state = {"opened": "open"}.get(query["state"], query["state"])
            return [self._at_gitlab(each) for each in self.listed(query, state)]
        issue = self._one(rest)
        if issue is None:
            return None
        if body and body.get("state_event") == "close":
            issue["state"] = "closed"
        return self._at_gitlab(issue)

    def _at_github(self, issue: dict[str, Any]) -> dict[str, Any]:
        return {**issue, "labels": [{"name": each} for each in issue["labels"]], "html_url": "javascript:alert(1)"}

    def _at_gitlab(self, issue: dict[str, Any]) -> dict[str, Any]:
        more = {name: value for name, value in issue.items() if name not in {"number", "body", "state"}}
        state = "opened" if issue["state"] == "open" else "closed"
        return {"iid": issue["number"], "id": 7_000, "description": issue["body"] or None, "state": state, **more}
