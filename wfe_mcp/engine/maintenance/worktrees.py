"""Work trees of a project, made ready to work in: the files they need, free ports, the set-up check.

    git work tree ──► files that git does not have ──► ports ──► set-up ──► ready

Each step looks what is there, so that a second ``add`` completes what a first one left half done.
"""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.config.ports import PORTS_FILE, ports_in, ports_text
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.files.project_files import write_atomic
from wfe_mcp.workspace.git.worktrees import Worktree, add_worktree, copy_files, needed_files, remove_worktree, worktrees


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
    is_open = [status for status in RunStatus if status not in {RunStatus.COMPLETED, RunStatus.CANCELLED}]
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


def worktrees_folder(engine: Engine) -> Path:
    """The folder that has the work trees which the server makes."""
    top, configured = Path(engine.project.worktree), engine.settings().settings.worktrees.folder
    return (top / expanded_path(configured)).resolve() if configured else top.with_name(f"{top.name}-worktrees")


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
