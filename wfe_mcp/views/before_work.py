"""What changed between the start of a run and its first claim, as a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview

BEFORE_WORK = "No phase had been claimed then, so no attempt accounts for it."
_NAMED = 5


def changed_before_work(engine: Engine, found: Overview) -> tuple[str, ...]:
    """One sentence, or none where nothing changed."""
    from wfe_mcp.engine.files.tree_binding import changed_before_work as changed

    with engine.store.read() as tx:
        paths = changed(engine, tx, found.loaded)
    return (f"{shortened(paths)} changed after the run started and before its first phase began.",) if paths else ()


def shortened(paths: Sequence[str]) -> str:
    """The first paths, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
