"""Whether this program was installed again while it runs: what it loads from then on is of another version."""

import time
from pathlib import Path

import wfe_mcp
from wfe_mcp.core.errors import Refused

_LOADED_AT = time.time()
"""By the clock of the files, unlike the start of the process as the system tells it. Long-lived programs load this with their first modules."""


def installed_again() -> Refused | None:
    """The refusal where files of this program changed since the process loaded it. Looks at each of them, so only after a crash."""
    if not any(_is_newer(path) for path in _files()):
        return None
    return Refused(
        "unavailable",
        "This program was installed again while it ran, and what it has loaded since does not fit to what it had loaded.",
        "Restart the client, page or server that answered, or ask the user to: the new version starts. Nothing is lost.",
    )


def _files() -> list[Path]:
    """The modules, and the list that each installer writes: the files that it links may be older than the installation."""
    from importlib import metadata  # 24 ms

    package = Path(wfe_mcp.__file__).parent
    try:
        listed = metadata.distribution("wfe-mcp").files or []
    except metadata.PackageNotFoundError:
        listed = []
    return [*package.rglob("*.py"), *(Path(str(path.locate())) for path in listed if path.name == "RECORD")]


def _is_newer(path: Path) -> bool:
    try:
        return path.stat().st_mtime > _LOADED_AT
    except OSError:  # removed since it was listed
        return True
