"""Projects over all folders: their list, and what a person says of one: its name, its new folder, that it is over.

    project move OLD NEW     one transaction: the project's key and folder, and the folder of each run, log, lease and job
                             trust stays what it was: in bytes, so what differs in NEW needs trust again
    project forget OLD       out of the lists; its runs and their log stay, and work in its folder brings it back

Only a person moves or forgets: it decides whose runs, trust and keys a folder has. Both are signed in the log of settings.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.canonical import canonical_json, sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel import identity
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.runs import ProjectRecord
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.git.repository import first_commit
from wfe_mcp.workspace.system.location import Project, project_at
from wfe_mcp.workspace.system.shell_words import shell_word

MOVED, FORGOTTEN = "ProjectMoved", "ProjectForgotten"
"""Recorded in the settings log: [project, folder before, folder now], and the project."""

_LONGEST, _NAMED = 60, 5


@dataclass(frozen=True, slots=True)
class KnownProject:
    """A project of the database. ``missing``: its folder is gone, or its disk is not there; ``earlier``: that is another project now."""

    id: str
    name: str
    folder: str
    missing: bool
    open_runs: int
    runs: int
    created_at: str
    earlier: bool = False


def known_projects(tx: Tx, only: str = "", *, here: str = "") -> list[KnownProject]:
    """Every project that is not forgotten, or the one ``only``: those that are missing first, then by name.

    A row is made for each folder in which a command looked; without anything of a project it is none, except for the page
    that runs ``here``.
    """
    projects = [
        KnownProject(
            project.id,
            identity.name_of(project),
            project.root,
            not Path(project.root).is_dir(),
            len(tx.runs.open_ids(project.id)),
            tx.projects.run_count(project.id),
            project.created_at.isoformat(timespec="seconds"),
        )
        for project in tx.projects.all()
        if (
            project.id == only
            if only
            else project.forgotten_at is None and (project.id == here or _is_project(tx, project))
        )
    ]
    shared = {folder for folder, count in Counter(project.folder for project in projects).items() if count > 1}
    now = {folder: identity.known_at(tx, project_at(Path(folder))) for folder in shared if Path(folder).is_dir()}
    marked = [
        replace(project, earlier=True) if (there := now.get(project.folder)) and there.id != project.id else project
        for project in projects
    ]
    return sorted(marked, key=lambda one: (not one.missing, one.name.casefold(), one.folder, one.earlier))


def _is_project(tx: Tx, record: ProjectRecord) -> bool:
    """False for a plain folder without a repository, ``.wfe``, a name, a run or a work item."""
    is_repository = record.key != record.root
    return (
        is_repository
        or bool(record.name)
        or (Path(record.root) / ".wfe").is_dir()
        or bool(identity.its_content(tx, record.id))
    )


@dataclass(frozen=True, slots=True)
class Move:
    """What a person decides: that the project of the folder ``old`` is in ``new``. ``lines``: what it means, for them to read.

    ``top``: the outer folder of the work tree before and now.
    """

    record: ProjectRecord
    old: str
    new: Project
    top: tuple[str, str]
    lines: tuple[str, ...]
    replaces: str = ""
    """The project without runs and work items that was made in ``new`` meanwhile."""

    @property
    def looks_right(self) -> bool:
        """False where the new folder lacks the project's mark or has another history."""
        return not any("! " in line for line in self.lines)


