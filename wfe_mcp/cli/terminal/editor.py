"""The user's editor."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from wfe_mcp.core.errors import Refused


def edit_file(file: Path, instead: str) -> None:
    """Open ``file`` in the user's editor until it is closed. ``instead``: what to do where no editor is set."""
    words = _editor(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
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


def _editor(setting: str) -> list[str]:
    """The words of the setting. One that names a program as a whole is one word: its path may have spaces."""
    if shutil.which(setting):
        return [setting]
    words = shlex.split(setting, posix=os.name != "nt")  # Windows: a backslash is part of a path
    return [word.strip('"') for word in words] if os.name == "nt" else words
