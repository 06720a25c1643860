"""The words of the search index in SQLite: one row of FTS5 an entry, without the texts."""

from collections.abc import Sequence

from sqlalchemy import Connection

from wfe_mcp.store.sqlite import FIND_TEXT
from wfe_mcp.store.words.index import EntryWords
from wfe_mcp.store.words.query import Query, Term


class Fts5:
    """The words of the search index in ``find_text``."""

    condition = "find_text MATCH :match"
    by_words = condition
    is_newest_first = True

    @staticmethod
    def create(connection: Connection) -> None:
        """Create the table where it is missing."""
        connection.exec_driver_sql(FIND_TEXT)

    @staticmethod
    def add(connection: Connection, words: Sequence[EntryWords]) -> None:
        """Put these words in."""
        _write(connection, "INSERT INTO find_text (rowid, place, title, text) VALUES (?, ?, ?, ?)", words)

    @staticmethod
    def take_out(connection: Connection, words: Sequence[EntryWords]) -> None:
        """Take these words out: FTS5 needs those that were put in."""
        statement = "INSERT INTO find_text (find_text, rowid, place, title, text) VALUES ('delete', ?, ?, ?, ?)"
        _write(connection, statement, words)

    @staticmethod
    def clear(connection: Connection) -> None:
        """Take all words out."""
        connection.exec_driver_sql("INSERT INTO find_text (find_text) VALUES ('delete-all')")

    @staticmethod
    def expression(query: Query, place: Sequence[str] = ()) -> str:
        """``query`` within ``place`` in FTS5's syntax."""
        groups = " OR ".join(_group(terms, unwanted) for terms, unwanted in query.groups)
        return " AND ".join((*(f'place : "{name}"' for name in place), f"({groups})"))


def _write(connection: Connection, statement: str, words: Sequence[EntryWords]) -> None:
    if words:
        connection.exec_driver_sql(statement, [(word.id, word.place, word.title, word.text) for word in words])


def _group(terms: Sequence[Term], unwanted: Sequence[Term]) -> str:
    every = f"({' AND '.join(map(_term, terms))})"
    return f"({every} NOT ({' OR '.join(map(_term, unwanted))}))" if unwanted else every


def _term(term: Term) -> str:
    return f'{{title text}} : "{" ".join(term.words)}"' + (" *" if term.is_prefix else "")
