"""The features of the format ``wfe/1`` that this version lacks.

One table: building a feature deletes its row. A row is (model, key) → the values that are not available yet, None for
every value.
"""

from collections.abc import Iterator
from typing import cast

from wfe_mcp.core.errors import Detail
from wfe_mcp.workflow.model import (
    Shape,
    Template,
)
from wfe_mcp.workflow.set_fields import SetField, set_fields

NOT_YET: dict[tuple[type[Shape], str], frozenset[str] | None] = {
    (Template, "webhooks"): None,
}


def not_yet(template: Template) -> Iterator[Detail]:
    """An error for each use of a feature that is not available yet."""
    for field in set_fields(template, "", skip=("defaults",)):
        if _is_missing(field):
            what = f"{field.key} {field.value!r}" if isinstance(field.value, str) else repr(field.key)
            yield Detail(field.pointer, f"{what} is not available yet", None, _quoted(field.value))


def _is_missing(field: SetField) -> bool:
    if not field.value:  # an empty list or false uses no feature
        return False
    for (model, key), values in NOT_YET.items():
        if key == field.key and isinstance(field.owner, model):
            return values is None or field.value in values
    return False


def _quoted(value: object) -> object:
    return cast("object", value) if isinstance(value, str | int | float) else None
