"""The base of all artifact models.

Rules:
1. Closed and strict: an unknown key is a fault, nothing is converted, so the stored bytes are what was submitted.
2. No floats: a whole number that comes back as 1.0 would change the sha256.
3. Optional keys have a default and no null: an unknown value is left out.
4. ``examples[0]`` is complete and valid: an agent may copy it, a test bot submits it.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wfe_mcp.artifacts.completeness import repeated_texts, unmatched_references
from wfe_mcp.artifacts.explain import ID_PATTERN, NOT_BLANK
from wfe_mcp.artifacts.parse import normal_path
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.findings import Severity

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""A key that is valid in loops, paths and file names (design §5)."""

Text = Annotated[str, Field(pattern=NOT_BLANK)]
"""Text that is not blank."""

Count = Annotated[int, Field(ge=0)]

BundlePath = Annotated[str, AfterValidator(normal_path)]
"""A path that can be written below a folder on every system; backslashes become slashes."""


class Part(BaseModel):
    """An object inside an artifact."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Artifact(Part):
    """The root of an artifact. ``unique`` and ``known`` are selectors (``steps.*.id``), read by ``consistency``."""

    unique: ClassVar[tuple[str, ...]] = ()
    known: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def contradictions(cls, value: dict[str, Any]) -> Iterator[Detail]:
        """Faults between the parts of ``value`` that the shape alone cannot see. ``value`` may have any shape."""
        for selector in cls.unique:
            yield from repeated_texts(value, selector)
        for references, names in cls.known:
            yield from unmatched_references(value, references, names)


class Finding(Part):
    """One finding of a review."""

    severity: Severity
    title: Text
    detail: str = Field(default="", description="What is wrong, and how to see it")
    file: str = Field(default="", description="Project-relative")
    line: Count = 0
    recommendation: str = Field(default="", description="How to fix it")


class Done(Part):
    """A task that was finished before: in another tool, or by hand."""

    id: Id
    title: Text
    summary: str = Field(default="", description="How it was finished")


def example(value: dict[str, Any]) -> ConfigDict:
    """Model configuration with ``value`` as the example of the generated schema."""
    return ConfigDict(json_schema_extra={"examples": [value]})
