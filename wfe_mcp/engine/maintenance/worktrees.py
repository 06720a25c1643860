"""Work trees of a project: how one is made ready to work in, and what delivered runs leave in the repository.

    git work tree ──► files that git does not have ──► ports ──► set-up ──► ready

Each step looks what is there, so that a second ``add`` completes what a first one left half done.

What delivered runs leave are merged branches and work trees that no run needs:

1. A branch goes by the code and the operation of the step ``git.clean``, so that it can be seen, resumed and undone in its run.
2. The current branch stays, as do protected ones, the base, those of open runs, and what is merged nowhere.
3. A work tree goes with its branch; one on no branch, which a delivered run had, goes where all of it is elsewhere, too,
   if the server made it.
4. What cannot be judged or removed stays, with the fault as its reason; the others go on.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import ENDED, By, RunStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git import refs, remote as remotes
from wfe_mcp.engine.delivery.forge_steps import merge_by_others
from wfe_mcp.engine.delivery.merge_step import merged_branches, remove_branch
from wfe_mcp.engine.delivery.operations import Operation, operations_of, record_seen, removed_branches
from wfe_mcp.engine.delivery.place import DeliveryPlace, NotDelivered, place_of, remote_of
from wfe_mcp.engine.delivery.site import refusing
from wfe_mcp.engine.files.worktree_folders import worktrees_folder
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.step_call import CommandCall
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.workspace.config.ports import PORTS_FILE, ports_in, ports_text
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.files.project_files import write_atomic
from wfe_mcp.workspace.git.command import run_git
from wfe_mcp.workspace.git.repository import branch as current_branch, changes
from wfe_mcp.workspace.git.worktrees import (
    Worktree,
    add_worktree,
    copy_files,
    lost_with,
    needed_files,
    remove_worktree,
    worktrees,
)


class MadeWorktree(NamedTuple):
    """A work tree. ``copied``: how many files; ``set_up``: the check that ran there, empty without one.

    ``lacks``: what checks start or bring, the project's folder has, and the work tree has not; it is ready without such.
    """

    tree: Worktree
    copied: int
    ports: Mapping[str, int]
    set_up: str
    lacks: tuple[str, ...]


def make_worktree(engine: Engine, name: str, base: str = "HEAD", *, detached: bool = False) -> MadeWorktree:
    """Make the work tree ``name`` with a branch of that name, or complete it; ``detached``: on no branch.

    Refuses what git refuses, and a set-up that fails.
    """
    if not name:  # its folder would be the one that has all of them
        raise Refused(
            "bad_argument", "A work tree has a name.", "Letters, digits, dots, dashes and slashes are one: fix-login"
        )
    settings = engine.settings().settings.worktrees
    folder = worktrees_folder(engine)
    path = folder / name.replace("/", "-")
    tree = next((worktree for worktree in worktrees(engine.root) if worktree.path == path.resolve()), None)
    if tree is None or tree.missing:
        if path.exists():
            raise Refused(
                "bad_argument",
                f"'{path}' is there already, and is no work tree of this repository.",
                "Take another name, or remove the folder.",
            )
        if tree is not None:  # its folder was deleted: git keeps its place, and its branch
            run_git(engine.root, "worktree", "remove", "--force", str(path))
        add_worktree(engine.root, path, "" if detached else name, base)
    elif tree.branch != name and not detached:
        raise Refused(
            "bad_argument",
            f"'{path}' is the work tree of {tree.branch or 'a detached HEAD'}.",
            "Take another name: wfe-mcp worktree list",
        )
    write_gitignore(path)
    copied = copy_files(engine.root, path, needed_files(engine.root))
    ports = _ports(engine, path, settings.ports)
    set_up = settings.setup or ""
    if set_up:
        _set_up(engine, path, set_up, ports)
    return MadeWorktree(
        next(worktree for worktree in worktrees(engine.root) if worktree.path == path.resolve()),
        copied,
        ports,
        set_up,
        _lacks(engine, path),
    )


def project_worktrees(engine: Engine) -> list[tuple[Worktree, dict[str, int], list[str]]]:
    """Each work tree with its ports and the ids of the open runs in it."""
    names = engine.settings().settings.worktrees.ports
    return [(tree, _ports_of(tree, names), open_runs_in(engine, tree.path)) for tree in worktrees(engine.root)]


def remove(engine: Engine, name: str, *, force: bool) -> tuple[Worktree, str]:
    """Remove the work tree called ``name``, a folder's name or a path; and its branch where nothing of it is lost.

    Refuses one with open runs, and one with work that is nowhere else unless ``force``.
    """
    known = worktrees(engine.root)
    path = expanded_path(name)
    tree = next((worktree for worktree in known if worktree.path.name == name or worktree.path == path.resolve()), None)
    if tree is None:
        names = [worktree.path.name for worktree in known[1:]]
        hint = nearest_hint(name, names, "List them: wfe-mcp worktree list")
        raise Refused("bad_argument", f"There is no work tree {name!r}.", hint)
    if runs := open_runs_in(engine, tree.path):
        raise Refused(
            "illegal_transition",
            f"Run {runs[0]} is open in '{tree.path}'.",
            f"Finish it, or end it: wfe-mcp cancel {runs[0]}",
        )
    return tree, remove_worktree(engine.root, tree, force=force)


def open_runs_in(engine: Engine, path: Path) -> list[str]:
    """The ids of the open runs whose files are those of the work tree ``path``."""
    is_open = [status for status in RunStatus if status not in ENDED]
    with engine.store.read() as tx:
        page = tx.runs.page(engine.project_id, status=is_open, limit=1_000, archived=False)
    return [record.id for record in page.runs if Path(record.worktree).resolve() == path.resolve()]


def _lacks(engine: Engine, path: Path) -> tuple[str, ...]:
    loaded = engine.settings()
    checks = (loaded.pending or loaded.settings).checks.values()
    started = (Path(check.cwd or ".") / check.argv[0] for check in checks if "/" in check.argv[0])
    needed = {folder.parts[0] for folder in started if not folder.is_absolute()} | {
        n for check in checks for n in check.bring
    }
    return tuple(
        sorted(folder for folder in needed if (engine.root / folder).exists() and not (path / folder).exists())
    )


def _log_folder(path: Path) -> Path:
    return path / ".wfe" / "runs" / "setup"


def _ports(engine: Engine, path: Path, names: list[str]) -> dict[str, int]:
    """The ports of a work tree: those that it has, and a free one for each other name that no other work tree has."""
    ports = ports_in(path, names)
    missing = [name for name in names if name not in ports]
    if missing:
        taken = {port for tree in worktrees(engine.root) for port in _ports_of(tree, names).values()}
        ports |= dict(zip(missing, _free(len(missing), taken), strict=True))
        write_atomic(path, PORTS_FILE, ports_text(ports))
    return ports


def _ports_of(tree: Worktree, names: list[str]) -> dict[str, int]:
    return {} if tree.missing else ports_in(tree.path, names)


def _free(count: int, taken: set[int]) -> list[int]:
    numbers: list[int] = []
    with ExitStack() as held:
        while len(numbers) < count:
            socket_ = held.enter_context(socket.socket())
            socket_.bind(("127.0.0.1", 0))
            port: int = socket_.getsockname()[1]
            if port not in taken:
                numbers.append(port)
    return numbers


def _set_up(engine: Engine, path: Path, name: str, ports: Mapping[str, int]) -> None:
    from wfe_mcp.gates.command import run_check

    checks = engine.settings().settings.checks
    if name not in checks:
        hint = nearest_hint(name, checks, f"Configured: {', '.join(checks) or 'none'}.")
        raise Refused("bad_argument", f"`[worktrees] setup` names the check {name!r}, which is not configured.", hint)
    check = checks[name].frozen(name).model_copy(update={"where": "worktree", "sandbox": False, "writes": ("**",)})
    environ = {**engine.environment, **{variable: str(port) for variable, port in ports.items()}}
    judged = run_check(check, name=name, root=path, evidence_dir=_log_folder(path), environ=environ)
    if judged.kind is not VerdictKind.PASS:
        raise Refused(
            "unavailable",
            f"The work tree is there, and its set-up failed: {judged.reason or judged.message}",
            f"See '{_log_folder(path)}'; then run the same command again.",
        )


_EVENTS_MOST = 10_000


class Left(NamedTuple):
    """A branch, or the folder of a work tree, that the run left. ``stays``: why it is not removed; empty: it goes."""

    run: str
    kind: str
    name: str
    stays: str = ""


def clean_up(engine: Engine, by: By, *, do: bool = False, on_remote: bool = False) -> list[Left]:
    """What delivered runs left, and what stays, by run; with ``do`` the rest is removed, ``on_remote`` there, too.

    Refuses ``needs_human`` for the remote without a person, and ``unavailable`` where the project delivers nothing.
    """
    if do and on_remote and not by.is_human:
        raise Refused(
            "needs_human",
            "Only a person removes branches of the remote.",
            "The user runs in a terminal of their own: wfe-mcp git cleanup --yes --remote",
        )
    left: list[Left] = []
    runs = _delivered_runs(engine)
    made_by = _newest_makers(engine, runs)
    try:
        for loaded in runs:
            try:
                # Seen from this folder: that of the run may be gone, or be what is removed.
                place = place_of(engine, replace(loaded.record, worktree=str(engine.root)))
                merged = _merged_by_others(place)
                if merged is not None and do:
                    record_seen(engine, merged)
                others = {name for name, run in made_by.items() if run != loaded.record.id}
                also = () if merged is None else (merged,)
                left += _branches(engine, by, place, loaded, others, also, do=do, on_remote=on_remote)
                left += _folder(engine, loaded, do=do)
            except (DeliveryFault, Refused) as fault:
                left.append(Left(loaded.record.id, "run", loaded.record.id, str(fault)))
    except NotDelivered as reason:
        what = f"Nothing is delivered here: {reason}."
        raise Refused("unavailable", what, f"{reason.remedy} Work trees: wfe-mcp worktree list") from None
    return left


def _merged_by_others(place: DeliveryPlace) -> Operation | None:
    """The merge of the run's pull request by another: where its branch is still here, the forge is asked."""
    proposed = (str(step.target["branch"]) for step in place.operations if step.kind == "forge.open")
    if not any(refs.commit_of(place.root, refs.ref_of(branch)) for branch in proposed):
        return None
    with refusing():
        return merge_by_others(place, place.operations)