def move_of(tx: Tx, old: str, new: str, cwd: Path) -> Move:
    """The move to confirm. Refuses ``bad_argument`` (no such project or folder), ``conflict`` (a copy, or a project with runs or work items)."""
    if not os.path.isdir(cwd / expanded_path(new)):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise Refused(
            "bad_argument",
            f"{new!r} is no folder.",
            f"Name the folder in which it is now: {identity.move_command(old, 'NEW')}",
        )
    after, above = _absolute(new, cwd), _absolute(old, cwd)
    record, before = project_in(tx, old, cwd)
    if before != above and _is_inside(str(above), str(before)):
        inner = after / os.path.relpath(before, above)
        after = inner if inner.is_dir() else after
    there = project_at(after)
    other = identity.known_at(tx, there)
    if other is not None and str(before) in tx.projects.folders(other.id) and not identity.its_content(tx, record.id):
        record = other  # one of its work trees, which git did not know for a while
    if other is not None and other.id == record.id:
        if before.is_dir() and not before.samefile(after):
            raise _is_still_there(before, after)
        return Move(record, str(before), there, (str(before), str(after)), _meaning(tx, record, before, there))
    if identity.is_elsewhere(record, there, identity.mark_of(there.root)):
        raise _is_still_there(before, after)
    own = "" if other is None else identity.its_content(tx, other.id)
    if own:
        raise Refused(
            "conflict",
            f"{after} is a project of its own by now, with {own}: two projects never become one.",
            f"Keep both, or take the old one out of the lists: wfe-mcp project forget {shell_word(str(before))}",
        )
    top = Path(record.key).parent if Path(record.key).name == ".git" else before
    now = Path(there.worktree) if Path(record.key).name == ".git" else after
    lines = _meaning(tx, record, before, there)
    return Move(record, str(before), there, (str(top), str(now)), lines, "" if other is None else other.id)


def move(store: Store, by: By, planned: Move, now: datetime) -> None:
    """Make it so, in one transaction. Refuses agents, and ``stale_revision`` where something changed since it was shown."""
    _refuse_agents(by, "says where a project is")
    with store.tx() as tx:
        if move_of(tx, planned.old, str(planned.new.root), planned.new.root) != planned:
            raise Refused("stale_revision", "The projects changed during your review.", "Run the command again.")
        tx.settings_log.seen = sha256_of(list(planned.lines))
        if planned.replaces:
            tx.projects.change(planned.replaces, {"key": f"moved:{planned.replaces}", "forgotten_at": now})
        changes: dict[str, object] = {"key": planned.new.key, "forgotten_at": None}
        # The person has seen whether it is another one.
        if planned.new.is_git and (commit := first_commit(planned.new.root)):
            changes["first_commit"] = commit
        if _is_inside(planned.old, planned.record.root) or planned.record.key != planned.new.key:
            changes["root"] = str(planned.new.root)
        tx.projects.change(planned.record.id, changes)
        before, after = planned.top
        for folder in tx.projects.folders(planned.record.id):
            if _is_inside(before, folder):
                tx.projects.move_runs(planned.record.id, folder, str(Path(after, os.path.relpath(folder, before))))
        tx.settings_log.note(MOVED, canonical_json([planned.record.id, planned.old, str(planned.new.root)]), by, now)
    identity.mark(planned.new.root, planned.record.id)


def forget(store: Store, by: By, record: ProjectRecord, now: datetime) -> None:
    """Take a project out of the lists; nothing of it is removed. Refuses agents."""
    _refuse_agents(by, "takes a project out of the lists")
    with store.tx() as tx:
        tx.projects.change(record.id, {"forgotten_at": now})
        tx.settings_log.note(FORGOTTEN, record.id, by, now)


def rename(store: Store, record: ProjectRecord, name: str) -> ProjectRecord:
    """Give a project a name; an empty one is that of its folder again. Refuses ``bad_argument``."""
    shown = name.strip()
    if len(shown) > _LONGEST or not (shown.isprintable()):
        raise Refused("bad_argument", f"A name has at most {_LONGEST} printable characters.", "Choose a shorter one.")
    with store.tx() as tx:
        tx.projects.change(record.id, {"name": shown or None})
    return replace(record, name=shown or None)


