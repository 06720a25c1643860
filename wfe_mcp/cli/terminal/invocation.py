"""The context of one command: the project's engine, the caller, the screen and the exit code.

``command`` makes a typer command of a function: it opens and closes the context and turns refusals into answers.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import logging
import os
import re
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar

import typer

from wfe_mcp.cli.terminal.options import AsJson, InProject
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.system_faults import refused_by_system
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.workspace.system.redaction import without_hidden
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from wfe_mcp.core.model import By, Person
    from wfe_mcp.core.units import Progress
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Store
    from wfe_mcp.store.records.runs import ProjectRecord, RunRecord
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.values.model import JsonObject
    from wfe_mcp.workspace.system.location import Project

DONE, REFUSED, INTERRUPTED = 0, 1, 130
T = TypeVar("T")
_READ_AS_JSON = frozenset({"inputs"})
"""Options whose text is parsed by rules of its own."""

log = logging.getLogger("wfe_mcp.cli")


@dataclass(slots=True)
class World:
    """What comes from outside: the clock (None: the real one), the names of the commands, and options that precede the command."""

    clock: Callable[[], datetime] | None = None
    as_json: bool = False
    project: str = ""
    commands: tuple[str, ...] = ()


class Invocation:
    """One call of a command."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.screen = Screen(as_json=world.as_json, complete=self._with_project)
        self.exit_code = DONE
        self.run: str | None = None
        self.phase: str | None = None
        self.promised = ""
        self._engine: Engine | None = None
        self._store: Store | None = None

    @cached_property
    def project(self) -> Project:
        """The project; nothing is opened."""
        from wfe_mcp.workspace.system.location import find_project

        return find_project(self.world.project or None, os.environ, (), _here())

    def _with_project(self, text: str) -> str:
        """``text`` whose commands name the project of ``--project``, where they would find another one without it."""
        from wfe_mcp.workspace.system.location import find_project

        if not self.world.project or "--project" in text:
            return text
        with contextlib.suppress(Refused):
            option = shell_line(["--project", str(self.project.root)])
            with contextlib.suppress(Refused):
                if find_project(None, os.environ, (), _here()).root == self.project.root:
                    return text
            command = rf"\bwfe-mcp (?=(?:{'|'.join(self.world.commands)})(?![\w-]))"
            return re.sub(command, lambda name: f"{name[0]}{option} ", text)
        return text

    @property
    def engine(self) -> Engine:
        """The engine of the project, opened when it is first used."""
        if self._engine is None:
            # The engine loads psutil and, with the database, SQLAlchemy: --help must not pay for that.
            from wfe_mcp.engine.factory import create_engine
            from wfe_mcp.engine.integrity.anchoring import start_anchoring
            from wfe_mcp.engine.kernel.engine import CLI_HOLDER, utc_now

            self._show_upgrades()
            self._engine = create_engine(self.project, clock=self.world.clock or utc_now, holder=CLI_HOLDER)
            start_anchoring(self._engine)
        return self._engine

    @property
    def store(self) -> Store:
        """The database alone: commands about projects work where the current folder is none, or may be one that was moved."""
        if self._store is None:
            from wfe_mcp.store import Store
            from wfe_mcp.workspace.system.location import database_url

            self._show_upgrades()
            self._store = Store.open(database_url(os.environ), clock=self.clock)
        return self._store

    def _show_upgrades(self) -> None:
        from wfe_mcp.store.driver import SHOWN

        SHOWN.upgrade = lambda: self.screen.busy("Upgrading the database (Ctrl-C stops it; the next command continues)")

    def go_to(self, folder: Path) -> None:
        """Go on in another work tree of the project: what follows starts and reads there."""
        from wfe_mcp.engine.factory import create_beside
        from wfe_mcp.workspace.system.location import project_at

        self._engine = create_beside(self.engine, project_at(folder), self.engine.holder)

    @property
    def clock(self) -> Callable[[], datetime]:
        """The clock of this command."""
        from wfe_mcp.engine.kernel.engine import utc_now

        return self.world.clock or (utc_now if self._engine is None else self._engine.clock)

    def person_of(self, record: ProjectRecord, pin_fd: int | None, what: str) -> Person:
        """The user, proven by the PIN, in a project whose folder may be gone. Where none is set they choose it:
        ``init`` is refused in a folder that was moved.
        """
        from wfe_mcp.cli.terminal.pin import person, settle_pin
        from wfe_mcp.engine.approvals.pin import pin_is_set
        from wfe_mcp.engine.kernel.engine import CLI_HOLDER
        from wfe_mcp.engine.maintenance.projects import engine_of

        engine = engine_of(record, self.store, self.clock, CLI_HOLDER)
        return person(engine, pin_fd, what) if pin_is_set(engine) else settle_pin(engine, pin_fd)

    @contextlib.contextmanager
    def serving_engine(self) -> Generator[Engine]:
        """An engine for a process that serves: that of a command acts for a terminal, which holds phases after its end."""
        from wfe_mcp.engine.factory import create_engine
        from wfe_mcp.engine.integrity.anchoring import start_anchoring

        gc.enable()  # main() turned it off; this process may now run for days
        with contextlib.closing(create_engine(self.engine.project, clock=self.engine.clock)) as engine:
            start_anchoring(engine)
            yield engine

    @cached_property
    def by(self) -> By:
        """The caller, without a proof: may do no more than an agent."""
        from wfe_mcp.core.model import Assurance, By, Channel
        from wfe_mcp.workspace.system.process import user_name

        return By(user_name(), Channel.CLI, Assurance.AGENT)

    def person(self, pin_fd: int | None, what: str) -> Person:
        """The user, proven by the PIN. Refuses without a terminal to ask at, and in a terminal of the agent's client."""
        from wfe_mcp.cli.terminal.pin import person

        record = self.record(self.run)
        about = "" if record is None else f', run {record.id} "{record.title}"'
        return person(self.engine, pin_fd, what, about + (f", phase {self.phase}" if self.phase else ""))

    def as_needed(
        self, go: Callable[[By], T], pin_fd: int | None, what: str | Callable[[], str], *, person: bool = False
    ) -> T:
        """What ``go`` returns for the caller, where that is enough; else, or with ``person``, for the user with their PIN.

        ``what``: what the PIN is for, or a function that shows it first. A PIN that is given is always checked. Without a
        terminal to ask at, the refusal says why it needs the user.
        """
        from wfe_mcp.cli.terminal.pin import at_terminal

        def words_asked() -> str:
            return what if isinstance(what, str) else what() if pin_fd is None and at_terminal() else ""

        if person or pin_fd is not None:
            return go(self.person(pin_fd, words_asked()))
        try:
            return go(self.by)
        except Refused as refused:
            if refused.code != "needs_human" or not at_terminal():
                raise
        return go(self.person(None, words_asked()))

    def in_git(self, template: str, step: str) -> str:
        """``step``, after ``git init`` where the project is no repository, which ``template`` needs."""
        return step if self.engine.project.is_git else f"run git init, since {template} needs git; then {step}"

    def resolve_run(self, run: str, phase: str | None = None) -> str:
        """The full id of ``run``; refusals from now on describe that run and phase. Refuses ``unknown_run``."""
        from wfe_mcp.cli.terminal.run_names import find_run

        with self.engine.store.read() as tx:
            record = find_run(tx, self.engine, run)
        self.run, self.phase = record.id, phase
        return record.id

    def overview(self, run: str) -> Overview:
        """Where ``run`` is, and what it waits for."""
        from wfe_mcp.views.reports.envelopes import overview_of

        return overview_of(self.engine, run)

    def record(self, run: str | None) -> RunRecord | None:
        """The row of ``run``, a full id; None without one."""
        if run is None:
            return None
        with self.engine.store.read() as tx:
            return tx.runs.find(self.engine.project_id, run)

    @contextlib.contextmanager
    def stoppable(self, stopped: Callable[[], tuple[str, Sequence[str]]]) -> Generator[None]:
        """Ctrl-C ends the block with what ``stopped`` says: what was done, and the words of the command that goes on."""
        is_done = False
        with contextlib.suppress(KeyboardInterrupt):
            yield
            is_done = True
        if is_done:
            return
        if not self.screen.as_json:
            done, words = stopped()
            self.screen.talk(f"Stopped. {done}")
            self.screen.next(shell_line(["wfe-mcp", *words]))
        raise typer.Exit(INTERRUPTED)

    @contextlib.contextmanager
    def long_work(self, text: str, stopped: Callable[[], tuple[str, Sequence[str]]]) -> Generator[Progress]:
        """Shows ``text`` and how far the work has come; Ctrl-C ends it as in ``stoppable``."""
        with self.stoppable(stopped), self.screen.busy(text) as progress:
            yield progress

    def answer(
        self,
        summary: str,
        show: Callable[[Screen], None] | None = None,
        *,
        run: str | None = None,
        data: dict[str, Any] | None = None,
        view: object = None,
        error: Refused | None = None,
    ) -> None:
        """Answer with ``data``, or the JSON of ``view``; with ``error`` it is a refusal. ``show`` as in ``render``."""
        from wfe_mcp.views.moves.envelope import Envelope

        self.render(Envelope(error is None, run, summary=summary, data=data or {}, view=view, error=error), show)

    def addresses(self, summary: str, *addresses: str, data: dict[str, Any]) -> None:
        """Answer with ``summary``, and each address alone on a line that is never wrapped; written out at once."""

        def show(screen: Screen) -> None:
            screen.line(summary)
            for address in addresses:
                screen.line(address, is_pasted=True)

        self.answer(summary, show, data=data)
        self.screen.flush()

    def outcome(self, phase: str | None, what: str, data: JsonObject | None = None) -> None:
        """Answer that ``what``, a sentence, was done to the run or to ``phase``; the run now, and what comes next."""
        from wfe_mcp.cli.terminal.render import run_is
        from wfe_mcp.views.answers.run_status import status
        from wfe_mcp.views.runs.models import RunOutcome, RunView

        assert self.run is not None, "the command has named its run"
        answer, loaded = status(self.engine, self.by, self.run), self.overview(self.run).loaded
        summary = f'{what}. "{loaded.record.title}" {run_is(answer)}.'
        answer = replace(answer.showing(RunOutcome(run=answer.view_as(RunView), more=data or {})), summary=summary)
        if phase is not None:
            answer = replace(answer, phase=phase, state=str(loaded.state.current(PhasePath(phase)).status))
        self.render(answer)

    def render(self, envelope: Envelope, show: Callable[[Screen], None] | None = None) -> None:
        """Give the answer. ``show`` writes it for people in place of the usual form."""
        self.exit_code = DONE if envelope.ok else REFUSED
        if self.screen.as_json:
            self.screen.document(envelope.to_dict())
        elif show is not None:
            show(self.screen)
        else:
            from wfe_mcp.cli.terminal.render import render

            render(self.screen, envelope, self.record(envelope.run), self.engine.clock())

    def refuse(self, refused: Refused) -> None:
        """Refuse: what happened, why, and what to do next, on standard error."""
        from wfe_mcp.views.moves.envelope import Envelope

        envelope = Envelope(False, summary=refused.message, data=refused.data, error=refused)
        if self._engine is not None:
            from wfe_mcp.views.reports.envelopes import refusal

            envelope = refusal(self._engine, refused, self.run, self.phase)
        self.exit_code = REFUSED
        if self.screen.as_json:
            document = envelope.to_dict()
            if self.promised:  # what the decision would lead to, which only the user can make
                document["data"] = (document.get("data") or {}) | {"leads_to": self.promised}
            self.screen.document(document)
            return
        from wfe_mcp.cli.terminal.render import refusal_lines

        is_open = self._open_runs(refused)
        (first, *rest), steps = refusal_lines(envelope)
        self.screen.talk(first, *(is_open or rest))
        self.screen.next(*(() if is_open else steps))

    def _open_runs(self, refused: Refused) -> list[str]:
        """The newest open runs, where one was named that never was: of another project's, or a pruned one, the hint says more."""
        if refused.code != "unknown_run" or refused.data or self._engine is None:
            return []
        from wfe_mcp.core.model import RunStatus

        is_open = [status for status in RunStatus if status not in {"completed", "cancelled"}]
        with self._engine.store.read() as tx:
            page = tx.runs.page(self._engine.project_id, status=is_open, limit=3, archived=False)
        return [f'  open: {record.id} "{record.title}"' for record in page.runs]

    def close(self) -> None:
        """Close the database."""
        if self._engine is not None:
            self._engine.close()
        if self._store is not None:
            self._store.close()


