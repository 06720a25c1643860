"""A pager for long answers: ``PAGER``, else ``less``; only where both input and output are a terminal.

What was printed stays on the screen when the pager ends, so a prompt comes right below it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from wfe_mcp.cli.terminal.screen import Screen


@contextlib.contextmanager
def paged(screen: Screen) -> Generator[None]:
    """Show what the block prints, through the pager if it does not fit on the terminal."""
    if not screen.is_terminal or not sys.stdin.isatty():
        yield
        return
    kept = io.StringIO()
    with contextlib.redirect_stdout(kept):
        yield
    text = kept.getvalue()
    if text.count("\n") < shutil.get_terminal_size().lines or not _through_pager(text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _through_pager(text: str) -> bool:
    """False where there is no pager."""
    words = shlex.split(os.environ.get("PAGER", "") or "less")
    program = shutil.which(words[0]) if words else None
    if program is None:
        return False
    # LESSOPEN names a program that less would run on its input.
    env = {name: value for name, value in os.environ.items() if name not in {"LESSOPEN", "LESSCLOSE"}}
    env |= {"LESS": os.environ.get("LESS", "FRX"), "LESSSECURE": "1"}
    done = subprocess.run([program, *words[1:]], input=text.encode(errors="replace"), env=env, check=False)
    return done.returncode == 0
