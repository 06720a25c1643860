"""The ports of a work tree: a number for each name that trusted configuration has, in a file of that work tree.

The file is no configuration: of what it says only the names that are configured count, and only numbers of ports.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from wfe_mcp.workspace.files.project_files import read_if_there

PORTS_FILE = ".wfe/runs/ports.env"
_LOWEST, _HIGHEST = 1024, 65_535
_PORT = re.compile("[0-9]{4,5}")


def ports_in(root: Path, names: Iterable[str]) -> dict[str, int]:
    """The ports of the work tree ``root``, by the names of their variables."""
    wanted = set(names)
    content = read_if_there(root, PORTS_FILE) if wanted else None
    lines = (line.partition("=") for line in (content or b"").decode(errors="replace").splitlines())
    ports = {name: int(value) for name, _, value in lines if name in wanted and _PORT.fullmatch(value)}
    return {name: port for name, port in ports.items() if _LOWEST <= port <= _HIGHEST}


def with_ports(environment: Mapping[str, str], root: Path, names: Iterable[str]) -> Mapping[str, str]:
    """``environment`` with the ports of the work tree ``root``."""
    return {**environment, **{name: str(port) for name, port in ports_in(root, names).items()}}


def ports_text(ports: Mapping[str, int]) -> str:
    """The file: a line for each, as shells and ``.env`` readers take it."""
    return "".join(f"{name}={port}\n" for name, port in ports.items())
