"""Dialogue at the terminal: confirmation, the user's editor, and the pager of long answers.

What was printed stays on the screen when the pager ends, so a prompt comes right below it.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from wfe_mcp.cli.terminal.screen import Screen, question_lines
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.programs import command_line, program
from wfe_mcp.workspace.system.shell_words import shell_line, words_of


def require_confirmation(question: str, word: str = "", *, needs_pin: bool = False) -> None:
    """Return when the user confirms; No is the default. ``word``: it must be typed. Refuses without a terminal.

    ``needs_pin``: the PIN is asked for afterwards, so the refusal names both.
    """
    if not user_agrees(question, word, "--yes and --pin-fd N" if needs_pin else "--yes"):
        raise Refused("needs_human", "Cancelled. Nothing changed.")


def user_agrees(question: str, word: str = "", instead: str = "--yes") -> bool:
    """Whether the user agrees; No is the default. ``word``: it must be typed. Refuses without a terminal; ``instead``: the options for it."""
    from wfe_mcp.cli.terminal.pin import at_terminal

    if not at_terminal():
        raise Refused(
            "needs_human", "No terminal for the prompt.", f"Add {instead}, or run it in a terminal of your own."
        )
    return read_typed_line(f"{question} [{f'type {word}' if word else 'y'}/N] ").lower() in (
        {word} if word else {"y", "yes"}
    )


def read_typed_line(prompt: str) -> str:
    """The line that the user types at the terminal, without the spaces around it. Meanwhile no other program opens it."""
    from wfe_mcp.cli.terminal.pin import own_terminal

    with contextlib.ExitStack() as until_typed:
        # Standard input may be a pipe with other content.
        is_stdin = sys.platform == "win32" or sys.stdin.isatty()
        terminal = sys.stdin if is_stdin else until_typed.enter_context(Path("/dev/tty").open(encoding="utf-8"))
        if sys.platform != "win32":  # it has no exclusive terminals
            until_typed.enter_context(own_terminal())
        print(question_lines(prompt), end="", file=sys.stderr, flush=True)
        return terminal.readline().strip()


def edit_file(file: Path, instead: str) -> None:
    """Open ``file`` in the user's editor until it is closed. ``instead``: what to do where no editor is set."""
    words = _editor(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not words:
        raise Refused("bad_argument", "No editor is set.", f"Set EDITOR, or edit a file: {instead}")
    try:
        started = program(words[0], Path.cwd(), _path())  # on Windows "code" is code.cmd, which only its ending starts
        if started is None:
            raise FileNotFoundError(2, "there is no such program")
        ended = subprocess.run(command_line([str(started), *words[1:], str(file)]), check=False).returncode
    except OSError as error:
        raise Refused(
            "bad_argument",
            f"The editor {words[0]!r} cannot be started: {error.strerror}.",
            "Set EDITOR to an installed program.",
        ) from None
    if ended != 0:
        raise Refused("bad_argument", f"The editor ended with exit code {ended}. Nothing was stored.", "Edit again.")


@contextlib.contextmanager
def open_in_editor(text: str, name: str, instead: str, again: Sequence[str]) -> Generator[Path]:
    """A file called ``name`` with ``text`` as the user has changed it. It is removed after the block, and kept where the block refuses it.

    ``instead``: as for ``edit_file``. ``again``: the command that takes the kept file, without its path. Refuses a text that
    was not changed.
    """
    folder = Path(tempfile.mkdtemp(prefix="wfe-edit-"))
    file, is_kept = folder / name, False
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
        edit_file(file, instead)
        if file.read_bytes() == text.encode():
            raise Refused("bad_argument", "You changed nothing in the editor. Nothing was stored.", "Edit again.")
        try:
            yield file
        except Refused as refused:
            is_kept = True
            kept = f"What you wrote is kept: {shell_line([*again, str(file)])}"
            before = f"{refused.hint.rstrip('.')}. " if refused.hint else ""  # a hint may end with a command
            raise replace(refused, hint=f"{before}{kept}") from None
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)


def _editor(setting: str) -> list[str]:
    """The words of the setting. One that names a program as a whole is one word: its path may have spaces."""
    return [setting] if setting and program(setting, Path.cwd(), _path()) else _words(setting)


def _words(setting: str) -> list[str]:
    return words_of(setting, windows=os.name == "nt")


def _path() -> str:
    return os.environ.get("PATH", os.defpath)


@contextlib.contextmanager
def page_output(screen: Screen) -> Generator[None]:
    """Show what the block prints, through the pager if it does not fit on the terminal, and the terminal can show one."""
    if not screen.is_terminal or not sys.stdin.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    o = io.StringIO()
    with contextlib.redirect_stdout(o):
        yield
    text = o.getvalue()
    if text.count("\n") < shutil.get_terminal_size().lines or not _through_pager(text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _through_pager(text: str) -> bool:
    """False where there is no pager."""
    words = _words(os.environ.get("PAGER", "") or "less")
    pager = program(words[0], Path.cwd(), _path()) if words else None
    if pager is None:
        return False
    # LESSOPEN names a program that less would run on its input.
    env = {name: value for name, value in os.environ.items() if name not in {"LESSOPEN", "LESSCLOSE"}}
    env |= {"LESS": os.environ.get("LESS", "FRX"), "LESSSECURE": "1"}
    done = subprocess.run(
        command_line([str(pager), *words[1:]]), input=text.encode(errors="replace"), env=env, check=False
    )
    return done.returncode == 0
