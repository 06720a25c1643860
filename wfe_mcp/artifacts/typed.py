"""Plain values as the types that describe them, read by msgspec: the one place that reads a type for the first time.

What msgspec learns of a type is at the type before it is complete, since a type may contain itself. A second thread that reads
the same type meanwhile ends the process. So one thread at a time learns: ``convert`` and a decoder with a type are used here alone.
"""

import threading
from typing import Any, TypeVar

from msgspec import convert, json, to_builtins

T = TypeVar("T")

_LEARNED: set[Any] = set()
_LEARNING = threading.RLock()


def from_text(text: str, kind: type[T], **more: object) -> T:
    """The value of ``kind`` in a JSON object, with ``more`` of its fields. Raises ``msgspec.MsgspecError``."""
    return value_of({**json.decode(text), **more}, kind)


def as_text(value: object, *apart: str) -> str:
    """A dataclass as the JSON that ``from_text`` reads, without its fields that are stored ``apart``."""
    return json.encode(
        {name: part for name, part in to_builtins(value).items() if name not in apart}, order="sorted"
    ).decode()


def value_of(plain: object, kind: type[T]) -> T:
    """The value of ``kind`` that ``plain`` is in JSON. Raises ``msgspec.ValidationError``."""
    if kind in _LEARNED:
        return convert(plain, kind)
    with _LEARNING:
        try:
            return convert(plain, kind)
        finally:
            _LEARNED.add(kind)
