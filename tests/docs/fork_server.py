"""A fast ``wfe-mcp`` for the pages: each command is a fork of one process that has the package loaded.

    sh ── wfe-mcp (CLIENT) ══ request, descriptors ══> this server ── fork ──> wfe_mcp.__main__.main
                           <═ pid, later exit status ═

Rules:
1. A command gets the caller's arguments, folder, environment and descriptors 0 to 9, as an exec would give them.
2. The client runs the real program where a fork differs from it: commands that stay (``STAYS``), a command in the
   background (a shell without job control ignores SIGINT there), and variables that Python reads when it starts.
3. The server has no database open and no thread. It ends when its standard input ends, so with its test process.
4. A command whose client is killed is killed too.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import logging
import marshal
import os
import pkgutil
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tests.docs.fork_client import CLIENT
from tests.first_line import python_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

LANG = "C.UTF-8"
STAYS = ("serve", "ui", "worker", "demo")
PRELOADED = (
    "wfe_mcp.artifacts",
    "wfe_mcp.cli",
    "wfe_mcp.core",
    "wfe_mcp.engine",
    "wfe_mcp.gates",
    "wfe_mcp.jobs",
    "wfe_mcp.store",
    "wfe_mcp.views",
    "wfe_mcp.workflow",
    "wfe_mcp.workspace",
)
"""Packages whose modules are all imported before the first fork. Web, MCP and model libraries load where they are used."""
LIBRARIES = (
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.kdf.argon2",
    "cryptography.hazmat.primitives.serialization",
    "jsonschema_rs",
    "platformdirs",
    "psutil",
)
"""Those that nearly every command loads where it uses them."""

TEMPLATE = """{"format": "wfe/1", "name": "rehearsal", "version": "1.0.0", "phases": [{"id": "draft", "prompt": "Write it.",
  "output": {"artifact": "draft", "schema": {"type": "object", "required": ["text"]}}, "gates": [
    {"kind": "expr", "assert": "${size(artifacts.draft.text) > 0}"}, {"kind": "files", "changed": ["**"]},
    {"kind": "approval", "assurance": "human"}]}]}"""
REHEARSED = (
    "init --yes --no-trial --pin-fd PIN",
    "trust --yes --pin-fd PIN",
    "start rehearsal --json",
    "status",
    "status RUN --json",
    "submit RUN draft --path draft.json --json",
    "status RUN",
    "list",
    "show RUN",
    "show RUN --json",
    "log RUN",
    "inbox",
    "approve RUN draft --pin-fd PIN --json",
    "verify RUN",
    "handoff RUN",
    "templates list",
    "start rehearsal --json",
    "submit RUN draft --path draft.json",
    "status RUN",
    "cancel RUN",
    "list --json",
)
"""Commands that word nearly all SQL statements and reach nearly all that loads at its first use."""

LARGE_PAGE = 2 << 20
COLLAPSE = 25
"""MADV_COLLAPSE: put large pages in the place of small ones, now."""
MAX_DESCRIPTORS = 10
ABOVE = 64
"""The descriptors of a request wait from here on, while the lower ones are put in their places."""


@contextlib.contextmanager
def running(real: Path) -> Generator[Path]:
    """The path of a program that acts as ``real`` does, while the server runs."""
    with tempfile.TemporaryDirectory(prefix="wfe-fork-") as made, contextlib.ExitStack() as stack:
        address, program = str(Path(made) / "socket"), Path(made) / "wfe-mcp"
        with socket.socket(socket.AF_UNIX) as listener:  # bound here: a client that is early waits in the queue
            listener.bind(address)
            listener.listen()
            server = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, __file__, str(listener.fileno()), str(real.parent)],
                    cwd=made,
                    stdin=subprocess.PIPE,
                    pass_fds=[listener.fileno()],
                    env={"PATH": os.defpath, "HOME": made, "LANG": LANG},
                )
            )
        client = CLIENT.format(
            first_line=python_line(options="-IS"),
            real=str(real),
            stays=STAYS,
            lang=LANG,
            most=MAX_DESCRIPTORS,
            socket=address,
        )
        program.write_text(client, encoding="utf-8")
        program.chmod(0o755)
        yield program
        assert server.poll() is None, "the fork server ended before its tests"
        assert server.stdin is not None
        server.stdin.close()
        server.wait(60)


class Request:
    """One command: what the client asked for, and the process that does it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        head, self.received, _, _ = socket.recv_fds(connection, 4, MAX_DESCRIPTORS)
        size = int.from_bytes(head, "big")
        self.argv, self.folder, self.environment, self.numbers = cast(
            "tuple[list[str], bytes, dict[bytes, bytes], list[int]]",
            marshal.loads(connection.recv(size, socket.MSG_WAITALL)),
        )
        self.ended, self._alive = os.pipe()  # the reading end closes when the child has ended
        self.pid = os.fork()
        if self.pid:
            for each in (*self.received, self._alive):
                os.close(each)
            connection.sendall(self.pid.to_bytes(4, "big"))

    def finish(self, *, is_abandoned: bool) -> None:
        """Report to the client how its command ended. ``is_abandoned``: the client is gone, so the command is killed."""
        if is_abandoned:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with contextlib.suppress(OSError):
            self.connection.sendall(code.to_bytes(4, "big", signed=True))
        self.close()

    def close(self) -> None:
        os.close(self.ended)
        self.connection.close()

    def become(self) -> None:
        """Make this process what the client's exec would have made of it. All other descriptors are closed by now."""
        import fcntl

        held = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, ABOVE) for each in (*self.received, self._alive)]
        for each in (0, 1, 2, *self.received, self._alive):
            with contextlib.suppress(OSError):
                os.close(each)
        for source, number in zip(held, self.numbers, strict=False):  # the last one stays where it is, until the end
            os.dup2(source, number)
            os.close(source)
        os.chdir(self.folder)
        os.environ.clear()
        os.environb.update(self.environment)
        time.tzset()
        random.seed()
        tempfile.tempdir = None
        sys.argv = self.argv
        # Under both names, as Python has them: at the end it puts back the second, and closes what was only the first.
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            sys.__dict__[name] = sys.__dict__[f"__{name}__"] = stream(number)


