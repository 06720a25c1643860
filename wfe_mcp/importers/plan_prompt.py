"""The prompt with which a chat model writes a plan that can be imported (S3-30)."""

from wfe_mcp.importers.quality import RULES


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
      Conflict: area, area
      Depends: TASK-001, or none; without this line the task follows the one before

A milestone becomes a branch, a task one commit. Tasks are numbered TASK-001, TASK-002 … over the whole file.
Prefer two to four tasks in a milestone. What is set up comes before what uses it.

## The score: 100, and each of these costs

{rules}
"""
