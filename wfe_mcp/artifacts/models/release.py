"""release@1: a version, its changes and its rollback."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Part, Text, example


class ReleaseNote(Part):
    """One line of the changelog."""

    kind: Literal["added", "changed", "deprecated", "removed", "fixed", "security"]
    text: Text = Field(description="What a user can do now, or must change")


class Release(Artifact):
    """A version with its changes and its rollback."""

    model_config = example(
        {
            "version": "1.4.0",
            "summary": "Runs can be exported",
            "changes": [{"kind": "added", "text": "Export a run as one file"}],
            "breaking": [],
            "migration": "Nothing to do",
            "rollback": "Install 1.3.2; exported files stay readable",
            "tag": "v1.4.0",
            "commit": "0a1b2c3",
            "artifacts": ["dist/app-1.4.0.tar.gz"],
        }
    )

    version: Text
    summary: Text
    changes: list[ReleaseNote]
    breaking: list[Text] = Field(default=[], description="What stops working")
    migration: str = ""
    rollback: str = Field(default="", description="How to return to the version before")
    tag: str = ""
    commit: str = ""
    artifacts: list[Text] = Field(default=[], description="Files or images that are published")
