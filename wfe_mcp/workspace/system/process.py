"""Process identity: this process, whether another one is alive, and its parents.

Rules:
1. A pid alone is ambiguous, because it is reused: an identity is host, pid and start time.
2. An unknown process (another host, another pid namespace) counts as alive; its lease expires instead.
3. A zombie counts as dead: it holds no lease and does no work.

The user's name for the log.
"""

import getpass
import math
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import word_set

if TYPE_CHECKING:
    import psutil


SAME_START_S = 2.0
"""Where the system computes start times from the clock, corrections of it shift them by fractions of a second."""

_CLOCK_ENDS = 2**33
"""Over every start by the clock, in seconds since the epoch; until the year 2242."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
_NAMES_OF_MACOS = Path("/Library/Preferences/SystemConfiguration/preferences.plist")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one host. ``started_at``: seconds to the millisecond, to be compared only with those of the same host."""

    host: str
    pid: int
    started_at: float


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A running process. ``argv`` is empty where the system does not show it."""

    pid: int
    started_at: float
    name: str
    argv0: str
    argv: tuple[str, ...] = ()


def this_process() -> ProcessIdentity:
    """The identity of this process."""
    start = started_at(os.getpid())
    assert start is not None  # this process is alive
    return ProcessIdentity(_host(), os.getpid(), start)


def started_at(pid: int) -> float | None:
    """When the process started, or None when there is none or it is a zombie."""
    import psutil  # 25 ms: not loaded before tools/list

    try:
        has_ended, start = _state_and_start(pid)
    except (psutil.NoSuchProcess, ValueError):
        return None
    except psutil.AccessDenied:  # pragma: no cover - Windows and macOS: a process of another user, so not one of ours
        return None
    return None if has_ended else start


def start_of(pid: int) -> float:
    """The start of a process, also of a zombie. Raises what psutil does.

    Linux counts it from the boot, and psutil adds when that was: a time that moves with the clock, so that a clock that
    is set, as after a machine slept, would make every process another one. There a number of this boot stands for it.
    """
    return _state_and_start(pid)[1]


def _state_and_start(pid: int) -> tuple[bool, float]:
    """Whether it is a zombie, and ``start_of``. Linux says both in one line; psutil would read the facts of each processor besides."""
    import psutil  # 25 ms: not loaded before tools/list

    boot = _boot()
    if boot is None or sys.platform != "linux":
        process = psutil.Process(pid)
        return process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}, round(process.create_time(), 3)
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    fields = line.rpartition(b")")[2].split()  # the name before it may have spaces and parentheses
    return fields[0] in {b"Z", b"X"}, round(boot + int(fields[19]) / os.sysconf("SC_CLK_TCK"), 3)


@lru_cache
def _boot() -> int | None:
    """A number of this boot, at least ``_CLOCK_ENDS``; None where the system names no boot."""
    with suppress(OSError, ValueError):
        return _CLOCK_ENDS + int(Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:7], 16)
    return None


def _of_boot(start: float) -> float:
    """A start by the clock, as psutil gives it and earlier versions stored it, from the number of this boot."""
    import psutil  # 25 ms: not loaded before tools/list

    boot = _boot()
    return start if boot is None or start >= _CLOCK_ENDS else start - psutil.boot_time() + boot


def same_start(a: float, b: float) -> bool:
    """True when two start times of one pid mean the same process."""
    return math.isclose(_of_boot(a), _of_boot(b), rel_tol=0, abs_tol=SAME_START_S)


def is_alive(identity: ProcessIdentity) -> bool:
    """True when exactly that process runs, or when this host cannot know (rule 2)."""
    if identity.host != _host():
        return True
    start = started_at(identity.pid)
    return start is not None and same_start(start, identity.started_at)


def holder_id(identity: ProcessIdentity) -> str:
    """The identity as one text, for leases and job rows: ``host:pid:start``."""
    return f"{identity.host}:{identity.pid}:{identity.started_at:.3f}"


def parse_holder(holder: str) -> ProcessIdentity | None:
    """The identity in a holder text, or None when the holder is not a process (``cli``)."""
    match holder.rsplit(":", 2):
        case [host, pid, start] if host and pid.isdigit() and re.fullmatch(r"\d+\.\d+", start):
            return ProcessIdentity(host, int(pid), float(start))
        case _:
            return None


def ancestors(pid: int | None = None) -> list[ProcessInfo]:
    """The parents of a process (this one by default), nearest first. Ends where the system hides the rest."""
    import psutil  # 25 ms: not loaded before tools/list

    try:
        parents = psutil.Process(pid).parents()
    except (psutil.Error, OSError):  # psutil passes on what Windows answers beyond "no such process" and "denied"
        return []
    return [process for parent in parents if (process := _info(parent)) is not None]


Streams = tuple[tuple[int, int] | None, tuple[int, int] | None]
"""Which pipes or sockets standard input and output are: device and number of each; None for anything else."""


def streams_of(pid: int) -> Streams | None:
    """The standard streams of a process; None where the system does not show them."""
    try:
        return stream(Path(f"/proc/{pid}/fd/0").stat()), stream(Path(f"/proc/{pid}/fd/1").stat())
    except OSError:
        return None


def stream(facts: os.stat_result) -> tuple[int, int] | None:
    """The identity of a pipe or socket. A terminal and a file are None: unrelated processes share those."""
    is_channel = stat.S_ISFIFO(facts.st_mode) or stat.S_ISSOCK(facts.st_mode)
    return (facts.st_dev, facts.st_ino) if is_channel else None


def client_of_server(
    pid: int | None = None, streams: Streams | None = None, of: Callable[[int], Streams | None] = streams_of
) -> ProcessInfo | None:
    """The client that a server runs for, or None: its nearest ancestor that does not have the server's standard input or
    output as its own (design §7). A wrapper passes them on, whatever it is called.

    ``streams``: those that the server began with. Where the system does not show them (``of``), names decide: the
    client is the first ancestor that is not a launcher. The first process of the system and session roots such as ``systemd`` are never clients: every orphan and every
    terminal descends from them, so treating them as clients would refuse every user.
    """
    own = streams or of(pid or os.getpid()) or (None, None)

    def passes_on(each: ProcessInfo) -> bool:
        its = of(each.pid) if own != (None, None) else None
        if its is None:
            return is_launcher(each)
        return any(mine is not None and mine == other for mine, other in zip(own, its, strict=True))

    process = next((ancestor for ancestor in ancestors(pid) if not passes_on(ancestor)), None)
    is_root = process is None or process.pid <= 1 or _word(process.name) in _ROOTS
    return None if is_root else process


def serves_page(pid: int, port: int) -> bool:
    """True when the process is this user's, runs wfe-mcp, and listens on ``port``."""
    import psutil  # 25 ms: not loaded before tools/list

    try:
        process = psutil.Process(pid)
        is_ours = pid == os.getpid() or _runs_wfe(process.cmdline())
        if not is_ours or process.username() != psutil.Process().username():
            return False
        listens = [
            connection for connection in process.net_connections("tcp") if connection.status == psutil.CONN_LISTEN
        ]
    except psutil.Error:
        return False
    return any(listen.laddr and listen.laddr.port == port for listen in listens)


