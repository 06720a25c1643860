"""What bodies of several operations share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A body without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class OfProject(Body):
    """A body that names a project by its id; without one, it is that of the page or of the token."""

    project: str = ""


Pin = Annotated[str, Field(max_length=200, description="the user's PIN, typed at the page; programs have none")]