def project_in(tx: Tx, text: str, cwd: Path) -> tuple[ProjectRecord, Path]:
    """The project of a folder, its id or its name, and the folder meant; also one that only runs name. Refuses ``bad_argument``.

    Of a folder above one project, its own folder is meant.
    """
    every, place = tx.projects.all(), _absolute(text, cwd)
    if project := tx.projects.get(text):
        return project, Path(project.root)
    places = [(project, (project.root, project.key, identity.other_key(project.key))) for project in every]
    # First as it is written: in its old place may be a link to its new one.
    for path in (Path(os.path.abspath(cwd / expanded_path(text))), place):  # noqa: PTH100 - Path.resolve follows the link
        wanted = os.path.normcase(path)
        if here := [project for project, paths in places if wanted in map(os.path.normcase, paths)]:
            return _present(tx, here, path), path
    projects = [project for project in every if identity.name_of(project) == text and project.forgotten_at is None]
    if len(projects) == 1:
        return projects[0], Path(projects[0].root)
    if projects:
        message, hint = f"Several projects are called {text!r}.", "Name its folder: wfe-mcp project list"
        raise Refused("bad_argument", message, hint)
    below = [project for project in every if _is_below(tx, place, project)]
    if len(below) == 1:
        return below[0], Path(below[0].root) if _is_inside(str(place), below[0].root) else place
    if below:
        folders = sorted(shell_word(project.root) for project in below)[:_NAMED]
        message, hint = f"{len(below)} projects are in {text!r}.", f"Name the folder of one: {' or '.join(folders)}"
        raise Refused("bad_argument", message, hint)
    known = [project.root for project in every if project.forgotten_at is None]
    hint = nearest_hint(text, known, "List them: wfe-mcp project list")
    raise Refused("bad_argument", f"No project is known in {text!r}.", hint)


def _present(tx: Tx, projects: list[ProjectRecord], place: Path) -> ProjectRecord:
    """Which of those of one folder is meant: the one that it is now, else the one with content, else the newest.

    A command that only looks, before ``git init``, has made one too.
    """
    known = identity.known_at(tx, project_at(place)) if os.path.isdir(place) else None  # noqa: PTH112 - as above
    return max(
        projects, key=lambda project: (project == known, bool(identity.its_content(tx, project.id)), project.created_at)
    )


def _is_below(tx: Tx, place: Path, project: ProjectRecord) -> bool:
    """Whether the project, or a folder that its runs work in, is in ``place``."""
    folders = tx.projects.folders(project.id)
    if _is_inside(str(place), project.root) and project.forgotten_at is None and _is_project(tx, project):
        folders.append(project.root)
    return any(_is_inside(str(place), folder) for folder in folders)


def by_id(tx: Tx, project: str) -> ProjectRecord:
    """The project with this id. Refuses ``bad_argument``."""
    record = tx.projects.get(project)
    if record is None:
        hint = nearest_hint(project, [other.id for other in tx.projects.all()], "List them: wfe-mcp project list")
        raise Refused("bad_argument", f"There is no project {project[:80]!r}.", hint)
    return record


def engine_of(record: ProjectRecord, store: Store, clock: Callable[[], datetime], holder: str) -> Engine:
    """An engine of a project whose folder may be gone, to prove a person there: nothing of its folder is read."""
    place = Project(Path(record.root), record.key, record.root, is_git=False)
    return Engine(place, clock=clock, store=store, holder=holder)


def _absolute(text: str, cwd: Path) -> Path:
    return (cwd / expanded_path(text)).resolve()


def _is_inside(folder: str, path: str) -> bool:
    """Whether ``path`` is ``folder`` or below it, as this system compares names."""
    before, after = os.path.normcase(folder), os.path.normcase(path)
    return after == before or after.startswith(before.rstrip(os.sep) + os.sep)


def _meaning(tx: Tx, record: ProjectRecord, before: Path, there: Project) -> tuple[str, ...]:
    was, now = record.first_commit, first_commit(there.root) if there.is_git else None
    history = (
        "no history to compare"
        if was is None
        else f"the same first commit, {was[:12]}"
        if now == was
        else f"! ANOTHER first commit: {(now or 'none')[:12]}, was {was[:12]}"
    )
    is_marked = identity.mark_of(there.root) == record.id
    return (
        f"If you agree, the project {identity.name_of(record)!r} of {before} is in {there.root} from now on.",
        f"  {identity.its_runs(tx, record)}",
        f"  {'It has the mark of this project' if is_marked else '! It has no mark of this project'}; {history}.",
        "  What you trusted there counts here where its bytes are the same; keys, approvals and the log stay as they are.",
    )


def _is_still_there(before: Path, after: Path) -> Refused:
    return Refused(
        "conflict",
        f"{before} is still there, so {after} is a copy: a project of its own.",
        f"If {after} is to continue it, rename or remove {before} first.",
    )


def _refuse_agents(by: By, what: str) -> None:
    if not by.is_human:
        raise Refused("needs_human", f"Only a person {what}.", "Ask the user to run: wfe-mcp project list")
