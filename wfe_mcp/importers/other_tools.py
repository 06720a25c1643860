"""The tools whose work can be imported, and the detection of their folders.

    name             found at                                        becomes
    task-master      .taskmaster/tasks/tasks.json                    milestones
    backlog-md       backlog/tasks/*.md                              milestones
    spec-kit         specs/NAME/spec.md                              spec_driven
    openspec         openspec/changes/NAME/proposal.md               spec_driven
    spec-workflow    .spec-workflow/specs/NAME/requirements.md       spec_driven
    shrimp           .shrimp, shrimp_data, data …: tasks.json        milestones

``PATH`` may be the project, the tool's folder, or the one piece of work inside it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, nearest, nearest_hint
from wfe_mcp.core.units import plural
from wfe_mcp.importers.backlog_md import read_backlog_md
from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport
from wfe_mcp.importers.openspec import read_openspec
from wfe_mcp.importers.shrimp import FOLDERS as SHRIMP_FOLDERS, is_of_shrimp, is_shrimp, read_shrimp
from wfe_mcp.importers.spec_kit import is_spec_kit, read_spec_kit
from wfe_mcp.importers.spec_workflow import read_spec_workflow
from wfe_mcp.importers.task_master import PLACES as TASKS_FILES, is_task_master, read_task_master


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its title, where its work lies in a project, the pieces of work below a path, and how one is read."""

    title: str
    sign: str
    found: Callable[[Path], Iterator[Path]]
    read: Callable[[Path], ImportedWork]


def work_in(source: Path, wanted: str = "") -> ImportedWork | None:
    """The work of another tool at ``source``; None if there is none. ``wanted``: the name of its tool.

    Refuses: bad_argument (no such tool; several pieces of work; nothing of the wanted tool), invalid_artifact.
    """
    if wanted and wanted not in TOOLS:
        hint = nearest_hint(wanted, TOOLS, then=f"Formats: {', '.join(TOOLS)}")
        raise Refused("bad_argument", f"There is no format {wanted!r}.", hint)
    names = [wanted] if wanted else list(TOOLS)
    pieces = [(name, path) for name in names for path in dict.fromkeys(TOOLS[name].found(source))]
    if len(pieces) > 1:
        left = {path: _work_left(TOOLS[name], path) for name, path in pieces}
        first = next((path for path, (is_open, _) in left.items() if is_open), pieces[0][1])
        raise Refused(
            "bad_argument",
            f"{source} holds {len(pieces)} pieces of work.",
            f"Name one of them: wfe-mcp import {first}",
            tuple(Detail(str(path), what) for path, (_, what) in left.items()),
        )
    if pieces:
        return TOOLS[pieces[0][0]].read(pieces[0][1])
    if wanted:
        tool = TOOLS[wanted]
        raise Refused(
            "bad_argument",
            f"{source} has no {tool.sign}, so it is no folder of {tool.title}; {holds(source)}.",
            nearest_formats(source),
        )
    return None


def _work_left(tool: Tool, path: Path) -> tuple[bool, str]:
    """Whether a piece of work can be imported, and what is to do there or why it cannot."""
    try:
        work = tool.read(path)
    except Refused as no:
        return False, no.message.removesuffix(".")
    return True, f"{tool.title}: {plural(work.open_tasks, 'open task')}, {work.done_tasks} done"


def holds(source: Path) -> str:
    """What is at ``source``, in short."""
    if not source.is_dir():
        return "it is a file"
    names = _names(source)
    return f"it holds {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else "it is empty"


def nearest_formats(source: Path) -> str:
    """The known formats that come near to what ``source`` holds, else all."""
    names = [name.strip(".") for name in _names(source)]
    near = [tool for tool in TOOLS.values() if nearest(tool.sign.split("/")[0].strip("."), names, 1)]
    return f"Name a folder that a tool wrote: {'; '.join(f'{tool.title} has {tool.sign}' for tool in near or TOOLS.values())}."


def _names(source: Path) -> list[str]:
    return sorted(path.name for path in source.iterdir()) if source.is_dir() else [source.name]


def _tasks_files(source: Path, *places: str) -> Iterator[tuple[Path, object]]:
    """Every tasks.json at ``source``, or below it in ``places``, with its JSON; None when it cannot be read."""
    candidates = [source] if source.is_file() and source.suffix == ".json" else []
    for path in candidates or [source / place for place in places]:
        if path.is_file() or path.is_symlink():
            file = Folder(path.parent, ImportReport()).json(path.name)
            yield path, (file.value or {}) if file else None  # null is no fault of JSON, and no task


def _task_master(source: Path) -> Iterator[Path]:
    for path, value in _tasks_files(source, *TASKS_FILES):
        if is_task_master(value) or (value is None and not is_of_shrimp(path) and source.is_dir()):
            yield path  # one that cannot be read: its reader says why


def _backlog_md(source: Path) -> Iterator[Path]:
    for folder in (source, source / "backlog", source / ".backlog"):
        if (folder / "tasks").is_dir() and ((folder / "config.yml").is_file() or any(folder.glob("tasks/*-* - *.md"))):
            yield folder


def _shrimp(source: Path) -> Iterator[Path]:
    for path, value in _tasks_files(source, "tasks.json", *(f"{folder}/tasks.json" for folder in SHRIMP_FOLDERS)):
        if is_shrimp(value) or (value is None and is_of_shrimp(path)):
            yield path


def _spec_kit(source: Path) -> Iterator[Path]:
    place = source.parent if source.name == ".specify" else source  # its folder of templates, beside the work
    for folder in _below(place, "", "specs", file="spec.md"):
        if is_spec_kit(Folder(folder, ImportReport()).text("spec.md") or ""):
            yield folder


def _openspec(source: Path) -> Iterator[Path]:
    yield from _below(source, "openspec/changes", "changes", file="proposal.md")


def _spec_workflow(source: Path) -> Iterator[Path]:
    for folder in _below(source, ".spec-workflow/specs", "specs", file="requirements.md"):
        if ".spec-workflow" in folder.resolve().parts:
            yield folder


def _below(source: Path, *places: str, file: str) -> Iterator[Path]:
    """``source``, or the folders in one of its ``places``, that hold ``file``."""
    if (source / file).is_file():
        yield source
        return
    for place in places:
        above = source if place.rpartition("/")[2] == source.name else source / place
        yield from (path.parent for path in sorted(above.glob(f"*/{file}")))


TOOLS = {
    "task-master": Tool("Task Master", ".taskmaster/tasks/tasks.json", _task_master, read_task_master),
    "backlog-md": Tool("Backlog.md", "backlog/tasks/*.md", _backlog_md, read_backlog_md),
    "spec-kit": Tool("spec-kit", "specs/NAME/spec.md", _spec_kit, read_spec_kit),
    "openspec": Tool("OpenSpec", "openspec/changes/NAME/proposal.md", _openspec, read_openspec),
    "spec-workflow": Tool(
        "spec-workflow", ".spec-workflow/specs/NAME/requirements.md", _spec_workflow, read_spec_workflow
    ),
    "shrimp": Tool("Shrimp Task Manager", "shrimp_data/tasks.json", _shrimp, read_shrimp),
}
"""The tools, by the name that ``--format`` takes."""
