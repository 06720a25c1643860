"""Where clients and their files are on this machine, and which of them are here."""

import os
import sys
from pathlib import Path

from wfe_mcp.clients import files, look
from wfe_mcp.clients.table import CLIENTS, Client, Places


def places_of(root: Path) -> Places:
    """The places of this user, this machine and this project."""
    return Places(root, Path.home(), sys.platform, os.environ)


def records_here() -> files.Records:
    """What install wrote on this machine so far."""
    from wfe_mcp.workspace.system.location import data_dir

    return files.Records(data_dir())


def installed_clients(places: Places) -> list[Client]:
    """The clients that are installed here."""
    return [client for client in CLIENTS if look.is_installed(client, places)]


def not_connected(places: Places) -> list[Client]:
    """The clients that are installed here and do not have wfe-mcp in any scope."""
    return [
        client
        for client in installed_clients(places)
        if not any(entry.is_ours for entry in look.readable(client, places))
    ]
