"""What bodies of several operations share."""

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON has it; after an odd number of backslashes it is a text that only looks like it."""


class Body(BaseModel):
    """A body without unknown keys, and without text that no file and no database can hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: object) -> object:
        try:
            text = json.dumps(value, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("it holds a lone surrogate, which is no valid Unicode text") from None
        except (TypeError, ValueError):  # no JSON: a value that a test or a parent body made
            return value
        if _NUL.search(text):
            raise ValueError("it holds NUL, which cannot be stored")
        return value


PhaseName = Annotated[str, Field(min_length=1)]

Pin = Annotated[str, Field(max_length=200, description="the user's PIN, typed at the page; programs have none")]


def _pin_last(schema: dict[str, Any]) -> None:
    """In the description of the API what is done comes before the PIN for it."""
    schema["properties"]["pin"] = schema["properties"].pop("pin")


class Signed(Body):
    """What a person does with their PIN."""

    model_config = ConfigDict(json_schema_extra=_pin_last)

    pin: Pin = ""


class ReasonGiven(Signed):
    """A phase, and why a person decides so about it; the reason stays visible."""

    phase: PhaseName
    reason: str


class OfProject(Body):
    """A body that names a project by its id; without one, it is that of the page or of the token."""

    project: str = ""


class SignedOfProject(OfProject, Signed):
    """What a person does in a project with their PIN."""
