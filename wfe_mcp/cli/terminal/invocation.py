"""What does a command have at hand?

One ``Door`` per call: the engine of the project, who asks, the screen, the exit code. The command asks the engine or
views and shows the answer; ``command`` opens and closes the door and turns refusals into answers.
"""

from __future__ import annotations

import inspect
import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar

import typer

from wfe_mcp.cli.terminal.options import AsJson, InProject
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.engine.composition import create_engine
from wfe_mcp.workspace.system.redaction import without_hidden

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.workspace.system.location import Project

__all__ = ["Door", "World", "command"]

DONE, REFUSED = 0, 1
T = TypeVar("T")
_READ_AS_JSON = frozenset({"inputs"})
"""Options whose text is parsed, under rules of its own."""

log = logging.getLogger("wfe_mcp.cli")


@dataclass(slots=True)
class World:
    """What comes from outside: the clock (None: the real one), and options given before the command."""

    clock: Callable[[], datetime] | None = None
    as_json: bool = False
    project: str = ""


class Door:
    """One command at one terminal."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.screen = Screen(as_json=world.as_json)
        self.exit_code = DONE
        self.run: str | None = None
        self.phase: str | None = None
        self._engine: Engine | None = None

    @cached_property
    def project(self) -> Project:
        """The project; nothing is opened."""
        from wfe_mcp.workspace.system.location import find_project

        return find_project(self.world.project or None, os.environ, (), Path.cwd())

    @property
    def engine(self) -> Engine:
        """The engine of the project, opened with the first question."""
        if self._engine is None:
            # The engine loads psutil and, with the database, SQLAlchemy: --help must not pay for that.
            from wfe_mcp.engine.integrity.anchoring import start_anchoring
            from wfe_mcp.engine.kernel.engine import CLI_HOLDER, utc_now

            self._engine = create_engine(self.project, clock=self.world.clock or utc_now, holder=CLI_HOLDER)
            start_anchoring(self._engine)
        return self._engine

    @cached_property
    def by(self) -> By:
        """Whoever typed this, unproven: no more than an agent may do."""
        from wfe_mcp.core.model import Assurance, By, Channel
        from wfe_mcp.workspace.system.user import user_name

        return By(user_name(), Channel.CLI, Assurance.AGENT)

    def person(self, pin_fd: int | None, what: str) -> By:
        """The person, proven by the PIN. Refuses where nobody can be asked, and in a terminal of the agent's client."""
        from wfe_mcp.cli.terminal.pin import person

        return person(self.engine, pin_fd, what)

    def as_needed(self, go: Callable[[By], T], pin_fd: int | None, what: str, *, person: bool = False) -> T:
        """What ``go`` brings for whoever typed this, where that is enough; else, or with ``person``, for the person.

        A PIN that is given is always checked. Where nobody can be asked for it, the refusal says why it takes a person.
        """
        from wfe_mcp.cli.terminal.pin import at_terminal

        if person or pin_fd is not None:
            return go(self.person(pin_fd, what))
        try:
            return go(self.by)
        except Refused as refused:
            if refused.code != "needs_human" or not at_terminal():
                raise
        return go(self.person(None, what))

    def at(self, run: str, phase: str | None = None) -> str:
        """The full id of ``run``; from now on refusals say where that run and phase stand. Refuses ``unknown_run``."""
        with self.engine.store.read() as tx:
            found = tx.find_run(self.engine.project_id, run)
        self.run, self.phase = found.id, phase
        return found.id

    def tell(self, envelope: Envelope, show: Callable[[Screen], None] | None = None) -> None:
        """Give the answer. ``show`` draws it for people where the usual way does not do."""
        self.exit_code = DONE if envelope.ok else REFUSED
        if self.screen.as_json:
            self.screen.document(envelope.to_dict())
        elif show is not None:
            show(self.screen)
        else:
            from wfe_mcp.cli.terminal.render import tell

            tell(self.screen, envelope)

    def refuse(self, refused: Refused) -> None:
        """Say no: what happened, why, and what to do next. Talk goes to standard error."""
        from wfe_mcp.views.envelope import Envelope

        envelope = Envelope(False, summary=refused.message, data=refused.data, error=refused)
        if self._engine is not None:
            from wfe_mcp.views.envelopes import refusal

            envelope = refusal(self._engine, refused, self.run, self.phase)
        self.exit_code = REFUSED
        if self.screen.as_json:
            self.screen.document(envelope.to_dict())
            return
        from wfe_mcp.cli.terminal.render import refusal_lines

        self.screen.flush()
        self.screen.talk("\n".join(refusal_lines(envelope)))

    def close(self) -> None:
        """Give the database back."""
        if self._engine is not None:
            self._engine.close()


def command(function: Callable[Concatenate[Door, ...], None]) -> Callable[..., int]:
    """``function`` as a typer command: with ``--json`` and ``--project``, without its door. Returns the exit code."""
    wanted = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("project", keyword, default="", annotation=InProject),
        inspect.Parameter("as_json", keyword, default=False, annotation=AsJson),
        inspect.Parameter("context", keyword, annotation=typer.Context),
    ]

    def run(context: typer.Context, as_json: bool, project: str, **given: Any) -> int:
        world: World = context.obj
        door = Door(World(world.clock, world.as_json or as_json, project or world.project))
        try:
            refuse_unkept({name: value for name, value in given.items() if name not in _READ_AS_JSON})
            function(door, **given)
        except Refused as refused:
            door.refuse(refused)
        except (BrokenPipeError, typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            log.exception("%s failed", context.command_path)
            said = without_hidden(f"{type(error).__name__}: {error}")
            door.refuse(Refused("internal", said, "This is our fault: please report it with the traceback above."))
        finally:
            door.close()
        return door.exit_code

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    parameters = [each.replace(kind=keyword) for each in wanted] + shared
    run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # pyright: ignore[reportFunctionMemberAccess] - typer reads it
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
