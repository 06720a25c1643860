"""Lint of the steps that deliver a change: their parameters, as far as no expression fills them in later."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.workflow.faults import short
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.model.delivery import DELIVERY_PARAMS


def delivery_params(name: str, params: Mapping[str, Any], at: str, found: LintFindings) -> None:
    """Check the parameters of the action ``name``."""
    model = DELIVERY_PARAMS[name]
    try:
        model.model_validate(params)
    except ValidationError as exc:
        for entry in exc.errors(include_url=False):
            key = str(entry["loc"][0])
            if entry["type"] == "extra_forbidden":
                found.unknown(f"{at}/{key}", f"{name} has no parameter {key!r}", key, model.model_fields)
            elif "${" not in canonical_json(params.get(key)):
                found.error(f"{at}/{key}", f"{key}: {entry['msg']}", None, short(entry["input"]))
