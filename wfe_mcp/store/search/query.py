"""The search syntax.

    retry "exit code" pars*            all of them: a word, a phrase, a prefix
    timeout OR deadline                one of them
    timeout NOT test                   without it

Rules:
1. Everything that is not AND, OR, NOT (in capitals), a quote or a star at a word's end is text: there is no syntax error.
2. SQLite gets only quoted words built here, never the user's text.
"""

import re

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.store.search.words import matcher, words

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

    def expression(self) -> str:
        """The term in FTS5 syntax."""
        return f'{{title text}} : "{" ".join(self.words)}"' + (" *" if self.is_prefix else "")

    def matcher(self) -> re.Pattern[str]:
        """A pattern that finds the term in folded text."""
        return matcher(self.words, is_prefix=self.is_prefix)


@dataclass(frozen=True, slots=True)
class Query:
    """One of ``groups`` must match: every wanted term, and no unwanted one."""

    groups: tuple[tuple[tuple[Term, ...], tuple[Term, ...]], ...]

    @property
    def matchers(self) -> list[re.Pattern[str]]:
        """Patterns that find the wanted terms in folded text."""
        return [each for group in self.matchers_by_group for each in group]

    @property
    def matchers_by_group(self) -> list[list[re.Pattern[str]]]:
        """The same, for each of ``groups``."""
        return [[term.matcher() for term in wanted] for wanted, _ in self.groups]

    def expression(self) -> str:
        """The query in FTS5 syntax."""
        return f"({' OR '.join(_group(wanted, unwanted) for wanted, unwanted in self.groups)})"


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
    asked = tuple((tuple(wanted), tuple(away)) for wanted, away in groups if wanted or away)
    if not asked:
        raise Refused(
            "bad_argument", "The query holds no word.", 'Give words, a "phrase", or a beginning such as pars*'
        )
    if not all(wanted for wanted, _ in asked):
        raise Refused(
            "bad_argument",
            "NOT takes away from something: here it stands alone.",
            "Give a word to find before it, such as: timeout NOT test",
        )
    return Query(asked)


def _term(text: str, *, is_prefix: bool) -> Term | None:
    found = tuple(words(text))
    if not found:
        return None
    if is_prefix and found[-1].isascii() and len(found[-1]) < _SHORTEST_PREFIX:
        raise Refused(
            "bad_argument",
            f"'{text[:40]}' is too short a beginning: {_SHORTEST_PREFIX} letters at least.",
            "Write more of the word before the star.",
        )
    return Term(found, is_prefix)


def _group(wanted: tuple[Term, ...], unwanted: tuple[Term, ...]) -> str:
    every = f"({' AND '.join(term.expression() for term in wanted)})"
    if not unwanted:
        return every
    return f"({every} NOT ({' OR '.join(term.expression() for term in unwanted)}))"


def _too_large(message: str) -> Refused:
    return Refused("too_large", message, "Look for less at once.")
