"""The words of the search index in PostgreSQL: one ``tsvector`` an entry, with words of our own.

    Prüf src/app.py  →  'app':3 'py':4 'pruf':1 'src':2        "app py" AND NOT dead*  →  'app' <-> 'py' & !'dead':*

PostgreSQL's parsers are not used: they keep ``src/app.py`` as one word, and their dictionaries drop some.

Limits of ``tsvector`` (https://www.postgresql.org/docs/current/textsearch-limitations.html), at which a phrase or, in a text
of more than about 100,000 different words, a word is not found:
1. Places above 16,383 are one place, and a word has 256 of them: those further on are left out.
2. A word has 2,046 bytes: longer ones are cut, in queries too. A vector has 1 MB: later new words are left out.
"""

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from wfe_mcp.store.words.index import EntryWords
from wfe_mcp.store.words.query import Query, Term

TABLE = "CREATE TABLE find_text (rowid BIGINT PRIMARY KEY, words tsvector NOT NULL)"
INDEX = "CREATE INDEX ix_find_text_words ON find_text USING gin (words)"

_LAST_PLACE = 16_383
_PLACES = 256
_WORD_CHARS = 500
_VECTOR_BYTES = 900_000
"""Of the words, with four bytes each for what PostgreSQL keeps beside them; two more for each place."""

_WORD = re.compile(r"[^\W_]+")
_ADD = text("INSERT INTO find_text (rowid, words) VALUES (:id, CAST(:words AS tsvector))")
_TAKE_OUT = text("DELETE FROM find_text WHERE rowid = :id")


class Tsvector:
    """The words of the search index in ``find_text``."""

    condition = "find_text.words @@ CAST(:match AS tsquery)"
    # Of a rare word PostgreSQL knows no frequency: it would read all entries. Of the ids in an array it expects ten.
    by_words = (
        "find_text.rowid = ANY(ARRAY(SELECT of_words.rowid FROM find_text AS of_words "
        "WHERE of_words.words @@ CAST(:match AS tsquery) AND of_words.rowid BETWEEN :low AND :top))"
    )
    is_newest_first = False

    @staticmethod
    def create(connection: Connection) -> None:
        """It is part of the schema (``schema.py``)."""

    @staticmethod
    def add(connection: Connection, words: Sequence[EntryWords]) -> None:
        """Put these words in."""
        if words:
            connection.execute(_ADD, [{"id": word.id, "words": _vector(word)} for word in words])

    @staticmethod
    def take_out(connection: Connection, words: Sequence[EntryWords]) -> None:
        """Take these words out."""
        if words:
            connection.execute(_TAKE_OUT, [{"id": word.id} for word in words])

    @staticmethod
    def clear(connection: Connection) -> None:
        """Take all words out. Not by TRUNCATE, for which only the owner has the right."""
        connection.execute(text("DELETE FROM find_text"))

    @staticmethod
    def expression(query: Query, place: Sequence[str] = ()) -> str:
        """``query`` within ``place`` as a ``tsquery``."""
        groups = " | ".join(f"({_group(terms, unwanted)})" for terms, unwanted in query.groups)
        return " & ".join((*(f"'_{name}'" for name in place), f"({groups})"))


def _group(terms: Iterable[Term], unwanted: Iterable[Term]) -> str:
    return " & ".join((*map(_term, terms), *(f"!({_term(term)})" for term in unwanted)))


def _term(term: Term) -> str:
    phrase = " <-> ".join(f"'{word[:_WORD_CHARS]}'" for word in term.words)
    return f"{phrase}{':*' if term.is_prefix else ''}"


def _vector(entry: EntryWords) -> str:
    """The words of an entry with their places. The place of an entry is as words that no text has: ``_`` is in none."""
    places: dict[str, list[int]] = {f"_{name}": [] for name in entry.place.split()}
    left, number = _VECTOR_BYTES, 0
    for part in (entry.title, entry.text):
        for match in _WORD.finditer(part):
            number += 1
            word = match[0][:_WORD_CHARS]
            of_word = places.get(word)
            left -= 2 if of_word is not None else len(word.encode()) + 6
            if left < 0:
                continue
            if of_word is None:
                of_word = places[word] = []
            if number < _LAST_PLACE and len(of_word) < _PLACES:
                of_word.append(number)
        number += 1  # a phrase does not go from the title into the text
    return " ".join(f"'{word}'{':' if at else ''}{','.join(map(str, at))}" for word, at in places.items())
