"""Canonical JSON and its sha256.

Rules:
1. One value has one canonical text: keys sorted, no spaces, non-ASCII kept, no trailing newline.
2. A value that another reader could read differently is refused: NaN, infinities, NUL, lone surrogates, non-text keys.
3. The template digest, the event chain and artifact revisions all take their sha256 from this text.
4. What other programs verify is signed as RFC 8785 (JCS) has it. Its text differs for fractions, and for keys with
   characters beyond U+FFFF (docs/reference/signed-statements.md, docs/adr/0038). Hashes keep the text of rule 1.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

SIGNED_AS_CANONICAL_JSON = ("wfe-decision/1", "wfe-approval/1", "wfe-approvers/1")
"""The formats of statements that are signed as ``canonical_json`` writes them."""


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""The types of values without parts."""


def canonical_json(value: object) -> str:
    """The one text of ``value``. Refuses (ValueError) what JSON or SQLite could not give back unchanged."""
    try:
        text = _ENCODER.encode(value)
    except TypeError:  # keys of two types cannot be sorted, or a value is not JSON
        _refuse_unsafe(value)
        raise
    # Looking at the text in C takes a tenth of the time of looking at each part: only what looks unsafe is searched.
    if "\\u0000" in text or cannot_be_encoded(text) or not _has_text_keys(value):
        _refuse_unsafe(value)
    return text


def sha256_hex(content: str | bytes) -> str:
    """Lower-case hex sha256 of text (as UTF-8) or bytes."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def sha256_of(value: object) -> str:
    """sha256 of the canonical text of ``value``."""
    return sha256_hex(canonical_json(value))


def signed_text(statement: Mapping[str, object]) -> str:
    """The text of ``statement`` that is signed, by its ``format``. Refuses (ValueError) as ``canonical_json`` does.

    Refuses whole numbers that a double does not hold exactly, too: RFC 8785 does, and writes a float without its fraction.
    """
    text = canonical_json(statement)
    if statement.get("format") in SIGNED_AS_CANONICAL_JSON:
        return text
    import rfc8785  # 4 ms; few processes sign or verify

    # Read back before it is signed: 2.0**53 is written as a whole number that every reader then refuses.
    readable = json.loads(rfc8785.dumps(cast("dict[str, Any]", statement)))
    return rfc8785.dumps(readable).decode()


def cannot_be_encoded(text: str) -> bool:
    """True for half a character (a lone surrogate). Encoding checks a million characters in a millisecond, a loop in a second."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _has_text_keys(value: object) -> bool:
    """Whether every key is text: json would spell the key 1 as "1"."""
    waiting = [value]  # the encoder has refused circles
    while waiting:
        item = waiting.pop()
        if item.__class__ in _PLAIN:  # most parts: no call for each
            continue
        if isinstance(item, dict):
            for key in cast("dict[object, object]", item):
                if key.__class__ is not str and not isinstance(key, str):
                    return False
            waiting.extend(cast("dict[object, object]", item).values())
        elif isinstance(item, list | tuple):
            waiting.extend(cast("list[object]", item))
    return True


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
