"""The server's log: warnings on standard error, without secrets."""

import logging
import sys

from wfe_mcp.workspace.system.redaction import HidingFormatter


def log_to_stderr() -> None:
    """Configure the log of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HidingFormatter("wfe-mcp: %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
