"""The quality score of an imported plan, 0 to 100.

One hundred, minus a penalty for each weakness. A blocking weakness refuses the import.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_TASKS, MOST_ACCEPTANCE, MOST_SCOPES, MOST_DOMAINS = 10, 12, 10, 2

_VAGUE = re.compile(r"\b(improve|clean ?up|polish|make (it )?better|enhance|tidy( up)?)\b", re.IGNORECASE)
_GENERIC = re.compile(
    r"(it |this |that |everything )?((is|are) )?(works?|done|implemented|completed?|finished|ok(ay)?|good|fine)( as expected)?\W*",
    re.IGNORECASE,
)
_SETUP = frozenset({"add", "bootstrap", "configure", "create", "define", "introduce", "scaffold", "set", "setup"})
_CONSUMER = frozenset({"call", "connect", "consume", "display", "integrate", "render", "show", "use", "wire"})
_DOMAINS = {
    "database": ("database", "migration", "sql", "table", "schema"),
    "interface": ("button", "css", "dialog", "frontend", "page", "screen", "ui", "view"),
    "server": ("api", "backend", "endpoint", "route", "server", "service"),
    "commands": ("cli", "command", "flag", "terminal"),
    "documents": ("changelog", "doc", "docs", "guide", "readme"),
    "delivery": ("ci", "deploy", "docker", "pipeline", "release"),
    "tests": ("coverage", "fixture", "test", "tests"),
}


@dataclass(frozen=True, slots=True)
class Weakness:
    """One weakness of the plan, with its line and penalty."""

    message: str
    line: int
    penalty: int
    blocking: bool = False


def quality_of(found: list[Weakness]) -> dict[str, Any]:
    """``quality`` of ``milestone_plan@1``."""
    problems = [{"message": each.message, "line": each.line, "blocking": each.blocking} for each in found]
    return {
        "score": max(0, 100 - sum(each.penalty for each in found)),
        "blocking": sum(each.blocking for each in found),
        "problems": problems,
    }


def weaknesses(milestones: list[dict[str, Any]], lines: Mapping[str, int]) -> Iterator[Weakness]:
    """The weaknesses of a plan. ``lines``: the line of each milestone and task, by id."""
    if not milestones:
        yield Weakness("no milestone was found", 0, 30, blocking=True)
    for milestone in milestones:
        yield from _milestone_weaknesses(milestone, lines)


def task_weaknesses(task: Mapping[str, Any], line: int) -> Iterator[Weakness]:
    """The weaknesses of one task."""
    title: str = task["title"]
    if not task["acceptance"]:
        yield Weakness(f"task {title!r} has no acceptance", line, 12, blocking=True)
    if found := _VAGUE.search(title):
        yield Weakness(f"task {title!r} is vague: {found[0]!r} says not what will be there", line, 10, blocking=True)
    if any(_GENERIC.fullmatch(text.strip()) for text in task["acceptance"]):
        yield Weakness(f"task {title!r} has an acceptance that fits any task", line, 6)
    if len(title.split()) < 3:
        yield Weakness(f"task {title!r} has a title of fewer than three words", line, 6)


def _milestone_weaknesses(milestone: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Weakness]:
    name, line, tasks = milestone["id"], lines[milestone["id"]], milestone["tasks"]
    if not tasks:
        yield Weakness(f"milestone {name} has no tasks", line, 25, blocking=True)
    if len(tasks) > MOST_TASKS:
        yield Weakness(f"milestone {name} has {len(tasks)} tasks, more than {MOST_TASKS}", line, 15, blocking=True)
    for task in tasks:
        yield from task_weaknesses(task, lines[task["id"]])
    domains = sorted({domain for task in tasks for domain in _domains(task["title"])})
    if len(domains) > MOST_DOMAINS:
        yield Weakness(f"milestone {name} mixes {', '.join(domains)}", line, 10)
    verbs = [task["title"].split()[0].lower() for task in tasks]
    consumer = next((index for index, verb in enumerate(verbs) if verb in _CONSUMER), len(verbs))
    if any(verb in _SETUP for verb in verbs[consumer:]):
        yield Weakness(f"milestone {name} uses something ({verbs[consumer]}) before it sets something up", line, 8)
    if repeated := sorted({verb for verb in verbs if verbs.count(verb) > 2}):
        yield Weakness(f"milestone {name} says {repeated[0]!r} in more than two tasks", line, 5)
    if sum(len(task["acceptance"]) for task in tasks) > MOST_ACCEPTANCE:
        yield Weakness(f"milestone {name} has more than {MOST_ACCEPTANCE} lines of acceptance", line, 6)
    scopes = {scope for task in tasks for scope in task["conflict_scopes"]}
    if len(scopes) > MOST_SCOPES:
        yield Weakness(f"milestone {name} touches more than {MOST_SCOPES} scopes", line, 6)
    if tasks and not scopes:
        yield Weakness(f"milestone {name} names no conflict scope", line, 4)


def _domains(title: str) -> set[str]:
    words = set(re.findall(r"[a-z]+", title.lower()))
    return {domain for domain, known in _DOMAINS.items() if words & set(known)}
