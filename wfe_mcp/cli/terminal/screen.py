"""How does an answer get onto the screen?

    --json          one JSON document
    a terminal      Rich: tables, colours (NO_COLOR is heard), a spinner while something runs
    a pipe          plain text, and Rich is never loaded (90 ms)

Whatever is shown goes through ``clean`` first.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.text import clean, columns_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from rich.console import Console

__all__ = ["STYLES", "Screen"]

STYLES = {
    "completed": "green", "approved": "green", "pass": "green", "ok": "green", "running": "cyan", "gating": "cyan",
    "ready": "cyan", "awaiting": "yellow", "waiting": "yellow", "paused": "yellow", "human": "yellow", "note": "yellow",
    "failed": "red", "blocked": "red", "fail": "red", "error": "red", "problem": "red", "rejected": "red",
    "skipped": "dim", "superseded": "dim", "cancelled": "dim", "pending": "dim",
}  # fmt: skip
"""Words that carry a colour on a terminal. The word is always there too: colour never says anything alone."""


class Screen:
    """Standard output, for answers, and standard error, for talk."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out: Console | None = None
        if not as_json and sys.stdout.isatty():
            from rich.console import Console  # 90 ms: only where somebody looks

            self._out = Console(highlight=False, soft_wrap=True)

    def document(self, value: object) -> None:
        """The one JSON document of ``--json``."""
        print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str))

    def line(self, text: str = "", style: str = "") -> None:
        """One piece of the answer. ``style`` is a colour, or a word of ``STYLES``; heard on a terminal only."""
        if self._out is None:
            print(clean(text))
        else:
            self._out.print(clean(text), style=STYLES.get(style, style) or None, markup=False)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows under a header; nothing at all without rows."""
        cells = [[clean(str(cell)).replace("\n", " ") for cell in row] for row in rows]
        if not cells:
            return
        if self._out is None:
            print("\n".join(columns_of(header, cells)))
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in header:
            table.add_column(name, overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        self._out.print(table)

    @contextlib.contextmanager
    def busy(self, text: str) -> Generator[None]:
        """While the block runs a terminal shows that something does; a pipe hears nothing."""
        if self.as_json or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status(clean(text)):
            yield

    @staticmethod
    def talk(text: str) -> None:
        """A word to the person, on standard error."""
        print(clean(text), file=sys.stderr, flush=True)

    @staticmethod
    def flush() -> Any:
        """Let what was shown be seen now."""
        sys.stdout.flush()
