"""Where a check runs: in the worktree, in a checkout of exactly the hashed tree, or in a sandbox around that checkout.

    worktree   the project's folder, as the agent left it                   the user's HOME and TMPDIR
    checkout   a new folder: the files of the tree, and what is brought     a HOME and TMPDIR of its own
    sandbox    the same folder under bubblewrap, or in a container          the project hidden, no network
    runner     a checkout on another machine (``on_runner.py``), never here

What cannot be had as it was asked for is never replaced by less: ``NotPossibleError`` says why, and the gate is
undecided.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import shorten_names, words
from wfe_mcp.gates.brought import Brought, NotBroughtError, bring, import_folders, list_brought
from wfe_mcp.gates.check import program_facts, written_by
from wfe_mcp.jobs.container import Maker, container_command, sandbox_maker
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.handed import CredentialMissing, HandedVariables, HandOut
from wfe_mcp.jobs.sandbox import CheckoutFolder, checkout_folder, is_visible, program_folders, sandbox_command
from wfe_mcp.jobs.writers import open_for_writing, untraced_note
from wfe_mcp.workspace.config.settings_tables import SandboxSettings
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.files.staging import Stamp, changed_meanwhile, stamp_of
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.file_facts import facts_of, hash_at, signature_of
from wfe_mcp.workspace.git.names import watched_below
from wfe_mcp.workspace.git.trees import copy_tree
from wfe_mcp.workspace.system.location import data_dir, database_url, user_config_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from wfe_mcp.core.evidence_levels import Level
    from wfe_mcp.workspace.config.checks import FrozenCheck
    from wfe_mcp.workspace.git.objects import Node

    Started = tuple[Sequence[str], Mapping[str, str]]
    Wrap = Callable[[Sequence[str], Path, Path, Sequence[Path], Mapping[str, str]], Started]

_NO_MAKER = Maker()
_CORRECT_IT = "ask the user to correct this check in .wfe/config.toml and to run `wfe-mcp trust`."

_TOOL_HOMES = {
    "ASDF_DATA_DIR": ".asdf",
    "MIX_HOME": ".mix",
    "NVM_DIR": ".nvm",
    "PYENV_ROOT": ".pyenv",
    "RBENV_ROOT": ".rbenv",
    "RUSTUP_HOME": ".rustup",
    "VOLTA_HOME": ".volta",
}
"""Where version managers keep the programs themselves, below the user's HOME: the fresh one has none."""

_READ_ABOVE = words(
    """
    conftest.py package.json pyproject.toml pytest.ini setup.cfg tox.ini node_modules .git Cargo.toml go.mod
    """
)
"""Names that tools look for in the folders above the one that they run in."""


