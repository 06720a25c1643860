"""The tools ``read``, ``list`` and ``search``: lines of a file, names in a folder, lines that match a pattern.

Rules:
1. The pattern runs in linear time (the engine of Rust's regex, no look-around, no back-reference): it is a model's.
2. Files that git ignores are left out, unless one is named. Binary, linked and very large files are passed over.
3. A search ends after ``SEARCH_S``, and reports how far it came.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from itertools import islice
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.toolbox.reach import PATH, Given, Reach, page, place, relative, text_in, tool
from wfe_mcp.providers.call import Tool
from wfe_mcp.workspace.files.folders import Folder, walk
from wfe_mcp.workspace.files.paths import match_globs, path_fault, reserved_as
from wfe_mcp.workspace.files.project_files import read_file
from wfe_mcp.workspace.git.command import repository, run_git

MAX_READ_BYTES = 10_000_000
MAX_FILES = 50_000
MAX_DEPTH = 40
_LINES = 500
_NOT_WALKED = {"node_modules", "__pycache__", ".venv", ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
_GLOBS = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 200},
    "maxItems": 20,
    "description": 'Only files that match one of these, relative to the project: ["src/**/*.py"].',
}


def read_tool(reach: Reach) -> Tool:
    """``read``: numbered lines of one text file."""

    def read(given: Given) -> str:
        path = relative(given["path"])
        text = text_in(read_file(reach.root, path, MAX_READ_BYTES), path)
        lines = text.removesuffix("\n").split("\n") if text else []
        first = int(given.get("from_line", 1))
        if first > max(1, len(lines)):
            raise Refused(
                "bad_argument", f"'{path}' has {len(lines):,} lines.", f"Read from line {len(lines)} or less."
            )
        numbered = [f"{number:>6}\t{line.removesuffix(chr(13))}" for number, line in enumerate(lines, 1)]
        ends = "; lines end in CRLF" if "\r\n" in text else ""
        head = f"{path}: {len(lines):,} lines, {len(text.encode()):,} bytes{ends}"
        rest = page(
            numbered, first, int(given.get("lines", _LINES)), lambda line: f'read(path="{path}", from_line={line})'
        )
        return f"{head}\n{rest}"

    arguments = {
        "path": PATH,
        "from_line": {"type": "integer", "minimum": 1, "description": "The first line to show; 1 when absent."},
        "lines": {"type": "integer", "minimum": 1, "maximum": 2_000, "description": f"How many; {_LINES} when absent."},
    }
    return tool("read", "Read a text file of the project, with line numbers.", arguments, ["path"], read)


def list_tool(reach: Reach) -> Tool:
    """``list``: the names in one folder, or all files below it that match globs."""

    def list_files(given: Given) -> str:
        parts = place(given.get("path", "."))
        shown = "/".join(parts) or "."
        globs: list[str] = given.get("globs", [])
        names = sorted(_matching(reach.root, shown, globs)) if globs else _names(reach.root, parts)
        if not names:
            return f"{shown}: nothing{' matches' if globs else ' is in it'}."
        first = int(given.get("from_line", 1))
        rest = page(names, first, MAX_FILES, lambda line: f"the same call with from_line={line}")
        return f"{shown}: {len(names):,} {'files' if globs else 'names'}\n{rest}"

    arguments = {
        "path": {**PATH, "description": "A folder, relative to the project root; the project itself when absent."},
        "globs": _GLOBS,
        "from_line": {"type": "integer", "minimum": 1, "description": "To page on: the first line to show."},
    }
    text = "List a folder, or with globs all files below it that match (files ignored by git are left out)."
    return tool("list", text, arguments, [], list_files)


def project_files(root: Path, below: str = ".") -> list[str]:
    """The paths of the files below a folder, sorted: those git knows or would add, else all but caches.

    Refuses a folder that is not there. At most ``MAX_FILES``.
    """
    parts = place(below)
    with walk(root, parts):
        pass  # refuses links and what is no folder, before git is asked
    if repository(root) is None:
        return sorted(islice(_walk_files(root, parts), MAX_FILES))
    spec = f":(literal){'/'.join(parts)}" if parts else "."
    done = run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", spec)
    names = done.stdout.decode(errors="surrogateescape").split("\0") if done else []
    # A path that ends in a slash is a nested repository; one that rule 1 forbids could not be read anyway.
    return sorted({name for name in names if name and not name.endswith("/") and path_fault(name) is None})[:MAX_FILES]


def _matching(root: Path, below: str, globs: list[str]) -> Iterator[str]:
    return (path for path in project_files(root, below) if match_globs(path, globs))


def _names(root: Path, parts: tuple[str, ...]) -> list[str]:
    marks = {"folder": "/", "link": " (a link, not followed)", "other": " (no plain file)"}
    with walk(root, parts) as folder:
        kinds = ((name, folder.kind(name)) for name in folder.names() if reserved_as(name) != ".git")
        return [f"{name}{marks.get(kind, '')}" for name, kind in kinds if kind is not None]


def _walk_files(root: Path, parts: tuple[str, ...]) -> Iterator[str]:
    with walk(root, parts) as folder:
        yield from _files_in(folder, "".join(f"{part}/" for part in parts), MAX_DEPTH)


def _files_in(folder: Folder, above: str, depth: int) -> Iterator[str]:
    for name in folder.names():
        kind = folder.kind(name)
        if kind == "file" and path_fault(f"{above}{name}") is None:
            yield f"{above}{name}"
        elif kind == "folder" and depth and name not in _NOT_WALKED and not reserved_as(name):
            with folder.inner(name) as inner:
                yield from _files_in(inner, f"{above}{name}/", depth - 1)


SEARCH_S = 20.0
MAX_SEARCHED_BYTES = 2_000_000
MAX_MATCHES = 2_000
_LINE_CHARACTERS = 400
_SHOWN = 100


def search_tool(reach: Reach, clock: Callable[[], float] = time.monotonic) -> Tool:
    """``search``: path, line number and line of each match."""

    def search(given: Given) -> str:
        is_match = _matcher(given["pattern"], bool(given.get("ignore_case")))
        parts = place(given.get("path", "."))
        hunt = _Hunt(reach.root, is_match, clock() + SEARCH_S, clock)
        matches = list(hunt.matches(_candidates(reach.root, parts, given.get("globs", []))))
        noted = "".join(f"\n[{note}]" for note in hunt.notes())
        if not matches:
            return f"No line matches in {hunt.searched:,} files.{noted}"
        first = int(given.get("from_match", 1))
        if first > len(matches):
            raise Refused("bad_argument", f"There are {len(matches):,} matches.", "Begin at a smaller from_match.")
        shown = page(
            matches, first, int(given.get("matches", _SHOWN)), lambda match: f"the same search with from_match={match}"
        )
        return f"{len(matches):,} match{'es' if len(matches) > 1 else ''} in {hunt.searched:,} files\n{shown}{noted}"

    arguments = {
        "pattern": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1_000,
            "description": "A regular expression, matched line by line; no look-around, no back-references.",
        },
        "path": {**PATH, "description": "A folder or one file, relative to the project root; all when absent."},
        "globs": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "maxItems": 20,
            "description": 'Only in files that match one of these: ["src/**/*.py"].',
        },
        "ignore_case": {"type": "boolean", "description": "Upper and lower case are the same."},
        "matches": {"type": "integer", "minimum": 1, "maximum": 500, "description": f"How many; {_SHOWN} when absent."},
        "from_match": {"type": "integer", "minimum": 1, "description": "To page on: the first match to show."},
    }
    text = "Find lines by regular expression in the project's text files (files ignored by git are left out)."
    return tool("search", text, arguments, ["pattern"], search)


@dataclass(slots=True)
class _Hunt:
    """One search in progress."""

    root: Path
    is_match: Callable[[str], bool]
    end: float
    clock: Callable[[], float]
    searched: int = 0
    passed_over: int = 0
    stopped: list[str] = field(default_factory=list[str])

    def matches(self, paths: list[str]) -> Iterator[str]:
        """``path:line: text`` for each match, until a bound is met."""
        count = 0
        for path in paths:
            for number, line in self._lines(path):
                if not self.is_match(line):
                    continue
                count += 1
                cut = line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}…"
                yield f"{path}:{number}: {cut}"
                if count == MAX_MATCHES:
                    self.stopped.append(f"stopped after {MAX_MATCHES:,} matches, in {path}; make the pattern narrower")
                    return
            if self.clock() >= self.end:
                self.stopped.append(f"stopped after {SEARCH_S:g} s, at {path}; name a folder or globs")
                return

    def notes(self) -> list[str]:
        """What the reader should know besides the matches."""
        over = [f"{self.passed_over:,} files passed over: binary, linked or very large"] if self.passed_over else []
        return [*self.stopped, *over]

    def _lines(self, path: str) -> Iterator[tuple[int, str]]:
        try:
            text = text_in(read_file(self.root, path, MAX_SEARCHED_BYTES), path)
        except Refused:
            self.passed_over += 1
            return
        self.searched += 1
        for number, line in enumerate(text.split("\n"), 1):
            yield number, line.removesuffix("\r")


def _candidates(root: Path, parts: tuple[str, ...], globs: list[str]) -> list[str]:
    if parts and _is_file(root, parts):
        return ["/".join(parts)]
    paths = project_files(root, "/".join(parts) or ".")
    return [path for path in paths if match_globs(path, globs)] if globs else paths


def _is_file(root: Path, parts: tuple[str, ...]) -> bool:
    with suppress(Refused), walk(root, parts[:-1]) as folder:
        return folder.kind(parts[-1]) == "file"
    return False


def _matcher(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    # pydantic's core is loaded anyway and speaks to Rust's regex; a package of its own would do no more.
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        wanted = f"(?i:{pattern})" if ignore_case else pattern
        return SchemaValidator(core_schema.str_schema(pattern=wanted, regex_engine="rust-regex")).isinstance_python
    except SchemaError as exc:
        reason = str(exc).partition("SchemaError: ")[2] or str(exc)
        raise Refused(
            "bad_argument",
            f"The pattern {pattern!r:.200} cannot be used: {reason}",
            "Escape special characters with a backslash, and use no look-around or back-reference.",
        ) from exc
