"""One entry of a text, added or removed, and checked: the parsed result differs by exactly that entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from wfe_mcp.clients.formats import json_text, toml_text, yaml_text
from wfe_mcp.clients.formats.splice import Unreadable, Unsplicable, apply_edits
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config.edits import is_edit_at, value_at

Format = Literal["json", "jsonc", "toml", "yaml"]
"""``json``: its reader takes no comments. ``jsonc``: it does."""

_MODULES = {"json": json_text, "jsonc": json_text, "toml": toml_text, "yaml": yaml_text}
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Text:
    """A file's content: its characters without the byte order mark, and its line ending."""

    bom: str
    body: str
    newline: str

    @classmethod
    def of(cls, content: bytes) -> Text:
        """Raises ``Unreadable`` for bytes that are not UTF-8."""
        try:
            text = content.decode()
        except UnicodeDecodeError as fault:
            raise Unreadable(f"byte {fault.start} is not UTF-8", content.count(b"\n", 0, fault.start) + 1) from None
        bom = _BOM if text.startswith(_BOM) else ""
        return cls(bom, text[len(bom) :], "\r\n" if "\r\n" in text else "\n")


def parse_document(content: bytes, form: Format) -> dict[str, Any]:
    """The document of a file. Raises ``Unreadable``: it is not of its format, no mapping, or has what its client rejects."""
    text = Text.of(content)
    if form == "json" and (line := json_text.relaxed_line(text.body)):
        raise Unreadable("a comment or trailing comma, which its client does not read", line)
    document = _MODULES[form].read(text.body)
    if not isinstance(document, dict):
        raise Unreadable("the document is no table of names and values")
    return cast("dict[str, Any]", document)


def add_entry(content: bytes, form: Format, path: Sequence[str], value: Any) -> bytes:
    """The file with ``value`` at ``path``; a list is put before what the list there holds.

    Raises ``Unreadable``, and ``Unsplicable`` where that would change anything else.
    """
    text, document = Text.of(content), parse_document(content, form)
    body = apply_edits(text.body, _MODULES[form].insertion(text.body, path, value, text.newline))
    last = value_at(document, path)
    return _check_edit(text, body, form, document, path, [*value, *last] if isinstance(last, list) else value)


def remove_entry(content: bytes, form: Format, path: Sequence[str], element: Any = None) -> bytes:
    """The file without the entry at ``path``, or without ``element`` of the list there. Raises as ``add_entry`` does."""
    text, document = Text.of(content), parse_document(content, form)
    body = apply_edits(text.body, _MODULES[form].removal(text.body, path, element))
    left = None if element is None else list(value_at(document, path))
    if left is not None:
        left.remove(element)
    return _check_edit(text, body, form, document, path, left)


def cut(
    content: bytes, form: Format, path: Sequence[str], element: Any = None, *, before: tuple[bytes | None] | None = None
) -> bytes | None:
    """The file without the entry, and without the tables and lists around it that are empty now and were not there ``before``.

    ``before``: the file before the entry was added, None in a tuple where there was none; None: not known. Returns None
    where such a file holds nothing else. Raises as ``add_entry`` does.
    """
    text = remove_entry(content, form, path, element)
    if before is None:
        return text
    original = parse_document(before[0] or b"", form)
    for depth in range(len(path) - (element is None), 0, -1):
        around, document = path[:depth], parse_document(text, form)
        if not _has(document, around) or value_at(document, around) or _has(original, around):
            break
        text = remove_entry(text, form, around)
    return rest_of(text, before)


def _has(document: object, path: Sequence[str]) -> bool:
    """Whether something is at ``path``, also the nothing that YAML makes of a mapping that lost its only entry."""
    holder = value_at(document, path[:-1])
    return isinstance(holder, dict) and path[-1] in holder


def rest_of(text: bytes, before: tuple[bytes | None] | None) -> bytes | None:
    """``text``; None where it holds nothing, and there was no file ``before``."""
    return None if before == (None,) and text.split() in ([], [b"{}"], [b"{", b"}"]) else text


def _check_edit(text: Text, body: str, form: Format, before: Any, path: Sequence[str], value: Any) -> bytes:
    try:
        is_only_that = is_edit_at(path, before, _MODULES[form].read(body), value)
    except Unreadable:
        is_only_that = False
    if not is_only_that:
        raise Unsplicable(f"{'.'.join(path)} cannot be changed without changing the rest")
    return (text.bom + body).encode()
