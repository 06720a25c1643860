"""Output of a command: the answer on standard output, everything else on standard error.

    --json          one JSON document
    a terminal      tables of its width (at most 100), colours and symbols, relative times, a line while something runs
    a pipe          plain words, one line per record, exact UTC times

Symbols need UTF-8, colours and symbols no ``NO_COLOR``. Everything goes through ``one_line`` first: what is given as a line
is one line, whatever it holds, and nothing in it is hidden. What is wider than the terminal goes on below in a margin: the
terminal would begin it where our lines begin.
"""

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from typing import Any

from wfe_mcp.cli.terminal.text import ago, below_margin, exact, fold_text, laid_out
from wfe_mcp.core.texts import one_line, visible_json
from wfe_mcp.core.units import Progress, duration, unheard
from wfe_mcp.workspace.system.console import is_terminal, obeys_sequences

_GREEN, _RED, _YELLOW, _DIM = "32", "31", "33", "2"
_COLOURS = {"green": _GREEN, "red": _RED, "yellow": _YELLOW, "dim": _DIM, "bold": "1", "cyan": "36"}
_MARKS = {
    "pass": ("✓", _GREEN),
    "ok": ("✓", _GREEN),
    "fail": ("✗", _RED),
    "failed": ("✗", _RED),
    "error": ("✗", _RED),
    "problem": ("✗", _RED),
    "blocked": ("✗", _RED),
    "rejected": ("✗", _RED),
    "warning": ("!", _YELLOW),
    "note": ("!", _YELLOW),
    "awaiting": ("!", _YELLOW),
    "awaiting approval": ("!", _YELLOW),
    "waiting for you": ("!", _YELLOW),
    "waiting": ("!", _YELLOW),
    "skipped": ("–", _DIM),
    "not run": ("·", _DIM),
    "pending": ("·", _DIM),
}
"""Word → symbol and colour on a terminal. The word is always there, and only what passed is green."""

_OF_STATES = {"state", "status", "health", "kind"}
"""The columns whose words are marked: a name of the user's may be one of these words, too."""

_WIDEST = 100
_BUSY_AFTER_S, _BUSY_EVERY_S = 0.5, 1.0


