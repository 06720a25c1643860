"""A claim at a terminal: its tests with their results, its evidence, and what comes next."""

from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.screen import Screen

if TYPE_CHECKING:
    from wfe_mcp.views.work.claims import ClaimFacts
    from wfe_mcp.views.work.models import ItemView


def next_of_claim(screen: Screen, view: "ItemView", claim: "ClaimFacts") -> None:
    """The command that a person types next for a claim."""
    line = view.line
    lacking = [test for test in claim.tests if test.outcome != "passed" or test.is_outdated]
    is_open = line.status in {"pending", "inconclusive"}
    if is_open and any(test.check for test in lacking):
        screen.next(f"wfe-mcp claim test {line.id}")
    elif is_open and lacking:
        screen.next(f"wfe-mcp claim evidence {line.id} --list {lacking[0].name} --supports --reason TEXT")
    elif is_open and not claim.tests:
        screen.next(f"wfe-mcp claim evidence {line.id} --supports --reason TEXT")
    elif line.status == "falsified" and not view.needs:
        screen.next(f"wfe-mcp claim follow-up {line.id} ITEM")
    elif line.status == "falsified" and not line.waits_for:
        screen.next(f"wfe-mcp claim retry {line.id}")


def show_claim(screen: Screen, claim: "ClaimFacts") -> None:
    """The tests of a claim with their results, and its evidence."""
    for test in claim.tests:
        stale = " (outdated: the files or the check have changed since)" if test.is_outdated else ""
        screen.line(f"  {test.name} {test.outcome}{stale}: {test.check or test.type}: {test.reads}")
        if test.why:
            screen.line(f"    {test.why}")
    for evidence in claim.evidence:
        screen.line(
            f"  evidence {evidence.says}: {': '.join(filter(None, (evidence.list, evidence.ref, evidence.reason)))}"
        )
