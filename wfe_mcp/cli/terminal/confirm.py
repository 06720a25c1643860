"""Did the person say "go on"?"""

import sys
from pathlib import Path

from wfe_mcp.core.errors import Refused

__all__ = ["confirmed"]


def confirmed(question: str) -> None:
    """Return when somebody at the terminal says yes. Refuses where nobody can be asked."""
    from wfe_mcp.cli.terminal.pin import at_terminal

    if not at_terminal():
        raise Refused("needs_human", "There is no terminal to ask back at.", "Say --yes, or run it in a terminal of your own.")  # fmt: skip
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    # Standard input may be a pipe with something else in it.
    if sys.platform == "win32" or sys.stdin.isatty():
        said = sys.stdin.readline()
    else:
        with Path("/dev/tty").open(encoding="utf-8") as terminal:
            said = terminal.readline()
    if said.strip().lower() not in {"y", "yes"}:
        raise Refused("needs_human", "You did not say yes.", "Nothing has changed.")
