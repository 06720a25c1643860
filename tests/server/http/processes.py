"""A proxy in front of ``wfe-mcp server --workers N`` that gives each connection to the next of its processes."""

import socket
import threading
from contextlib import suppress

import psutil

from tests.jobs.conftest import until
from tests.server.http.conftest import Running, free_port


def children(running: Running) -> list[psutil.Process]:
    """The processes that answer, oldest first."""
    found = list[psutil.Process]()
    for each in psutil.Process(running.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "--shared" in each.cmdline():
                found.append(each)
    return sorted(found, key=lambda each: each.create_time())


class InTurn:
    """The proxy, at ``port``; each connection goes to the process after the last one's, for as long as it lives."""

    def __init__(self, running: Running) -> None:
        self.running, self._server_port = running, free_port()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.turns = list[int]()
        """The pids that answered."""
        self._lock = threading.Lock()

    def start(self, origin: str = "") -> None:
        """Start the server behind it, with two processes; ``running`` is reached through the proxy from then on."""
        url = f"http://127.0.0.1:{self.port}"
        self.running.more = ("--workers", "2", "--origin", origin or url)
        self.running.start(self._server_port)
        self.running.url = url
        until(lambda: len(children(self.running)) == 2, 60)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End the server, and take no more connections."""
        self.running.end()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            with self._lock:
                server = self._taken()
            with server:
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()

    def _taken(self) -> socket.socket:
        """A connection that the process whose turn it is has taken: the others stand still meanwhile."""
        every = children(self.running)
        chosen = every[len(self.turns) % len(every)]
        others = [each for each in every if each != chosen]
        try:
            for each in others:
                each.suspend()
            while True:
                made = socket.create_connection(("127.0.0.1", self._server_port))
                if self._taken_by(every, made) == chosen:
                    self.turns.append(chosen.pid)
                    return made
                made.close()  # a signal takes a moment to stop all threads
        finally:
            for each in others:
                each.resume()

    @staticmethod
    def _taken_by(every: list[psutil.Process], connection: socket.socket) -> psutil.Process:
        mine, found = connection.getsockname(), list[psutil.Process]()

        def look() -> bool:
            found[:] = [each for each in every if any(one.raddr == mine for one in each.net_connections("tcp"))]
            return bool(found)

        until(look, 60)
        return found[0]


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
