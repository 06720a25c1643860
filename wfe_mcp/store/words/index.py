"""What the search index needs of a database: its words, and a query for them. SQLite has FTS5, PostgreSQL ``tsvector``."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.store.words.query import Query


@dataclass(frozen=True, slots=True)
class EntryWords:
    """The words of one search entry, folded (``query.fold_text``)."""

    id: int
    place: str
    """Words for its project, run and kind."""
    title: str
    text: str


class WordIndex(Protocol):
    """The words of all entries by their ids, without the texts."""

    @property
    def condition(self) -> str:
        """A row of ``find_text`` matches the parameter ``match`` (``expression``). In SQL that each database reads."""
        ...

    @property
    def by_words(self) -> str:
        """The same condition, for rows from ``low`` to ``top``, in a form that makes the database read by the words first."""
        ...

    @property
    def is_newest_first(self) -> bool:
        """Whether what matches is read newest first, and only as far as it is wanted, however frequent a word is."""
        ...

    def create(self, connection: Connection) -> None:
        """Create it where it is missing."""
        ...

    def add(self, connection: Connection, words: Sequence[EntryWords]) -> None:
        """Put these words in."""
        ...

    def take_out(self, connection: Connection, words: Sequence[EntryWords]) -> None:
        """Take these words out; they are those that were put in."""
        ...

    def clear(self, connection: Connection) -> None:
        """Take all words out."""
        ...

    def expression(self, query: Query, place: Sequence[str] = ()) -> str:
        """``query`` as the database reads it, for entries that have all words of ``place``."""
        ...
