"""Parts of a Markdown file with their lines: front matter, headings, checkboxes."""

import re
from dataclasses import field
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.imported import ImportReport

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
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
    """A task line. ``mark``: the letter in the box, a blank one included; ``below``: its indented lines."""

    mark: str
    text: str
    line: int
    below: tuple[tuple[int, str], ...] = ()


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
    from wfe_mcp.workflow.yaml_lines import yaml_value

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
    bare = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    if bare.startswith("---\n") and "\n---" in bare[3:]:
        end = bare.index("\n---", 3) + 4
        bare = "\n" * bare.count("\n", 0, end) + bare[end:]
    found, fence = [Section(0, "", 1)], ""
    for number, line in enumerate(bare.split("\n"), 1):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is not None:
            found.append(Section(len(heading[1]), heading[2], number))
        else:
            found[-1].lines.append((number, line.rstrip()))
    return found


def checkboxes(lines: list[tuple[int, str]]) -> list[Checkbox]:
    """The task lines, each with the lines below it that are no task lines."""
    found: list[Checkbox] = []
    for number, line in lines:
        box = _CHECKBOX.fullmatch(line)
        if box is not None:
            found.append(Checkbox(box[2] or " ", box[3].strip(), number))
        elif found and line.strip() and line[:1].isspace():
            last = found[-1]
            found[-1] = Checkbox(last.mark, last.text, last.line, (*last.below, (number, line.strip())))
    return found


def bullets(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The items of a list, continuation lines joined."""
    found: list[tuple[int, str]] = []
    for number, line in lines:
        item = re.fullmatch(r"\s*(?:[-*]|\d+[.)])\s+(.*)", line)
        if item is not None:
            found.append((number, item[1].strip()))
        elif found and line.strip() and line[:1].isspace():
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found
