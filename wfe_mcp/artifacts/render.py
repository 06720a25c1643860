"""Renders an artifact as files that users read and edit; ``parse`` restores the same value."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class TextFile(NamedTuple):
    """One file: ``.json`` or ``.md``, and its exact text."""

    suffix: str
    text: str


def to_file(schema: str | dict[str, Any], value: Mapping[str, Any]) -> TextFile | dict[str, str]:
    """One text file, or path → content for a bundle. ``value`` fits ``schema``."""
    if schema == "file_bundle@1":
        return {file["path"]: file["content"] for file in value["files"]}
    if schema == "markdown_doc@1":
        return TextFile(".md", _markdown(value["front"], value["body"]))
    return TextFile(".json", json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _markdown(front: Mapping[str, object], body: str) -> str:
    # A body that begins like a head, or with a byte order mark, needs a head before it to be restored unchanged.
    if not front and not body.startswith(("---", "\ufeff")):
        return body
    head = "".join(f"{_key(key)}: {_value(value)}\n" for key, value in front.items())
    return f"---\n{head}---\n\n{body}"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key) else json.dumps(key, ensure_ascii=False)


_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Texts that JSON or YAML would read as another type."""


def _value(value: object) -> str:
    """A text that is unambiguous stays plain; any other value is JSON, which YAML tools read too."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z]([A-Za-z0-9 ._/-]*[A-Za-z0-9])?", value)
    return str(value) if plain and str(value).lower() not in _WORDS else json.dumps(value, ensure_ascii=False)
