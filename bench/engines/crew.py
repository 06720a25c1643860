"""The worker processes of a trial, and what they have reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.engines.rows import Place

ROOT = Path(__file__).parents[2]
WORKERS = 8
_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A worker began a job: its number, the job, the fence of its claim, and when (seconds since the epoch)."""

    worker: int
    job: str
    fence: int
    at: float


@dataclass
class Report:
    """What the workers have written. ``worked``: claims whose work was done, as (job, fence)."""

    begun: list[Begun] = field(default_factory=list[Begun])
    worked: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    @property
    def repeated(self) -> int:
        """How many jobs were begun more than once."""
        return sum(1 for count in Counter(each.job for each in self.begun).values() if count > 1)


class Crew:
    """Eight worker processes. ``log``: where their errors go."""

    def __init__(self, variant: str, place: Place, log: Path) -> None:
        self.report = Report()
        self._changed = threading.Condition()
        self._ready = 0
        self._log = log.open("ab")
        argv = [sys.executable, "-m", "bench.engines.worker", variant, place.url, str(place.lease_s)]
        self._workers = [
            subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True)
            for _ in range(WORKERS)
        ]
        self._readers = [
            threading.Thread(target=self._read, args=(number,), daemon=True) for number in range(len(self._workers))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Crew:
        if not self.until(lambda: self._ready == WORKERS, _READY_S):
            self.close()
            raise RuntimeError(f"only {self._ready} of {WORKERS} workers started: see {self._log.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def until(self, holds: Callable[[], bool], most_s: float) -> bool:
        """Wait until what the workers have reported satisfies ``holds``; False when it does not within ``most_s``."""
        with self._changed:
            return self._changed.wait_for(holds, most_s)

    def send(self, worker: int, number: signal.Signals) -> None:
        """Send a signal to one worker."""
        os.kill(self._workers[worker].pid, number)

    def close(self) -> None:
        """Kill all workers; what they have reported stays."""
        for each in self._workers:
            each.kill()
            each.wait()
        for reader in self._readers:
            reader.join(10)
        self._log.close()

    def _read(self, number: int) -> None:
        stdout = self._workers[number].stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                with self._changed:
                    self._note(number, line.split())
                    self._changed.notify_all()

    def _note(self, number: int, words: list[str]) -> None:
        match words:
            case ["ready"]:
                self._ready += 1
            case ["began", job, fence, at]:
                self.report.begun.append(Begun(number, job, int(fence), float(at)))
            case ["worked", job, fence]:
                self.report.worked.append((job, int(fence)))
            case _:
                pass


def settle(seconds: float) -> None:
    """Let the workers come to rest: connected, their first look at an empty queue done."""
    time.sleep(seconds)
