"""The parameters of the built-in actions that deliver a change: ``DELIVERY_PARAMS``, by the name of the action."""

from collections.abc import Mapping
from typing import Literal

from wfe_mcp.core.parts import require_parts
from wfe_mcp.workflow.model.base import Shape, optional, required_key
from wfe_mcp.workflow.step_kinds import DELIVERY_STEPS

Strategy = Literal["ff", "merge", "squash", "rebase"]


class DeliveryParams(Shape):
    """What every action of git and the forge takes."""

    effect = "passes"

    branch: str = optional(
        "", "The branch; absent: the one that this run made, else one named by `delivery.branch`.", example="ai/7-login"
    )
    item: str = optional(
        "",
        "The part of the run's work that this is for: its work item, or one under it, gets what is made; another name is "
        "only named. Absent: the run's item.",
        example="${task.id}",
    )


class GitBranch(DeliveryParams):
    """``git.branch``: make the branch of the change from the base, or continue on the one that this run made."""

    title: str = optional("", "What `{slug}` is made of; absent: the item's title.", example="${milestone.title}")
    base: str = optional("", "The branch to begin at; absent: `delivery.base`.", example="main")


class GitCommit(DeliveryParams):
    """``git.commit``: commit the approved files to the branch of the change."""

    message: str = optional(
        "", "The message; absent: by `delivery.message`. The trailers follow it.", example="${vars.title}"
    )
    scopes: Literal["hold", "note"] = optional(
        "hold",
        "What a changed file outside the paths of the run's work item does: `hold` waits for a person, `note` lists it.",
        example="note",
    )


class GitPush(DeliveryParams):
    """``git.push``: push the branch of the change to `delivery.remote`."""


class GitMerge(DeliveryParams):
    """``git.merge``: merge the branch of the change into the base, without touching the working folder."""

    base: str = optional("", "The branch to merge into; absent: `delivery.base`.", example="main")
    strategy: Strategy | None = optional(None, "How; absent: `delivery.strategy`.", example="squash")
    message: str = optional("", "The message of a merge or squash commit.", example="${vars.title}")


class GitClean(DeliveryParams):
    """``git.clean``: remove the merged branch of the change, and its worktree."""

    dry_run: bool = optional(True, "Only list what would go.", example=False)
    remote: bool = optional(False, "Remove the merged branch of the remote too.", example=True)


class GitRevert(DeliveryParams):
    """``git.revert``: take the merged change of another run out of the files; nothing is committed."""

    run: str = required_key("The run whose change is reverted.", example="${inputs.run}")


class ForgeOpen(DeliveryParams):
    """``forge.open``: open the pull request of the pushed branch, or find the one that is open for its commit."""

    base: str = optional("", "The branch to merge into; absent: `delivery.base`.", example="main")
    title: str = optional("", "The title; absent: the work item's, else the run's.", example="${vars.title}")


class ForgeStatus(DeliveryParams):
    """``forge.status``: wait until the forge reports that the pull request can be merged; what prevents it is a blocker."""

    require: bool = optional(True, "Without it the status is only read: `merge`, `blocker`, `checks`.", example=False)


class ForgeMerge(DeliveryParams):
    """``forge.merge``: merge the pull request at its approved commit, and compare the merged tree with the approved one."""

    strategy: Strategy | None = optional(None, "How; absent: `delivery.strategy`.", example="squash")
    title: str = optional("", "That of the commit; absent: the work item's, else the run's.", example="${vars.title}")


class ForgeClose(DeliveryParams):
    """``forge.close``: close the pull request without a merge. Its branch stays."""


class Deployment(Shape):
    """``deploy``: bring the approved commit to an environment: deploy, health, tests; what fails is rolled back."""

    effect = "runs"

    environment: str = optional(
        "",
        "A table of `[environments]`; empty: the only one, and without one the phase is left out.",
        example="staging",
    )
    commit: str = optional("", "The commit; absent: the one at HEAD when the deployment was approved.")


class Health(Shape):
    """``health``: ask the health check of an environment, and record what it says."""

    effect = "runs"

    environment: str = optional(
        "",
        "A table of `[environments]`; empty: the only one, and without one the phase is left out.",
        example="staging",
    )


DELIVERY_PARAMS: Mapping[str, type[Shape]] = {
    "git.branch": GitBranch,
    "git.commit": GitCommit,
    "git.push": GitPush,
    "git.merge": GitMerge,
    "git.clean": GitClean,
    "git.revert": GitRevert,
    "forge.open": ForgeOpen,
    "forge.status": ForgeStatus,
    "forge.merge": ForgeMerge,
    "forge.close": ForgeClose,
    "deploy": Deployment,
    "health": Health,
}
"""The parameters of each action, by its name."""

require_parts("delivery step", ((name, "its parameters") for name in DELIVERY_STEPS if name not in DELIVERY_PARAMS))
