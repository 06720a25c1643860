"""Opinions as plain values, free of SQL."""

from datetime import datetime
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath

AskedBy = Literal["gate", "call"]
"""Requested by a gate of the template, or by a call. A gate counts only the opinions that it requested."""


MANUAL_MODEL = "manual"
"""The model of an opinion that a person gave."""


@dataclass(frozen=True, slots=True)
class OpinionRecord:
    """A reviewer's opinion. ``value``: a valid ``opinion@1``. ``artifact_sha256``: "" where no artifact was judged.

    ``reviewer``: the role; ``provider`` and ``model``: its assignment at that time.
    ``answered_by``: the model that answered, as its provider reports it; None in records from before. ``question_sha256``: of the whole question.
    """

    # generated: Opinion
    id: str
    project_id: str
    run_id: RunId | None
    phase: PhasePath | None
    attempt: int | None
    asked_by: AskedBy
    reviewer: str
    provider: str
    model: str
    question_sha256: str
    artifact_sha256: str
    verdict: str
    at: datetime
    value: dict[str, Any]
    answered_by: str | None = None
