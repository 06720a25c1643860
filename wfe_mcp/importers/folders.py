"""Reads the files of another tool's folder, within limits.

Rules:
1. No link is followed, and nothing outside the folder is read.
2. A file that is too large, not UTF-8 text or not JSON is an error of the report, with its path and line.
3. At most ``FILES_MOST`` files; names are read in the order of their numbers: task-2 before task-10.
"""

import itertools
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.limits import MESSAGE_PARTS, TASKS_FILE_BYTES, VALUE_BYTES, VALUE_DEPTH, Limit
from wfe_mcp.importers.imported import ImportReport

FILES_MOST = 2_000
"""Most files that one import reads."""

_LINE = re.compile(r" at line (\d+)")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')


class Folder:
    """The files below ``root``. Their errors go into ``report``."""

    def __init__(self, root: Path, report: ImportReport) -> None:
        self.root = root.resolve()
        self.report = report

    def files(self, under: str, pattern: str) -> list[str]:
        """The files matching ``pattern`` below ``under``, as paths from the root. A link is reported and left out."""
        paths = sorted(self._matching(self.root / under, pattern), key=natural)
        if len(paths) > FILES_MOST:
            self.report.error(under, f"there are more than {FILES_MOST} files", FILES_MOST, len(paths))
            return []
        for path in [path for path in paths if self._leaves(path)]:
            self.report.lose(path, "it is a link; links are not followed")
            paths.remove(path)
        return paths

    def text(self, path: str, limit: Limit = VALUE_BYTES) -> str | None:
        """The text of a file, with normalised line ends; None if there is none, or none that can be read."""
        file = self.root / path
        try:
            if self._leaves(path):
                self.report.error(path, "it is a link; links are not followed", "a regular file")
                return None
            kind = file.stat()
            if not stat.S_ISREG(kind.st_mode):  # opening a named pipe would block forever
                self.report.error(path, "it is not a regular file", "a regular file")
                return None
            with file.open("rb") as stream:
                content = stream.read(limit.most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.report.error(path, f"it cannot be read: {error.strerror}")
            return None
        if (size := max(kind.st_size, len(content))) > limit.most:
            self.report.error(path, limit.fault(size), limit.most, size)
            return None
        wrong = content.find(b"\0")  # nothing that is stored can hold it
        try:
            if wrong < 0:
                return content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            wrong = error.start
        line = content.count(b"\n", 0, wrong) + 1
        self.report.error(f"{path}:{line}", "it is not UTF-8 text", "UTF-8 text")
        return None

    def json(self, path: str) -> "JsonFile | None":
        """The JSON of a file; None if there is none, or none that can be read."""
        from wfe_mcp.artifacts.parse import parse_json

        text = self.text(path, TASKS_FILE_BYTES)
        if text is None:
            return None
        try:
            value = parse_json(text, max_bytes=TASKS_FILE_BYTES.most, max_nodes=MESSAGE_PARTS.most)
            return JsonFile(path, text, value)
        except Refused as no:
            for fault in no.details or (Detail("", no.message),):
                line = _LINE.search(fault.message)
                place = f"{path}:{line[1]}" if line else JsonFile(path, text, None).place(fault.path)
                self.report.error(place, fault.message)
            return None

    def _matching(self, folder: Path, pattern: str) -> Iterator[str]:
        if self._leaves(folder.relative_to(self.root).as_posix()):
            return
        yield from itertools.islice(
            (path.relative_to(self.root).as_posix() for path in folder.glob(pattern) if not path.is_dir()),
            FILES_MOST + 1,
        )

    def _leaves(self, path: str) -> bool:
        """Whether a part of ``path`` is a link."""
        parts = path.split("/")
        steps = [self.root.joinpath(*parts[: at + 1]) for at in range(len(parts))]
        return any(step.is_symlink() for step in steps)


class JsonFile:
    """The JSON in the file ``path``; ``place`` names the line of a value."""

    def __init__(self, path: str, text: str, value: Any) -> None:
        self.path = path
        self.value = value
        self._text = text
        self._lines: dict[str, int] | None = None

    def place(self, pointer: str) -> str:
        """``path:line`` of the value at ``pointer``, or of the nearest enclosing one."""
        if self._lines is None:
            self._lines = _json_lines(self._text)
        while pointer and pointer not in self._lines:
            pointer = pointer.rpartition("/")[0]
        return f"{self.path}:{self._lines.get(pointer, 1)}"


def natural(path: str) -> list[tuple[int, str]]:
    """A sort key: numbers by their value."""
    return [
        (int(part), "") if part[0] in "0123456789" else (-1, part) for part in re.findall(r"[0-9]{1,18}|[^0-9]+", path)
    ]


def _json_lines(text: str) -> dict[str, int]:
    """The line of each member and item of a JSON text, by pointer."""
    lines: dict[str, int] = {}
    open_: list[str | int] = []
    parents: list[str] = []
    line, seen, key_next = 1, 0, False
    for token in _TOKEN.finditer(text):
        line, seen = line + text.count("\n", seen, token.start()), token.start()
        word = token[0]
        if word in "}]":
            del open_[-1:], parents[-1:]  # there is none where the text is broken
            continue
        if word == ",":
            if open_ and isinstance(open_[-1], int):
                open_[-1] += 1
            key_next = bool(open_) and isinstance(open_[-1], str)
            continue
        if key_next and open_:
            open_[-1] = word[1:-1].replace("~", "~0").replace("/", "~1")
            lines[f"{parents[-1]}/{open_[-1]}"] = line
            key_next = False
            continue
        at = f"{parents[-1]}/{open_[-1]}" if parents else ""
        lines.setdefault(at, line)
        if word in "{[":
            if len(parents) > VALUE_DEPTH.most:  # the parser refuses it; each pointer would be longer than the last
                break
            parents.append(at)
            open_.append("" if word == "{" else 0)
            key_next = word == "{"
    return lines
