"""What a plan in JSON, or another tool's work, says there is to do, as entries that become work items.

milestone_plan@1           its milestones and tasks
work for milestones        the same, with what was done there
work for spec_driven       its requirements, and a milestone with its tasks
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Detail, pointer
from wfe_mcp.core.items import ItemKind, ItemStatus
from wfe_mcp.importers.entries import DONE_THERE, Entries, Entry, cut_body, describe_entry, plan_entries
from wfe_mcp.importers.folders import Folder
from wfe_mcp.importers.imported import ImportedWork, ImportReport


def work_entries(work: ImportedWork) -> Entries:
    """The entries of another tool's work."""
    plan: Any = work.inputs.get("plan")
    if isinstance(plan, dict):
        entries, lost = tuple(plan_entries(cast("dict[str, Any]", plan), {})), list[Detail]()
    else:
        documents = {schema: value for _, schema, value in work.documents.values()}
        none: dict[str, Any] = {"title": work.name, "goal": work.inputs["goal"], "requirements": [], "acceptance": []}
        entries = tuple(_spec_entries(work.name, documents.get("spec@1", none), documents.get("task_list@1", {})))
        design = Detail("design.json", "a document is no work item; the template spec_driven takes it")
        lost = [design] if design.path in work.documents else []
    cut = [detail for entry in entries for detail in cut_body(entry.values, entry.key)]
    return Entries(work.format, entries, (*cut, *work.not_carried, *lost))


def _spec_entries(name: str, spec: Mapping[str, Any], tasks: Mapping[str, Any]) -> Iterator[Entry]:
    """A milestone with the tasks, and the requirements that it serves."""
    for requirement in spec["requirements"]:
        values = describe_entry(requirement["text"], "") | {"tags": [requirement["id"]]}
        yield Entry(f"{name}/{requirement['id']}", ItemKind.REQUIREMENT, values)
    if not tasks and spec["requirements"]:
        return
    milestone = describe_entry(spec["title"], spec["goal"], spec["acceptance"])
    yield Entry(name, ItemKind.MILESTONE, milestone | {"sequential": True})
    for task in tasks.get("items", ()):
        body = task.get("description") or f"Part of {spec['title']!r}: {spec['goal']}"
        yield Entry(
            f"{name}/{task['id']}",
            ItemKind.TASK,
            describe_entry(task["title"], body, task["acceptance"])
            | {"scopes": task.get("files", []), "tags": task.get("requirements", [])},
            parent=name,
            needs=tuple(f"{name}/{need}" for need in task.get("depends_on", ())),
        )
    for task in tasks.get("done", ()):
        values = describe_entry(task["title"], task.get("summary", ""))
        yield Entry(f"{name}/{task['id']}", ItemKind.TASK, values, name, status=ItemStatus.DONE, reason=DONE_THERE)


def plan_file(source: Path) -> Entries:
    """The entries of a JSON file with a ``milestone_plan@1``. Refuses ``invalid_artifact`` with the line of each fault."""
    from wfe_mcp.artifacts.validate import validate

    report = ImportReport()
    file = Folder(source.parent, report).json(source.name)
    if file is None:
        if not report.errors:
            report.error(source.name, "it is not there")
        report.refuse(str(source), "invalid_artifact")
        raise AssertionError("a file that cannot be read has an error")
    whole: Any = file.value
    is_inputs = isinstance(whole, dict) and "plan" in whole  # of the template milestones
    below, plan = ("/plan", cast("Any", whole["plan"])) if is_inputs else ("", cast("Any", whole))
    for fault in validate("milestone_plan@1", plan).faults:
        report.error(file.place(below + fault.path), f"{fault.path}: {fault.message}", fault.expected, fault.got)
    report.refuse(str(source), "invalid_artifact")
    places = {item["id"]: file.place(below + at) for item, at in _pointers(plan)}
    return Entries("milestone_plan@1", tuple(plan_entries(plan, places)))


def _pointers(plan: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each milestone and task of a plan, with its pointer."""
    for at, milestone in enumerate(plan["milestones"]):
        yield milestone, pointer("milestones", at)
        for number, task in enumerate(milestone["tasks"]):
            yield task, pointer("milestones", at, "tasks", number)
