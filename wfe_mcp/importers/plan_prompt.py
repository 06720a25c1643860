"""Proposes a better order and size for the tasks and milestones of a plan (S3-08). Deterministic and pure.

    1. reorder   a task that sets something up comes before one that uses it, as far as dependencies allow
    2. merge     neighbouring small steps of one domain and the same conflict scopes become one task, one commit
    3. split     a milestone of more than ten tasks, or of more than two domains, becomes several
    4. join      neighbouring milestones of at most four tasks and four scopes together become one

Nothing is invented: every acceptance, note and conflict scope of the plan is in the result, once.

The prompt with which a chat model writes a plan that can be imported (S3-30).
"""

from dataclasses import field
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.importers.quality import MOST_DOMAINS, MOST_TASKS, RULES, domain_of, domains_of, is_vague, order_of

Shape = Literal["commit_shaped", "checklist_substep", "vague"]

JOIN_TASKS, JOIN_SCOPES, PART_TASKS = 4, 4, 4

_STEPS = frozenset({"adjust", "bump", "check", "delete", "fix", "move", "remove", "rename", "rerun", "run", "update"})


@dataclass(slots=True)
class OptimisedPlan:
    """The proposed plan, and every change in the order in which it was made."""

    plan: dict[str, Any]
    changes: list[str] = field(default_factory=list[str])


def shape_of(task: dict[str, Any]) -> Shape:
    """What a task is by its size: one commit, a step within one, or too vague to say."""
    if is_vague(task["title"]):
        return "vague"
    small = len(task["acceptance"]) <= 1 and (
        len(task["title"].split()) <= 3 or task["title"].split()[0].lower() in _STEPS
    )
    return "checklist_substep" if small else "commit_shaped"


def optimise_plan(plan: dict[str, Any]) -> OptimisedPlan:
    """The proposal for ``plan``; without changes where there is nothing to do. The quality is left out of it."""
    proposal = OptimisedPlan({})
    milestones = [
        dict(milestone, tasks=[dict(task) for task in milestone["tasks"]]) for milestone in plan["milestones"]
    ]
    replaced: dict[str, str] = {}
    for milestone in milestones:
        milestone["tasks"] = _merge_tasks(milestone, _reorder_tasks(milestone, proposal), proposal, replaced)
    for milestone in milestones:
        for task in milestone["tasks"]:
            needed = (replaced.get(need, need) for need in task["depends_on"])
            task["depends_on"] = [need for need in dict.fromkeys(needed) if need != task["id"]]
    split = [part for milestone in milestones for part in _split(milestone, proposal)]
    proposal.plan = {
        **{key: value for key, value in plan.items() if key != "quality"},
        "milestones": _join_tiny_milestones(split, proposal),
    }
    return proposal


def _reorder_tasks(milestone: dict[str, Any], proposal: OptimisedPlan) -> list[dict[str, Any]]:
    """The tasks, what sets up first. The order of the file breaks ties; a task never comes before one it depends on."""
    left, placed = list(milestone["tasks"]), list[dict[str, Any]]()
    while left:
        waiting = {task["id"] for task in left}
        ready = [task for task in left if waiting.isdisjoint(task["depends_on"])]
        # A plan whose tasks wait for each other keeps its order; reading it names the cycle.
        task = min(ready or left[:1], key=lambda each: order_of(each["title"]))
        left.remove(task)
        placed.append(task)
    if placed != milestone["tasks"]:
        proposal.changes.append(f"{milestone['id']}: order is now {', '.join(task['id'] for task in placed)}")
    return placed


def _merge_tasks(
    milestone: dict[str, Any], tasks: list[dict[str, Any]], proposal: OptimisedPlan, replaced: dict[str, str]
) -> list[dict[str, Any]]:
    """The tasks, small neighbouring steps merged. ``replaced``: the id of a task that is gone → the task it is part of."""
    kept: list[dict[str, Any]] = []
    for task in tasks:
        before = kept[-1] if kept else None
        if before is not None and _same_kind(before, task):
            proposal.changes.append(f"{milestone['id']}: {task['id']} {task['title']!r} becomes part of {before['id']}")
            replaced[task["id"]] = before["id"]
            before["title"] = f"{before['title']}; {task['title'][:1].lower()}{task['title'][1:]}"
            before["acceptance"] = [*before["acceptance"], *task["acceptance"]]
            before["depends_on"] = [*before["depends_on"], *task["depends_on"]]
            before |= {key: task[key] for key in ("notes",) if key in task}
        else:
            kept.append(task)
    return kept


def _same_kind(before: dict[str, Any], task: dict[str, Any]) -> bool:
    return (
        shape_of(task) == "checklist_substep"
        and len(before["acceptance"]) < PART_TASKS
        and not ("notes" in before and "notes" in task)  # a task comes from one item of the backlog
        and set(before["conflict_scopes"]) == set(task["conflict_scopes"])
        and domains_of(before["title"]) == domains_of(task["title"])
        and shape_of(dict(before, acceptance=before["acceptance"][:1])) == "checklist_substep"
    )


