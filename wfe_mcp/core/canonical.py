"""Canonical JSON and its sha256.

Rules:
1. One value has one canonical text: keys sorted, no spaces, non-ASCII kept, no trailing newline.
2. A value that another reader could read differently is refused: NaN, infinities, NUL, lone surrogates, non-text keys.
3. The template digest, the event chain and artifact revisions all take their sha256 from this text.
"""

import hashlib
import json
from typing import Any, cast


def canonical_json(value: object) -> str:
    """The one text of ``value``. Refuses (ValueError) what JSON or SQLite could not give back unchanged."""
    _refuse_unsafe(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(content: str | bytes) -> str:
    """Lower-case hex sha256 of text (as UTF-8) or bytes."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def sha256_of(value: object) -> str:
    """sha256 of the canonical text of ``value``."""
    return sha256_hex(canonical_json(value))


def _refuse_unsafe(value: object) -> None:
    match value:
        case str():
            if "\x00" in value:
                raise ValueError("text holds a NUL character")
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                raise ValueError("text holds a lone surrogate") from exc
        case dict():
            for key, item in cast("dict[Any, object]", value).items():
                if not isinstance(key, str):
                    raise ValueError(f"object key {key!r} is not text")  # noqa: TRY004 - one error type for one rule
                _refuse_unsafe(key)
                _refuse_unsafe(item)
        case list() | tuple():
            for item in cast("list[object]", value):
                _refuse_unsafe(item)
        case _:
            pass
