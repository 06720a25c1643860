"""Rules for the file names of a bundle.

Rules (prior systems S0-24; threat T5), the same on every system, so that a bundle made here unpacks there:
1. Relative, not empty, parts divided by ``/``; backslashes are read as ``/``.
2. No drive letter, no UNC share, no ``.``, ``..`` or empty part, no control character, none of ``< > : " | ? *``.
3. No part ends with a dot or a space and none is a device name: Windows would open another file.
4. The file name does not begin with a dot, and no part is ``.git`` or ``.wfe``: those belong to git and to the engine.
5. At most 1,024 characters in all and 255 bytes in a part.
"""

import re
import unicodedata
from collections.abc import Callable

_PROTECTED = frozenset({".git", ".wfe", "git~1"})
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?")

_WHOLE: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda path: not path.strip(), "is empty"),
    (lambda path: len(path) > 1024, "is longer than 1024 characters"),
    (lambda path: path.startswith("//"), "names a network share"),
    (lambda path: re.match(r"[A-Za-z]:", path), "names a drive"),
    (lambda path: path.startswith("/"), "is absolute"),
)
_PART: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda part: not part, "has an empty part"),
    (lambda part: part in {".", ".."}, "has a '.' or '..' part"),
    (lambda part: any(ord(char) < 32 or ord(char) == 127 for char in part), "has a control character"),
    (lambda part: any(char in '<>:"|?*' for char in part), 'has one of < > : " | ? *'),
    (lambda part: part.endswith((".", " ")), "has a part that ends with a dot or a space"),
    (lambda part: _DEVICE.fullmatch(part), "has a part that is a device name on Windows"),
    (lambda part: part.casefold() in _PROTECTED, "enters a protected folder (.git, .wfe)"),
    (lambda part: len(part.encode(errors="replace")) > 255, "has a part longer than 255 bytes"),
)


def path_fault(path: str) -> str | None:
    """Why ``path`` is invalid, as the end of a sentence; None when it is valid."""
    path = path.replace("\\", "/")
    for wrong, why in _WHOLE:
        if wrong(path):
            return why
    parts = path.split("/")
    for wrong, why in _PART:
        if any(wrong(part) for part in parts):
            return why
    return "has a file name that begins with a dot" if parts[-1].startswith(".") else None


def normal_path(path: str) -> str:
    """``path`` with slashes. Refuses (ValueError) what ``path_fault`` names."""
    if fault := path_fault(path):
        raise ValueError(f"this path {fault}")
    return path.replace("\\", "/")


def clash_key(path: str) -> str:
    """Two paths with the same key are one file on some system: upper and lower case, composed accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.replace("\\", "/")).casefold())
