"""Which project a folder holds: the one known by its path, one that was moved here, or a new one.

    key of the folder is known      that project
    the same, but without runs and work items, and the mark is that of a project whose place is gone      refused as below
    key of the same folder with or without its repository, and its own mark      that project: ``git init`` moves nothing
    mark of a project whose place is gone      refused: a person says whether it is that one (``wfe-mcp project move``)
    mark of a project that still has its place     a copy: a project of its own, with a mark of its own
    no mark, the same first commit as a missing one      a project of its own; doctor and verify name the missing one until it has a run

Rules:
1. A mark (``.wfe/runs/.project``) is only a claim: it may have been copied, or come with a clone. It gives nothing.
2. Git ignores the mark: a clone has none, and so never silently becomes the project it was cloned from.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.runs import ProjectRecord, RunRecord
from wfe_mcp.workspace.files.mirror import MARK, mark_of, runs_with_files, write_gitignore
from wfe_mcp.workspace.files.project_files import write_atomic
from wfe_mcp.workspace.git.batch import sizes
from wfe_mcp.workspace.git.repository import first_commit
from wfe_mcp.workspace.system.location import Project
from wfe_mcp.workspace.system.shell_words import shell_word

log = logging.getLogger(__name__)

_NAMED = 3
_LOOKED_AT = 50


def identify(store: Store, project: Project, *, brings_back: bool = True) -> tuple[str, str]:
    """The id of the project in this folder, created when it is new; and what a person may want to know about it.

    ``brings_back``: a command in its folder does, where it was forgotten; a list of all projects does not.
    Refuses ``needs_human`` where the folder says that it is a project whose own folder is gone.
    """
    with store.read() as tx:
        known = known_at(tx, project)
        moved = moved_here(tx, project) if known is None or _may_be_replaced(tx, project, known) else None
        hint = "" if moved else _perhaps(tx, project) if known is None else ""
    if moved is not None:
        raise moved
    return add_project(store, project, known, brings_back=brings_back), hint


def add_project(store: Store, project: Project, known: ProjectRecord | None = None, *, brings_back: bool = True) -> str:
    """Make ``project`` known, whatever its folder claims to be, and mark it; its id."""
    commit = first_commit(project.root) if project.is_git and (known is None or known.first_commit is None) else None
    changes: dict[str, object] = {}
    if known is not None:
        is_elsewhere = known.root != str(project.root) and not Path(known.root).is_dir()
        changes |= {"root": str(project.root)} if is_elsewhere else {}
        changes |= {"key": project.key} if known.key != project.key else {}
        changes |= {"first_commit": commit} if commit else {}
        changes |= {"forgotten_at": None} if known.forgotten_at and brings_back else {}
    if known is None or changes:
        with store.tx() as tx:
            project_id = known.id if known else tx.projects.id_of(project.key, str(project.root), commit)
            if changes:
                tx.projects.change(project_id, changes)
        if "forgotten_at" in changes:
            log.warning("%s was taken out of the lists, and is in them again: a command ran in it.", project.root)
    else:
        project_id = known.id
    mark(project.root, project_id)
    return project_id


def known_at(tx: Tx, project: Project) -> ProjectRecord | None:
    """The project of this folder, also where it got or lost its repository since (``git init``, ``rm -rf .git``).

    Then the folder must bear the mark of that project: what was removed may have been replaced by other files.
    """
    if record := tx.projects.by_key(project.key):
        return record
    record, folder = tx.projects.by_key(other_key(project.key)), _folder_of(project.key)
    return record if record is not None and record.id == (mark_of(folder) or _of_its_runs(tx, folder)) else None


def _may_be_replaced(tx: Tx, project: Project, known: ProjectRecord) -> bool:
    """True where the folder bears another mark, and only a look made it known: it was renamed, worked in, and renamed back."""
    return mark_of(project.root) not in {"", known.id} and not its_content(tx, known.id)


def other_key(key: str) -> str:
    """The key of the same folder with a repository of its own where ``key`` is without, and the other way round."""
    folder = _folder_of(key)
    return str(folder if str(folder) != key else folder / ".git")


def _folder_of(key: str) -> Path:
    return Path(key).parent if Path(key).name == ".git" else Path(key)


def mark(root: Path, project: str, *, make: bool = False) -> None:
    """Say in the folder which project it is, where ``.wfe`` is there (``make``: in any case). A read-only folder stays without."""
    if mark_of(root) != project and (make or (root / ".wfe").is_dir()):
        with suppress(Refused, OSError):
            write_gitignore(root)
            write_atomic(root, MARK, f"{project}\n")


def is_elsewhere(record: ProjectRecord, project: Project, claimed: str) -> bool:
    """True while the project ``record`` still has its place, and that is not ``project``, whose mark is ``claimed``."""
    place = Path(record.key)
    if is_gone(record):
        return False
    with suppress(OSError):
        if place.samefile(project.key):  # only spelled in another way, on a disk that ignores case
            return False
    # Another repository may stand there by now: then the folder with the mark is the project.
    return claimed != record.id or mark_of(Path(record.root)) == record.id


def is_gone(record: ProjectRecord) -> bool:
    """True where the project's place is missing; a folder that only lost its repository is still there."""
    return not Path(record.key).exists() and mark_of(_folder_of(record.key)) != record.id


