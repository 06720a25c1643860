"""Whether a stream is a terminal, and whether that obeys escape sequences: on Windows its console is asked."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_OBEYS = 0x0004
"""ENABLE_VIRTUAL_TERMINAL_PROCESSING: without it a console shows escape sequences as characters."""


def is_terminal(stream: TextIO) -> bool:
    """Whether a person types or reads there. ``isatty`` alone is True for NUL on Windows."""
    return stream.isatty() and (sys.platform != "win32" or _is_console(stream))


def open_closed_streams() -> None:
    """Let the standard streams that the caller has closed lead nowhere, so that no file of ours gets their descriptors."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process


def obeys_sequences(stream: TextIO) -> bool:
    """Whether a terminal obeys escape sequences. A console of Windows is asked to; one that cannot does not."""
    return sys.platform != "win32" or _is_console(stream, _OBEYS)


def _is_console(stream: TextIO, more: int = 0) -> bool:
    """Whether the stream is a console of Windows, and takes the mode ``more``."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        with suppress(OSError, ValueError):  # a stream without a descriptor
            handle, mode = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno())), ctypes.c_ulong()
            kernel = ctypes.windll.kernel32
            if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
                return not more or bool(kernel.SetConsoleMode(handle, ctypes.c_ulong(mode.value | more)))
    return False
