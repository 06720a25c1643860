"""The features of the format ``wfe/1`` that this version lacks.

One table of models and keys: building a feature deletes its row.
"""

from collections.abc import Iterator

from wfe_mcp.core.errors import Detail
from wfe_mcp.workflow.model import Shape, Template
from wfe_mcp.workflow.set_fields import set_fields

NOT_YET: tuple[tuple[type[Shape], str], ...] = ((Template, "webhooks"),)


def not_yet(template: Template) -> Iterator[Detail]:
    """An error for each use of a feature that is not available yet."""
    for field in set_fields(template, "", skip=("defaults",)):
        is_missing = any(key == field.key and isinstance(field.owner, model) for model, key in NOT_YET)
        if is_missing and field.value:  # an empty list or false uses no feature
            yield Detail(field.pointer, f"{field.key!r} is not available yet")