def _split(milestone: dict[str, Any], proposal: OptimisedPlan) -> list[dict[str, Any]]:
    tasks = milestone["tasks"]
    mixed = len({domain for task in tasks for domain in domains_of(task["title"])}) > MOST_DOMAINS
    if not mixed and len(tasks) <= MOST_TASKS:
        return [milestone]
    parts: list[list[dict[str, Any]]] = []
    for task in tasks:
        if parts and _fits(parts[-1], task):
            parts[-1].append(task)
        else:
            parts.append([task])
    if len(parts) == 1:
        return [milestone]
    proposal.changes.append(f"{milestone['id']}: {len(tasks)} tasks become {len(parts)} milestones")
    return [
        milestone | {"tasks": part}
        if index == 0
        else {"title": f"{milestone['title']}, part {index + 1}", "goal": milestone.get("goal", ""), "tasks": part}
        for index, part in enumerate(parts)
    ]


def _fits(part: list[dict[str, Any]], task: dict[str, Any]) -> bool:
    domains = {domain for other in [*part, task] for domain in domains_of(other["title"])}
    return len(part) < PART_TASKS and len(domains) <= MOST_DOMAINS


def _join_tiny_milestones(milestones: list[dict[str, Any]], proposal: OptimisedPlan) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for milestone in milestones:
        before = kept[-1] if kept else None
        if (
            before is not None
            and "id" in before
            and "id" in milestone
            and _tiny([*before["tasks"], *milestone["tasks"]])
        ):
            proposal.changes.append(f"{milestone['id']} {milestone['title']!r} becomes part of {before['id']}")
            kept[-1] = before | {
                "title": f"{before['title']}; {milestone['title'][:1].lower()}{milestone['title'][1:]}",
                "goal": "; ".join(filter(None, [before.get("goal", ""), milestone.get("goal", "")])),
                "tasks": [*before["tasks"], *milestone["tasks"]],
            }
        else:
            kept.append(milestone)
    return kept


def _tiny(tasks: list[dict[str, Any]]) -> bool:
    scopes = {scope for task in tasks for scope in task["conflict_scopes"]}
    domains = {domain for task in tasks for domain in domains_of(task["title"])}
    subjects = {domain_of(task) for task in tasks} - {""}  # as the score counts, which a proposal must not lower
    return len(tasks) <= JOIN_TASKS and len(scopes) <= JOIN_SCOPES and max(len(domains), len(subjects)) <= MOST_DOMAINS


def as_markdown(plan: dict[str, Any]) -> str:
    """The plan as milestones.md. Tasks are numbered in its order, as they are when it is read."""
    tasks = [task["id"] for milestone in plan["milestones"] for task in milestone["tasks"]]
    ids = {task_id: f"TASK-{number:03}" for number, task_id in enumerate(tasks, 1)}
    lines = [f"# {plan.get('title') or 'Milestones'}"]
    for milestone in plan["milestones"]:
        name = f"{milestone['id']} - " if "id" in milestone else ""
        lines += ["", f"## {name}{milestone['title']}"]
        lines += [f"Goal: {milestone['goal']}"] if milestone.get("goal") else []
        lines += ["Tasks:"]
        for task in milestone["tasks"]:
            lines += [f"- {task['title']}", *(f"  Acceptance: {text}" for text in task["acceptance"])]
            lines += [f"  Conflict: {', '.join(task['conflict_scopes'])}"] if task["conflict_scopes"] else []
            lines += [f"  Depends: {', '.join(ids[need] for need in task['depends_on']) or 'none'}"]
            lines += [f"  {task['notes']}"] if task.get("notes") else []
    return "\n".join(lines) + "\n"


def plan_prompt(goal: str, context: str = "") -> str:
    """The prompt: the goal, the context, the format and every rule of the score, from the table that scores."""
    rules = "\n".join(
        f"- {rule.meaning}: minus {rule.penalty}{' (stops the import)' if rule.blocking else ''}"
        for rule in RULES.values()
    )
    about = f"\n## The project\n\n{context}\n" if context else ""
    return f"""\
Write a plan of work as one Markdown file, milestones.md. Answer with the file alone.

## The goal

{goal}
{about}
## The format

Every line has one of these forms; any other line is an error.

    # Milestones
    ## M1 - Title of the milestone
    Goal: what is true afterwards
    Tasks:
    - Title of the task: a verb and what will be there
      Acceptance: something that can be checked; repeat the line for more
      Conflict: path, path
      Depends: TASK-001, or none; without this line the task follows the one before

A milestone becomes a branch, a task one commit. Tasks are numbered TASK-001, TASK-002 … over the whole file.
Prefer two to four tasks in a milestone. What is set up comes before what uses it.
Conflict names the files and folders that the task changes, its tests too, * allowed: src/export/**, tests/test_export*.
Where the server commits, a change of any other file waits for the user.

## The score: 100, and each of these costs

{rules}
"""
