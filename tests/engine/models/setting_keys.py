"""The keys that a config.toml may have, with their descriptions."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def keys_of(model: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a model, with its description; a name of the person's own is ``*``."""
    for name, field in model.model_fields.items():
        yield from _below(field.annotation, f"{above}{name}", field.description or "")


def _below(kind: Any, path: str, description: str) -> Iterator[tuple[str, str]]:
    if get_origin(kind) is dict:
        yield from _below(get_args(kind)[1], f"{path}.*", description)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from keys_of(kind, f"{path}.")
    else:
        yield path, description
