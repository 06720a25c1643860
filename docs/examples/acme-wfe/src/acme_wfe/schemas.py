"""What does a ticket of Acme look like?"""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example

__all__ = ["Ticket"]


class Ticket(Artifact):
    """A ticket that somebody can work on."""

    title: Text
    kind: Literal["bug", "feature"]
    files: list[Text] = Field(default=[], description="Files it is about")

    model_config = example({"title": "Totals are rounded twice", "kind": "bug", "files": ["shop.py"]})
