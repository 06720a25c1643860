"""Hosts of a team on one machine: a network namespace for each runner, a bridge between them, and a proxy with TLS.

    runner 1 ── veth ──┐
    runner 2 ── veth ──┼── bridge 10.77.0.1 ── proxy with TLS ── the servers on 127.0.0.1
    …                  ┘

Needs root, and ``ip`` of iproute2.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.providers.certificate import FILE, self_signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADDRESS = "10.77.0.1"
_CONNECT_S = 5.0
_CHUNK = 65_536


def missing() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if shutil.which("ip") is None or not hasattr(os, "geteuid"):
        return "there is no program ip (Debian: iproute2)"
    return "" if os.geteuid() == 0 else "network namespaces of other hosts need root"


class Network:
    """The bridge and the namespaces, which end with it."""

    def __init__(self, hosts: int) -> None:
        self._bridge, self.hosts = f"wfe{os.getpid() % 100_000}", [f"wfe-{os.getpid()}-{at}" for at in range(hosts)]

    def __enter__(self) -> Network:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{ADDRESS}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for at, host in enumerate(self.hosts):
            _ip("netns", "add", host)
            _ip("link", "add", self._link(at), "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("link", "set", self._link(at), "master", self._bridge, "up")
            for words in (f"addr add 10.77.0.{at + 2}/24 dev eth0", "link set eth0 up", "link set lo up"):
                _ip("-n", host, *words.split())
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            _ip("netns", "del", host, check=False)
        _ip("link", "del", self._bridge, check=False)

    def argv(self, at: int, words: list[str]) -> list[str]:
        """A command on host ``at``."""
        return ["ip", "netns", "exec", self.hosts[at], *words]

    def cut(self, at: int, *, yes: bool) -> None:
        """Take the cable of host ``at`` out, or put it back."""
        _ip("link", "set", self._link(at), "down" if yes else "up")

    def _link(self, at: int) -> str:
        return f"{self._bridge}v{at}"


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


class Proxy:
    """Passes each connection to one of the servers that listen now, as a load balancer does. ``certificate``: what clients trust."""

    def __init__(self, folder: Path, ports: Callable[[], list[int]], address: str = ADDRESS) -> None:
        self._ports = ports
        self._tls, self.certificate = self_signed(folder, address), folder / FILE
        self._listening = socket.create_server((address, 0), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            plain.settimeout(_CONNECT_S)
            with self._tls.wrap_socket(plain, server_side=True) as client:
                port = random.choice(self._ports())
                with socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_S) as server:
                    _exchange(client, server)


def _exchange(client: ssl.SSLSocket, server: socket.socket) -> None:
    client.settimeout(None)
    server.settimeout(None)
    while True:
        readable = [client] if client.pending() else select.select([client, server], [], [], 300)[0]
        if not readable:
            return
        for each in readable:
            data = each.recv(_CHUNK)
            if not data:
                return
            (server if each is client else client).sendall(data)
