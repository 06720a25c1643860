"""What bodies of several operations share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A body without unknown keys."""

    model_config = ConfigDict(extra="forbid")


Pin = Annotated[str, Field(max_length=200, description="the user's PIN, typed at the page; programs have none")]