def _delivered_runs(engine: Engine) -> list[LoadedRun]:
    """The runs of the project that made operations, the oldest first."""
    with engine.store.read() as tx:
        last = tx.activity.last_position() + 1
        project, most = engine.project_id, _EVENTS_MOST
        events = tx.activity.before(last, project=project, type_="OperationIntended", limit=most)
        names = list(dict.fromkeys(event.run for event in reversed(events)))
        return [engine.load(tx, name) for name in names]


def _newest_makers(engine: Engine, runs: list[LoadedRun]) -> dict[str, str]:
    """Branch → the run that made it last: the next run of an item makes one of the same name."""
    operations = [
        operation
        for loaded in runs
        for operation in operations_of(engine, loaded.record.id)
        if operation.kind == "git.branch" and operation.done is not None and not operation.undone
    ]
    return {str(operation.target["branch"]): operation.run for operation in sorted(operations, key=lambda one: one.at)}


def _branches(
    engine: Engine,
    by: By,
    place: DeliveryPlace,
    loaded: LoadedRun,
    others: Collection[str],
    also: Sequence[Operation],
    *,
    do: bool,
    on_remote: bool,
) -> Iterator[Left]:
    """``others``: the names of branches that another run has made since; ``also``: what others did with those of this run."""
    run, root = loaded.record, engine.root
    goes, stays = (
        {name: why for name, why in branch.items() if name not in others} for branch in merged_branches(place, "", also)
    )
    begun = {
        str(operation.target["branch"])
        for operation in place.operations
        if operation.key.split(":")[:2] == ["git.clean", "@command"] and operation.after is None
    }
    remote = remote_of(place) if on_remote else None
    goes = {name: sha for name, sha in goes.items() if refs.commit_of(root, refs.ref_of(name)) or name in begun}
    if remote is not None:  # gone here only
        only = {
            name: branch for name, branch in removed_branches(place.operations).items() if not branch.target["remote"]
        }
        goes |= {
            name: str(operation.before["sha"])
            for name, operation in only.items()
            if not (name in others or operation.undone or refs.commit_of(root, refs.ref_of(name)))
            and remotes.commit_at(remote, name)
        }
    for name, sha in goes.items():
        why = _reason_to_keep(engine, loaded, name, place.settings.base)
        if do and not why:
            try:
                remove_branch(CommandCall(run, by.actor), place, name, sha, remote)
            except (DeliveryFault, Refused) as fault:
                why = str(fault)
        yield Left(run.id, "branch", name, why)
    yield from (Left(run.id, "branch", name, why) for name, why in stays.items())


