"""Files of clients in a prepared home and project, and what doctor finds there."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places, Scope
from wfe_mcp.workspace.config.edits import value_at

posix = pytest.mark.skipif(sys.platform == "win32", reason="mode bits, symbolic links and shell scripts")
EVERY: list[tuple[Client, Scope]] = [(client, scope) for client in CLIENTS for scope in client.scopes]
OTHERS = {
    "json": '{{\n    "mine": [1, 2],\n    "{0}": {{\n        "github": {{"command": "gh"}}\n    }}\n}}',
    "jsonc": '{{\n    "mine": [1, 2],\n    "{0}": {{\n        "github": {{"command": "gh", "type": "local"}}\n    }}\n}}',
    "toml": 'model = "x"\n\n[{0}.github]\ncommand = "gh"\n',
    "yaml": "GOOSE_MODE: auto\n{0}:\n    github:\n        cmd: gh\nlast: 1\n",
}
COMMENTED = {
    "jsonc": '\ufeff// mine\r\n{{\r\n\t"mine": [1, 2,], /* , */\r\n\t"{0}": {{ // servers\r\n\t\t// gh\r\n\t\t"github": {{"command": "gh", "type": "local"}},\r\n\t}},\r\n}}\r\n',
    "toml": "# mine\r\nmodel = \"x\" # x\r\n\r\n[{0}.github] # gh\r\ncommand = 'gh'\r\n# the end",
    "yaml": "# mine\r\n{0}: # servers\r\n  # gh\r\n  github: {{cmd: gh}} # gh\r\n# the end",
}
BROKEN = {"json": '{{\n"a": ', "jsonc": '{{\n"a": ', "toml": "a = 1\nb\n", "yaml": "a: 1\nb: [\n"}


def places(cli: Terminal) -> Places:
    return Places(cli.root, Path.home(), sys.platform, os.environ)


def file_of(cli: Terminal, client: Client, scope: Scope) -> Path:
    return client.files(places(cli), scope)[0]


def prepare(cli: Terminal, client: Client, scope: Scope, texts: dict[str, str]) -> bytes:
    """The client's file, with the text of its format; ``{0}`` is the name of its servers."""
    file = file_of(cli, client, scope)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(texts[client.format].format(client.shapes[0].path[0]).encode())
    return file.read_bytes()


def held(cli: Terminal, client: Client, scope: Scope) -> dict[str, Any]:
    """The entry of wfe."""
    found = entry.parse_document(file_of(cli, client, scope).read_bytes(), client.format)
    return value_at(found, (*client.shapes[0].path, SERVER))


def install(cli: Terminal, client: Client, scope: Scope, *words: str) -> Any:
    return cli.json("install", "--client", client.name, "--scope", scope, "--yes", *words)


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder of the user and the project, but wfe-mcp's own data."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "wfe-mcp" not in path.parts and path.name not in (".local", "share", "Library", "Application Support")
    }


def findings(cli: Terminal, topic: str) -> list[tuple[str, str]]:
    found = cli.json("doctor").data["findings"]
    return [(each["level"], each["message"].replace(str(cli.root), "ROOT")) for each in found if each["topic"] == topic]


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
