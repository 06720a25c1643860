"""Writes server.json, by which the MCP registry and clients that read it find and start the published package.

    python scripts/generate_server_json.py            write the file
    python scripts/generate_server_json.py --check    write nothing; exit 1 when it is out of date

Version and description are those of pyproject.toml. ``NAME`` belongs to the account that publishes; the registry compares it
with the comment ``mcp-name`` in the README of the published package, so a test compares them here.
"""

import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.generated import write_or_check  # noqa: E402 - after the path is set

NAME = "io.github.wfe-mcp/wfe-mcp"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
VARIABLES = {
    "WFE_PROJECT": ("The project to serve; else the folder that the client opens", "filepath", False),
    "WFE_DATABASE_URL": ("Another database: sqlite:/// and an absolute path, or postgresql+psycopg://", "string", True),
    "ANTHROPIC_API_KEY": ("For second opinions and models as workers", "string", True),
    "OPENAI_API_KEY": ("For second opinions and models as workers", "string", True),
}
"""Optional variables of the server: meaning, format, and whether the value is a secret."""


def main(arguments: Sequence[str]) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(
        arguments,
        __file__,
        __doc__,
        lambda: {ROOT / "server.json": server_json((ROOT / "pyproject.toml").read_text(encoding="utf-8"))},
    )


def server_json(pyproject: str) -> str:
    """The text of the file for a pyproject.toml."""
    project: dict[str, Any] = tomllib.loads(pyproject)["project"]
    package = {
        "registryType": "pypi",
        "identifier": project["name"],
        "version": project["version"],
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "serve"}],
        "environmentVariables": [
            {"name": name, "description": told, "isRequired": False, "format": form, "isSecret": secret}
            for name, (told, form, secret) in VARIABLES.items()
        ],
    }
    whole = {
        "$schema": SCHEMA,
        "name": NAME,
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "packages": [package],
    }
    return f"{json.dumps(whole, indent=2)}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