def _reason_to_keep(engine: Engine, loaded: LoadedRun, name: str, base: str) -> str:
    """Why a merged branch stays here; empty: it goes."""
    if loaded.state.status not in ENDED:
        return f"run {loaded.record.id} is open"
    if current_branch(engine.root) == name:
        return f"it is the current branch; leave it: git switch {base}"
    folder = refs.held_by(engine.root, name)
    if folder is not None and (runs := open_runs_in(engine, folder)):
        return f"run {runs[0]} is open in {folder}"
    return f"{folder} has changes that are not committed" if folder and changes(engine.root, folder) else ""


def _folder(engine: Engine, loaded: LoadedRun, *, do: bool) -> Iterator[Left]:
    """The work tree of the run itself, where that is another one and on no branch."""
    path, known = Path(loaded.record.worktree).resolve(), worktrees(engine.root)
    tree = next((worktree for worktree in known[1:] if worktree.path.resolve() == path), None)
    if tree is None or tree.branch or path == engine.root.resolve():
        return
    runs = open_runs_in(engine, path)
    lost = [] if tree.missing else lost_with(engine.root, tree)
    why = (
        "locked"
        if tree.locked
        else f"run {runs[0]} is open in it"
        if runs
        else f"only there: {', '.join(lost)}"
        if lost
        else ""
        if path.is_relative_to(worktrees_folder(engine))
        else f"the server did not make it; remove it yourself: git worktree remove {path}"
    )
    if do and not why:
        try:
            remove(engine, str(path), force=False)
        except Refused as fault:
            why = str(fault)
    yield Left(loaded.record.id, "work tree", str(path), why)
