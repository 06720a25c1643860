"""What bodies of several operations share."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Body(BaseModel):
    """A body without unknown keys, and without text that no file and no database can hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_unicode(cls, value: object) -> object:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds a lone surrogate, which is no valid Unicode text") from None
        except (TypeError, ValueError):  # no JSON: a value that a test or a parent body made
            return value
        return value


PhaseName = Annotated[str, Field(min_length=1)]


class OfProject(Body):
    """A body that names a project by its id; without one, it is that of the page or of the token."""

    project: str = ""


Pin = Annotated[str, Field(max_length=200, description="the user's PIN, typed at the page; programs have none")]