class NotPossibleError(Exception):
    """The check cannot run where its configuration says. ``next_step``: what to do. ``lacks``: the credentials it waits for."""

    def __init__(self, reason: str, next_step: str = _CORRECT_IT, lacks: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.next_step = next_step
        self.lacks = lacks


class NoRoomError(NotPossibleError):
    """The disk has no room for the checkout, or for what the check writes, which says nothing about the check.

    ``began``: the check ran, and may have filled it.
    """

    def __init__(
        self, reason: str, next_step: str = "ask the user to make room there.", *, began: bool = False
    ) -> None:
        super().__init__(reason, next_step)
        self.began = began


@dataclass(frozen=True, slots=True)
class CheckPlace:
    """Where one check runs. ``root``: its project folder there. ``reports``: a folder for reports that it is asked for.

    ``wrap``: the command and the variables as it is started, with the file of its program and folders that it must be able to read.
    ``has_begun``: False when that command failed before the check began. ``sees``: whether that file exists there. ``foreign``:
    what was changed there that the check may not write. ``maker``: of the sandbox.
    """

    root: Path
    reports: Path
    env: dict[str, str]
    wrap: Wrap
    has_begun: Callable[[], bool] = lambda: True
    sees: Callable[[Path], bool] = lambda _program: True
    brought: tuple[Brought, ...] = ()
    notes: list[str] = field(default_factory=list[str])
    maker: Maker = _NO_MAKER
    foreign: Callable[[], list[str]] = list[str]

    def data(self, check: FrozenCheck) -> dict[str, Any]:
        """The facts of the place, for the evidence."""
        facts: dict[str, Any] = {"level": level_of_check(check), "variables": sorted(self.env)}
        if check.where == "checkout":
            facts["bring"] = list_brought(self.brought)
        if check.sandbox:
            facts["network"] = check.network
            facts["sandbox"] = program_facts(Path(self.maker.program)) | self.maker.facts
        return facts


def level_of_check(check: FrozenCheck) -> Level:
    """The level of the evidence that the check gives."""
    return "sandbox" if check.sandbox and check.where == "checkout" else check.where


@contextlib.contextmanager
def place_of(
    check: FrozenCheck,
    root: Path,
    files: Mapping[str, Node] | None,
    reports: Path,
    environ: Mapping[str, str] | None,
    makes: SandboxSettings | None = None,
    *,
    acts: bool = False,
    stored: bool = False,
) -> Generator[CheckPlace]:
    """The place where ``check`` runs. ``files``: of the tree; None without git. ``reports``: the folder of the evidence.

    ``makes``: the program that makes sandboxes, where the person configured one. ``acts``: what runs in the worktree runs in
    a checkout with the user's own HOME, and may write there. ``stored``: git's store of ``root`` alone has the files.

    Raises NotPossibleError.
    """
    if check.where == "runner":
        why = f"Check {check.name!r} runs on a runner only, and runners work for the gates of runs alone."
        raise NotPossibleError(why, "name the check in a `command` gate.")
    env = child_env(check.env, environ)
    if check.where == "worktree" and not acts:
        yield CheckPlace(root, reports, _activate(check, root, env), _as_it_is)
        return
    maker = sandbox_maker(makes or SandboxSettings()) if check.sandbox else _NO_MAKER
    if isinstance(maker, str):
        step = "ask the user to do so, or to remove `sandbox` from the check and to run `wfe-mcp trust`."
        raise NotPossibleError(f"Check {check.name!r} runs in a sandbox only. {maker}", step)
    if files is None:
        why = f"Check {check.name!r} runs in a checkout only, and this folder has no git tree to check out."
        raise NotPossibleError(why, 'run `git init`, or ask the user to set `where = "worktree"` for the check.')
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(checkout_folder())
            place = _checkout(check, root, files, env, folder, maker, acts or stored)
            if acts:
                own_home = {"env": _activate(check, place.root, env)} if check.where == "worktree" else {}
                place = replace(place, foreign=list[str], **own_home)
        except (Refused, NotBroughtError, OSError) as exc:
            raise _not_possible(check, exc) from exc
        yield place


def not_given(check: FrozenCheck) -> str:
    """That ``check`` did not run, before the reason."""
    return f"Check {check.name!r} was not given its credentials."


@contextlib.contextmanager
def given_credentials(check: FrozenCheck, hand: HandOut) -> Generator[HandedVariables]:
    """What ``hand`` gives the check while it runs. Raises NotPossibleError."""
    with contextlib.ExitStack() as stack:
        try:
            variables = stack.enter_context(hand(check)) if check.credentials else HandedVariables()
        except (Refused, OSError) as exc:
            why, step = (exc.message, exc.hint) if isinstance(exc, Refused) else (f"{exc}.", "")
            step = step or "ask the user to make room in the temporary folder."
            lacks = exc.names if isinstance(exc, CredentialMissing) else ()
            raise NotPossibleError(f"{not_given(check)} {why}", step, lacks) from exc
        yield variables


def _not_possible(check: FrozenCheck, exc: Exception) -> NotPossibleError:
    if isinstance(exc, Refused):
        return NotPossibleError(f"Check {check.name!r} could not be given its checkout. {exc.message}", exc.hint or "")
    if isinstance(exc, NotBroughtError):
        return NotPossibleError(f"Check {check.name!r}: {exc}.", f"create it, or {_CORRECT_IT}")
    why = f"Check {check.name!r} could not be given its checkout in {tempfile.gettempdir()}: {exc}."
    step = "ask the user to make room there, or to set TMPDIR to a folder on a larger disk."
    return NoRoomError(why, step)


def _checkout(
    check: FrozenCheck,
    root: Path,
    files: Mapping[str, Node],
    env: dict[str, str],
    folder: CheckoutFolder,
    maker: Maker,
    committed: bool,
) -> CheckPlace:
    if folder.top.is_relative_to(root):
        why = f"the temporary folder {str(folder.top.parent)!r} lies in the project"
        raise NotPossibleError(
            f"Check {check.name!r} could not be given its checkout: {why}.", "set TMPDIR to another."
        )
    hash_name = require_repository(root).hash_name
    copy = copy_tree(root, files, folder.files, hash_name, committed=committed)
    (folder.files / ".wfe").mkdir(exist_ok=True)  # reports are written there
    brought = bring(root, check.bring, folder.files)
    watched = {*files, *(entry.path for entry in brought if entry.how == "copied")}
    before = _stamps_in_room(folder.files, watched)
    _refuse_writers(folder.files, before)  # after the stamps: a process that maps a file from now on changes its times
    foreign = partial(_foreign, folder.files, files, watched, before, hash_name, written_by(check))
    notes = [untraced_note(folder.files)] if untraced_note(folder.files) else []
    notes += [f"{path}: a repository of its own, here an empty folder" for path in copy.empty]
    notes += [f"{path}: a link that leads out of the checkout" for path in copy.leading_out]
    if not check.sandbox:
        notes += [f"{above}: a file above the checkout, which the check may have read" for above in _above(folder.top)]
    fresh = _activate(check, folder.files, _fresh_env(env, folder, root, brought))
    if not check.sandbox:
        return CheckPlace(folder.files, folder.reports, fresh, _as_it_is, brought=brought, notes=notes, foreign=foreign)
    begun = folder.reports / "begun"
    readable = [entry.source for entry in brought if entry.how == "linked"]
    if maker.image:

        def in_container(
            argv: Sequence[str], cwd: Path, _program: Path, more: Sequence[Path], variables: Mapping[str, str]
        ) -> Started:
            return container_command(
                argv,
                maker=maker,
                name=folder.top.name,
                cwd=cwd,
                writable=folder.top,
                begun=begun,
                readable=[*readable, *more],
                variables=variables,
                network=check.network,
            )

        return CheckPlace(
            folder.files,
            folder.reports,
            fresh,
            in_container,
            begun.exists,
            brought=brought,
            notes=notes,
            maker=maker,
            foreign=foreign,
        )
    url = database_url(os.environ)
    keys = [Path(url.removeprefix("sqlite:///")).parent / "keys"] if url.startswith("sqlite:") else []
    # Also where the database lies elsewhere; what belongs to a server's database is in the data folder.
    concealed = [root, data_dir(), user_config_file().parent, *keys]  # the database, keys and settings of wfe-mcp

    def readable_folders(program: Path) -> list[Path]:
        """What is readable: what is brought, and the program's own folder where the sandbox empties the one around it."""
        return [*readable, *program_folders(program, writable=folder.top, hidden=concealed)]

    def wrap(
        argv: Sequence[str], cwd: Path, program: Path, more: Sequence[Path], variables: Mapping[str, str]
    ) -> Started:
        notes.extend(
            f"{place_read}: the program's own folder, read-only"
            for place_read in readable_folders(program)
            if place_read not in readable
        )
        return sandbox_command(
            argv,
            program=maker.program,
            cwd=cwd,
            writable=folder.top,
            begun=begun,
            readable=[*readable_folders(program), *more],
            hidden=concealed,
            network=check.network,
            variables=variables,
        )

    def sees(program: Path) -> bool:
        return is_visible(program, writable=folder.top, readable=readable_folders(program), hidden=concealed)

    return CheckPlace(folder.files, folder.reports, fresh, wrap, begun.exists, sees, brought, notes, maker, foreign)


def _as_it_is(
    argv: Sequence[str], _cwd: Path, _program: Path, _more: Sequence[Path], variables: Mapping[str, str]
) -> Started:
    return argv, variables


def _refuse_writers(room: Path, seen: Mapping[str, Stamp | None]) -> None:
    """A mapping of a file that is written before the stamps leaves no later trace: no check runs beside one."""
    if held := open_for_writing(room, sorted(path for path, stamp in seen.items() if stamp is not None)):
        why = f"Another process has files of the checkout open for writing: {shorten_names(held, 5)}."
        raise Refused("conflict", why, "ask the user which program writes there.")


def _stamps_in_room(room: Path, files: Iterable[str]) -> dict[str, Stamp | None]:
    """What ``lstat`` says of ``files`` in the room, and of those that runners read by their name."""
    named = (path for path in watched_below(str(room)) if not path.endswith(".pyc"))
    return {path: stamp_of(facts_of(room, path)) for path in {*files, *named}}


def _foreign(
    room: Path,
    files: Mapping[str, Node],
    watched: Iterable[str],
    before: Mapping[str, Stamp | None],
    hash_name: str,
    writes: Sequence[str],
) -> list[str]:
    """The files that were written in the room, also those put back, or differ from the tree; without what the check ``writes``.

    ``watched``: the files of the tree, and those that were copied beside them.

    The check itself and another process of the same user cannot be told apart, so both count.
    """
    changed = set(changed_meanwhile(before, _stamps_in_room(room, watched)))
    for path, node in files.items():
        if path in changed or node.mode == "160000":
            continue
        facts = facts_of(room, path)
        hashed = None if facts is None else hash_at(f"{room}/{path}", signature_of(facts), hash_name)
        if hashed is None or hashed[0] != node.oid:
            changed.add(path)
    return sorted(path for path in changed if not match_globs(path, writes))


def _activate(check: FrozenCheck, project: Path, env: dict[str, str]) -> dict[str, str]:
    """``env`` as in a shell where the virtual environment of the check's program is activated: tests start its other programs."""
    word = Path(check.argv[0])
    programs = (project / (check.cwd or "") / word).parent
    around = programs.parent
    # A bare name is one of PATH. In the project's own folders anyone can put programs, whatever the top has beside them.
    if len(word.parts) < 2 or programs.name not in {"bin", "Scripts"} or around.resolve() == project.resolve():
        return env
    if not (around / "pyvenv.cfg").is_file():
        return env
    path = os.pathsep.join(filter(None, [str(programs), env.get("PATH", "")]))
    return {**env, "PATH": path, "VIRTUAL_ENV": str(around)}


def _fresh_env(
    env: Mapping[str, str], folder: CheckoutFolder, root: Path, brought: Sequence[Brought]
) -> dict[str, str]:
    """``env`` with a HOME, temporary folder and user folders of the checkout's own."""
    home, temporary = str(folder.home), str(folder.temporary)
    kept = {name: value for name, value in env.items() if not name.startswith("XDG_")}
    fresh = kept | {"HOME": home, "TMPDIR": temporary, "TMP": temporary, "TEMP": temporary}
    if os.name == "nt":
        fresh |= {"USERPROFILE": home, "APPDATA": home, "LOCALAPPDATA": home}
    for name, below in _TOOL_HOMES.items():
        users = env.get("HOME") or env.get("USERPROFILE", "")  # Windows has the second alone
        tools = os.path.join(users, below)  # noqa: PTH118 - it may be empty
        if name not in kept and users and os.path.isdir(tools):  # noqa: PTH112
            fresh[name] = tools
    imports = import_folders(root, folder.files, brought)
    if imports:
        fresh["PYTHONPATH"] = os.pathsep.join([*imports, *filter(None, [kept.get("PYTHONPATH")])])
    # The tree holds no bytecode, so none of it is stale. An environment's own counts as part of the environment: without
    # it, each start of pytest would compile the standard library again (0.8 s).
    if any(not entry.is_environment for entry in brought):
        fresh["PYTHONPYCACHEPREFIX"] = str(folder.bytecode)
    return fresh


def _above(folder: Path) -> list[str]:
    return [str(above / name) for above in folder.parents for name in _READ_ABOVE if os.path.lexists(above / name)]