def _runs_wfe(argv: list[str]) -> bool:
    """True for ``python -m wfe_mcp`` and for the program ``wfe-mcp``."""
    return "wfe_mcp" in argv[1:5] or any(_word(word) == "wfe-mcp" for word in argv[:2])


def client_above(clients: Iterable[tuple[int, float]], pid: int | None = None) -> ProcessInfo | None:
    """The ancestor of a process that is one of ``clients`` (pid and start time of live servers' clients), or None."""
    known = list(clients)
    for ancestor in ancestors(pid):
        if any(ancestor.pid == client and same_start(ancestor.started_at, start) for client, start in known):
            return ancestor
    return None


_LAUNCHERS = word_set(
    """
    uv uvx pipx npx node env npm pnpm bunx nice nohup setsid stdbuf timeout wfe-mcp
    """
)
_SHELLS = {"sh", "bash", "dash", "ash", "zsh", "fish", "ksh", "tcsh", "csh", "busybox", "nu"}
_WINDOWS_SHELLS = {"cmd": {"/c", "/r"}, "powershell": {"-c", "-command", "-file"}, "pwsh": {"-c", "-command", "-file"}}
_SHELL_OPTIONS_WITH_VALUE = {"--rcfile", "--init-file", "-o", "-O", "+o", "+O"}
_PYTHON = re.compile(r"(python|pythonw|pypy)[\d.]*|py")
_ROOTS = word_set(
    """
    init systemd launchd tini docker-init dumb-init catatonit s6-svscan supervisord explorer services svchost
    wininit winlogon
    """
)


def is_launcher(process: ProcessInfo) -> bool:
    """True for a process that only starts others: uv, npx, node…, or a shell or Python that runs a command."""
    names = {_word(process.name), _word(process.argv0)}
    if names & _LAUNCHERS:
        return True
    arguments = process.argv[1:]
    if any(_PYTHON.fullmatch(name) for name in names):
        return bool(arguments)
    if names & _SHELLS:
        return _shell_runs_command(arguments)
    for name in names & _WINDOWS_SHELLS.keys():
        words = {argument.lower() for argument in arguments}
        return bool(words & _WINDOWS_SHELLS[name]) and "-noexit" not in words
    return False


def _host() -> str:
    """The host's name, and its pid namespace where it is not the first one: a sandbox has different pids."""
    name = _machine_name()
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
        if namespace != _INITIAL_PID_NAMESPACE:
            return f"{name}+{namespace.strip('pid:[]')}"
    return name


def _machine_name() -> str:
    """The name of this machine. What macOS says follows the network that it is in, so the name that its user gave it comes first."""
    if sys.platform == "darwin":
        with suppress(OSError):
            named = re.search(rb"<key>LocalHostName</key>\s*<string>([\w-]+)</string>", _NAMES_OF_MACOS.read_bytes())
            if named is not None:
                return named[1].decode("ascii")
    return socket.gethostname() or "localhost"


def _info(process: "psutil.Process") -> ProcessInfo | None:
    import psutil  # 25 ms: not loaded before tools/list

    try:
        name, start = process.name(), start_of(process.pid)
    except (psutil.Error, OSError):
        return None
    try:
        argv = tuple(process.cmdline())
    except (psutil.Error, OSError):
        argv = ()
    return ProcessInfo(process.pid, start, name, argv[0] if argv else name, argv)


def _word(path: str) -> str:
    """``/bin/-BASH.exe`` -> ``bash``: login shells have a leading dash, Windows programs an extension."""
    word = re.split(r"[/\\]", path)[-1].lower().removeprefix("-")
    return re.sub(r"\.(exe|cmd|bat)$", "", word)


def _shell_runs_command(arguments: tuple[str, ...]) -> bool:
    words = iter(arguments)
    for word in words:
        if word in _SHELL_OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith(("-", "+")) or (word[:2] != "--" and "c" in word):
            return True
    return False


def user_name() -> str:
    """The system's name of the user; ``user`` where it has none. It is no proof of identity."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user, no variable that names one
        return "user"
