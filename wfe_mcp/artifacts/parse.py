"""Parses bytes, text and folders into values that are safe to store.

Rules (threats T7 and D6 of the design):
1. Size, depth and count are limited before any other check.
2. Ambiguous JSON is refused: duplicate keys, NaN, infinities, NUL, lone surrogates.
3. ``artifact.json``, ``artifact.md`` and a folder yield the same value as the object submitted directly.

Rules for the file names of a bundle.

Rules (prior systems S0-24; threat T5), the same on every system, so that a bundle made here unpacks there:
1. Relative, not empty, parts divided by ``/``; backslashes are read as ``/``.
2. No drive letter, no UNC share, no ``.``, ``..`` or empty part, no control character, none of ``< > : " | ? *``.
3. No part ends with a dot or a space and none is a device name: Windows would open another file.
4. The file name does not begin with a dot, and no part is ``.git`` or ``.wfe``: those belong to git and to the engine.
5. At most 1,024 characters in all and 255 bytes in a part.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any, NoReturn, cast

from wfe_mcp.artifacts.explain import limit_faults, no_json
from wfe_mcp.core import limits
from wfe_mcp.core.canonical import cannot_be_encoded, canonical_json
from wfe_mcp.core.errors import Detail, Refused, pointer

MAX_BYTES = limits.VALUE_BYTES.most
MAX_DEPTH = limits.VALUE_DEPTH.most
MAX_NODES = limits.VALUE_PARTS.most
MAX_KEY = limits.KEY_CHARACTERS.most
"""Most characters in an object key, so that pointers stay readable."""
MAX_INT_BITS = limits.INTEGER_BITS.most
"""Most bits of an integer; Python formats at most 4,300 digits."""

_PARSER_LEVELS = 200

Parts = tuple[str | int, ...]


def parse_json(
    text: str | bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> object:
    """The value of a JSON text. Refuses: too_large; invalid_artifact when it is not JSON or breaks rule 2."""
    # pydantic_core: 8 ms; refuses deep nesting at once where json.loads needs the stack.
    from pydantic_core import from_json

    text = _text(text, max_bytes)
    twice: list[_ObjectWithKeysTwice] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            twice.append(doubled := _ObjectWithKeysTwice(members))
            doubled.keys_twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
            return doubled
        return members

    try:
        from_json(text, allow_inf_nan=False)
        value = json.loads(text, object_pairs_hook=collect)
    except ValueError as exc:
        if "recursion limit" in str(exc):
            # The parser gives up at 200 levels, before a value exists of which the depth could be counted.
            _too_large("The JSON text", limits.VALUE_DEPTH.with_most(max_depth), _PARSER_LEVELS, at_least=True)
        _invalid("The text is not JSON.", [Detail("", no_json(str(exc)), "a JSON text", text[:40])])
    if twice:
        _invalid("The JSON text uses a key twice.", _repeated_keys(value, ()))
    check_value(value, max_bytes=max_bytes, max_depth=max_depth, max_nodes=max_nodes)
    return cast("object", value)


def check_value(
    value: object, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> None:
    """Refuse a ``value`` that cannot be stored as JSON, as ``parse_json`` does, with every place at once."""
    if _is_plain(value, max_bytes, max_depth, max_nodes):
        # NaN, NUL and lone surrogates are left to the search below, which names their places.
        with suppress(ValueError):
            _refuse_large(canonical_json(value), max_bytes)
            return
    faults: list[Detail] = []
    nodes = characters = 0
    # A list instead of recursion: the value may be deeper than the stack.
    waiting: list[tuple[Parts, object]] = [((), value)]
    while waiting:
        parts, item = waiting.pop()
        nodes += 1
        # Queued parts count already: a value that is too wide is refused before its parts are checked.
        inside = len(cast("list[object]", item)) if isinstance(item, dict | list) else 0
        if nodes + len(waiting) + inside > max_nodes:
            _too_large(
                "The value", limits.VALUE_PARTS.with_most(max_nodes), nodes + len(waiting) + inside, at_least=True
            )
        details, children = _faults_and_parts(parts, cast("object", item))
        faults += details
        if isinstance(item, dict | list) and len(parts) >= max_depth:
            _too_large("The value", limits.VALUE_DEPTH.with_most(max_depth), len(parts) + 1, at_least=True)
        waiting.extend(reversed(children))
        if isinstance(item, str):
            # One text can be in the value a thousand times, as the prompt of an embedded template: its JSON is not built.
            characters += len(item)
            if characters > max_bytes:
                _too_large("The value", limits.VALUE_BYTES.with_most(max_bytes), characters, at_least=True)
    if faults:
        _invalid("The value contains parts that cannot be stored.", faults)
    _refuse_large(canonical_json(value), max_bytes)


def _refuse_large(text: str, max_bytes: int) -> None:
    if (size := len(text.encode())) > max_bytes:
        _too_large("The value", limits.VALUE_BYTES.with_most(max_bytes), size)


def _is_plain(value: object, max_bytes: int, max_depth: int, max_nodes: int) -> bool:
    """True where the structure of ``value`` has no fault. It names no place, so it takes a fifth of the time."""
    level, depth, nodes, characters = [value], 0, 1, 0
    while level:
        below: list[object] = []
        for item in level:
            kind = type(item)
            if kind is str:
                characters += len(cast("str", item))
                continue
            if kind is dict or kind is list:
                inside = cast("dict[object, object] | list[object]", item)
                nodes += len(inside)
                if depth >= max_depth or nodes > max_nodes or not _extend(below, inside):
                    return False
            elif not _is_plain_scalar(item):
                return False
        if characters > max_bytes:
            return False
        level, depth = below, depth + 1
    return True


def _extend(below: list[object], inside: dict[object, object] | list[object]) -> bool:
    """Add the parts of ``inside``. False for a key that cannot be kept."""
    if isinstance(inside, list):
        below.extend(inside)
        return True
    below.extend(inside.values())
    return all(type(key) is str and len(key) <= MAX_KEY for key in inside)


def _is_plain_scalar(item: object) -> bool:
    kind = type(item)
    if kind is int:
        return cast("int", item).bit_length() <= MAX_INT_BITS
    return item is None or kind is bool or kind is float


def _faults_and_parts(parts: Parts, item: object) -> tuple[list[Detail], list[tuple[Parts, object]]]:
    """The faults of ``item`` itself, and its parts with their places."""
    match item:
        case dict():
            keyed = [(_printable(key), _key(key), child) for key, child in cast("dict[object, object]", item).items()]
            faults = [
                Detail(pointer(*parts), f"an object key {why}", "text", key[:80])
                for key, whys, _ in keyed
                for why in whys
            ]
            return faults, [((*parts, key), child) for key, _, child in keyed]
        case list():
            return [], [((*parts, index), child) for index, child in enumerate(cast("list[object]", item))]
        case _:
            return [Detail(pointer(*parts), why, "a JSON value", _printable(item)[:80]) for why in _scalar(item)], []


def read_artifact(schema: str | dict[str, Any], name: str, content: bytes) -> object:
    """The value in a file called ``name``: .json, or .md for a document. Not validated against ``schema`` yet."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".json":
        return parse_json(content)
    if suffix in {".md", ".markdown"} and (schema == "markdown_doc@1" or isinstance(schema, dict)):
        return parse_markdown(content)
    wanted = "a .md or .json file" if schema == "markdown_doc@1" else "a .json file"
    if schema == "file_bundle@1":
        wanted = "a folder or a .json file"
    label = schema if isinstance(schema, str) else "this schema"
    detail = Detail("/path", f"{label} must be {wanted}", wanted, name[:80])
    raise Refused("bad_argument", f"{name[:80]!r} cannot be read as {label}.", f"Give {wanted}.", (detail,))


