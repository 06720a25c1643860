"""The table ``[policy]``: what agents may do, and what every gate asks for at least."""

from typing import Literal

from wfe_mcp.workspace.config.table import Table, optional


class PolicySettings(Table):
    """``templates``: what an agent may start; None is everything. ``evidence``: the least level of checks; None: any.

    ``people``: how many approve at least.
    """

    effect = "policy"

    templates: list[str] | None = optional(
        None, 'Names of templates that an agent may start: `["quick_fix"]`; a person may start any.'
    )
    evidence: Literal["worktree", "checkout", "sandbox", "runner"] | None = optional(
        None,
        "The least level of evidence of every check that a gate or a step runs: `checkout`, say. The highest of "
        "your own, the project's and the gate's counts.",
    )
    people: int | None = optional(
        None,
        "How many different people approve, at least, wherever a gate asks for a person's approval. The highest of your "
        "own, the project's and the gate's counts.",
        ge=1,
        le=5,
    )
