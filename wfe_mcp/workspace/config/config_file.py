"""Edits the user's and a project's config.toml, one table at a time, without changing the rest."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.config.layers import CONFIG_FILE
from wfe_mcp.workspace.config.toml_tables import NotEditable, append_table
from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic
from wfe_mcp.workspace.system.location import user_config_file

NEW_CONFIG = """\
# What runs may use in this project. It counts once a person trusts it: wfe-mcp trust
# A check is a command as a list of words. Gates name it; an agent never chooses the words.
"""


@dataclass(frozen=True, slots=True)
class ConfigWritten:
    """``added``: the checks that were missing; empty when the file was left unchanged."""

    path: Path
    added: tuple[str, ...]


def write_config(root: Path, checks: Mapping[str, CheckSettings]) -> ConfigWritten:
    """Add the checks that config.toml lacks. Every existing byte stays (comments too).

    Refuses a file that is not TOML, and one where a table cannot be appended (``checks`` written inline).
    """
    path = root / CONFIG_FILE
    content = read_if_there(root, CONFIG_FILE)
    missing = _missing(content, checks)
    write_gitignore(root)
    if content is not None and not missing:
        return ConfigWritten(path, ())
    write_atomic(root, CONFIG_FILE, with_checks(root, checks))
    return ConfigWritten(path, tuple(missing))


def with_checks(root: Path, checks: Mapping[str, CheckSettings]) -> bytes:
    """The bytes that ``write_config`` would write. Refuses as it does."""
    content = read_if_there(root, CONFIG_FILE)
    missing = _missing(content, checks)
    text = NEW_CONFIG if content is None else content.decode()
    for name, check in missing.items():
        text = append_table(text, ("checks", name), check.model_dump(exclude_unset=True))
    new_content = text.encode()
    _parse_toml(new_content)
    return new_content


def table_lines(name: str, check: CheckSettings) -> list[str]:
    """The lines of config.toml that define a check, for a user to add."""
    values = check.model_dump(exclude_unset=True)
    return [f"[checks.{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]


def _missing(content: bytes | None, checks: Mapping[str, CheckSettings]) -> dict[str, CheckSettings]:
    held: object = _parse_toml(content or b"").get("checks")
    return {name: check for name, check in checks.items() if not isinstance(held, dict) or name not in held}


def _parse_toml(text: bytes) -> dict[str, Any]:
    try:
        return read_toml(text)
    except ValueError as exc:
        raise Refused(
            "conflict",
            f"{CONFIG_FILE} cannot be extended: {exc}. It was left as it is.",
            "Fix the file in an editor (write each check as its own [checks.<name>] table), then try again.",
        ) from exc


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
