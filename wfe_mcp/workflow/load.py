"""Loads template definitions from disk and parses them.

    folder, template.json or other .json file      load_definition    JSON with every prompt inlined
    definition                                      digest             sha256 of its canonical JSON: the version's name
    definition                                      parse              ``Template``, with ``defaults`` applied

Rules:
1. ``{"file": "prompts/x.md"}`` stands for the text of that file beside the JSON; only as ``prompt`` or ``criteria``.
2. A prompt file is a regular file below ``prompts/``: no link is followed, no file outside the folder is read.
3. The definition stays as written: ``defaults`` are applied by ``parse``, so the digest does not depend on the version
   of wfe-mcp.
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.limits import VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wfe_mcp.workflow.model.template import Template

MAX_BYTES = VALUE_BYTES.most
"""Largest template.json, and largest prompt file."""

_YAML = re.compile(rb"(?:[ \t\r]*\n|[ \t]*(?:#|---).*\n)*[A-Za-z_]\w*:\s")
"""How YAML begins: a key without quotes, after comments."""
_PROMPT_FILE = re.compile(r"prompts/[A-Za-z0-9_][A-Za-z0-9_.-]*\.md")
_NOT_PROMPTS = frozenset({"inputs", "schema", "params", "with", "outputs", "webhooks", "body", "headers"})

Parts = tuple[str | int, ...]


def load_definition(source: Path, *, is_ours: bool = False) -> dict[str, Any]:
    """The definition in ``source`` (a folder with template.json, or a JSON file), prompts inlined.

    ``is_ours``: it is shipped, so nothing in it is ambiguous, and the parser that looks for that, 1.4 ms a template, is left out.

    Refuses: unknown_template (no such file), invalid_template (not a JSON object; a prompt file that is missing, a link or
    elsewhere), too_large.
    """
    file = source / "template.json" if source.is_dir() else source
    definition = read_json(file, is_ours=is_ours)
    if not isinstance(definition, dict):
        raise _invalid(file, [Detail("", "a template must be a JSON object", "an object")])
    faults: list[Detail] = []
    inlined = _inline_files(cast("object", definition), (), lambda at, name: _prompt(file.parent, at, name, faults))
    if faults:
        raise _invalid(file, faults)
    return cast("dict[str, Any]", inlined)


def read_json(file: Path, *, is_ours: bool = False) -> object:
    """The JSON in ``file``. Refuses: unknown_template (no such file), invalid_template (not JSON), too_large."""
    content = _bytes(file, "template")
    if is_ours:
        with suppress(ValueError):
            return json.loads(content)
    return _json(content, file)


def read_text(file: Path, what: str = "Markdown") -> str:
    """The text in ``file``, with normalised line ends. Refuses: unknown_template, invalid_template (not UTF-8, or with NUL),
    too_large.
    """
    try:
        text = _bytes(file, what).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise _invalid(file, [Detail("", "the file is not UTF-8 text", "UTF-8 text")]) from None
    if "\0" in text:  # nothing that is stored can hold it
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _invalid(file, [Detail(f"line {line}", "it holds a NUL character", "text")])
    return text


def digest(definition: object) -> str:
    """sha256 of the canonical JSON: the immutable name of a template version."""
    return sha256_of(definition)


def input_schemas(inputs: "Mapping[str, Any]") -> dict[str, dict[str, Any]]:
    """The JSON Schema of each input in ``inputs`` of a template; empty where it is ``true``, which takes any value."""
    properties: dict[str, object] = inputs.get("properties", {})
    return {
        name: cast("dict[str, Any]", schema) if isinstance(schema, dict) else {} for name, schema in properties.items()
    }


def parse(definition: object) -> "Template":
    """The typed template, its phases with ``defaults`` applied. Refuses: invalid_template, with every schema error.

    ``lint`` checks the rest: names, scopes, features that are not available yet.
    """
    # Building the models takes 30 ms, which listing templates does not need.
    from wfe_mcp.workflow.form import read_form

    template, faults = read_form(definition)
    if template is None or faults:
        raise Refused(
            "invalid_template",
            f"The template definition has {len(faults)} schema {'error' if len(faults) == 1 else 'errors'}.",
            "Fix each place that is named; the schema is wfe://schemas/template.",
            tuple(detail for _, detail in faults),
        )
    return template


def _bytes(file: Path, what: str) -> bytes:
    try:
        is_plain = file.is_file() or not file.exists()  # opening a named pipe would block forever
        content, size = _first_bytes(file) if is_plain else (b"", 0)
        why = "" if is_plain else "it is not a regular file"
    except OSError as exc:
        content, size, why = b"", 0, exc.strerror or "it does not exist"
    if why:
        raise Refused(
            "unknown_template",
            f"The {what} file {file} cannot be read: {why}.",
            f"Name a {what} file that is there, or the folder of a template.",
        )
    if size > MAX_BYTES:
        raise Refused("too_large", f"The {what} file {file} {VALUE_BYTES.fault(size)}.", VALUE_BYTES.remedy)
    return content


def _first_bytes(file: Path) -> tuple[bytes, int]:
    """The first bytes, at most one more than are allowed, and the size of the file."""
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
        return content, max(len(content), os.fstat(stream.fileno()).st_size)


def _json(content: bytes, file: Path) -> object:
    # The artifact parser refuses ambiguous JSON: duplicate keys, NaN, NUL, excessive nesting.
    from wfe_mcp.artifacts.parse import parse_json

    try:
        return parse_json(content, max_bytes=MAX_BYTES)
    except Refused as no:
        if no.code == "too_large":
            raise
        faults = list(no.details) or [Detail("", no.message)]
        if _YAML.match(content):
            faults[0] = replace(faults[0], message=f"{faults[0].message}; it looks like YAML, and a template is JSON")
        raise _invalid(file, faults) from no


def _invalid(file: Path, faults: list[Detail]) -> Refused:
    return Refused(
        "invalid_template",
        f"{file} is not a template: {faults[0].message}.",
        "Fix each place that is named.",
        tuple(faults),
    )


def _inline_files(value: object, at: Parts, read: "Callable[[Parts, object], str]") -> object:
    if isinstance(value, list):
        return [_inline_files(item, (*at, index), read) for index, item in enumerate(cast("list[object]", value))]
    if not isinstance(value, dict):
        return value
    return {key: _member(key, child, (*at, key), read) for key, child in cast("Mapping[str, object]", value).items()}


def _member(key: str, child: object, at: Parts, read: "Callable[[Parts, object], str]") -> object:
    if key in _NOT_PROMPTS:
        return child
    mapping = cast("dict[str, object]", child) if isinstance(child, dict) else {}
    if key in {"prompt", "criteria"} and set(mapping) == {"file"}:
        return read(at, mapping["file"])
    return _inline_files(cast("object", child), at, read)


def _prompt(folder: Path, at: Parts, name: object, faults: list[Detail]) -> str:
    """The text of a prompt file; "" and an error when it is not allowed or unreadable."""
    where = pointer(*at, "file")
    if not isinstance(name, str) or not _PROMPT_FILE.fullmatch(name):
        faults.append(
            Detail(where, "a prompt file must be in prompts/ and end in .md", "prompts/<name>.md", str(name)[:80])
        )
        return ""
    path = folder / name
    if path.is_symlink() or path.parent.is_symlink():
        faults.append(Detail(where, f"{name} is a link; links are not followed", "a regular file", name))
        return ""
    try:
        return _bytes(path, "prompt").decode("utf-8-sig").replace("\r\n", "\n")
    except Refused as no:
        faults.append(Detail(where, no.message, "a readable file", name))
    except UnicodeDecodeError:
        faults.append(Detail(where, f"{name} is not UTF-8 text", "UTF-8 text", name))
    return ""
