"""The user's editor."""

import os
import shlex
import subprocess
from pathlib import Path

from wfe_mcp.core.errors import Refused


def edit_file(file: Path, instead: str) -> None:
    """Open ``file`` in the user's editor until it is closed. ``instead``: what to do where no editor is set."""
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not words:
        raise Refused("bad_argument", "No editor is set.", f"Set EDITOR, or edit a file: {instead}")
    try:
        ended = subprocess.run([*words, str(file)], check=False).returncode
    except OSError as error:
        raise Refused(
            "bad_argument",
            f"The editor {words[0]!r} cannot be started: {error.strerror}.",
            "Set EDITOR to an installed program.",
        ) from None
    if ended != 0:
        raise Refused("bad_argument", f"The editor ended with exit code {ended}. Nothing was stored.", "Edit again.")
