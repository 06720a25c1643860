"""``wfe-mcp project``: what a project is, the projects of this database, and where one is, what it is called, that it is over."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.confirm import require_confirmation
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.location import find_project
from wfe_mcp.workspace.system.shell_words import shell_line, shell_word

if TYPE_CHECKING:
    from wfe_mcp.store.records.runs import ProjectRecord

Old = Annotated[str, typer.Argument(metavar="OLD", help="The folder in which it was, its name or its id.")]
New = Annotated[str, typer.Argument(metavar="[NEW]", help="The folder in which it is; without it the current one.")]
Which = Annotated[str, typer.Argument(metavar="PROJECT", help="Its folder, its name or its id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help='The name; "" for that of its folder.')]
Kind = Annotated[
    str, typer.Argument(metavar="[KIND]", help="Only the findings of this kind, such as task; all of them.")
]
Folder = Annotated[str, typer.Argument(metavar="[DIR]", help="The folder; without it the current one.")]

MOST_SHOWN = 8
"""Lines of a kind of finding, unless it is asked for."""


def show(invocation: Invocation, kind: Kind = "") -> None:
    """Show what the project is: findings, facts and checks.

    Files are read, nothing of the project runs. Where a finding is wrong, one command corrects it for good: wfe-mcp config
    fact KIND VALUE, or for a check: wfe-mcp config check NAME COMMAND. Agents read the same as the resource wfe://project.
    """
    from wfe_mcp.views.project.project import project_view

    view = project_view(invocation.engine)
    kinds = list(dict.fromkeys(finding.kind for finding in view.findings))
    if kind and kind not in kinds:
        hint = nearest_hint(kind, kinds, f"Kinds that were found: {', '.join(kinds) or 'none'}.")
        raise Refused("bad_argument", f"No finding is of the kind {kind!r}.", hint)
    names = ", ".join(language.name for language in view.languages) or "no known language"
    summary = f"{view.root}: {names}"

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        rows = list[tuple[str, ...]]()
        for finding_kind in [kind] if kind else kinds:
            findings = [finding for finding in view.findings if finding.kind == finding_kind]
            for finding in findings if kind else findings[:MOST_SHOWN]:
                sure = "" if finding.sure == "declared" else "yours" if finding.sure == "person" else finding.sure
                rows.append(
                    (
                        finding_kind,
                        finding.value,
                        f"{finding.file}:{finding.line}",
                        ", ".join(filter(None, (sure, finding.note))),
                    )
                )
            if len(findings) > MOST_SHOWN and not kind:
                rows.append(
                    (
                        finding_kind,
                        f"and {len(findings) - MOST_SHOWN} more",
                        "",
                        f"wfe-mcp project show {finding_kind!r}",
                    )
                )
        screen.table(("finding", "value", "from", ""), rows)
        if kind:
            return
        screen.table(
            ("folder", "language", "package manager", "test runner"),
            [(stack.folder, stack.language, stack.manager, stack.runner or "-") for stack in view.stack],
        )
        screen.table(
            ("fact", "value", ""),
            [
                (fact.name, fact.value, f"yours; found: {fact.found or 'nothing'}" if fact.by_hand else "found")
                for fact in view.facts
            ],
        )
        screen.table(
            ("check", "in", "command", "", "why"),
            [
                (
                    check.name,
                    check.cwd,
                    shell_line(check.argv),
                    check.fault or ("" if check.configured else "not configured"),
                    check.why,
                )
                for check in view.checks
            ],
        )
        if any(not check.configured for check in view.checks):
            screen.next("wfe-mcp init")

    invocation.answer(summary, render, view=view)


def list_all(invocation: Invocation) -> None:
    """List all projects with their folders.

    Those whose folder is missing come first; an earlier one is of a folder that is another project by now.
    """
    from wfe_mcp.engine.kernel.identity import move_command
    from wfe_mcp.engine.maintenance.projects import known_projects
    from wfe_mcp.views.project.activity import ProjectList, project_row

    with invocation.store.read() as tx:
        records = known_projects(tx)

    def render(screen: Screen) -> None:
        rows = [
            (
                project.name,
                project.open_runs,
                project.runs,
                f"{project.folder}{'  (missing)' if project.missing else '  (earlier)' if project.earlier else ''}",
            )
            for project in records
        ]
        screen.table(("project", "open", "runs", "folder"), rows)
        screen.line(f"{plural(len(records), 'project')}.")
        missing = [project for project in records if project.missing]
        earlier = [project for project in records if project.earlier]
        if missing:
            screen.next(move_command(missing[0].folder, "NEW"), f"wfe-mcp project forget {missing[0].id}")
        elif earlier:
            screen.next(f"wfe-mcp project forget {earlier[0].id}")

    view = ProjectList(projects=tuple(map(project_row, records)))
    invocation.answer(plural(len(records), "project"), render, view=view)


def move(invocation: Invocation, old: Old, new: New = "", yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Say where a renamed or moved project is: its runs continue there.

    What you trusted counts there where its bytes are the same. It shows what it found, then asks for your PIN.
    """
    from wfe_mcp.engine.maintenance import projects

    store = invocation.store
    with store.read() as tx:
        planned = projects.move_of(tx, old, new or str(invocation.project.root), Path.cwd())
    _show(invocation, *planned.lines)
    if not yes:
        # What does not look like it is typed in full: a word is read, a letter is not.
        require_confirmation("Is it the same project?", "" if planned.looks_right else "move", needs_pin=pin_fd is None)
    by = invocation.person_of(planned.record, pin_fd, "say where the project is")
    projects.move(store, by, planned, invocation.clock())
    linked = Path(planned.new.key, "worktrees")
    if planned.new.key != planned.record.key and linked.is_dir() and any(linked.iterdir()):
        invocation.screen.talk("Its other work trees know it by the old path.")
        invocation.screen.next(f"git -C {shell_word(str(planned.new.root))} worktree repair")
    data = {"project": planned.record.id, "before": planned.old, "folder": str(planned.new.root)}
    invocation.answer(
        f"Moved: {planned.old} is {planned.new.root} now. Restart the clients that work there.", data=data
    )


