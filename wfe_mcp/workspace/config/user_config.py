"""Edits the user's own config.toml, one table at a time."""

from collections.abc import Callable
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.toml_tables import NotEditable
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic
from wfe_mcp.workspace.system.location import user_config_file

_HEAD = "# What holds in all your projects; see: wfe-mcp config show --origin\n"


def change_user_config(change: Callable[[str], str]) -> Path:
    """Replace the file's text (``""`` without a file) with ``change(text)``; the file's path.

    Refuses ``conflict``, with the file unchanged, where the text cannot be edited line by line.
    """
    path = user_config_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            "unavailable", f"{path.parent} cannot be made: {error.strerror}.", "Make its folder writable."
        ) from error
    content = read_if_there(path.parent, path.name)
    try:
        before = _HEAD if content is None else content.decode()
        after = change(before)
    except (NotEditable, UnicodeDecodeError) as exc:
        raise Refused(
            "conflict",
            f"{path} was left as it is: {exc}.",
            "Change it in an editor: write each provider and role as a table of its own.",
        ) from exc
    if after != before:
        write_atomic(path.parent, path.name, after)
    return path
