"""Answers of checks that may take seconds, given ahead of the transaction that needs them.

    outside a transaction    judge_ahead(schema, value)  ──► kept in this process
    inside one               judged_now(schema, value)   ──► the kept answer; at once for an ordinary schema; else Unjudged

A check in a child (``checking.py``) inside a write transaction would keep every other process from writing meanwhile.
"""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.artifacts.validate import ValidationResult

Schema = str | dict[str, Any]

_KEPT = 256
_answers: "OrderedDict[str, ValidationResult]" = OrderedDict()
_lock = threading.Lock()


class Unjudged(Exception):
    """The check of ``value`` against ``schema`` may take seconds, and its answer was not given ahead."""

    def __init__(self, schema: Schema, value: object) -> None:
        super().__init__("this check may take seconds; it runs outside the transaction")
        self.schema, self.value = schema, value

    @property
    def sha256(self) -> str:
        """What names the check."""
        return _name(self.schema, self.value)


def judged_now(schema: Schema, value: object) -> "ValidationResult":
    """``validate_stored``, without ever waiting for a child. Raises Unjudged."""
    from wfe_mcp.artifacts.validate import validate_stored

    if not _is_slow(schema, value):
        return validate_stored(schema, value)
    with _lock:
        validation = _answers.get(_name(schema, value))
    if validation is None:
        raise Unjudged(schema, value)
    return validation


def judge_ahead(schema: Schema, value: object) -> "ValidationResult":
    """``validate_stored``, and its answer is kept for ``judged_now``. Takes as long as it takes: not for transactions."""
    from wfe_mcp.artifacts.validate import validate_stored

    answer = validate_stored(schema, value)
    if _is_slow(schema, value):
        with _lock:
            _answers[_name(schema, value)] = answer
            while len(_answers) > _KEPT:
                _answers.popitem(last=False)
    return answer


def _is_slow(schema: Schema, value: object) -> bool:
    """Whether the check may run in a child; what is no value of an artifact never gets there."""
    from wfe_mcp.artifacts.checking import may_take_seconds
    from wfe_mcp.artifacts.parse import check_value

    try:
        check_value(value)
    except Refused:
        return False
    return isinstance(value, dict) and isinstance(schema, dict) and may_take_seconds(schema, cast("object", value))


def _name(schema: Schema, value: object) -> str:
    return sha256_of({"schema": schema, "value": value})
