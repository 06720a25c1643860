"""markdown_doc@1: a Markdown document with front matter."""

from typing import Any

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example


class MarkdownDoc(Artifact):
    """A Markdown document with its front matter."""

    model_config = example(
        {"front": {"title": "Why zip", "status": "draft"}, "body": "# Why zip\n\nEvery system opens it.\n"}
    )

    front: dict[str, Any] = Field(description="Keys of the head; {} when there is none")
    body: Text = Field(description="Markdown")
