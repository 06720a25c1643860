"""The result of an importer, and its notes on what could not be imported.

Parts of a Markdown file with their lines: front matter, headings, checkboxes.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import field
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Code, Detail, Refused, pointer
from wfe_mcp.importers.entries import Entries, Entry
from wfe_mcp.workflow.model.base import RESERVED_WORDS
from wfe_mcp.workflow.yaml_lines import yaml_value


@dataclass(frozen=True, slots=True)
class ImportedTemplate:
    """A workflow as ``wfe/1``.

    ``not_carried``: what could not be converted, by pointer into the source file. ``added``: what the template has so that
    the workflow keeps its meaning, by pointer into ``definition``.
    """

    format: str
    definition: dict[str, Any]
    not_carried: tuple[Detail, ...] = ()
    added: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedPlan:
    """Milestones and tasks as ``milestone_plan@1``. ``not_carried``: what could not be converted, by ``line N`` of the file."""

    format: str
    plan: dict[str, Any]
    not_carried: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedSettings:
    """Changes to the phases of ``template``, by phase; ``checks`` to configure; ``inputs`` for its start; other ``tables``,
    by their dotted name.

    ``not_carried``: by pointer into the source file, or by ``line N`` of a YAML file.
    """

    format: str
    template: str
    phases: dict[str, dict[str, Any]]
    not_carried: tuple[Detail, ...] = ()
    checks: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    tables: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def settings(self) -> dict[str, Any]:
        """The settings in the structure of ``.wfe/config.toml``."""
        tables: dict[str, Any] = {"checks": self.checks} if self.checks else {}
        for name, keys in self.tables.items():
            above, _, last = name.rpartition(".")
            (tables.setdefault(above, {}) if above else tables)[last] = keys
        return tables | ({"templates": {self.template: {"phases": self.phases}}} if self.phases else {})

    def toml(self) -> str:
        """The tables of ``.wfe/config.toml``."""
        return "\n".join(_tables("", self.settings()))


def _tables(name: str, keys: dict[str, Any]) -> Iterator[str]:
    """A table with its own keys, then the tables in it."""
    own = {key: value for key, value in keys.items() if not isinstance(value, dict)}
    if own:
        yield f"[{name}]\n" + "".join(f"{key} = {_toml_value(value)}\n" for key, value in own.items())
    for key, value in keys.items():
        if isinstance(value, dict):
            quoted = json.dumps(key) if "." in key else key
            yield from _tables(f"{name}.{quoted}" if name else key, cast("dict[str, Any]", value))


def _toml_value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class ImportedWork:
    """The open work of another tool, and the template that continues it.

    ``inputs``: of a start of ``template``. ``documents``: by file name, what its phases take: (phase, schema, value).
    ``open_tasks``, ``done_tasks``: how many there are. ``not_carried``: by path and line in the folder.
    """

    format: str
    name: str
    template: str
    inputs: dict[str, Any]
    open_tasks: int
    done_tasks: int
    not_carried: tuple[Detail, ...] = ()
    documents: dict[str, tuple[str, str, dict[str, Any]]] = field(
        default_factory=dict[str, tuple[str, str, dict[str, Any]]]
    )


@dataclass(slots=True)
class ImportReport:
    """The errors, losses and additions of an import. A place is a JSON pointer, or ``line N``."""

    errors: list[Detail] = field(default_factory=list[Detail])
    not_carried: list[Detail] = field(default_factory=list[Detail])
    added: list[Detail] = field(default_factory=list[Detail])

    def error(self, place: str, message: str, expected: object = None, got: object = None) -> None:
        """Add an error: the file cannot be imported until it is fixed."""
        self.errors.append(Detail(place, message, expected, got))

    def lose(self, place: str, message: str) -> None:
        """Add a loss: the file is imported without this. Reported once."""
        lost = Detail(place, message)
        if lost not in self.not_carried:
            self.not_carried.append(lost)

    def add(self, place: str, message: str) -> None:
        """Report something that the result has and the file has not, by pointer into the result."""
        self.added.append(Detail(place, message))

    def object_at(self, value: object, at: Sequence[str | int]) -> dict[str, Any]:
        """``value`` as an object; an error and an empty one where it is something else. ``at``: its place in the file."""
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        self.error(pointer(*at), "must be an object")
        return {}

    def refuse(self, source: str, code: Code, then: str = "import it again.") -> None:
        """Refuse with every error, if there are any. ``source``: what has them; ``then``: what to do once they are fixed."""
        if self.errors:
            count = f"{len(self.errors)} error{'' if len(self.errors) == 1 else 's'}"
            first = self.errors[0]
            raise Refused(
                code,
                f"{source} has {count}; {first.path or 'the whole'}: {first.message}.",
                f"Fix each place that is named and {then}",
                tuple(self.errors),
            )


@dataclass(frozen=True, slots=True)
class PlanReading:
    """A plan as far as it was understood, with its errors. ``plan["quality"]``: its weaknesses, blocking ones included.

    ``source``: its file, as it was named. ``entries``: the same for work items, with what the plan leaves out since it is over.
    """

    format: str
    plan: dict[str, Any]
    report: ImportReport
    entries: tuple[Entry, ...] = ()
    source: str = ""

    def refuse(self) -> None:
        """Refuse ``invalid_artifact`` with every error by line, if there are any."""
        self.report.refuse(self.source, "invalid_artifact", f"check it again: wfe-mcp plan validate {self.source}")

    def import_plan(self) -> ImportedPlan:
        """The plan. Refuses ``invalid_artifact``: every error, and every weakness that blocks, by line."""
        for problem in self.plan["quality"]["problems"]:
            if problem["blocking"]:
                self.report.error(f"line {problem['line']}", problem["message"])
        self.refuse()
        return ImportedPlan(self.format, self.plan, tuple(self.report.not_carried))

    def items(self) -> Entries:
        """The entries for work items. Refuses what ``import_plan`` refuses, but a file in which everything is over."""
        if self.entries:
            problems = self.plan["quality"]["problems"]
            self.plan["quality"]["problems"] = [problem for problem in problems if problem["rule"] != "no_milestones"]
        self.import_plan()
        over = {entry.place for entry in self.entries if entry.is_over}
        lost = tuple(detail for detail in self.report.not_carried if detail.path not in over)
        return Entries(self.format, self.entries, lost)


def without_nulls(value: Any, but: Collection[str] = ()) -> Any:
    """``value`` without keys that have no value, at every level; below a key of ``but`` all stay."""
    if isinstance(value, dict):
        keys = cast("dict[str, Any]", value).items()
        return {key: item if key in but else without_nulls(item, but) for key, item in keys if item is not None}
    if isinstance(value, list):
        return [without_nulls(item, but) for item in cast("list[Any]", value)]
    return value


def quote_line(line: str) -> str:
    """A line of the source for a message, in quotes and at most 60 characters."""
    return repr(line if len(line) <= 60 else f"{line[:57]}…")


def identifier(text: str) -> str:
    """``text`` as an identifier for expressions."""
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter == "_") else "_" for letter in text)[:64]
    if not name or name[0].isdigit():
        name = f"_{name}"[:64]
    return f"{name[:63]}_" if name in RESERVED_WORDS else name


def free_name(name: str, taken: Collection[str]) -> str:
    """``name``, or the first of ``name_2``, ``name_3``… that is not taken; at most 64 characters."""
    free, number = name[:64], 2
    while free in taken:
        free = f"{name[: 63 - len(str(number))]}_{number}"
        number += 1
    return free


_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_CHECKBOX = re.compile(r"(\s*)[-*]\s+\[(.?)\]\s+(.*)")


@dataclass(slots=True)
class Section:
    """A heading with the lines below it, up to the next heading. ``level`` 0: what comes before the first one."""

    level: int
    title: str
    line: int
    lines: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(text for _, text in self.lines).strip()


@dataclass(frozen=True, slots=True)
class Checkbox:
    """A task line. ``mark``: the letter in the box, a blank one included; ``below``: its indented lines; ``is_inside``: it is
    itself indented.
    """

    mark: str
    text: str
    line: int
    below: tuple[tuple[int, str], ...] = ()
    is_inside: bool = False


def front_matter(text: str, path: str, report: ImportReport) -> dict[str, Any]:
    """The values between the first two ``---``; {} if there are none."""
    if not text.startswith("---\n"):
        return {}
    head, closed, _ = text[4:].partition("\n---")
    if not closed:
        report.error(f"{path}:1", "the front matter has no end", "---")
        return {}
    return yaml_keys(head, path, report, 1)


def yaml_keys(text: str, path: str, report: ImportReport, above: int = 0) -> dict[str, Any]:
    """The keys of a YAML text that begins ``above`` lines below the first one of ``path``."""
    try:
        value, _ = yaml_value(text, path)
    except Refused as no:
        for fault in no.details:
            report.error(f"{path}:{int(fault.path.removeprefix('line ')) + above}", fault.message)
        return {}
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    report.error(f"{path}:{above + 1}", "it has no keys", "key: value")
    return {}


def sections(text: str) -> list[Section]:
    """The sections of a file, comments and front matter removed; lines count from the first of the file."""
    end = text.rfind("-->") + 3  # what begins after it has no end, which each of them would be searched for
    bare = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text[:end]) + text[end:]
    if bare.startswith("---\n") and "\n---" in bare[3:]:
        end = bare.index("\n---", 3) + 4
        bare = "\n" * bare.count("\n", 0, end) + bare[end:]
    all_sections, fence = [Section(0, "", 1)], ""
    for number, line in enumerate(bare.split("\n"), 1):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is not None:
            all_sections.append(Section(len(heading[1]), heading[2].rstrip().rstrip("#").rstrip(), number))
        else:
            all_sections[-1].lines.append((number, line.rstrip()))
    return all_sections


def checkboxes(lines: list[tuple[int, str]]) -> list[Checkbox]:
    """The task lines, each with the lines below it that are no task lines."""
    boxes: list[tuple[re.Match[str], int, list[tuple[int, str]]]] = []
    for number, line in lines:
        box = _CHECKBOX.fullmatch(line)
        if box is not None:
            boxes.append((box, number, []))
        elif boxes and line.strip() and line[:1].isspace():
            boxes[-1][2].append((number, line.strip()))
    return [Checkbox(box[2] or " ", box[3].strip(), number, tuple(below), bool(box[1])) for box, number, below in boxes]


def bullets(lines: list[tuple[int, str]], *, joins: bool = False) -> list[tuple[int, str]]:
    """The items of a list, continuation lines joined. ``joins``: the items below an item are part of it, too."""
    items: list[tuple[int, str]] = []
    for number, line in lines:
        item = re.fullmatch(r"\s*(?:[-*]|\d+[.)])\s+(.*)", line)
        is_inside = bool(items) and line[:1].isspace()
        if item is not None and not (joins and is_inside):
            items.append((number, item[1].strip()))
        elif is_inside and line.strip():
            items[-1] = (items[-1][0], f"{items[-1][1]} {item[1] if item else line.strip()}")
    return items