def command(function: Callable[Concatenate[Invocation, ...], None]) -> Callable[..., int]:
    """``function`` as a typer command: with ``--json`` and ``--project``, without its context. Returns the exit code."""
    wanted = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("project", keyword, default="", annotation=InProject),
        inspect.Parameter("as_json", keyword, default=False, annotation=AsJson),
        inspect.Parameter("context", keyword, annotation=typer.Context),
    ]

    def run(context: typer.Context, as_json: bool, project: str, **given: Any) -> int:
        world: World = context.obj
        invocation = Invocation(replace(world, as_json=world.as_json or as_json, project=project or world.project))
        try:
            refuse_unkept({name: value for name, value in given.items() if name not in _READ_AS_JSON})
            function(invocation, **given)
            sys.stdout.flush()  # here a full disk can still be said
        except Refused as refused:
            invocation.refuse(refused)
        except (BrokenPipeError, typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if (refused := refused_by_system(error)) is not None:
                invocation.refuse(refused)
                return invocation.exit_code
            log.exception("%s failed", context.command_path)
            message = without_hidden(f"{type(error).__name__}: {error}")
            invocation.refuse(
                Refused("internal", message, "This is a bug in wfe-mcp; please report it with the traceback above.")
            )
        finally:
            invocation.close()
        return invocation.exit_code

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    parameters = [parameter.replace(kind=keyword) for parameter in wanted] + shared
    run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # pyright: ignore[reportFunctionMemberAccess] - typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _here() -> Path:
    from wfe_mcp.workspace.system.location import folder_is_gone, working_directory

    here = working_directory()
    if here is None:  # with --project too: what else is named on the command line is relative to it
        raise folder_is_gone()
    return here