def stream(number: int) -> Any:
    """A standard stream as Python opens it for ``LANG``; None where the descriptor is closed."""
    try:
        raw = io.FileIO(number, "rb" if number == 0 else "wb", closefd=False)
    except OSError:
        return None
    buffer: Any = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
    errors = "backslashreplace" if number == 2 else "surrogateescape"
    text: Any = io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=number == 2 or raw.isatty())
    buffer.raw.name, text.mode = ("<stdin>", "<stdout>", "<stderr>")[number], "r" if number == 0 else "w"
    return text


def preload() -> None:
    """Import what commands import, without running any of it but ``read_templates``."""
    for name in PRELOADED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    read_templates()


def read_templates() -> None:
    """Read and lint the shipped templates, as ``init``, the catalogue and a start do: half a second in each process.

    The statements of a new database are worded, too.
    """
    from wfe_mcp.store.schema import upgrade
    from wfe_mcp.workflow.catalogue import shipped_templates
    from wfe_mcp.workflow.flows import whole
    from wfe_mcp.workflow.lint import ProjectNames, lint

    upgrade._tables_and_indexes()  # pyright: ignore[reportPrivateUsage] - what a new database executes
    found = {entry.name: entry.read().value for entry in shipped_templates()}
    for definition in found.values():
        lint(whole(definition, lambda name: found[name]).definition, ProjectNames())


def rehearse() -> None:
    """Do once what nearly every command does first: read signatures, write methods of dataclasses, word SQL statements.

    The scene is a project, a home and a database of its own, which are gone before the first fork, as are the
    environment, the folder, the streams and the log of the commands.
    """
    from wfe_mcp.cli.app import _FIRST, _command_line, main as command_line  # pyright: ignore[reportPrivateUsage] - what a command line reads first

    for first in ("", *_FIRST):
        _command_line(first)
    write_methods()
    folder, environment, log = os.getcwd(), dict(os.environ), logging.getLogger()
    with tempfile.TemporaryDirectory(prefix="wfe-rehearsal-") as made:
        project = Path(made) / "project"
        project.mkdir()
        try:
            os.chdir(project)
            os.environ.clear()
            os.environ.update(
                PATH=os.defpath, HOME=made, LANG=LANG, WFE_DATABASE_URL=f"sqlite:///{Path(made) / 'state/wfe.db'}"
            )
            play(project, command_line)
        finally:
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(folder)
            for each in list(log.handlers):
                log.removeHandler(each)
    share()


