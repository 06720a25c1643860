"""The search syntax, and the searchable words of a text.

    retry "exit code" pars*            all of them: a word, a phrase, a prefix
    timeout OR deadline                one of them
    timeout NOT test                   without it

Rules:
1. Everything that is not AND, OR, NOT (in capitals), a quote or a star at a word's end is text: there is no syntax error.
2. The database gets only quoted words (``Fts5.expression``), never the user's text.

    Prüf src/app.py: parse_config  →  pruf src app py parse config

Rules:
1. A word is a run of letters and digits. Case and accents do not count; ``ß`` is ``ss``. So names and paths are phrases,
   found by their parts too.
2. A Chinese, Japanese or Korean character is a word of its own: no spaces separate words.
3. Indexed text and queries go through the same ``fold_text``: SQLite's tokenizer only splits.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused

MAX_QUERY_CHARS = 1_000
MAX_TERMS = 32
_SHORTEST_PREFIX = 3
"""Letters before a star: all words with the prefix are read before the first hit is known."""

_PART = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """Consecutive words; ``is_prefix``: the last one is a prefix."""

    words: tuple[str, ...]
    is_prefix: bool = False

    def matcher(self) -> re.Pattern[str]:
        """A pattern that finds the term in folded text."""
        return matcher(self.words, is_prefix=self.is_prefix)


@dataclass(frozen=True, slots=True)
class Query:
    """One of ``groups`` must match: every wanted term, and no unwanted one."""

    groups: tuple[tuple[tuple[Term, ...], tuple[Term, ...]], ...]

    @property
    def word(self) -> str:
        """The only word, or the beginning of one, that is asked for; empty where there are more."""
        match self.groups:
            case (((Term(words=(word,)),), ()),):
                return word
            case _:
                return ""

    @property
    def matchers(self) -> list[re.Pattern[str]]:
        """Patterns that find the wanted terms in folded text."""
        return [pattern for group in self.matchers_by_group for pattern in group]

    @property
    def matchers_by_group(self) -> list[list[re.Pattern[str]]]:
        """The same, for each of ``groups``."""
        return [[term.matcher() for term in terms] for terms, _ in self.groups]


def parse_query(text: str) -> Query:
    """The query in ``text``. Refuses ``too_large`` and ``bad_argument``: no word to search for, a prefix of under 3."""
    if len(text) > MAX_QUERY_CHARS:
        raise _too_large(f"The query has {len(text):,} characters; {MAX_QUERY_CHARS:,} are read.")
    groups: list[tuple[list[Term], list[Term]]] = [([], [])]
    unwanted, count = False, 0
    for part in _PART.finditer(text):
        word = part["word"] or ""
        if word in {"AND", "OR", "NOT"}:
            unwanted = word == "NOT"
            groups += [([], [])] if word == "OR" else []
            continue
        term = _term(part["phrase"] or word, is_prefix=word.endswith("*"))
        if term is not None:
            groups[-1][unwanted].append(term)
            unwanted = False
            count += 1
    if count > MAX_TERMS:
        raise _too_large(f"The query has {count} words and phrases; {MAX_TERMS} are looked for.")
    asked = tuple((tuple(terms), tuple(away)) for terms, away in groups if terms or away)
    if not asked:
        raise Refused(
            "bad_argument", "The query holds no word.", 'Give words, a "phrase", or a beginning such as pars*'
        )
    if not all(terms for terms, _ in asked):
        raise Refused(
            "bad_argument",
            "NOT takes away from something: here it stands alone.",
            "Give a word to find before it, such as: timeout NOT test",
        )
    return Query(asked)


def _term(text: str, *, is_prefix: bool) -> Term | None:
    parts = tuple(words(text))
    if not parts:
        return None
    if is_prefix and parts[-1].isascii() and len(parts[-1]) < _SHORTEST_PREFIX:
        raise Refused(
            "bad_argument",
            f"'{text[:40]}' is too short a beginning: {_SHORTEST_PREFIX} letters at least.",
            "Write more of the word before the star.",
        )
    return Term(parts, is_prefix)


def _too_large(message: str) -> Refused:
    return Refused("too_large", message, "Look for less at once.")


PlacedText = tuple[str, str]
"""The JSON pointer of a text in a value, and the text."""

SNIPPET_CHARS = 200
_BEFORE = 60
_LOOKED_AT = 200_000
"""Characters of one value that are searched for the place to show; the index has all of them."""

_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")
_ALONE = re.compile("([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])")


def fold_text(text: str) -> str:
    """``text`` in its indexed form: rules 1 and 2."""
    if text.isascii():
        return text.lower()
    # Twice: a decomposed character may have a case, and a case-folded one may decompose further.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _MARKS.sub("", plain)
    return _ALONE.sub(r" \1 ", unicodedata.normalize("NFC", plain))


def words(text: str) -> list[str]:
    """The words of ``text``, folded."""
    return _WORD.findall(fold_text(text))


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
        first = first if first[1] else (pointer, _excerpt(shown, 0))
        flat, places = _fold_with_offsets(shown)
        hits = [hit.start() for pattern in matchers if (hit := pattern.search(flat))]
        if len(hits) > best_count:
            best, best_count = (pointer, _excerpt(shown, places[min(hits)] if places else min(hits))), len(hits)
        if best_count == len(matchers) or left <= 0:
            break
    return best if best_count else first


def _fold_with_offsets(text: str) -> tuple[str, list[int]]:
    """``text`` folded, and the original index of each of its characters; an empty list when none changed place."""
    if text.isascii():
        return text.lower(), []
    parts = [_folded_char(char) for char in text]
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


@lru_cache(maxsize=4096)
def _folded_char(char: str) -> str:
    return fold_text(char)


def _excerpt(text: str, place: int) -> str:
    begin = max(0, place - _BEFORE)
    part = text[begin : begin + 2 * SNIPPET_CHARS]
    if not part.isprintable():
        part = "".join(char if char.isprintable() else " " for char in part)
    flat = " ".join(part.split())
    flat = f"…{flat}" if begin else flat
    has_more = len(flat) > SNIPPET_CHARS or begin + 2 * SNIPPET_CHARS < len(text)
    return f"{flat[: SNIPPET_CHARS - 1]}…" if has_more else flat
