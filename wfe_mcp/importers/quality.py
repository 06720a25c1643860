"""The quality score of a plan: one hundred minus the penalty of each weakness, at least 0 (S3-07).

``RULES`` is the whole list. A blocking weakness refuses the import.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from wfe_mcp.core.dataclass import dataclass

MOST_TASKS, MOST_ACCEPTANCE, MOST_SCOPES, MOST_DOMAINS = 10, 12, 10, 2


class Rule(NamedTuple):
    """A rule of the score. ``penalty``: points of 100, taken off each time."""

    penalty: int
    blocking: bool
    meaning: str


RULES = {
    "no_milestones": Rule(30, True, "the file has no milestone"),
    "no_tasks": Rule(25, True, "a milestone has no task"),
    "duplicate_id": Rule(20, True, "two milestones have the same number"),
    "too_many_tasks": Rule(15, True, f"a milestone has more than {MOST_TASKS} tasks"),
    "no_acceptance": Rule(12, True, "a task has no acceptance"),
    "vague_title": Rule(
        10, True, "a task's title, or a phrase of it, begins with improve, clean up, polish or make … better"
    ),
    "mixed_domains": Rule(
        10,
        False,
        f"the tasks of a milestone are of more than {MOST_DOMAINS} domains: the folder of a task's first scope, else its subject",
    ),
    "consumer_first": Rule(
        8, False, "a task uses something (consume, integrate, use, wire) and none before it sets anything up"
    ),
    "generic_acceptance": Rule(6, False, "an acceptance fits any task: works, done, implemented, complete"),
    "short_title": Rule(6, False, "a task's title has fewer than three words"),
    "much_acceptance": Rule(6, False, f"a milestone has more than {MOST_ACCEPTANCE} lines of acceptance"),
    "many_scopes": Rule(6, False, f"a milestone has more than {MOST_SCOPES} conflict scopes"),
    "repeated_verb": Rule(5, False, "a milestone has three tasks or more, and all begin with the same verb"),
    "no_scope": Rule(4, False, "a task has no conflict scope"),
}

# A verb at the beginning: "Clean up the parser". A noun is fine: "Write down what the cleanup removes", "Parser cleanup".
_VAGUE = re.compile(
    r"(?:^|[,;:]\s*|\b(?:and|then|to)\s+)"
    r"(improve\b|clean[ -]up\b|polish\b|make\b(?:\s+\S+){0,6}?\s+better(?=$|[,;:.]|\s+(?:and|for|in|than|then)\b))",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"(it |this |that |everything )?((is|are) )?(works?|done|relevant checks pass|implemented|completed?|finished|ok(ay)?|good|fine)( as expected)?\W*",
    re.IGNORECASE,
)
_SETUP = frozenset({"add", "build", "create", "define", "implement", "introduce", "scaffold"})
_CONSUMER = frozenset({"consume", "integrate", "use", "wire"})
_NO_SUBJECT = _SETUP | {"and", "clean", "fix", "improve", "make", "polish", "the", "up", "wire"}
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
    """One weakness of the plan: the rule that it breaks, what breaks it, its line, and whether it refuses the import."""

    rule: str
    message: str
    line: int
    blocking: bool


def weakness(rule: str, message: str, line: int) -> Weakness:
    """A weakness as its rule has it."""
    return Weakness(rule, message, line, RULES[rule].blocking)


def quality_of(found: list[Weakness]) -> dict[str, Any]:
    """``quality`` of ``milestone_plan@1``."""
    problems = [asdict(entry) | {"penalty": RULES[entry.rule].penalty} for entry in found]
    return {
        "score": max(0, 100 - sum(problem["penalty"] for problem in problems)),
        "blocking": sum(entry.blocking for entry in found),
        "problems": problems,
    }


def weaknesses(
    milestones: list[dict[str, Any]], headings: Sequence[int], lines: Mapping[str, int]
) -> Iterator[Weakness]:
    """The weaknesses of a plan. ``headings``: the line of each milestone; ``lines``: that of each task, by id."""
    if not milestones:
        yield weakness("no_milestones", "no milestone was found", 1)
    for milestone, line in zip(milestones, headings, strict=True):
        yield from _milestone_weaknesses(milestone, line, lines)


def task_weaknesses(task: Mapping[str, Any], line: int) -> Iterator[Weakness]:
    """The weaknesses of one task."""
    title: str = task["title"]
    if not task["acceptance"]:
        yield weakness("no_acceptance", f"task {title!r} has no acceptance", line)
    if match := _VAGUE.search(title):
        yield weakness("vague_title", f"task {title!r} is vague: {match[1]!r} does not say what will be there", line)
    if any(_GENERIC.fullmatch(text.strip()) for text in task["acceptance"]):
        yield weakness("generic_acceptance", f"task {title!r} has an acceptance that fits any task", line)
    if len(title.split()) < 3:
        yield weakness("short_title", f"task {title!r} has a title of fewer than three words", line)


def is_vague(title: str) -> bool:
    """Whether the title, or a phrase of it, begins with a verb that does not say what will be there."""
    return _VAGUE.search(title) is not None


def domains_of(title: str) -> set[str]:
    """The domains that the words of a title belong to."""
    words = set(re.findall(r"[a-z]+", title.lower()))
    return {domain for domain, known in _DOMAINS.items() if words & set(known)}


def domain_of(task: Mapping[str, Any]) -> str:
    """What a task is about: the top folder of its first conflict scope, else the first word that says a subject."""
    scopes: list[str] = task["conflict_scopes"]
    if scopes and (scope := scopes[0].replace("\\", "/").strip("/")):
        return scope.partition("/")[0].lower()
    words = (
        "".join(letter for letter in word if letter.isalnum())
        for word in task["title"].lower().replace("-", " ").split()
    )
    return next((word for word in words if word and word not in _NO_SUBJECT), "")


def order_of(title: str) -> int:
    """0: it sets something up, 2: it uses something, 1: neither, by the first word."""
    verb = title.split()[0].lower()
    return 0 if verb in _SETUP else 2 if verb in _CONSUMER else 1


def _milestone_weaknesses(milestone: Mapping[str, Any], line: int, lines: Mapping[str, int]) -> Iterator[Weakness]:
    name, tasks = milestone["id"], milestone["tasks"]
    if not tasks:
        yield weakness("no_tasks", f"milestone {name} has no tasks", line)
    if len(tasks) > MOST_TASKS:
        yield weakness("too_many_tasks", f"milestone {name} has {len(tasks)} tasks, more than {MOST_TASKS}", line)
    for task in tasks:
        yield from task_weaknesses(task, lines[task["id"]])
        if not task["conflict_scopes"]:
            yield weakness("no_scope", f"task {task['title']!r} names no conflict scope", lines[task["id"]])
    domains = sorted({domain for task in tasks if (domain := domain_of(task))})
    if len(domains) > MOST_DOMAINS:
        yield weakness("mixed_domains", f"milestone {name} mixes {', '.join(domains)}", line)
    orders = [order_of(task["title"]) for task in tasks]
    verbs = [task["title"].split()[0].lower() for task in tasks]
    if 2 in orders and 0 not in orders[: orders.index(2)]:
        verb = verbs[orders.index(2)]
        yield weakness("consumer_first", f"milestone {name} uses something ({verb}) before it sets something up", line)
    if len(verbs) > 2 and len({*verbs}) == 1:
        yield weakness("repeated_verb", f"milestone {name} says {verbs[0]!r} in each of its {len(verbs)} tasks", line)
    if sum(len(task["acceptance"]) for task in tasks) > MOST_ACCEPTANCE:
        yield weakness("much_acceptance", f"milestone {name} has more than {MOST_ACCEPTANCE} lines of acceptance", line)
    if len({scope for task in tasks for scope in task["conflict_scopes"]}) > MOST_SCOPES:
        yield weakness("many_scopes", f"milestone {name} touches more than {MOST_SCOPES} scopes", line)
