"""``python -m wfe_mcp``, a Python text, or a file or module of the tests that imports it, as a fork of a process that has it loaded.

    test process ── Popen([python, -m, wfe_mcp, …]) ══ request, descriptors ══> this server ── fork, fork ──> __main__
                 <════════════════════ pid ═════════════════════════════════

Starting the program costs 0.6 s of CPU, nearly all of it imports, and the suite starts it some two thousand times.

Rules:
1. The process has the caller's arguments, folder, environment and descriptors, as an exec would give them. It is a child of
   the test process (which adopts it), so waiting, signals, ``kill -9`` and its place in the process tree are the real ones.
2. What a fork cannot reproduce is started for real: any other program, a text that asks what is loaded, variables that Python reads when it starts,
   another locale, and options of ``Popen`` that are not listed in ``_PLAIN``. So are all where there is no Linux.
3. ``real_processes`` (a fixture, or ``pytest.mark.usefixtures``) starts everything for real, for tests about the start of
   the program. The documentation's pages, the wheel and the README's commands start the real program, too.
4. The server has no database open and no thread. It ends with its test process.
5. What nearly every command does first, the server has done after ``MANY`` forks (``rehearse``). ``real_processes`` do it all.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import inspect
import marshal
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

PRELOADED = (
    "artifacts",
    "cli",
    "core",
    "dashboard",
    "engine",
    "gates",
    "jobs",
    "server",
    "store",
    "views",
    "workflow",
    "workspace",
)
"""Packages of wfe_mcp that are loaded before the first fork, with what their modules import."""

LATER = (
    "psutil",
    "platformdirs",
    "typer._adapters",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
    "anyio._backends._asyncio",
    "webauthn",
    "authlib.integrations.starlette_client",
    "wfe_mcp.providers",
    "wfe_mcp.tools",
    "pydantic_ai.models.openai",
    "pydantic_ai.models.anthropic",
    "pydantic_ai.providers.openai_compatible",
    "pydantic_ai.providers.anthropic",
    "genai_prices",
)
"""Loaded after ``MANY`` forks, with what they import: libraries that our modules load where they are used. Loading them
takes 3 s, which a single test need not wait for."""

MANY = 4

_PROGRAM = (sys.executable, "-m", "wfe_mcp")
_MODULE = "tests.forks"
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER: orphans below this process become its children
_MOST = 64
_PLAIN = {
    "preexec_fn": None,
    "close_fds": True,
    "executable": None,
    "shell": False,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
    "restore_signals": True,
}
_OPTIONS = ("-m", "-c")
_FRESH = ("sys.modules", "maxrss", "cmdline")
_HEEDED = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHON_KEYRING_BACKEND"}
_LOCALES = {"", "C", "POSIX", "C.UTF-8"}
_SIGNATURE = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
_EXEC: Any = subprocess.Popen._execute_child  # type: ignore[attr-defined]


class Forks:
    """The server of this process, started with the first request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.is_on = True
        self.made = 0
        """How many processes were forked."""

    def start(self, given: Mapping[str, Any]) -> int:
        """The pid of a new child of this process that runs what ``given`` (arguments of ``_execute_child``) says."""
        own = {0: given["p2cread"], 1: given["c2pwrite"], 2: given["errwrite"]}
        held: dict[int, int] = {number: number if fd == -1 else fd for number, fd in own.items()} | {
            fd: fd for fd in given["pass_fds"]
        }
        held = {number: fd for number, fd in held.items() if _is_open(fd)}
        env = os.environ if given["env"] is None else given["env"]
        words: list[str] = [os.fsdecode(word) for word in given["args"]]
        request = marshal.dumps(
            (
                words[1:],
                os.fsencode(given["cwd"] or os.getcwd()),
                dict(_encoded(env)),
                list(held),
                bool(given["start_new_session"]),
            )
        )
        with self._lock:
            connection = self._connection()
            adopt(yes=True)
            try:
                socket.send_fds(connection, [len(request).to_bytes(4, "big")], list(held.values()))
                connection.sendall(request)
                answer = connection.recv(4, socket.MSG_WAITALL)
            finally:
                adopt(yes=False)
            assert len(answer) == 4, "the fork server has ended"
            self.made += 1
            return int.from_bytes(answer, "big")

    def close(self) -> None:
        if self._socket is not None and self._server is not None:
            self._socket.close()
            self._server.wait(60)

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair()
            with theirs:
                # "wfe_mcp" as a word: the command line of a fork is the server's, and the dashboard looks for it there.
                argv = [_PROGRAM[0], "-m", _MODULE, "wfe_mcp", str(theirs.fileno())]
                env = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": os.devnull}
                self._server = subprocess.Popen(argv, cwd=_root(), env=env, pass_fds=[theirs.fileno()])
        return self._socket


