"""Test cases as reporters list them, and the results that they add up to.

The id of a test is ``file::outer > inner > name``, without the parts that the reporter does not know. File names are
those of the reporter, with ``/``; ``relative_to`` removes the project's folder.
"""

from collections.abc import Iterable
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.results import FailedTest, TestResults

MESSAGE_CHARS = 200

Outcome = Literal["passed", "failure", "error", "skipped", "unloaded"]


@dataclass(frozen=True, slots=True)
class Case:
    """One test. ``names``: its suites, outermost first, then its own. ``unloaded``: a file whose tests never ran."""

    names: tuple[str, ...]
    outcome: Outcome
    file: str = ""
    message: str = ""

    @property
    def id(self) -> str:
        """The id that the evidence and templates use."""
        return "::".join(part for part in (self.file, " > ".join(self.names)) if part)

    def failed(self) -> FailedTest:
        """The case as a failing test, with the other spellings of its id."""
        name = self.names[-1] if self.names else ""
        spelled = {name, " > ".join(self.names), " ".join(self.names)} - {""}
        aliases = spelled | {f"{self.file}::{each}" for each in spelled if self.file}
        return FailedTest(
            self.id,
            "failure" if self.outcome == "failure" else "error",
            first_line(self.message),
            frozenset(aliases),
            self.outcome == "unloaded",
        )


def results_of(cases: Iterable[Case]) -> TestResults:
    """Counts by outcome, the failing tests and the passing ones."""
    listed = tuple(cases)
    count = {
        outcome: sum(case.outcome == outcome for case in listed)
        for outcome in ("passed", "failure", "error", "skipped", "unloaded")
    }
    failing = tuple(case.failed() for case in listed if case.outcome not in {"passed", "skipped"})
    passing = tuple(case.id for case in listed if case.outcome == "passed")
    errors = count["error"] + count["unloaded"]
    return TestResults(count["passed"], count["failure"], errors, count["skipped"], failing, passing)


def first_line(text: str) -> str:
    """The first line of a message, shortened."""
    return text.strip().partition("\n")[0].strip()[:MESSAGE_CHARS]
