"""Adds missing settings to a project's ``.wfe/config.toml`` without changing the rest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.config.toml_tables import appended
from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

CONFIG_FILE = ".wfe/config.toml"

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
        text = appended(text, ("checks", name), check.model_dump(exclude_unset=True))
    made = text.encode()
    _parsed(made)
    return made


def table_lines(name: str, check: CheckSettings) -> list[str]:
    """The lines of config.toml that define a check, for a user to add."""
    given = check.model_dump(exclude_unset=True)
    return [f"[checks.{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in given.items())]


def _missing(content: bytes | None, checks: Mapping[str, CheckSettings]) -> dict[str, CheckSettings]:
    held: object = _parsed(content or b"").get("checks")
    return {name: check for name, check in checks.items() if not isinstance(held, dict) or name not in held}


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return read_toml(text)
    except ValueError as exc:
        raise Refused(
            "conflict",
            f"{CONFIG_FILE} cannot be extended: {exc}. It was left as it is.",
            "Fix the file in an editor (write each check as its own [checks.<name>] table), then try again.",
        ) from exc
