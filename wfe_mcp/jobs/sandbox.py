"""Where checks run: folders of their own, made for one execution, and bubblewrap around a program.

    /                 read-only                      /tmp /var/tmp /run   empty, in memory
    hidden folders    empty, in memory               readable folders     read-only, also inside hidden ones
    the folder        writable                       network              own loopback only, unless asked for
    the program       its own folder, read-only, where it lies in an emptied one (``program_folders``)

Only on Linux. The rest of the disk stays readable, because programs lie anywhere; a sandbox keeps a check from changing
things and from sending them anywhere, not from reading what the user can read.

    <temporary folder>/wfe-credentials-<process>-…/    files that a check is given (``jobs/handed.py``)
    <temporary folder>/wfe-checkout-<process>-…/
        files/     a copy of the tree
        home/      HOME          tmp/       TMPDIR
        bytecode/  Python's      reports/   reports that the check is asked to write

The name holds the identity of the process that made it, so that no other one removes it while that process lives.
"""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.system.temporary import new_folder, remove_abandoned, remove_folder

_PLACES = ("/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap")
"""Where systems install it; others name it in ``[sandbox]``. PATH is never asked: an agent can put another program first there."""

_EMPTY = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - hidden, not used
_NEW = (*_EMPTY, "/dev", "/proc")
"""What of the disk a sandbox replaces by something of its own."""

_PROGRAMS = ("bin", "Scripts")
"""The folder of an environment that has its programs."""

_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session")
_RESOLVER = "/run/systemd/resolve"
_PROBE_S = 20
_SHELL = "/bin/sh"
"""By its place, as bubblewrap itself: the PATH of the check may begin with the agent's own folder."""
_BEGUN = ': > "$0" && exec "$@"'
_HANDED = "WFE_VARIABLE_"
_OF_LOADER = re.compile(r"LD_\w+|GLIBC_TUNABLES|GCONV_PATH|LOCPATH", re.ASCII)
"""Variables by which whatever program is started next loads or writes files: bubblewrap would, before there is a sandbox."""


def bubblewrap(own: str = "") -> str | None:
    """The path of the program: ``own``, of the person's configuration, else where systems install it; None: it is not there."""
    return next((path for path in ((own,) if own else _PLACES) if Path(path).is_file()), None)


def sandbox_fault(own: str = "", sha256: str = "") -> str | None:
    """Why no sandbox can be made here, as a whole sentence with what to do; None when one can.

    ``own``: the path of bubblewrap that the person configured, with its ``sha256``.
    """
    if sys.platform != "linux":
        return "A sandbox is made with bubblewrap, which only Linux has."
    program = bubblewrap(own)
    if program is None and own:
        return f"[sandbox] names {own!r} as bubblewrap, which is no file: ask the user to correct it in their own configuration."
    if program is None:
        step = "or, where it lies elsewhere, to name it as `bubblewrap` in [sandbox] of their own configuration"
        return f"bubblewrap is not installed: ask the user to install it (Debian, Ubuntu: `apt install bubblewrap`), {step}."
    return (own and changed_program(own, sha256)) or _probe(program)


def changed_program(own: str, sha256: str) -> str:
    """Why the program ``own`` is not started: its bytes are not those of ``sha256``; empty where they are."""
    if (actual := program_sha256(Path(own).resolve())) == sha256:
        return ""
    step = "if they have changed it, ask the user to write that as `sha256` in [sandbox] and to run `wfe-mcp trust`"
    return f"{own!r} has the sha256 {actual}, and [sandbox] names {sha256 or 'none'}, so it is not started: {step}."


