"""Splits text into searchable words, and finds the place of a match in it.

    Prüf src/app.py: parse_config  →  pruf src app py parse config

Rules:
1. A word is a run of letters and digits. Case and accents do not count; ``ß`` is ``ss``. So names and paths are phrases,
   found by their parts too.
2. A Chinese, Japanese or Korean character is a word of its own: no spaces separate words.
3. Indexed text and queries go through the same ``folded``: SQLite's tokenizer only splits.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import cast

PlacedText = tuple[str, str]
"""The JSON pointer of a text in a value, and the text."""

SNIPPET_CHARS = 200
_BEFORE = 60
_LOOKED_AT = 200_000
"""Characters of one value that are searched for the place to show; the index has all of them."""

_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")
_ALONE = re.compile("([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])")


def folded(text: str) -> str:
    """``text`` in its indexed form: rules 1 and 2."""
    if text.isascii():
        return text.lower()
    # Twice: a decomposed character may have a case, and a case-folded one may decompose further.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _MARKS.sub("", plain)
    return _ALONE.sub(r" \1 ", unicodedata.normalize("NFC", plain))


def words(text: str) -> list[str]:
    """The words of ``text``, folded."""
    return _WORD.findall(folded(text))


def texts_of(value: object, pointer: str = "") -> Iterator[PlacedText]:
    """Every text in a JSON value with its pointer, in order; keys and numbers are left out."""
    match value:
        case str():
            if value:
                yield pointer, value
        case dict():
            for key, part in cast("dict[str, object]", value).items():
                name = key.replace("~", "~0").replace("/", "~1")
                yield from texts_of(part, f"{pointer}/{name}")
        case list():
            for number, part in enumerate(cast("list[object]", value)):
                yield from texts_of(part, f"{pointer}/{number}")
        case _:
            pass


def matcher(wanted: Sequence[str], *, is_prefix: bool) -> re.Pattern[str]:
    """A pattern that finds these consecutive words in folded text; ``is_prefix``: the last one is a prefix."""
    end = "" if is_prefix else r"(?![^\W_])"
    return re.compile(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, wanted)) + end)


def snippet(texts: Iterable[PlacedText], matchers: Sequence[re.Pattern[str]]) -> PlacedText:
    """The pointer of the text that most matchers find, and 200 printable characters of it around the first match."""
    best, best_count, first, left = ("", ""), 0, ("", ""), _LOOKED_AT
    for pointer, text in texts:
        shown = text[:left]
        left -= len(shown)
        first = first if first[1] else (pointer, _cut(shown, 0))
        flat, places = _placed(shown)
        hits = [hit.start() for each in matchers if (hit := each.search(flat))]
        if len(hits) > best_count:
            best, best_count = (pointer, _cut(shown, places[min(hits)] if places else min(hits))), len(hits)
        if best_count == len(matchers) or left <= 0:
            break
    return best if best_count else first


def _placed(text: str) -> tuple[str, list[int]]:
    """``text`` folded, and the original index of each of its characters; an empty list when none changed place."""
    if text.isascii():
        return text.lower(), []
    parts = [_folded_char(char) for char in text]
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


@lru_cache(maxsize=4096)
def _folded_char(char: str) -> str:
    return folded(char)


def _cut(text: str, place: int) -> str:
    begin = max(0, place - _BEFORE)
    part = text[begin : begin + 2 * SNIPPET_CHARS]
    if not part.isprintable():
        part = "".join(char if char.isprintable() else " " for char in part)
    flat = " ".join(part.split())
    flat = f"…{flat}" if begin else flat
    has_more = len(flat) > SNIPPET_CHARS or begin + 2 * SNIPPET_CHARS < len(text)
    return f"{flat[: SNIPPET_CHARS - 1]}…" if has_more else flat
