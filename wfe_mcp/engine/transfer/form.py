"""The file format of a bundle that holds a whole run.

    {"format":"wfe-run/1",
    "run":{…},                         the run's own row
    "place":{…},                       where it was worked
    "events":[                         and each other section: one row a line, canonical JSON
    {…},
    {…}
    ],
    "checksums":{…}}                   of each section, and of all lines before this one

Rules:
1. It is JSON, read line by line: memory holds the lines and one parsed row at a time.
2. There is one way to write a row, so that export, import and export again give the same bytes; others are refused.
3. Bytes, lines and parts are capped before anything looks at what they mean.
4. Each section has a strict model, made from its columns: unknown keys, missing keys and wrong types are refused, each at its pointer.
   What a row means beside the others is for ``checking``.
5. A section of ``LATER`` without rows is left out, so that bundles from before it was there are still read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, BinaryIO, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.store.records.bundles import SECTIONS, ColumnOf

FORMAT = "wfe-run/1"
LOGS = "logs"
PARTS = (*SECTIONS, LOGS)
"""The sections, in their order in the file."""

LATER = frozenset({"attachments"})

MAX_BYTES = 256_000_000
MAX_LINE = 16_000_000
MAX_DEPTH = 80
MAX_NODES = 1_000_000
"""A row is a few levels around an artifact, and an event around the specification of a whole template."""

_FIRST = f'{{"format":"{FORMAT}",'.encode()


@dataclass(frozen=True, slots=True)
class BundleLines:
    """A bundle as it was read: its shape is right, what the rows say is not looked at yet.

    ``rows``: the text of each row by section. ``fault``: a checksum that is wrong; a row that is wrong is named before it.
    """

    run: bytes
    place: bytes
    rows: Mapping[str, list[bytes]]
    sha256: str
    fault: Refused | None


def bundle_lines(
    run: Mapping[str, Any], place: Mapping[str, Any], rows: Mapping[str, Iterable[bytes]]
) -> Iterator[bytes]:
    """The lines of a bundle, each with its line feed. ``rows``: canonical JSON, for each of ``PARTS``."""
    whole = hashlib.sha256()
    checksums: dict[str, Any] = {}

    def line(text: bytes) -> bytes:
        whole.update(text + b"\n")
        return text + b"\n"

    yield line(_FIRST)
    yield line(b'"run":%b,' % canonical_json(run).encode())
    yield line(b'"place":%b,' % canonical_json(place).encode())
    for name in PARTS:
        section, count, before = hashlib.sha256(), 0, b""
        if name not in LATER:
            yield line(_opening(name))
        for row in rows[name]:
            if count:
                yield line(before + b",")
            elif name in LATER:
                yield line(_opening(name))
            before = row
            section.update(before + b"\n")
            count += 1
        if not count and name in LATER:
            continue
        if count:
            yield line(before)
        yield line(b"],")
        checksums[name] = {"rows": count, "sha256": section.hexdigest()}
    yield b'"checksums":%b}\n' % canonical_json({"sections": checksums, "sha256": whole.hexdigest()}).encode()


def read_lines(file: BinaryIO) -> BundleLines:
    """The lines of a bundle. Refuses ``too_large``, and ``invalid_artifact`` where its shape is wrong."""
    return _Reader(file).lines()


def value_at(line: bytes, place: str) -> Any:
    """The value of one row. Refuses what is no canonical JSON, and what is too deep, too large or torn."""
    try:
        value = parse_json(line, max_bytes=MAX_LINE, max_depth=MAX_DEPTH, max_nodes=MAX_NODES)
    except Refused as no:
        at = no.details[0] if no.details else Detail("", no.message)
        code = "too_large" if no.code == "too_large" else "invalid_artifact"
        raise Refused(
            code,
            f"The bundle is refused at {place}{at.path}: {no.message}",
            _HINT,
            (Detail(place + at.path, at.message, at.expected, at.got),),
        ) from None
    if canonical_json(value).encode() != line:
        refuse(place, "is not written as an export writes it", "canonical JSON, one row a line", _excerpt(line))
    return value


_HINT = "Nothing was stored. Export the run again where it was worked, and copy the file as it is."


def refuse(place: str, message: str, expected: object = None, found: object = None) -> NoReturn:
    """The bundle is wrong at ``place``, a JSON pointer."""
    comparison = "" if expected is None else f": expected {expected!s:.200}, found {found!s:.200}"
    raise Refused(
        "invalid_artifact",
        f"The bundle is refused at {place or 'its whole'}: it {message}{comparison}.",
        _HINT,
        (Detail(place, message, expected, found),),
    )


def _opening(name: str) -> bytes:
    return b'"%b":[' % name.encode()


def _excerpt(line: bytes) -> str:
    return line[:80].decode(errors="replace")


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._whole = hashlib.sha256()
        self._read = 0
        self._number = 0
        self._ahead: bytes | None = None

    def lines(self) -> BundleLines:
        line = self._line("/format")
        if line != _FIRST:
            raise Refused(
                "invalid_artifact",
                "The file is no export of this version.",
                "Nothing was stored. A workflow, a plan or settings: wfe-mcp templates import FILE",
                (Detail("/format", "is not there (line 1)", _FIRST.decode(), _excerpt(line)),),
            )
        run, place = self._member("run"), self._member("place")
        rows: dict[str, list[bytes]] = {}
        sums: dict[str, Any] = {}
        for name in PARTS:
            if name in LATER and not self._is_next(_opening(name), pointer(name)):
                rows[name] = []
                continue
            self._expect(_opening(name), pointer(name))
            rows[name] = list(self._rows(name))
            if name in LATER and not rows[name]:
                refuse(pointer(name), "is empty", "no such section", "an empty one")
            section = hashlib.sha256()
            for row in rows[name]:
                section.update(row + b"\n")
            sums[name] = {"rows": len(rows[name]), "sha256": section.hexdigest()}
        sha256 = self._whole.hexdigest()
        recorded = self._recorded_checksums()
        try:
            _compare(recorded, sums, sha256)
        except Refused as fault:
            return BundleLines(run, place, rows, sha256, fault)
        return BundleLines(run, place, rows, sha256, None)

    def _rows(self, name: str) -> Iterator[bytes]:
        more = True
        index = 0
        while True:
            line = self._line(pointer(name, index))
            if line == b"],":
                if more and index:
                    refuse(pointer(name, index), f"is missing (line {self._number})", "a row", "the end of the section")
                return
            if not more:
                refuse(pointer(name, index), f"follows no comma (line {self._number})", "]", _excerpt(line))
            more = line.endswith(b",")
            yield line.removesuffix(b",")
            index += 1

    def _recorded_checksums(self) -> Any:
        line = self._line("/checksums")
        if not (line.startswith(b'"checksums":') and line.endswith(b"}")):
            refuse("/checksums", f"is not there (line {self._number})", '"checksums":{…}}', _excerpt(line))
        recorded = value_at(line.removeprefix(b'"checksums":')[:-1], "/checksums")
        if self._file.read(1):
            refuse("", "continues after its end", "nothing", f"more after line {self._number}")
        return recorded

    def _member(self, name: str) -> bytes:
        line = self._line(pointer(name))
        start = b'"%b":' % name.encode()
        if not (line.startswith(start) and line.endswith(b",")):
            refuse(pointer(name), f"is not there (line {self._number})", f'"{name}":{{…}},', _excerpt(line))
        return line[len(start) : -1]

    def _is_next(self, wanted: bytes, place: str) -> bool:
        self._ahead = self._line(place)
        return self._ahead == wanted

    def _expect(self, wanted: bytes, place: str) -> None:
        line = self._line(place)
        if line != wanted:
            refuse(place, f"is not there (line {self._number})", wanted.decode(), _excerpt(line))

    def _line(self, place: str) -> bytes:
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        line = self._file.readline(MAX_LINE + 2)
        self._read += len(line)
        self._number += 1
        if len(line) > MAX_LINE or self._read > MAX_BYTES:
            what = (
                f"line {self._number} is longer than {MAX_LINE:,} bytes"
                if len(line) > MAX_LINE
                else f"it is larger than {MAX_BYTES:,} bytes"
            )
            raise Refused(
                "too_large", f"The bundle is refused at {place}: {what}.", "Nothing was stored.", (Detail(place, what),)
            )
        if not line.endswith(b"\n"):
            refuse(place, f"ends in line {self._number}", "a line feed", _excerpt(line))
        if not line.startswith(b'"checksums":'):
            self._whole.update(line)
        return line[:-1]


def _compare(recorded: Any, sections: dict[str, Any], whole: str) -> None:
    checksums: dict[str, Any] = cast("dict[str, Any]", recorded) if isinstance(recorded, dict) else {}
    named: dict[str, Any] = checksums["sections"] if isinstance(checksums.get("sections"), dict) else {}
    for name, section in sections.items():
        if named.get(name) != section:
            refuse(pointer("checksums", "sections", name), f"is not that of /{name}", named.get(name), section)
    if checksums != {"sections": sections, "sha256": whole}:
        refuse("/checksums/sha256", "is not that of the whole", checksums.get("sha256"), whole)


PLACE = "place"

_PLAIN: dict[str, Any] = {
    "text": str,
    "integer": int,
    "float": float,
    "flag": bool,
    "time": datetime,
    "json": Any,
    "object": dict[str, Any],
    "bytes": bytes,
}

_SHA256 = r"^([0-9a-f]{64})?$"
"""Empty where nothing was judged."""


class _Row(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, val_json_bytes="base64", ser_json_bytes="base64"
    )


class Log(_Row):
    """The text of a check's log, capped. ``path``: where it is kept below the run's folder, as its evidence names it."""

    path: str = Field(max_length=1_000)
    text: str


class Origin(_Row):
    """Where a run was worked: the project's key and folder, and the run's working tree."""

    project: str
    root: str
    worktree: str


def validate_row(section: str, line: bytes, index: int | None = None) -> dict[str, Any]:
    """The values of a row, or of the parts ``run`` and ``place``. Refuses ``invalid_artifact`` at its pointer."""
    place = pointer(section) if index is None else pointer(section, index)
    written = value_at(line, place)
    try:
        values = dict(_model(section).model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = place + pointer(*first["loc"])
        return refuse(at, f"is wrong ({first['msg']})", _expectation(section, first), repr(first.get("input"))[:80])

    again = values if section in {LOGS, PLACE} else _row(section, values)
    for name, value in written.items():
        # A time in another zone, an integer for a float: it would be another text when exported again.
        if canonical_json(again.get(name)) != canonical_json(value):
            refuse(place + pointer(name), "is not written as an export writes it", again.get(name), value)
    return values


def parse_row(section: str, line: bytes) -> dict[str, Any]:
    """The values of a row that was validated before."""
    return dict(_model(section).model_validate_json(line))


def _row(section: str, values: dict[str, Any]) -> dict[str, Any]:
    from wfe_mcp.store.maintenance.bundles import row_of, values_of

    return row_of(section, values_of(section, values))


def _expectation(section: str, fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return f"one of {', '.join(_model(section).model_fields)}"
    return fault["type"].replace("_", " ")


@cache
def _model(section: str) -> type[BaseModel]:
    """Built when first needed: SQL is loaded with the first run, not with the command line."""
    if section == LOGS:
        return Log
    if section == PLACE:
        return Origin
    from wfe_mcp.store.maintenance.bundles import columns_of

    fields: dict[str, Any] = {column.name: _field(column) for column in columns_of(section)}
    return create_model(f"Row_{section}", __base__=_Row, **fields)


def _field(column: ColumnOf) -> Any:
    kind: Any = _PLAIN[column.kind] if column.members is None else column.members
    if column.name in {"sha256", "hash"} or column.name.endswith(("_sha256", "_hash")):
        kind = Annotated[str, Field(pattern=_SHA256)]
    return (kind, ...) if column.required else (kind | None, None)