def parse_markdown(content: str | bytes) -> dict[str, Any]:
    """``{front, body}`` of a Markdown text.

    The head between two ``---`` lines is one JSON object, or lines ``key: value`` whose value is JSON or plain text.
    Without a closed head all text is body. One empty line after the head belongs to neither.
    """
    text = _text(content, MAX_BYTES)
    head = re.match(r"---[ \t]*\r?\n(?:(.*?)\r?\n)??---[ \t]*(?:\r?\n|\Z)(?:\r?\n)?", text, re.DOTALL)
    if head is None:
        check_value(text)
        return {"front": {}, "body": text}
    front = head[1] or ""
    value = {
        "front": parse_json(front) if front.lstrip().startswith("{") else _front(front),
        "body": text[head.end() :],
    }
    check_value(value)
    return value


def bundle_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """A file_bundle@1 of ``files`` (path → content), sorted by path. Refuses files that are not UTF-8 text."""
    if (size := sum(map(len, files.values()))) > MAX_BYTES:
        _too_large("The bundle of these files", limits.VALUE_BYTES, size)
    bundle: list[dict[str, str]] = []
    faults: list[Detail] = []
    for index, (path, content) in enumerate(sorted(files.items())):
        try:
            bundle.append({"path": path, "content": content.decode()})
        except UnicodeDecodeError as exc:
            why = f"{path[:80]!r} is not UTF-8 text (byte {exc.start})"
            faults.append(Detail(f"/files/{index}/content", why, "UTF-8 text", f"{len(content)} bytes"))
    if faults:
        _invalid("A bundle contains text files only.", faults)
    return {"files": bundle}


