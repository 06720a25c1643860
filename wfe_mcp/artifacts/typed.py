"""Plain values as the types that describe them, read by msgspec: the one place that reads a type for the first time.

What msgspec learns of a type is at the type before it is complete, since a type may contain itself. A second thread that reads
the same type meanwhile ends the process. So one thread at a time learns: ``convert`` and a decoder with a type are used here alone.
"""

import threading
from typing import Any, TypeVar

from msgspec import convert

T = TypeVar("T")

_LEARNED: set[Any] = set()
_LEARNING = threading.RLock()


def value_of(plain: object, kind: type[T]) -> T:
    """The value of ``kind`` that ``plain`` is in JSON. Raises ``msgspec.ValidationError``."""
    if kind in _LEARNED:
        return convert(plain, kind)
    with _LEARNING:
        try:
            return convert(plain, kind)
        finally:
            _LEARNED.add(kind)
