"""Confirmation at the terminal."""

import sys
from pathlib import Path

from wfe_mcp.core.errors import Refused


def confirmed(question: str, word: str = "") -> None:
    """Return when the user confirms; No is the default. ``word``: it must be typed. Refuses without a terminal."""
    if not agreed(question, word):
        raise Refused("needs_human", "Cancelled. Nothing changed.")


def agreed(question: str, word: str = "") -> bool:
    """Whether the user agrees; No is the default. ``word``: it must be typed. Refuses without a terminal."""
    from wfe_mcp.cli.terminal.pin import at_terminal

    if not at_terminal():
        raise Refused("needs_human", "No terminal for the prompt.", "Add --yes, or run it in a terminal of your own.")
    return typed(f"{question} [{f'type {word}' if word else 'y'}/N] ").lower() in ({word} if word else {"y", "yes"})


def typed(prompt: str) -> str:
    """The line that the user types at the terminal, without the spaces around it."""
    print(prompt, end="", file=sys.stderr, flush=True)
    # Standard input may be a pipe with other content.
    if sys.platform == "win32" or sys.stdin.isatty():
        line = sys.stdin.readline()
    else:
        with Path("/dev/tty").open(encoding="utf-8") as terminal:
            line = terminal.readline()
    return line.strip()