class Screen:
    """Standard output for answers, standard error for prompts, progress, warnings and ``Next:`` lines."""

    def __init__(self, *, as_json: bool, complete: Callable[[str], str] = str) -> None:
        self.as_json, self.complete = as_json, complete
        self.is_terminal = not as_json and is_terminal(sys.stdout)
        is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._has_colours = self.is_terminal and not is_plain and obeys_sequences(sys.stdout)
        encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
        self._has_symbols = self._has_colours and encoding == "utf8"
        self._margin = "" if not self.is_terminal else "│ " if encoding == "utf8" else "| "

    @property
    def width(self) -> int | None:
        """Columns of the terminal, at most 100; None in a pipe."""
        return min(terminal_columns(), _WIDEST) if self.is_terminal else None

    def document(self, value: object) -> None:
        """The one JSON document of ``--json``."""
        print(visible_json(value, indent=2 if sys.stdout.isatty() else None, default=str))

    def line(self, text: str = "", style: str = "", *, is_pasted: bool = False) -> None:
        """One line of the answer. ``style`` is a colour, used on a terminal only.

        ``is_pasted``: all of it is ours and made to be pasted, so it stays whole, and ``complete`` adds what its commands need.
        """
        text = self.complete(text) if is_pasted else text
        columns = terminal_columns() if self.is_terminal and not is_pasted else None
        for piece in below_margin(one_line(text), columns):
            print(self._paint(piece, _COLOURS.get(style) or _MARKS.get(style, ("", ""))[1]))

    def lines(self, text: str, indent: str = "") -> None:
        """A text that has lines of its own. What is indented stays so where a terminal would break a line."""
        room = terminal_columns() - len(indent) if self.is_terminal and indent else None
        for line in text.replace("\r\n", "\n").split("\n"):
            for piece in fold_text(one_line(line), room):
                self.line(f"{indent}{piece}" if piece else indent.rstrip())

    def print_quoted(self, text: str) -> None:
        """A text of others: on a terminal in a margin, so that no line of it looks like one of ours. In a pipe as it is."""
        self.lines(text, self._margin)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[object]],
        indent: str = "",
        *,
        optional: Sequence[str] = (),
        empty: str = "",
        state_at: int = -1,
    ) -> None:
        """Rows under a header, if there is one; without rows the line ``empty``, with what its commands need.

        ``optional``: columns that are left out where no row has more than ``-`` in them. ``state_at``: the column of
        states where no header names it.
        """
        states = {at for at, name in enumerate(header) if name in _OF_STATES} if header else {state_at}
        texts = [[one_line(str(cell)) for cell in row] for row in rows]
        cells = [[self.mark(text) if at in states else text for at, text in enumerate(row)] for row in texts]
        if not cells:
            if empty:
                self.line(self.complete(empty))
            return
        if optional:
            filled = [bool(set(column) - {"", "-"}) for column in zip(*cells, strict=True)]
            kept = [at for at, name in enumerate(header) if filled[at] or name not in optional]
            header, cells = [header[at] for at in kept], [[row[at] for at in kept] for row in cells]
        names = [self._paint(name.upper(), _COLOURS["bold"]) for name in header]
        width = None if self.width is None else self.width - len(indent)
        for line in laid_out(names, cells, width):
            for piece in below_margin(f"{indent}{line}".rstrip(), width and terminal_columns()):
                print(piece)

    def mark(self, word: str) -> str:
        """A state as it is shown: with its symbol and colour where the terminal has them, else the word alone."""
        symbol, colour = _MARKS.get(word, ("", ""))
        return self._paint(f"{symbol} {word}" if symbol and self._has_symbols else word, colour)

    def time(self, at: datetime | str, now: datetime) -> str:
        """A time in a list: how long ago it was; exact where no person reads it."""
        return ago(at, now) if self.is_terminal else exact(at)

    @contextlib.contextmanager
    def busy(self, text: str) -> Generator[Progress]:
        """While the block runs for more than half a second, a terminal shows ``text`` and the seconds so far.

        Yields what hears how far the work has come, which is shown too.
        """
        if self.as_json or not _is_obeyed():
            yield unheard
            return
        done, parts = threading.Event(), [(0, 0)]
        thread = threading.Thread(target=_progress, args=(one_line(text), done, parts), daemon=True)
        thread.start()
        try:
            yield lambda part, total: parts.__setitem__(0, (part, total))
        finally:
            done.set()
            thread.join()

    def next(self, *commands: str) -> None:
        """At most two commands that make sense now, ready to be pasted: ``complete`` adds what they need here."""
        if not self.as_json:
            sys.stdout.flush()
            for command in commands[:2]:  # whole, however wide the terminal is
                print(f"Next: {one_line(self.complete(command))}", file=sys.stderr, flush=True)

    def talk(self, *lines: str) -> None:
        """Lines on standard error, below what has been shown so far."""
        sys.stdout.flush()
        for line in lines:
            talk_line(line)

    def ring(self, title: str) -> bool:
        """Ring the bell of the terminal and set its title; False without one."""
        if self.as_json or not _is_obeyed():
            return False
        print(f"\a\033]0;{one_line(title)}\a", end="", file=sys.stderr, flush=True)
        return True

    def aside(self, text: str, style: str = "", *, is_pasted: bool = False) -> None:
        """A line for people, as ``line``; with ``--json`` it does not belong into the document."""
        if self.as_json:
            self.talk(text)
        else:
            self.line(text, style, is_pasted=is_pasted)

    @staticmethod
    def flush() -> Any:
        """Write out what was shown so far."""
        sys.stdout.flush()

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and text and self._has_colours else text


def _is_obeyed() -> bool:
    """Whether standard error is a terminal that obeys escape sequences."""
    return is_terminal(sys.stderr) and obeys_sequences(sys.stderr)


def terminal_columns() -> int:
    """Columns of the terminal itself, which may be others than COLUMNS says; those of COLUMNS where there is none."""
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            if columns := os.get_terminal_size(stream).columns:
                return columns
    return shutil.get_terminal_size().columns


def question_lines(question: str) -> str:
    """A question in lines that the terminal does not break; the answer is typed behind the last one."""
    return "\n".join(below_margin(one_line(question), terminal_columns() if sys.stderr.isatty() else None))


def talk_line(text: str, before: str = "") -> None:
    """One line on standard error. ``before``: its beginning, which is ours and shown as it is."""
    columns = terminal_columns() if sys.stderr.isatty() else None
    for piece in below_margin(f"{before}{one_line(text)}", columns):
        print(piece, file=sys.stderr, flush=True)


def _progress(text: str, done: threading.Event, parts: list[tuple[int, int]]) -> None:
    """Rewrite one line of standard error until ``done``, then remove it. ``parts``: how much of how much, as it is now."""
    spent = _BUSY_AFTER_S
    if done.wait(_BUSY_AFTER_S):
        return
    while True:
        part, total = parts[0]
        line = f"{text}{f', {100 * part // total} %' if total else ''}, {duration(round(spent))}"[
            : terminal_columns() - 1
        ]
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        if done.wait(_BUSY_EVERY_S):
            break
        spent += _BUSY_EVERY_S
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