def forget(invocation: Invocation, which: Which, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Take a project out of the lists.

    Its runs and their log stay; work in its folder brings it back.
    """
    from wfe_mcp.engine.kernel.identity import its_runs, name_of
    from wfe_mcp.engine.maintenance import projects

    record = _record(invocation, which)
    with invocation.store.read() as tx:
        _show(invocation, f"The project {name_of(record)!r} of {record.root}. {its_runs(tx, record)}")
    if not yes:
        require_confirmation("Take it out of the lists?", needs_pin=pin_fd is None)
    by = invocation.person_of(record, pin_fd, "forget a project")
    projects.forget(invocation.store, by, record, invocation.clock())
    invocation.answer(f"Forgot {name_of(record)!r} of {record.root}", data={"project": record.id})


def rename(invocation: Invocation, which: Which, name: Name) -> None:
    """Give a project a name. Nothing on the disk changes."""
    from wfe_mcp.engine.kernel.identity import name_of
    from wfe_mcp.engine.maintenance import projects

    record = projects.rename(invocation.store, _record(invocation, which), name)
    invocation.answer(
        f"{record.root} is called {name_of(record)!r}", data={"project": record.id, "name": name_of(record)}
    )


def add(invocation: Invocation, folder: Folder = "") -> None:
    """Make a folder known as a project of its own.

    Also one that was copied from another: it inherits nothing.
    """
    from wfe_mcp.engine.kernel.identity import add_project, known_at, mark

    place = find_project(folder or None, {}, (), Path.cwd()) if folder else invocation.project
    with invocation.store.read() as tx:
        project = known_at(tx, place)
    project_id = add_project(invocation.store, place, project)
    mark(place.root, project_id, make=True)
    invocation.answer(
        f"{place.root} is {'known already' if project else 'a project of its own'}", data={"project": project_id}
    )


def _show(invocation: Invocation, *lines: str) -> None:
    """What is decided, before it is asked for; with --json the answer is the one document."""
    for line in () if invocation.screen.as_json else lines:
        invocation.screen.line(line)


def _record(invocation: Invocation, text: str) -> "ProjectRecord":
    from wfe_mcp.engine.maintenance.projects import project_in

    with invocation.store.read() as tx:
        return project_in(tx, text, Path.cwd())[0]