class _ObjectWithKeysTwice(dict[str, Any]):
    """An object of which the text names ``keys_twice`` more than once."""

    keys_twice: list[str]


def _repeated_keys(value: object, parts: Parts) -> list[Detail]:
    faults: list[Detail] = []
    if isinstance(value, _ObjectWithKeysTwice):
        faults = [
            Detail(pointer(*parts, key), f"key {key[:80]!r} is used twice", "one value") for key in value.keys_twice
        ]
    if isinstance(value, dict):
        for key, child in cast("dict[str, object]", value).items():
            faults += _repeated_keys(child, (*parts, key))
    elif isinstance(value, list):
        for index, child in enumerate(cast("list[object]", value)):
            faults += _repeated_keys(child, (*parts, index))
    return faults


def _front(text: str) -> dict[str, Any]:
    front: dict[str, Any] = {}
    faults: list[Detail] = []
    for number, line in enumerate(text.split("\n"), start=2):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key, value = _front_line(line)
        except ValueError as exc:
            faults.append(
                Detail(
                    "/front", f"line {number}: {exc}", "key: value, where the value is JSON or plain text", line[:80]
                )
            )
            continue
        if key in front:
            faults.append(Detail(pointer("front", key), f"line {number}: key {key[:80]!r} is used twice", "one value"))
        front[key] = value
    if faults:
        _invalid("The head of the document cannot be read.", faults)
    return front


def _front_line(line: str) -> tuple[str, object]:
    """Key and value of one line. Refuses (ValueError) lists and blocks of YAML."""
    if line.startswith('"'):
        key, end = json.JSONDecoder().raw_decode(line)
    else:
        end = line.find(":")
        key = line[:end]
        if end < 1 or key != key.strip() or key.startswith("-"):
            raise ValueError("this is not a 'key: value' line")
    if line[end : end + 1] != ":":
        raise ValueError("no ':' after the key")
    text = line[end + 1 :].strip()
    try:
        return key, parse_json(text)
    except Refused as no:
        if text.startswith(("[", "{", '"')):
            raise ValueError(f"the value is not JSON: {no.details[0].message if no.details else no.message}") from no
        return key, text


def _text(content: str | bytes, max_bytes: int) -> str:
    try:
        data = content.encode() if isinstance(content, str) else content
        if len(data) > max_bytes:
            _too_large("The text", limits.VALUE_BYTES.with_most(max_bytes), len(data))
        # utf-8-sig: editors on Windows put a byte order mark first.
        return data.decode("utf-8-sig")
    except (UnicodeEncodeError, UnicodeDecodeError) as exc:
        why = "a lone surrogate" if isinstance(exc, UnicodeEncodeError) else f"byte {exc.start} is not UTF-8"
        _invalid("The text is not UTF-8.", [Detail("", why, "UTF-8 text")])


def _key(key: object) -> list[str]:
    if not isinstance(key, str):
        return ["is not text"]
    return [*_scalar(key), *([f"is longer than {MAX_KEY} characters"] if len(key) > MAX_KEY else [])]


def _printable(item: object) -> str:
    """A key or value, made safe for an answer in UTF-8."""
    # Python refuses to format an integer of more than 4,300 digits.
    text = item if isinstance(item, str) else "a very large number" if isinstance(item, int) else repr(item)
    return text[:MAX_KEY].encode(errors="replace").decode()


def _scalar(value: object) -> list[str]:
    match value:
        case None | bool():
            return []
        case int():
            return ["has more digits than can be kept"] if value.bit_length() > MAX_INT_BITS else []
        case float():
            return [] if math.isfinite(value) else ["is not a finite number"]
        case str():
            faults = ["holds a NUL character"] if "\x00" in value else []
            return faults + (["holds a lone surrogate"] if cannot_be_encoded(value) else [])
        case _:
            return [f"is not a JSON value but {type(value).__name__}"]


def _invalid(message: str, faults: list[Detail]) -> NoReturn:
    raise Refused("invalid_artifact", message, "Fix each place that is named, then submit again.", limit_faults(faults))


def _too_large(what: str, limit: limits.Limit, found: int, *, at_least: bool = False) -> NoReturn:
    raise Refused("too_large", f"{what} {limit.fault(found, at_least=at_least)}.", limit.remedy)


_PROTECTED = frozenset({".git", ".wfe", "git~1", "wfe~1"})
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
