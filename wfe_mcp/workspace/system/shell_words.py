"""Words of a command as a person types them in a shell of this system: what a text proposes must work when it is pasted."""

import re
import shlex
import sys
from collections.abc import Iterable

_PLAIN = re.compile(r"[\w+=:./\\~-]+", re.ASCII)
"""What neither PowerShell nor the command prompt of Windows reads as anything else; an @ is an operator of PowerShell."""


def shell_word(text: str, *, windows: bool = sys.platform == "win32") -> str:
    """``text`` as one word of a command line. On Windows for PowerShell, and where it can be for the command prompt too."""
    if not windows:
        return shlex.quote(text)
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "''") + "'" if set('"$`') & set(text) else f'"{text}"'


def words_of(line: str, *, windows: bool = sys.platform == "win32") -> list[str]:
    """The words of a command that a person typed; on Windows a backslash is part of a path. ValueError: a quote is open."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if windows:
        lexer.escape = ""
    return [*lexer]


def shell_line(words: Iterable[str]) -> str:
    """A command line of these words."""
    return " ".join(map(shell_word, words))
