"""What the files of a project say: findings, each with the file and line that is its reason.

``known.txt`` has a row per sign: the file, what to look for in it, and what that means. A further framework, database or
task runner is a row there, and no code.

Rules:
1. Files are read, never run, and only those that a row names, in folders that are listed. ``.env`` is not among them.
2. A file that cannot be read is a finding of the kind ``problem``, with its line; the others still count.
3. A finding is a text of the project: data, in one line, cut to ``MOST_CHARS``.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from posixpath import join, normpath
from typing import Literal, NamedTuple, cast, get_args

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.texts import cut, one_line
from wfe_mcp.workspace.discovery import node_checks as node
from wfe_mcp.workspace.discovery.project_listing import Folder, Listing
from wfe_mcp.workspace.discovery.values import Broken, Value, line_of, values_of

Sure = Literal["declared", "likely", "default", "person"]
_SURE: tuple[Sure, ...] = get_args(Sure)

_KNOWN = Path(__file__).with_name("known.txt")
MOST_FILES = 400
"""Files that are read for findings, nearest first."""

KINDS = (
    "problem",
    "language",
    "framework",
    "package manager",
    "database",
    "service",
    "port",
    "entry point",
    "version",
    "test runner",
    "workspace",
    "submodule",
    "worktree",
    "worktree of",
    "container",
    "setup",
    "task",
    "ci",
)
"""The kinds of findings, in the order in which a person reads them."""

MOST_OF_A_KIND = 120
MOST_CHARS = 160
_MOST_IN_A_FILE = 60
_HOST_PORT = re.compile(r"(?:^|[:\-/])(\d{2,5})\}?(?::\d{2,5})?(?:/(?:tcp|udp))?;?$")
_DATABASE_PORTS = frozenset({"1433", "3306", "5432", "6379", "9200", "27017"})
"""Where only these are named, the framework listens at its usual port still."""

_NO_COMMAND = re.compile(
    r"$|[^\w./]|\w+=|(?:if|fi|then|else|elif|for|while|do|done|case|esac|echo|exit|export|set|cd|mkdir|rm|cp)\b"
)
_CD = re.compile(r"cd ([\w./-]+)(?: *(?:&&|;) *(.+))?$")
_FOLDER = (("working-directory",), ("working_directory",))
_NAME = re.compile(r"@?[A-Za-z][\w./:*@-]*")


@dataclass(frozen=True, slots=True)
class ProjectFinding:
    """``value`` of a ``kind``, because of ``line`` in ``file``, a path below the project.

    ``sure``: declared (the file says so), likely (it follows), default (what the framework does), person (a correction).
    ``note``: what the value stands for, such as the script of a task or the service of a port. ``folder``: where CI runs it,
    as far as the file says so.
    """

    kind: str
    value: str
    file: str
    line: int
    sure: Sure = "declared"
    note: str = ""
    folder: str = ""


class _Row(NamedTuple):
    files: str
    where: str
    kind: str
    value: str
    sure: Sure = "declared"


class _Meaning(NamedTuple):
    kind: str
    value: str
    port: str = "-"
    sure: Sure = "declared"


class _Match(NamedTuple):
    """What a row matched: the text, its groups or stars, the last part of its path, its line, what stands behind it, and
    the folder in which it runs.
    """

    text: str
    groups: tuple[str, ...]
    key: str
    line: int
    note: str = ""
    folder: str = ""


def findings_of(listing: Listing) -> tuple[ProjectFinding, ...]:
    """The findings in the files of ``listing``, the project's own folder first."""
    findings: dict[tuple[str, str, str], ProjectFinding] = {}
    counts: dict[str, int] = {}
    ports: list[ProjectFinding] = []
    for path in _files(listing):
        for finding, port in _in_file(listing, path):
            key = (
                finding.kind,
                finding.value,
                "" if finding.kind == "package manager" else finding.folder or path.rpartition("/")[0],
            )
            is_surer = key in findings and _SURE.index(finding.sure) < _SURE.index(findings[key].sure)
            if (key in findings and not is_surer) or counts.get(finding.kind, 0) >= MOST_OF_A_KIND:
                continue
            findings[key] = finding
            counts[finding.kind] = counts.get(finding.kind, 0) + 1
            if port != "-":
                ports.append(ProjectFinding("port", port, finding.file, finding.line, "default", f"of {finding.value}"))
    declared = [
        finding.file for finding in findings.values() if finding.kind == "port" and finding.value not in _DATABASE_PORTS
    ]
    for finding in ports:
        folder = finding.file.rpartition("/")[0]
        if not any(file.startswith(f"{folder}/" if folder else "") for file in declared):
            findings.setdefault(("port", finding.value, folder), finding)
    return tuple(findings.values())


