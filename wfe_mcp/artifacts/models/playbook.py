"""playbook@1: the steps that end an incident of one class, and when to stop."""

from typing import ClassVar, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Id, Part, Text, example


class PlaybookStep(Part):
    """One step. ``change`` alters files of the project; ``action`` is done elsewhere, where no file shows it."""

    id: Id
    title: Text
    kind: Literal["change", "action"]
    do: Text = Field(description="What to do, so that anyone who read nothing else can do it")
    expect: Text = Field(description="What shows that it worked")
    undo: str = Field(default="", description="How to take it back")


class Playbook(Artifact):
    """A remediation playbook."""

    unique: ClassVar[tuple[str, ...]] = ("steps.*.id",)
    model_config = example(
        {
            "id": "restart-payments",
            "title": "Payments answers too late",
            "error_class": "dependency_timeout",
            "steps": [
                {
                    "id": "S-1",
                    "title": "Wait less for payments",
                    "kind": "change",
                    "do": "Set payments.timeout to 2 s",
                    "expect": "test_checkout_without_payments passes",
                    "undo": "git revert",
                },
            ],
            "stop_when": ["An order would be charged twice"],
        }
    )

    id: Id
    title: Text
    error_class: Text = Field(description="The class of failures that it is for, as `verdict@1` names it")
    steps: list[PlaybookStep] = Field(min_length=1, max_length=20)
    stop_when: list[Text] = Field(min_length=1, description="What ends the remediation at once, for a person to decide")