@contextlib.contextmanager
def forking() -> Generator[Forks]:
    """``Popen`` starts our program as a fork during the block."""
    forks = Forks()
    plain = subprocess.Popen

    def execute_child(self: Any, *args: Any) -> None:
        given = _SIGNATURE.bind(self, *args).arguments
        if not forks.is_on or not can_fork(given):
            _EXEC(self, *args)
            return
        self.pid = forks.start(given)
        self._child_created = True
        self._close_pipe_fds(
            *(given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite"))
        )

    setattr(plain, "_execute_child", execute_child)  # noqa: B010 - no public place to say how a child is made
    try:
        yield forks
    finally:
        setattr(plain, "_execute_child", _EXEC)  # noqa: B010
        forks.close()


def can_fork(given: Mapping[str, Any]) -> bool:
    """Whether a fork is what an exec of ``given`` would be."""
    args = given["args"]
    if isinstance(args, str | bytes | os.PathLike) or not _is_ours(args):
        return False
    if any(given[name] != usual for name, usual in _PLAIN.items()):
        return False
    if given["cwd"] is not None and not os.path.isdir(given["cwd"]):
        return False
    env: Mapping[Any, Any] = dict(_encoded(os.environ if given["env"] is None else given["env"]))
    names = {os.fsdecode(name) for name in env}
    if any(name.startswith("PYTHON") for name in names - _HEEDED):
        return False
    given_locale = {os.fsdecode(env[os.fsencode(name)]) for name in names if name == "LANG" or name.startswith("LC_")}
    return given_locale <= _LOCALES


def _is_ours(args: Sequence[Any]) -> bool:
    """Our program, or a Python text or file that imports our package; not one that asks what a new process has loaded."""
    if tuple(args[:3]) == _PROGRAM or (
        len(args) > 1
        and args[0] == sys.executable
        and _is_our_file(_file_of([os.fsdecode(each) for each in args[1:3]]))
    ):
        return True
    text = args[2] if len(args) > 2 and tuple(args[:2]) == (sys.executable, "-c") else None
    return isinstance(text, str) and "wfe_mcp" in text and not any(word in text for word in _FRESH)


def _file_of(words: list[str]) -> str:
    """The file that Python runs: ``tests.x``, after ``-m``, is one of the tests."""
    if words[0] == "-m" and len(words) > 1 and words[1].startswith("tests."):
        return os.path.join(_root(), *words[1].split(".")) + ".py"
    return words[0]


@functools.cache
def _is_our_file(path: str) -> bool:
    """A file of the tests that imports our package, or is an MCP server: both take a second to load."""
    if not (path.startswith(os.path.join(_root(), "tests") + os.sep) and path.endswith(".py") and os.path.isfile(path)):
        return False
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return ("from mcp.server import" in text or "from wfe_mcp" in text) and not any(word in text for word in _FRESH)


def adopt(*, yes: bool) -> None:
    """Whether orphans below this process become its children (on) or those of the system's first process (off)."""
    ctypes.CDLL(None, use_errno=True).prctl(_ADOPT, int(yes), 0, 0, 0)


def _encoded(env: Mapping[Any, Any]) -> Generator[tuple[bytes, bytes]]:
    for name, value in env.items():
        yield os.fsencode(name), os.fsencode(value)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _root() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# -- the server ----------------------------------------------------------------------------------------------------------


def serve(connection: socket.socket) -> tuple[Any, list[int]] | None:
    """Fork for each request. Returns in the child, with its request and descriptors; None when the caller has ended."""
    from tests.docs.fork_server import LIBRARIES, read_templates, rehearse, rehearse_server

    count = 0
    while True:
        count += 1
        if count == MANY:
            read_templates()
            preload((*LATER, *LIBRARIES))
            rehearse()
            rehearse_server()
            assert "keyring" not in sys.modules, "it chooses its backend, by the environment, as it is imported"
            assert_one_thread()
        head, received, _, _ = socket.recv_fds(connection, 4, _MOST)
        if len(head) < 4:
            return None
        request = marshal.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        answer, tell = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if child:
                os.write(tell, child.to_bytes(4, "big"))
                os._exit(0)
            connection.close()
            os.close(answer)
            os.close(tell)
            return request, received
        for fd in (*received, tell):
            os.close(fd)
        pid = os.read(answer, 4)
        os.close(answer)
        os.waitpid(between, 0)  # from here on the child is the caller's
        connection.sendall(pid)


def preload(names: Iterable[str]) -> None:
    """Import modules; of a package, each of its modules. What is not installed is left out."""
    gc.disable()  # a quarter of the time would go into looking for garbage among what stays
    for name in names:
        try:
            found = importlib.import_module(name)
        except ImportError:
            continue
        if name.startswith("wfe_mcp."):
            for each in pkgutil.walk_packages(found.__path__, f"{name}."):
                with contextlib.suppress(ModuleNotFoundError):  # it needs an optional dependency
                    importlib.import_module(each.name)
    gc.collect()
    gc.freeze()  # what is loaded stays shared between the children
    gc.enable()


def assert_one_thread() -> None:
    assert len(os.listdir("/proc/self/task")) == 1, "a fork copies one thread only"


def become(request: Any, received: list[int]) -> None:
    """Make this process what an exec would have made of it, and run the program."""
    import fcntl
    import random
    import tempfile
    import time

    from tests.docs.fork_server import stream

    words, folder, environment, numbers, new_session = request
    if new_session:
        os.setsid()
    held = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 2 * _MOST) for fd in received]
    for fd in {0, 1, 2, *received}:
        with contextlib.suppress(OSError):
            os.close(fd)
    for source, number in zip(held, numbers, strict=True):
        os.dup2(source, number)
        os.close(source)
    os.chdir(folder)
    os.environ.clear()
    os.environb.update(environment)
    if not environment.get(b"LC_ALL") and environment.get(b"LC_CTYPE", environment.get(b"LANG", b"")) in {
        b"",
        b"C",
        b"POSIX",
    }:
        os.environ["LC_CTYPE"] = "C.UTF-8"  # as Python does in the plain locale
    time.tzset()
    random.seed()
    tempfile.tempdir = None
    sys.argv = [words[0], *words[2:]] if words[0] in _OPTIONS else list(words)
    more = os.environ.get("PYTHONPATH", "")
    sys.path[:1] = [
        os.getcwd() if words[0] == "-m" else "" if words[0] == "-c" else os.path.dirname(words[0]),
        *(os.path.abspath(each) for each in more.split(os.pathsep) if more),
    ]
    sys.stdin, sys.stdout, sys.stderr = (stream(number) for number in range(3))
    sys.dont_write_bytecode = bool(environment.get(b"PYTHONDONTWRITEBYTECODE"))
    if b"PYTHONUNBUFFERED" in environment and sys.stdout is not None:
        sys.stdout.reconfigure(write_through=True)


def main() -> None:
    from tests.docs.fork_server import cheap_keys, end_process

    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection = socket.socket(fileno=int(sys.argv[2]))
    preload(f"wfe_mcp.{name}" for name in PRELOADED)
    cheap_keys()
    assert_one_thread()
    assert "keyring" not in sys.modules, "it chooses its backend, by the environment, as it is imported"
    found = serve(connection)
    if found is None:
        return
    become(*found)
    option, text = (*found[0][0][:2], "")[:2]
    code: Any = None
    try:
        if option == "-m":
            runpy.run_module(text, run_name="__main__", alter_sys=True)
        elif option not in _OPTIONS:
            runpy.run_path(option, run_name="__main__")
        else:
            sys.modules["__main__"] = named = types.ModuleType("__main__")
            exec(compile(text, "<string>", "exec"), named.__dict__)
    except SystemExit as end:
        code = end.code
        if not isinstance(code, int | None):
            raise  # a text, which Python prints
    end_process(code or 0)
    sys.exit(code)


if __name__ == "__main__":
    main()
