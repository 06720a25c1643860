"""blocker@1: what keeps a phase from succeeding, and whether only a person can remove it."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example


class Blocker(Artifact):
    """What is in the way: its class, its fingerprint, the cause and what shows it. A recovery reports one."""

    model_config = example(
        {
            "class": "failed_checks",
            "fingerprint": "failed_checks:M1:TASK-001",
            "human_required": False,
            "cause": "The list is written before the last artifact is",
            "evidence": ["test_archive_lists_every_artifact: 2 != 3"],
            "next_step": "Write the list in close()",
        }
    )

    class_: Literal[
        "failed_checks",
        "lint",
        "type",
        "generated_state",
        "merge_conflict",
        "local_git",
        "missing_implementation",
        "credentials",
        "secret",
        "product_decision",
        "destructive",
        "branch_protection",
        "approval",
    ] = Field(alias="class", description="The last six are always a person's")
    fingerprint: Text = Field(max_length=300, description="class:place; the same failure has the same one")
    human_required: bool = Field(description="Only a person can continue; also when you cannot tell the cause")
    cause: Text = Field(description="What went wrong first, in one sentence")
    evidence: list[Text] = Field(min_length=1, description="What shows it, quoted")
    next_step: Text = Field(description="What to fix, or what the person has to do")
