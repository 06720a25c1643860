"""A sandbox made by podman or docker: a container of an image that the person names, for one execution.

    image             read-only, with its own PATH        network     none, unless asked for
    the folder        writable, at the same path          rights      none: no capability, no way to gain one, this user's id
    readable folders  read-only, at the same paths        the rest    of this machine is not there

Rules:
1. An image is never pulled here: it is what ``image inspect`` finds, and is started by the id that was found.
2. Values of variables are in no argument, which other users see, and podman and docker read none of them: they pass under names of
   ours, and get their own inside.
3. A container has the name of its folder, which says what process made it. It is removed after its end, at a time-out and when it
   is stopped; the next process that uses containers removes those of processes that are gone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import words
from wfe_mcp.jobs.sandbox import bubblewrap, changed_program, handed_inside, sandbox_fault
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.system.temporary import is_left_behind

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/podman/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin")
"""Where systems install them; others name theirs in ``[sandbox]``. PATH is never asked, as for bubblewrap."""
_NAMES = ("podman", "docker")
_CLIENT = words(
    """
    PATH HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME DBUS_SESSION_BUS_ADDRESS
    DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT CONTAINER_HOST CONTAINERS_CONF
    """
)
"""Variables that podman and docker themselves need, with the values of the user who runs them."""
_ASK_S = 30
_MADE = "wfe-checkout-"
_BEGUN = (
    'command -v -- "$1" > /dev/null || { echo "The image has no program $1." >&2; exit 127; }; : > "$0" && exec "$@"'
)


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes sandboxes: bubblewrap, or with an ``image`` podman or docker. ``id``: of its content. ``digests``: as registries name it."""

    program: str = ""
    image: str = ""
    id: str = ""
    digests: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """The image, for the evidence; nothing for bubblewrap."""
        return {"image": self.image, "id": self.id, "digests": list(self.digests)} if self.image else {}

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.program} with the image {self.image}" if self.image else self.program

    @property
    def trial(self) -> str:
        """A command by which a person sees whether it works."""
        isolated = f"{self.program} run --rm --pull never --network none --read-only --cap-drop ALL --entrypoint true {self.image}"
        return isolated if self.image else "bwrap --unshare-all --ro-bind / / true"

    def end(self, name: str) -> None:
        """End and remove the container ``name``, where it is still there."""
        if self.image:
            _remove(self.program, name)


def sandbox_maker(makes: SandboxSettings) -> Maker | str:
    """What makes sandboxes here; where none can be made the reason, as a whole sentence with what to do."""
    if not makes.container:
        fault = sandbox_fault(makes.bubblewrap, makes.sha256)
        return Maker(bubblewrap(makes.bubblewrap) or "") if fault is None else fault
    if sys.platform == "win32":
        return "A check runs in a container on Linux and macOS only."
    own, image = makes.container_program, makes.container
    places = [own] if own else [f"{folder}/{name}" for name in _NAMES for folder in _FOLDERS]
    program = next((place for place in places if Path(place).is_file()), None)
    if program is None and own:
        return f"[sandbox] names {own!r}, which is no file: ask the user to correct it in their own configuration."
    if program is None:
        step = "or, where it lies elsewhere, to name it as `container_program` in [sandbox] of their own configuration"
        return f"Neither podman nor docker is installed: ask the user to install one, {step}."
    if own and (fault := changed_program(own, makes.sha256)):
        return fault
    process = _ask_program(program, "image", "inspect", "--format", "{{.Id}} {{json .RepoDigests}}", image)
    if process.returncode:
        return _not_found(program, image)
    _remove_left_behind(program)
    of_content, _, digests = process.stdout.partition(" ")
    return Maker(program, image, of_content, tuple(json.loads(digests) or ()))


def _not_found(program: str, image: str) -> str:
    """Why ``program`` knows no such image: it is not here, or nothing is."""
    name = Path(program).name
    works = _ask_program(program, "image", "ls", "--quiet")
    if works.returncode:
        error = works.stderr.strip()[-300:]
        return f"{name} does not work here ({error}): ask the user to start it, and to try `{name} image ls`."
    return f"The image {image!r} is not on this machine, and is not pulled by itself: ask the user for `{name} pull {image}`."


def container_command(
    argv: Sequence[str],
    *,
    maker: Maker,
    name: str,
    cwd: Path,
    writable: Path,
    begun: Path,
    readable: Iterable[Path],
    variables: Mapping[str, str],
    network: bool,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """``argv`` in a container called ``name`` with these ``variables``, and the environment of the program that makes it.

    ``begun``: as in ``sandbox_command``; also missing where the image has no such program.
    """
    user = f"{os.getuid()}:{os.getgid()}" if sys.platform != "win32" else ""
    line = [maker.program, "run", "--rm", "--name", name, "--pull", "never", "--log-driver", "none"]
    line += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]  # noqa: S108 - its own
    line += [
        "--user",
        user,
        *(["--userns", "keep-id"] if is_podman(maker.program) and not user.startswith("0:") else []),
    ]
    line += [] if network else ["--network", "none"]
    for path in dict.fromkeys(readable):
        line += ["--mount", f"type=bind,source={path},target={path},readonly"]
    line += ["--mount", f"type=bind,source={writable},target={writable}", "--workdir", str(cwd)]
    handed = {key: value for key, value in variables.items() if key != "PATH"}  # the image has its own
    named, environ = handed_inside(handed)
    for variable in environ:
        line += ["--env", variable]
    environ |= {key: os.environ[key] for key in _CLIENT if key in os.environ}
    return (*line, "--entrypoint", "/bin/sh", maker.id, "-c", named + _BEGUN, str(begun), *argv), environ


def is_podman(program: str) -> bool:
    """Whether it is podman by its name: docker knows no ``keep-id``."""
    return Path(program).name.startswith("podman")


@lru_cache(4)
def _remove_left_behind(program: str) -> None:
    listed = _ask_program(program, "ps", "--all", "--filter", f"name={_MADE}", "--format", "{{.Names}}").stdout.split()
    if gone := [name for name in listed if name.startswith(_MADE) and is_left_behind(name)]:
        _remove(program, *gone)


def _remove(program: str, *names: str) -> None:
    _ask_program(program, "kill", *names)  # podman's rm alone first waits ten seconds for it to end by itself
    _ask_program(program, "rm", "--force", *names)


def _ask_program(program: str, *words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            [program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return subprocess.CompletedProcess([program], 1, "", str(exc))