def moved_here(tx: Tx, project: Project) -> Refused | None:
    """The question to the person, where the folder has the mark of a project whose own place is gone."""
    claimed = mark_of(project.root)
    record = tx.projects.get(claimed or _of_its_runs(tx, project.root))
    if record is None or record.forgotten_at is not None or is_elsewhere(record, project, claimed):
        return None
    data = {"project": record.id, "name": name_of(record), "folder": record.root}
    if project.key == str(project.root) and (project.root / ".git").is_file():
        return Refused(
            "needs_human",
            f"{_shown_path(project.root)} is a git worktree of {_shown_path(record.root)}, which is gone. {its_runs(tx, record)}",
            f"Ask the user: if it was renamed or moved, wfe-mcp project move {_shown_path(record.root)} NEW, then in NEW: git worktree repair",
            data={**data},
        )
    leads_here = os.path.realpath(record.root) == str(project.root)  # a link was left in its place
    return Refused(
        "needs_human",
        f"{_shown_path(project.root)} says that it is the project {name_of(record)!r} of {_shown_path(record.root)}, "
        f"which {'leads here now' if leads_here else 'is gone'}. {its_runs(tx, record)}",
        f"Ask the user: if it was renamed or moved, {move_command(record.root, project.root)}"
        f" (in a terminal of their own); if it is another project, wfe-mcp project add {_shown_path(project.root)}",
        data={**data, "here": str(project.root)},
    )


def _of_its_runs(tx: Tx, root: Path) -> str:
    """The project whose runs left files in the folder, where an earlier version left no mark; empty without any."""
    project_by_run = tx.runs.projects([RunId(run) for run in runs_with_files(root)[:_LOOKED_AT]])
    return next(iter(project_by_run.values()), "")


def perhaps_of(tx: Tx, project: Project, id_: str) -> str:
    """What a person may want to know: that this is not the repository of its runs, or, without any, the missing project that it may
    continue, with the command.
    """
    return _of_another_repository(tx, project, id_) if tx.runs.page(id_, limit=1).runs else _perhaps(tx, project)


def _of_another_repository(tx: Tx, project: Project, id_: str) -> str:
    record = tx.projects.get(id_)
    if record is None or not record.first_commit or first_commit(project.root) is None:
        return ""
    if sizes(project.root, [record.first_commit]) != [None]:  # one that was amended is still there
        return ""
    return (
        f"The repository lacks the commit {record.first_commit[:12]}, with which the project {name_of(record)!r} began: it was made again, "
        f"or the same path on another machine is another repository. Its runs are of that one; if this is another project, rename this folder"
    )


def _perhaps(tx: Tx, project: Project) -> str:
    """The project that this clone may continue: one with the same first commit, whose place is gone."""
    if not project.is_git:
        return ""
    missing = [other for other in tx.projects.all() if other.first_commit and not other.forgotten_at and is_gone(other)]
    commit = first_commit(project.root) if missing else None
    projects = [other for other in missing if other.first_commit == commit]
    if not projects:
        return ""
    record = projects[-1]
    return (
        f"It has the history of the project {name_of(record)!r} of {_shown_path(record.root)}, which is gone. "
        f"{its_runs(tx, record)} If it is that one: {move_command(record.root, project.root)}"
    )


def its_runs(tx: Tx, record: ProjectRecord) -> str:
    """How many runs of the project are open, the newest of them, and how many work items it has."""
    ids = tx.runs.open_ids(record.id)
    titles = tx.runs.titles(ids[:_NAMED])
    named = ", ".join(f'{run} "{titles[run]}"' for run in ids[:_NAMED])
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    items = sum(tx.items.counts(record.id).values())
    also = f", and {plural(items, 'work item')}" if items else ""
    runs = f"{plural(len(ids), 'open run')}: {named}{more}" if ids else "no open run"
    return f"It has {runs}{also}."


def its_content(tx: Tx, project: str) -> str:
    """What a project has that would be lost from sight; empty for nothing."""
    counts = {"run": tx.projects.run_count(project), "work item": sum(tx.items.counts(project).values())}
    return " and ".join(plural(count, what) for what, count in counts.items() if count)


def name_of(record: ProjectRecord) -> str:
    """The name that a person gave, else that of its folder."""
    return record.name or Path(record.root).name or record.root


def project_of(tx: Tx, run: RunRecord) -> str:
    """The project of a run for the person who decides on it, with the folder that it works in where that is called otherwise."""
    record, folder = tx.projects.get(run.project_id), Path(run.worktree).name
    name = folder if record is None else name_of(record)
    return name if name == folder else f"{name} ({folder})"


def move_command(old: str | Path, new: str | Path) -> str:
    """The command by which a person says that the project of ``old`` is in ``new``."""
    return f"wfe-mcp project move {_shown_path(old)} {_shown_path(new)}"


def _shown_path(path: str | Path) -> str:
    return shell_word(str(path))
