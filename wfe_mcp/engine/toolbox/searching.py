"""The tool ``search``: lines of the project that match a pattern.

Rules:
1. The pattern runs in linear time (the engine of Rust's regex, no look-around, no back-reference): it is a model's.
2. Files that git ignores are left out, unless one is named. Binary, linked and very large files are passed over.
3. A search ends after ``SEARCH_S``, and reports how far it came.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.toolbox.reach import PATH, Given, Reach, page, place, text_in, tool
from wfe_mcp.engine.toolbox.reading import project_files
from wfe_mcp.providers.call import Tool
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.files.project_files import read_file

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
        found = list(hunt.matches(_candidates(reach.root, parts, given.get("globs", []))))
        noted = "".join(f"\n[{note}]" for note in hunt.notes())
        if not found:
            return f"No line matches in {hunt.searched:,} files.{noted}"
        first = int(given.get("from_match", 1))
        if first > len(found):
            raise Refused("bad_argument", f"There are {len(found):,} matches.", "Begin at a smaller from_match.")
        shown = page(
            found, first, int(given.get("matches", _SHOWN)), lambda match: f"the same search with from_match={match}"
        )
        return f"{len(found):,} match{'es' if len(found) > 1 else ''} in {hunt.searched:,} files\n{shown}{noted}"

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
