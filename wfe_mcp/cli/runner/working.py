"""The work of a runner: claim, fetch, run, report, until a signal stops it.

    claim ──► fetch ──► check in its clean room ──► signed report          first signal    finish the check, take no more
      every third of the lease: a sign of life, which may say "stop"       second signal   stop the check, give it back

Rules:
1. A runner whose signs of life do not arrive for as long as its lease stops the check: another one has it by then.
2. A report is sent until the server takes or refuses it; a server that is restarted meanwhile gets it.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.runner.connection import AwayError, Connection
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.gates.on_runner import Ran, carry_out
from wfe_mcp.gates.runner_protocol import TAIL_CHARS, Report, Task
from wfe_mcp.jobs.child import run_child
from wfe_mcp.jobs.job_context import Stop
from wfe_mcp.jobs.output import plain_text
from wfe_mcp.workspace.files.disk import is_closed
from wfe_mcp.workspace.system.temporary import remove_abandoned, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from wfe_mcp.cli.runner.key import RunnerKey
    from wfe_mcp.workspace.config.settings_tables import SandboxSettings

log = logging.getLogger("wfe_mcp.runner")

_WAIT_S = 5.0
"""How long the server may think about a claim: as long a runner without work takes to see a signal."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_TICK_S = 0.2


class Runner:
    """A runner at work. ``makes``: its clean room. ``signals``: grows with each signal to stop. ``say``: for people."""

    def __init__(
        self,
        server: Connection,
        key: RunnerKey,
        labels: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        makes: SandboxSettings,
        lease_s: float,
        signals: Sequence[Any],
        say: Callable[[str], object],
    ) -> None:
        self._server, self._key, self._labels, self._mirrors = server, key, tuple(labels), folder / "mirrors"
        self._environ, self._makes, self._lease_s, self._signals, self._say = environ, makes, lease_s, signals, say

    def run(self, *, once: bool, drain: bool) -> int:
        """Work until a signal; ``once``: for one check; ``drain``: until none waits. The number of checks that were done.

        Refuses ``unavailable``: a drain without the server.
        """
        done, pause_s = 0, _PAUSE_S
        remove_abandoned()
        while not self._signals:
            try:
                task = self._server.claim(self._labels, self._key.public, 0 if drain else _WAIT_S, self._lease_s)
            except AwayError as away:
                if drain:  # what waits now is not known
                    raise Refused("unavailable", str(away), "Is the address right, and the server up?") from None
                log.warning("%s. It is tried again.", str(away).removesuffix("."))
                pause_s = self._pause(pause_s)
                continue
            if task is not None and not self._work_or_give_back(task):
                pause_s = self._pause(pause_s)  # another runner may do it meanwhile
                continue
            done, pause_s = done + (task is not None), _PAUSE_S
            if task is None and drain:
                break
            if task is None:
                self._server.tidy(self._mirrors)
            if once and done:
                break
        return done

    def _pause(self, seconds: float) -> float:
        """Wait, or until a signal. The next pause."""
        end = time.monotonic() + seconds
        while not self._signals and time.monotonic() < end:
            time.sleep(_TICK_S)
        return min(2 * seconds, _LONGEST_PAUSE_S)

    def _work_or_give_back(self, task: Task) -> bool:
        try:
            return self._work(task)
        except OSError as fault:
            if not is_closed(fault):
                raise
            self._say(f"{task.job}: {fault}")
            return self._give_back(task)

    def _work(self, task: Task) -> bool:
        """Do a task; False where another runner does it."""
        self._say(f"{task.job}: check {task.check.name} of run {task.run}, phase {task.phase}")
        stop, shown = Stop(), list[str]()

        def must_stop() -> bool:
            if self._signals and not shown:
                shown.append("It ends after this check; the next signal gives it back.")
                self._say(shown[0])
            if len(self._signals) > 1:
                stop.ask("shutdown")
            return stop.is_asked

        with temporary_folder("runner") as folder, self._alive(task, stop, folder / "check.log"):
            try:
                mirror = self._server.fetch(task, self._mirrors)
                run = partial(run_child, should_stop=must_stop)
                ran = carry_out(task, mirror, folder, self._key.public, run, self._environ, self._makes)
            except Refused as refused:
                self._say(f"{task.job}: {refused.message}")
                return self._give_back(task)
            if must_stop() and stop.reason == "shutdown":
                return self._give_back(task)
            return self._report(task, ran, stop)

    def _report(self, task: Task, ran: Ran, stop: Stop) -> bool:
        report = Report.model_construct(
            statement=ran.statement, signature=self._key.sign(ran.statement.to_sign()), log=ran.log, reports=ran.reports
        )
        while stop.reason != "lost":
            try:
                verdict = self._server.end(task, report)
            except AwayError as away:
                log.warning("%s. The report is sent again.", str(away).removesuffix("."))
                time.sleep(_PAUSE_S)
            except Refused as refused:
                self._say(f"{task.job}: the report was refused. {refused.message}")
                return False
            else:
                self._say(f"{task.job}: {verdict}")
                return True
        self._say(f"{task.job}: its lease of {task.lease_s:g} s is over, so another runner does it")
        return False

    def _give_back(self, task: Task) -> bool:
        try:
            self._server.give_back(task)
            self._say(f"{task.job}: given back")
        except (AwayError, Refused) as fault:
            self._say(f"{task.job}: its lease ends by itself: {fault}")
        return False

    @contextmanager
    def _alive(self, task: Task, stop: Stop, log_file: Path) -> Generator[None]:
        """Send signs of life inside the block; ``stop`` is asked where the check is to end."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(task, stop, log_file, over), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, task: Task, stop: Stop, log_file: Path, over: threading.Event) -> None:
        answered = time.monotonic()
        while not over.wait(task.lease_s / 3):
            try:
                if self._server.heartbeat(task, _tail(log_file)):
                    stop.ask("cancelled")
                answered = time.monotonic()
            except Refused as refused:
                if not over.wait(_PAUSE_S):  # else the report arrived meanwhile, and ended the job
                    self._say(f"{task.job}: {refused.message}")
                    stop.ask("lost")
                return
            except AwayError:
                if time.monotonic() - answered > task.lease_s:
                    stop.ask("lost")
                    return


def _tail(log_file: Path) -> str:
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_CHARS))
            return plain_text(file.read())[-TAIL_CHARS:]
    except OSError:
        return ""


def end_message(done: int) -> str:
    """What a runner says at its end."""
    return f"Runner stopped; {plural(done, 'check')} done."


def own_sandbox(folder: Path) -> SandboxSettings:
    """``[sandbox]`` of the user's own file, which counts as it is: a runner has no database that could know what they trust."""
    from wfe_mcp.workspace.config.settings import load_settings

    loaded = load_settings(folder, lambda path, sha256: False, {})
    if unclear := [
        problem.message for problem in loaded.problems if problem.path.split("/")[:2] in ([""], ["", "sandbox"])
    ]:
        raise Refused("bad_argument", f"{unclear[0]}.", "Correct it: it may say how checks are to run here.")
    return loaded.settings.sandbox