def declared_tasks(folder: Folder) -> list[ProjectFinding]:
    """The tasks that files of one folder declare, by the runner's own command."""
    # GNU make reads the first of these files.
    makefile = next((name for name in ("GNUmakefile", "makefile", "Makefile") if folder.has(name)), "")
    named = (
        name for name in sorted(folder.names) if name == makefile or name.lower() not in {"makefile", "gnumakefile"}
    )
    paths = (folder.path_of(name) for name in named if _any_file().search(f"/{name}"))
    return [finding for path in paths for finding, _ in _in_file(folder.listing, path, "task")]


def _files(listing: Listing) -> list[str]:
    """The files that rows name, nearest first. Names with a pattern are compared all at once: there may be many files."""
    pattern = _any_file()
    files = [
        f"{folder}/{name}" if folder else name
        for folder, names in listing.folders.items()
        if not listing.is_aside(folder)
        for name in sorted(names)
        if pattern.search(f"/{folder}/{name}")
    ]
    return sorted(files, key=lambda path: path.count("/"))[:MOST_FILES]


def _in_file(listing: Listing, path: str, kind: str = "") -> Iterator[tuple[ProjectFinding, str]]:
    """The findings in one file, of one kind or all, each with the port that is usual for it or ``-``."""
    rows = [row for row in _table().rows if kind in {"", row.kind} and _pattern(row.files).search(f"/{path}")]
    text, name = listing.read(path) if rows else "", path.rpartition("/")[2]
    values: list[Value] = []
    if any(not row.where.startswith("/") for row in rows):
        try:
            values = values_of(name, text) if text else []
        except Broken as fault:
            yield (
                ProjectFinding("problem", one_line(f"{name} cannot be read: {fault}")[:MOST_CHARS], path, fault.line),
                "-",
            )
    for row in rows:
        matches = _matching_text(row, text) if row.where.startswith("/") else _matching_values(row, text, values)
        for match, _ in zip(matches, range(_MOST_IN_A_FILE), strict=False):
            yield from _meant(listing, path, row, match)


def _matching_text(row: _Row, text: str) -> Iterator[_Match]:
    for match in _regex(row.where).finditer(text):
        groups = tuple(group or "" for group in match.groups())
        at = match.start(1) if groups and groups[0] else match.start() + len(match[0]) - len(match[0].lstrip())
        yield _Match(match[0], groups, groups[0] if groups else "", text.count("\n", 0, at) + 1)


def _matching_values(row: _Row, text: str, values: Sequence[Value]) -> Iterator[_Match]:
    wanted = row.where.split(".")
    folders = (
        {value.path[:-1]: value.text for value in values if value.path[-1:] in _FOLDER} if row.kind == "ci" else {}
    )
    for value in values:
        if len(value.path) != len(wanted) or not all(map(fnmatchcase, value.path, wanted)):
            continue
        stars = tuple(part for part, pattern in zip(value.path, wanted, strict=True) if pattern == "*")
        line = value.line or line_of(text, value.path, value.text)
        folder = _folder_of(value.path, folders)
        commands = _commands(value.text, folder) if row.kind == "ci" else [(0, value.text, folder)]
        for offset, command, inside in commands:
            yield _Match(command, stars, value.path[-1], line + offset, command, inside)


def _folder_of(path: tuple[str, ...], folders: Mapping[tuple[str, ...], str]) -> str:
    """Where the command at ``path`` of a workflow runs: as its step says, else its job, else the workflow."""
    places = (path[:-1], (*path[:2], "defaults", "run"), ("defaults", "run"))
    return next((folders[place] for place in places if place in folders), "").removeprefix("./").strip("/")


def _commands(script: str, folder: str) -> Iterator[tuple[int, str, str]]:
    """The commands of a shell script with their lines and folders, without its control flow, its assignments and texts over lines."""
    start, parts, marks = 0, list[str](), (0, 0)
    for number, text in enumerate(script.splitlines()):
        part = text.strip()
        start = start if parts else number
        marks = (marks[0] + part.count("'")) % 2, (marks[1] + part.count('"')) % 2
        parts += filter(None, [part.removesuffix("\\").rstrip()])
        if part.endswith("\\") or any(marks):
            continue
        command, parts = " ".join(parts), []
        if entered := _CD.match(command):
            folder, command = normpath(join(folder, entered[1])), entered[2] or ""
        if not _NO_COMMAND.match(command):
            yield start, command, "" if folder == "." else folder


