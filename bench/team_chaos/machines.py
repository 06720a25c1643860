"""The processes of the team, and what happens to them while agents work."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.scene import HERE
from bench.team_chaos.network import ADDRESS

if TYPE_CHECKING:
    from bench.scene import Scene
    from bench.team_chaos.network import Network, Proxy
    from tests.postgres import Cluster

LEASE_S = 5
_FROZEN_S, _CUT_S = 8.0, 8.0
"""Longer than the lease: what it does then is another's by the time that it goes on."""
_EVERY_S = 3.0
_ENDING_S = 120
_FAULT = re.compile(r"[a-z_]+(\.[A-Za-z_]+)*\.[A-Z]\w+(Error|Exception|Timeout)?: ")
"""The last line of a traceback."""


class Machines:
    """Servers, runners and the database. ``ports``: of the servers; a killed one comes back at its own."""

    def __init__(self, place: Scene, cluster: Cluster, network: Network, folder: Path, workers: int) -> None:
        self._workers = workers
        self._place, self._cluster, self._network, self._folder = place, cluster, network, folder
        self._servers: dict[int, subprocess.Popen[bytes]] = {}
        self._runners: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: set[int] = set()
        self._log = (folder / "processes.log").open("ab")
        """What all of them print."""
        self.proxy: Proxy | None = None
        self.tokens: list[str] = []

    @property
    def ports(self) -> list[int]:
        """The servers."""
        return list(self._servers)

    def start_server(self, port: int) -> None:
        """One more process of the server, or one again."""
        assert self.proxy is not None
        argv = [sys.executable, "-m", "wfe_mcp", "server", "--port", str(port), "--workers", str(self._workers)]
        self._servers[port] = subprocess.Popen(
            [*argv, "--origin", f"https://{ADDRESS}:{self.proxy.port}"],
            cwd=self._place.root,
            env=self._place.environment | {"PYTHONPATH": HERE},
            stdout=self._log,
            stderr=self._log,
        )

    def start_runner(self, at: int) -> None:
        """The runner of host ``at``: it has nothing of the servers' but their address and its token."""
        assert self.proxy is not None
        home = self._folder / f"runner-{at}"
        home.mkdir(exist_ok=True)
        url = f"https://{ADDRESS}:{self.proxy.port}"
        words = [
            sys.executable,
            "-m",
            "wfe_mcp",
            "runner",
            "--server",
            url,
            "--labels",
            "linux",
            "--lease",
            f"{LEASE_S}s",
        ]
        self._runners[at] = subprocess.Popen(
            self._network.argv(at, words),
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "TMPDIR": str(home),
                "PYTHONPATH": HERE,
                "WFE_TOKEN": self.tokens[at],
                "SSL_CERT_FILE": str(self.proxy.certificate),
            },
            stdout=self._log,
            stderr=self._log,
        )

    def close(self) -> None:
        """End all of them."""
        every = [*self._servers.values(), *self._runners.values()]
        for each in every:
            with suppress(ProcessLookupError):
                each.send_signal(signal.SIGCONT)
                each.terminate()
        for each in every:
            try:
                each.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
        self._log.close()

    def errors(self) -> Counter[str]:
        """The errors that they logged, with how often, and the faults that no one caught."""
        text = Path(self._log.name).read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.startswith("ERROR") or _FAULT.match(line)]
        return Counter(re.sub(r"[0-9a-f]{8,}|\d+", "N", line)[:160] for line in lines)

    # -- faults ------------------------------------------------------------------------------------------------------

    def kill_server(self) -> None:
        """kill -9, and a new process at the same port: the server starts one of several itself, and they end with it."""
        port = random.choice(self.ports)
        server = self._servers[port]
        answering = self._answering(server)
        victim = random.choice([server, *answering])
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        if victim is server:
            server.wait()
            psutil.wait_procs(answering, _ENDING_S)
            self.start_server(port)

    def freeze_server(self) -> None:
        """SIGSTOP past its leases."""
        server = self._servers[random.choice(self.ports)]
        with suppress(psutil.NoSuchProcess):
            self._freeze(random.choice(self._answering(server) or [server]))

    def _answering(self, server: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The processes of a server with several; none where it did not start, such as without its database."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(server.pid).children() if self._workers > 1 else []
        return []

    def kill_runner(self) -> None:
        """kill -9, and a new process on the same host."""
        at = random.choice([*self._runners])
        self._runners[at].kill()
        self._runners[at].wait()
        self.start_runner(at)

    def freeze_runner(self) -> None:
        """SIGSTOP past its lease."""
        self._freeze(self._runners[random.choice([*self._runners])])

    def cut_network(self) -> None:
        """A runner's cable is out for longer than its lease."""
        at = random.choice([*self._runners])
        self._network.cut(at, yes=True)
        threading.Timer(_CUT_S, self._network.cut, [at], {"yes": False}).start()

    def restart_database(self) -> None:
        """PostgreSQL ends its sessions, and starts again."""
        self._cluster.restart()

    def kill_database(self) -> None:
        """kill -9 of PostgreSQL and each of its processes."""
        self._cluster.kill()
        self._cluster.start()

    def _freeze(self, process: subprocess.Popen[bytes] | psutil.Process) -> None:
        process.send_signal(signal.SIGSTOP)

        def thaw() -> None:
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

        threading.Timer(_FROZEN_S, thaw).start()


class Chaos:
    """Faults, one every few seconds, each kind as often as the others, until ``stop``. ``done``: how often each happened.

    ``broken``: a fault could not be made, such as a database that did not start again; then the work cannot end well.
    """

    def __init__(self, machines: Machines) -> None:
        self.done: Counter[str] = Counter()
        self.broken: Exception | None = None
        self._machines = machines
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more faults; those under way end by themselves. Raises what could not be made."""
        self._is_over.set()
        self._thread.join()
        if self.broken is not None:
            raise self.broken
        time.sleep(max(_FROZEN_S, _CUT_S) + 1)

    def _run(self) -> None:
        one = self._machines
        faults = [
            *(one.kill_server, one.freeze_server, one.kill_runner, one.freeze_runner, one.cut_network),
            *(one.restart_database, one.kill_database),
        ]
        while True:
            random.shuffle(faults)
            for fault in faults:
                if self._is_over.wait(_EVERY_S):
                    return
                try:
                    fault()
                except Exception as error:
                    self.broken = error
                    return
                self.done[fault.__name__] += 1
