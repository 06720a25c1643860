"""The types of what follows a command. ``engine/composition.py`` fills them in; the kernel knows no capability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange


class Reaction(Protocol):
    """Evaluates one thing that is due in the changed run. True: it gave a command, so look again."""

    def __call__(self, change: RunChange, /) -> bool:
        """React to ``change`` inside its transaction, without IO beyond the database."""
        ...


@dataclass(frozen=True, slots=True)
class Composition:
    """What the capabilities contribute to each change of a run, in order.

    ``finish_rollback``: ends a rollback whose process is gone, outside any transaction, before the run changes.
    ``reactions``: repeated until none has anything to add. ``before_save``: once, when nothing is due any more.
    ``after_commit``: in the process that committed; a failure is logged and undoes nothing. ``known_templates``: the names
    that templates have in the project.
    """

    finish_rollback: Callable[[Engine, str], None]
    reactions: tuple[Reaction, ...]
    before_save: tuple[Callable[[RunChange], None], ...]
    after_commit: tuple[Callable[[RunChange], None], ...]
    known_templates: Callable[[Engine], Collection[str]]


class Capabilities:
    """How an engine gets its composition. It is loaded at the first change of a run, as it imports every capability."""

    load: Callable[[], Composition] | None = None


def compose(engine: Engine, load: Callable[[], Composition]) -> None:
    """Give ``engine`` the composition that ``load`` returns."""
    engine.state_of(Capabilities).load = load


def composition_of(engine: Engine) -> Composition:
    """The table that ``engine`` was composed with."""
    load = engine.state_of(Capabilities).load
    assert load is not None, "an engine that changes runs is made by create_engine"
    return load()


def anchor_log(change: RunChange) -> None:
    """Pass on the committed events to what watches the commits: it anchors the log outside the database."""
    change.engine.has_changed((change.run.id,), change.events, by_human=change.by.is_human)


def notify_listeners(change: RunChange) -> None:
    """Call the listeners of this process with the id of the changed run."""
    change.engine.tell(change.run.id)