def _meant(listing: Listing, path: str, row: _Row, match: _Match) -> Iterator[tuple[ProjectFinding, str]]:
    """What ``match`` means: the row's own finding, or those that a table has for the name."""
    if "{0}" in row.value and not match.text:
        return
    folder, _, name = path.rpartition("/")
    run = (node.script(Folder(listing, folder), match.key) or [""]) if "{run}" in row.value else []
    fields = {
        "file": path,
        "at": f"./{folder}" if folder else ".",
        "package": _package(listing, folder),
        "stem": folder.rpartition("/")[2] if name == "__init__.py" and folder else name.partition(".")[0],
        "key": match.key,
        "run": " ".join(run),
    }
    value = row.value.format(match.text, *match.groups, *[""] * 3, **fields).strip()
    if row.kind.startswith(">"):
        for meaning in _meanings(row.kind[1:], value):
            sure = max((row.sure, meaning.sure), key=_SURE.index)
            yield (
                ProjectFinding(meaning.kind, meaning.value, path, match.line, sure, f"by {one_line(value)[:60]}"),
                meaning.port,
            )
        return
    if row.kind == "entry point":
        value = _in_words(value)
    if row.kind == "port":
        port = _HOST_PORT.search(value)
        value = port[1] if port and 0 < int(port[1]) < 65_536 else ""
    if value:
        of = f"of {match.groups[0]}" if row.kind in {"port", "ci"} and match.note and len(match.groups) > 1 else ""
        of += f", in {match.folder}" if match.folder else ""
        yield (
            ProjectFinding(
                row.kind,
                cut(one_line(value.strip()), MOST_CHARS),
                path,
                match.line,
                row.sure,
                cut(one_line((match.note if row.kind == "task" else of).strip()), MOST_CHARS),
                match.folder,
            ),
            "-",
        )


def _package(listing: Listing, folder: str) -> str:
    """The name by which Python imports ``folder``, with the packages above it."""
    above, _, name = folder.rpartition("/")
    return f"{_package(listing, above)}.{name}" if above and Folder(listing, above).has("__init__.py") else name or "."


def _in_words(value: str) -> str:
    """An entry point as one types it: the list of a Dockerfile as a command, a path of package.json without ``./``."""
    if not value.startswith("["):
        return value.removeprefix("./")
    try:
        return shlex.join(map(str, cast("list[object]", json.loads(value))))
    except (ValueError, RecursionError):
        return value


def _meanings(table: str, name: str) -> Iterable[_Meaning]:
    """The meanings of ``name``: by the name itself, else by the first pattern that fits."""
    known = _table().meanings[table]
    if table not in {"connection", "scheme"}:
        match = _NAME.match(name)
        name = match[0] if match else ""
    if table == "python":
        name = name.lower().replace("_", "-")
    if table == "image":
        name = name.partition("@")[0].partition(":")[0]
    if name in known:
        return [known[name]]
    return [meaning for pattern, meaning in known.items() if "*" in pattern and fnmatchcase(name, pattern)][:1]


class _Table(NamedTuple):
    rows: tuple[_Row, ...]
    meanings: dict[str, dict[str, _Meaning]]


@cache
def _table() -> _Table:
    rows, meanings = list[_Row](), dict[str, dict[str, _Meaning]]()
    table: dict[str, _Meaning] | None = None
    for line in _KNOWN.read_text(encoding="utf-8").splitlines():
        cells = re.split(r" {2,}", line.strip())
        if line.startswith("= "):
            table = meanings.setdefault(line[2:].strip(), {})
        elif line.strip() and not line.startswith("# ") and line != "#":
            if table is None:
                rows.append(_Row(*cells[:4], sure=cast("Sure", cells[4] if cells[4:] else "declared")))
            else:
                table[cells[0]] = _Meaning(*cells[1:4], sure=cast("Sure", cells[4] if cells[4:] else "declared"))
    return _Table(tuple(rows), meanings)


def _glob(names: str) -> str:
    """A regular expression for the end of a path."""
    patterns = (re.escape(name).replace(r"\*", "[^/]*") for name in names.split("|"))
    return f"/(?:{'|'.join(patterns)})$"


@cache
def _pattern(names: str) -> re.Pattern[str]:
    return re.compile(_glob(names))


@cache
def _any_file() -> re.Pattern[str]:
    return re.compile("|".join(dict.fromkeys(_glob(row.files) for row in _table().rows)))


@cache
def _regex(where: str) -> re.Pattern[str]:
    return re.compile(where[1:-1], re.MULTILINE)