def rehearse_server() -> None:
    """What a server does with its first requests: describe the API, and read the certificates of all authorities."""
    from wfe_mcp.dashboard.api.app import described_app
    from wfe_mcp.dashboard.login import authorities

    authorities()
    for route in described_app().routes:  # no such path: each router looks at all its operations
        route.matches({"type": "http", "method": "GET", "path": "/none", "root_path": "", "headers": []})
    share()


def share() -> None:
    """What is loaded stays shared between the children, and a fork copies little to share it.

    A fork copies the table of the pages: 26 ms of CPU for the 60,000 small ones that the package fills, 9 ms with large
    ones in their place. Where a system has none, nothing happens.
    """
    gc.collect()
    gc.freeze()
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        place, rights, _, _, _, *named = line.split()
        first, end = (int(each, 16) for each in place.split("-"))
        first = -(-first // LARGE_PAGE) * LARGE_PAGE
        if rights.startswith("rw") and named in ([], ["[heap]"]) and end - first >= LARGE_PAGE:
            advise(first, end // LARGE_PAGE * LARGE_PAGE - first, COLLAPSE)


def write_methods() -> None:
    """The methods of all dataclasses, which are otherwise written when the first object is made (core/dataclass.py)."""
    from wfe_mcp.core import dataclass

    for module in [each for name, each in sys.modules.items() if name.startswith("wfe_mcp.")]:
        for kind in list(vars(module).values()):
            if isinstance(kind, type) and getattr(kind.__init__, "__module__", "") == dataclass.__name__:
                kind.__init__ = dataclass._written_init(kind)  # pyright: ignore[reportPrivateUsage]


def play(project: Path, command_line: Callable[[list[str]], int]) -> None:
    """Type ``REHEARSED`` in a repository with one template and a file that changes after each start."""
    pin, template, run = project / "pin", project / ".wfe/templates/rehearsal.json", ""
    template.parent.mkdir(parents=True)
    for path, text in ((template, TEMPLATE), (pin, "correct horse"), (project / "draft.json", '{"text": "hello"}')):
        path.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], check=True)
    for line in REHEARSED:
        with pin.open(encoding="utf-8") as read, contextlib.redirect_stdout(io.StringIO()) as answer:
            words = [{"RUN": run, "PIN": str(read.fileno())}.get(word, word) for word in line.split()]
            with contextlib.redirect_stderr(answer):
                code = command_line(words)
        assert code == 0, (line, answer.getvalue())
        if words[0] == "start":
            run = json.loads(answer.getvalue())["run"]
            (project / run).touch()


def cheap_keys() -> None:
    """As in tests/conftest.py: keys that the pages make cost nothing to unlock."""
    from wfe_mcp.engine.approvals import keys

    keys.COST = keys.Cost(memory_kib=8, iterations=1, seconds=0)


def next_command(listener: socket.socket) -> Request | None:
    """Serve until a child has a command to run (then in that child), or until the standard input ends: None."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(0, selectors.EVENT_READ)
        open_requests = set[Request]()
        while True:
            for key, _ in waiting.select():
                if key.fileobj == 0:
                    return None
                if key.fileobj is listener:
                    request = Request(listener.accept()[0])
                    open_requests.add(request)
                    if not request.pid:
                        for each in open_requests:
                            each.close()
                        listener.close()
                        return request
                    waiting.register(request.ended, selectors.EVENT_READ, request)
                    waiting.register(request.connection, selectors.EVENT_READ, request)
                elif (request := key.data) in open_requests:
                    open_requests.remove(request)
                    waiting.unregister(request.ended)
                    waiting.unregister(request.connection)
                    request.finish(is_abandoned=key.fileobj is request.connection)


def main() -> int:
    listener = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = sys.argv[2]  # the folder of the real program, as for that one
    preload()
    cheap_keys()
    rehearse()
    assert len(os.listdir("/proc/self/task") if sys.platform == "linux" else "1") == 1, "a fork copies one thread only"
    try:
        request = next_command(listener)
    except KeyboardInterrupt:
        return 0
    if request is None:
        return 0
    request.become()
    from wfe_mcp.__main__ import main as program

    code = program()
    end_process(code)
    return code


def end_process(code: int) -> None:
    """End as Python does, but free no memory: to free what is shared with the server copies it first, for 0.2 s of CPU.

    Returns where the standard streams cannot be written: Python then says so and has an exit code for it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] - what os._exit leaves out
    try:
        for each in (sys.stdout, sys.stderr):
            if each is not None:
                each.flush()
    except (OSError, ValueError):
        return
    os._exit(code & 0xFF)


if __name__ == "__main__":
    sys.exit(main())