def program_sha256(program: Path) -> str | None:
    """The sha256 of a program's bytes; None: unreadable."""
    try:
        facts = program.stat()
        return _hash(str(program), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
    except OSError:
        return None


@lru_cache(64)
def _hash(program: str, *_signature: int) -> str:
    """Cached, since interpreters are large: the same path, size, times and inode are the same bytes."""
    with open(os.fspath(program), "rb") as file:  # noqa: PTH123 - the key of the cache is a text
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(4)
def _probe(program: str) -> str | None:
    """Run it once: some systems forbid what it needs."""
    command = [
        program,
        *_NAMESPACES,
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--",
        _SHELL,
        "-c",
        ":",
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PROBE_S, check=False
        )
        fault = done.stderr.strip()[-300:] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as exc:
        fault = str(exc)
    if fault is None:
        return None
    allow = (
        "start this container with --security-opt systempaths=unconfined (podman: unmask=ALL), which leaves /proc visible"
        if "mount proc"
        in fault  # the kernel lets no one mount more of /proc than they see, and a container's is masked
        else "allow unprivileged user namespaces"
    )
    return f"bubblewrap cannot make a sandbox here ({fault}): ask the user to {allow}."


def sandbox_command(
    argv: Sequence[str],
    *,
    program: str,
    cwd: Path,
    writable: Path,
    begun: Path,
    readable: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
    network: bool = False,
    variables: Mapping[str, str],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """``argv`` inside a sandbox that ``program``, a bubblewrap without fault, makes, and the environment of that program.

    All paths are absolute. ``variables``: those of ``argv``.

    ``begun``: a file, in ``writable``, that exists once the sandbox is set up; without it the exit code is bubblewrap's own.
    """
    words = [program, *_NAMESPACES, *(("--share-net",) if network else ())]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    empty = [folder for folder in (*_EMPTY, *map(str, _outermost(hidden))) if Path(folder).is_dir()]
    for folder in empty:
        words += ["--tmpfs", folder]
    if network and Path(_RESOLVER).is_dir():
        words += ["--ro-bind", _RESOLVER, _RESOLVER]
    for path in readable:
        words += ["--ro-bind", str(path), str(path)]
    words += ["--bind", str(writable), str(writable)]
    for folder in empty:
        if folder not in _EMPTY:
            words += ["--remount-ro", folder]
    named, handed = handed_inside({key: value for key, value in variables.items() if _OF_LOADER.fullmatch(key)})
    others = {key: value for key, value in variables.items() if not _OF_LOADER.fullmatch(key)}
    return (*words, "--chdir", str(cwd), "--", _SHELL, "-c", named + _BEGUN, str(begun), *argv), others | handed


def handed_inside(variables: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Shell words that give ``variables`` their names, and the environment that they come in, under names of ours.

    What makes a sandbox reads none of them, and none is in an argument, which other users see.
    """
    names = {f"{_HANDED}{at}": key for at, key in enumerate(variables)}
    words = "".join(f'export {key}="${inner}"; unset {inner}; ' for inner, key in names.items())
    return words, {inner: variables[key] for inner, key in names.items()}


def program_folders(program: Path, *, writable: Path, hidden: Iterable[Path]) -> list[Path]:
    """What must be readable for ``program`` to run although it, or the file that it links to, lies in an emptied folder.

    That is its environment (the folder above ``bin``, the outermost ``node_modules``), else its folder, else the file alone:
    never a folder that contains one of ``hidden``, nor an emptied folder itself. Nothing for a program inside ``hidden``.
    """
    paths = [*map(Path, _NEW), writable, *hidden]
    folders: list[Path] = []
    for file in dict.fromkeys((program, program.resolve())):
        if not any(file.is_relative_to(place) for place in _NEW) or any(file.is_relative_to(path) for path in hidden):
            continue
        outermost = next((parent for parent in reversed(file.parents) if parent.name == "node_modules"), None)
        environment = file.parents[1] if file.parent.name in _PROGRAMS else None
        candidates = (outermost, environment, file.parent, file)
        folders += [
            next(
                candidate
                for candidate in candidates
                if candidate and not any(of.is_relative_to(candidate) for of in paths)
            )
        ]
    return list(dict.fromkeys(folders))


def is_visible(path: Path, *, writable: Path, readable: Iterable[Path], hidden: Iterable[Path]) -> bool:
    """Whether a path exists inside such a sandbox."""
    if any(path.is_relative_to(place) for place in (writable, *readable)):
        return True
    return not any(path.is_relative_to(place) for place in (*_NEW, *hidden))


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Without those inside another one: that one hides them too."""
    paths = list(dict.fromkeys(folders))
    return [path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)]


@dataclass(frozen=True, slots=True)
class CheckoutFolder:
    """The folder of one execution, with its parts."""

    top: Path

    @property
    def files(self) -> Path:
        """Where the copy of the tree is."""
        return self.top / "files"

    @property
    def home(self) -> Path:
        """An empty home directory."""
        return self.top / "home"

    @property
    def temporary(self) -> Path:
        """An empty folder for temporary files."""
        return self.top / "tmp"

    @property
    def bytecode(self) -> Path:
        """An empty folder for Python's bytecode."""
        return self.top / "bytecode"

    @property
    def reports(self) -> Path:
        """Where reports are written that the check was asked for."""
        return self.top / "reports"


@contextlib.contextmanager
def checkout_folder(within: Path | None = None) -> Generator[CheckoutFolder]:
    """A new folder, readable by this user only, removed at the end. ``within``: instead of the temporary folder."""
    remove_abandoned(within)
    folder = CheckoutFolder(new_folder("checkout", within))
    try:
        for part in (folder.files, folder.home, folder.temporary, folder.bytecode, folder.reports):
            part.mkdir(mode=0o700)
        yield folder
    finally:
        # In a thread: removing takes as long as copying, and the verdict need not wait for it. Not a daemon: a program
        # that ends in order leaves nothing behind.
        threading.Thread(target=remove_folder, args=(folder.top,), name="wfe-checkout").start()
