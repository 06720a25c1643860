"""What differs on Windows and macOS: each branch is taken here with that system's name, and none is left out.

A module gets its own ``os`` or ``sys``, so that nothing else of the process changes.
"""

import os
import re
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest

from tests.house.other_system import Seen, always, decided, on
from wfe_mcp.artifacts import isolated
from wfe_mcp.cli.terminal import health
from wfe_mcp.clients import files
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard import serving
from wfe_mcp.engine.approvals import decision_page, keys
from wfe_mcp.engine.files import drift
from wfe_mcp.engine.models import secrets
from wfe_mcp.gates import place
from wfe_mcp.jobs import child, process_tree
from wfe_mcp.server import stdio, wire
from wfe_mcp.workspace.discovery import project_listing
from wfe_mcp.workspace.files import mirror, programs, staging
from wfe_mcp.workspace.git import file_facts, names, objects, restore, snapshot, working_tree
from wfe_mcp.workspace.git.snapshot_files import Limits
from wfe_mcp.workspace.system import location, temporary

HERE, TERMINAL = "tests/house/test_platforms.py", "tests/house/test_platform_terminal.py"
GIT = "tests/workspace/git/test_git_on_windows.py"
BRANCHES = {
    "workspace/files/disk.py": "tests/workspace/git/test_durable_objects.py",
    "gates/remedies.py": "tests/gates/test_remedies.py",
    "artifacts/isolated.py": HERE,
    "cli/app.py": TERMINAL,
    "cli/commands/server.py": "tests/server/http/test_workers.py",
    "cli/terminal/health.py": HERE,
    "cli/terminal/confirm.py": TERMINAL,
    "cli/terminal/client_changes.py": TERMINAL,
    "cli/terminal/pin.py": TERMINAL,
    "clients/files.py": HERE,
    "clients/hooks.py": "tests/cli/commands/test_install_hooks.py",
    "clients/launch.py": "tests/clients/test_launch.py",
    "clients/table.py": "tests/clients/test_table.py",
    "clients/wfe_hook/open_runs.py": "tests/cli/test_hooks.py",
    "clients/wfe_hook/rules.py": "tests/clients/wfe_hook/test_rules.py",
    "clients/wfe_hook/shell.py": "tests/clients/wfe_hook/test_rules.py",
    "dashboard/serving.py": HERE,
    "engine/approvals/decision_page.py": HERE,
    "engine/approvals/keys.py": HERE,
    "engine/files/drift.py": HERE,
    "engine/models/secrets.py": HERE,
    "engine/notifications/notify.py": "tests/engine/notifications/test_notify.py",
    "engine/toolbox/running.py": "tests/engine/toolbox/test_shell.py",
    "engine/runs/facts.py": "tests/cli/commands/test_config_check.py",
    "gates/brought.py": "tests/gates/test_bring_on_windows.py",
    "gates/place.py": HERE,
    "jobs/child.py": HERE,
    "jobs/container.py": "tests/gates/test_container.py",
    "jobs/environment.py": "tests/jobs/test_child.py",
    "jobs/output.py": "tests/jobs/test_child.py",
    "jobs/process_tree.py": HERE,
    "jobs/sandbox.py": "tests/gates/test_place.py",
    "jobs/writers.py": "tests/gates/test_room_writers.py",
    "server/stdio.py": HERE,
    "server/wire.py": HERE,
    "store/waiting_line.py": "tests/store/test_waiting_line.py",
    "testing/demo.py": TERMINAL,
    "workspace/discovery/project_listing.py": HERE,
    "workspace/files/staging.py": HERE,
    "workspace/files/programs.py": "tests/workspace/files/test_programs.py",
    "workspace/files/paths.py": "tests/workspace/files/test_paths.py",
    "workspace/git/command.py": GIT,
    "workspace/git/file_facts.py": HERE,
    "workspace/git/objects.py": HERE,
    "workspace/git/names.py": HERE,
    "workspace/git/restore.py": HERE,
    "workspace/git/snapshot.py": HERE,
    "workspace/git/trees.py": GIT,
    "workspace/git/watched.py": GIT,
    "workspace/git/working_tree.py": HERE,
    "workspace/system/console.py": TERMINAL,
    "workspace/system/location.py": HERE,
    "workspace/system/temporary.py": HERE,
    "workspace/system/process.py": "tests/workspace/system/test_process.py",
    "workspace/system/shell_words.py": "tests/workspace/system/test_shell_words.py",
}
"""Each module of the package that asks which system this is → where its branches are taken."""

ASKS = re.compile(r"""\bsys\.platform\b|\bos\.name\b|"(?:win32|darwin|nt)\"""")


def test_every_module_that_asks_for_the_system_is_tried_on_another(root: Path) -> None:
    asking = {
        path.relative_to(root / "wfe_mcp").as_posix()
        for path in (root / "wfe_mcp").rglob("*.py")
        if ASKS.search(path.read_text(encoding="utf-8"))
    }
    assert asking == {*BRANCHES}
    for module, test in BRANCHES.items():
        text = (root / test).read_text(encoding="utf-8")
        assert Path(module).stem in text and re.search("win32|nt", text), module


def test_windows_has_no_process_groups_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    is_in_group: Any = vars(process_tree)["_is_in_group"]
    group = os.getpgid(0) if sys.platform != "win32" else 1
    assert is_in_group(os.getpid(), group) is (sys.platform != "win32")
    on(monkeypatch, process_tree, "win32")
    assert is_in_group(os.getpid(), group) is False


@pytest.mark.parametrize(("platform", "session", "flags"), [("win32", False, 3), ("darwin", True, 0)])
def test_a_child_gets_a_group_of_its_own_in_the_way_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, session: bool, flags: int
) -> None:
    given: dict[str, Any] = {}

    def popen(argv: list[str], **options: Any) -> None:
        given.update(options, argv=argv)
        raise OSError("not started")

    on(monkeypatch, child, platform)
    on(monkeypatch, programs, platform)
    changed = {"Popen": popen, "CREATE_NEW_PROCESS_GROUP": 1, "CREATE_NO_WINDOW": 2}
    monkeypatch.setattr(child, "subprocess", Seen(subprocess, **changed))
    start: Any = vars(child)["_start"]
    with pytest.raises(child.ChildNotStarted):
        start(["x.cmd", "a&b"], tmp_path, {}, b"", is_split=False)
    assert (given["start_new_session"], given["creationflags"]) == (session, flags)
    assert given["argv"] == ('x.cmd "a&b"' if platform == "win32" else ["x.cmd", "a&b"])


@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_decision_page_of_windows_leaves_the_clients_job_where_it_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_allowed: bool
) -> None:
    tried: list[int] = []

    def popen(_argv: list[str], **options: Any) -> str:
        tried.append(options["creationflags"])
        assert options["start_new_session"] is False
        if options["creationflags"] & 4 and not is_allowed:
            raise PermissionError
        return "started"

    on(monkeypatch, decision_page, "win32")
    changed = {"Popen": popen, "CREATE_NO_WINDOW": 1, "CREATE_NEW_PROCESS_GROUP": 2, "CREATE_BREAKAWAY_FROM_JOB": 4}
    monkeypatch.setattr(decision_page, "subprocess", Seen(subprocess, **changed))
    store = SimpleNamespace(place=tmp_path / "wfe.db", environment={})
    engine: Any = SimpleNamespace(root=tmp_path, environment={}, store=store)
    assert decision_page.start_detached(engine, "ui") == "started"
    assert tried == ([7] if is_allowed else [7, 3])


def test_a_server_on_windows_takes_its_streams_back(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def rebind(number: int) -> None:
        taken.append(number)
        raise OSError

    monkeypatch.setitem(sys.modules, "mcp.os.win32.utilities", SimpleNamespace(rebind_std_handle_to_fd=rebind))
    stdio.take_streams("linux")
    assert taken == []
    stdio.take_streams("win32")
    assert taken == [0, 1]


def test_a_wire_of_windows_passes_bytes_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[tuple[int, int]] = []
    quiet = {"dup": 0, "dup2": 0, "open": 9, "close": None}
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(setmode=lambda *given: modes.append(given)))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(wire, "sys", Seen(sys, platform="win32"))
    monkeypatch.setattr(wire, "os", Seen(os, O_BINARY=77, **{name: always(value) for name, value in quiet.items()}))
    wire.Wire.take()
    assert modes == [(0, 77), (0, 77)]


def test_a_lock_of_windows_covers_a_byte_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    locking = SimpleNamespace(LK_NBLCK=2, locking=lambda *given: asked.append(given))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setitem(sys.modules, "msvcrt", locking)
    on(monkeypatch, restore, "win32")
    vars(restore)["_lock"](5)
    assert asked == [(5, 2, 1)]


def test_a_check_on_windows_finds_its_own_folders_as_its_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: Any = vars(place)["_fresh_env"]
    folder = SimpleNamespace(home=tmp_path / "home", temporary=tmp_path / "t", files=tmp_path, bytecode=tmp_path)
    homes = ("USERPROFILE", "APPDATA", "LOCALAPPDATA")
    (mine := tmp_path / "mine" / ".rustup").mkdir(parents=True)
    for platform in ("darwin", "win32"):
        on(monkeypatch, place, platform)
        found = made({"USERPROFILE": str(mine.parent)}, folder, tmp_path, ())
        wanted = [str(tmp_path / "home")] * 3 if platform == "win32" else [str(mine.parent), None, None]
        assert [found.get(name) for name in homes] == wanted
        assert found["RUSTUP_HOME"] == str(mine), "programs of the user's own home"


def test_a_port_of_windows_is_taken_for_one_program_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Port:
        def setsockopt(self, _level: int, option: int, _value: int) -> None:
            asked.append(option)

        def bind(self, _where: object) -> None: ...
        def listen(self, _most: int) -> None: ...

    import socket

    bound: Any = vars(serving)["_bound"]
    monkeypatch.setattr(serving, "socket", Seen(socket, socket=always(Port()), SO_EXCLUSIVEADDRUSE=-5))
    for platform, wanted in (("win32", -5), ("darwin", socket.SO_REUSEADDR)):
        on(monkeypatch, serving, platform)
        asked.clear()
        bound(socket.AF_INET, "127.0.0.1", 0)
        assert asked == [wanted]


# -- files, modes and times ---------------------------------------------------------------------------------------------


def test_modes_are_no_secret_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"x")
    file.chmod(0o644)
    monkeypatch.setattr(keys, "key_path", always(file))
    assert keys.is_readable_by_others(tmp_path, "k") is (os.name == "posix")
    on(monkeypatch, keys, "win32")
    assert keys.is_readable_by_others(tmp_path, "k") is False


def test_a_key_file_with_a_wide_mode_is_read_on_windows_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    file = tmp_path / "key"
    file.write_bytes(Fernet.generate_key())
    file.chmod(0o644)
    monkeypatch.setattr(secrets, "_key_file", lambda: file)
    read: Any = vars(secrets)["_fernet"]
    on(monkeypatch, secrets, "darwin")
    with pytest.raises(Refused, match="Others may read the key file"):
        read(make=False)
    on(monkeypatch, secrets, "win32")
    assert isinstance(read(make=False), Fernet)


def test_doctor_reads_no_modes_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "wfe.db"
    file.touch(0o644)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    readable = health.readable_by_others
    assert len([*readable(file)]) == (0 if os.name == "nt" else 1)
    on(monkeypatch, health, "win32")
    assert [*readable(file)] == []


def test_a_read_only_file_is_refused_on_windows_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"{}")
    file.chmod(stat.S_IREAD)
    on(monkeypatch, files, "win32")
    with pytest.raises(Refused, match="is read-only"):
        files.refuse_read_only(file)
    tmp_path.chmod(stat.S_IREAD | stat.S_IEXEC)
    monkeypatch.setattr(files, "os", Seen(os, name="nt", access=always(True)))
    files.refuse_read_only(tmp_path / "new.json")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_a_read_only_file_keeps_no_folder_on_windows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str
) -> None:
    file, mine = tmp_path / "made" / "object", tmp_path / "mine"
    file.parent.mkdir()
    for each in (file, mine):
        each.touch(0o444)
    (file.parent / "link").symlink_to(mine)
    on(monkeypatch, temporary, platform)

    def fail(_folder: Path, *, ignore_errors: bool) -> None:
        assert ignore_errors

    monkeypatch.setattr(temporary, "shutil", SimpleNamespace(rmtree=fail))
    temporary.remove_folder(file.parent)
    assert bool(file.stat().st_mode & stat.S_IWUSR) is (platform == "win32") and not mine.stat().st_mode & stat.S_IWUSR


def test_the_change_time_of_windows_is_no_evidence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    facts = os.lstat(tmp_path / "a")
    stamp = staging.stamp_of(facts)
    assert stamp is not None and (stamp[2] != 0 or os.name == "nt")
    on(monkeypatch, staging, "win32")
    stamp = staging.stamp_of(facts)
    assert stamp is not None and stamp[2] == 0


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    subprocess.run(["git", "init", "-q", str(made)], check=True)
    (made / "a.txt").write_bytes(b"x")
    return made


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_hashes_are_kept_only_where_a_change_time_proves_that_a_file_is_the_same(
    monkeypatch: pytest.MonkeyPatch, repository: Path, platform: str
) -> None:
    on(monkeypatch, file_facts, platform)
    tree = working_tree.WorkingTree(repository, lambda: time.time_ns() + 10**12)
    tree.files()
    kept = vars(tree)["_hashed"]
    assert bool(kept) is (platform == "darwin")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_a_snapshot_has_modes_except_on_windows(
    monkeypatch: pytest.MonkeyPatch, repository: Path, platform: str
) -> None:
    on(monkeypatch, snapshot, platform)
    taken = snapshot.take(repository, {}, Limits(), at=datetime(2026, 11, 21, tzinfo=UTC))
    assert (taken.modes is not None) is (platform == "darwin")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_an_unchanged_work_file_is_remembered_except_on_windows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str
) -> None:
    on(monkeypatch, drift, platform)
    (tmp_path / "a.json").write_bytes(b"{}")
    os.utime(tmp_path / "a.json", (1, 1))
    monkeypatch.setattr(drift, "time", SimpleNamespace(time_ns=lambda: 2 * time.time_ns()))
    monkeypatch.setattr(mirror, "artifact_path", always("a.json"))
    for name, given in (("rendered_artifact", "x"), ("changed_on_disk", None)):
        monkeypatch.setattr(drift, name, always(given))
    seen = drift.SeenFiles()
    engine = SimpleNamespace(shared_state_of=always(seen))
    record = SimpleNamespace(id="r1", worktree=str(tmp_path))
    attempt = SimpleNamespace(phase="plan", number=1, sha256="0")
    changed: Any = vars(drift)["_drift_of_attempt"]
    assert changed(engine, None, record, None, attempt) is None
    assert bool(seen) is (platform == "darwin")


def test_refs_are_read_as_files_except_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    plain: Any = vars(objects)["_plain"]
    assert (plain(tmp_path) is None) is (os.name == "nt")
    on(monkeypatch, objects, "win32")
    assert plain(tmp_path) is None


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_a_listing_of_a_project_knows_its_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str
) -> None:
    on(monkeypatch, project_listing, platform)
    assert project_listing.list_project(tmp_path).windows is (platform == "win32")


@pytest.mark.parametrize(
    ("root", "wanted"),
    [
        ("file:///C:/Users/ada/my%20shop", "C:\\Users\\ada\\my shop"),
        ("file:///c%3A/Users/ada/shop", "c:\\Users\\ada\\shop"),
        ("file://localhost/d:/shop", "d:\\shop"),
        ("file://server/team/shop", "\\\\server\\team\\shop"),
        ("C:\\shop", "C:\\shop"),
        ("file:///shop", "None"),
    ],
)
def test_a_folder_that_a_client_of_windows_names_is_found(
    monkeypatch: pytest.MonkeyPatch, root: str, wanted: str
) -> None:
    path_of: Any = vars(location)["_path_of"]
    on(monkeypatch, location, "win32")
    monkeypatch.setattr(location, "Path", PureWindowsPath)
    assert str(path_of(root)) == wanted


def test_names_differ_by_case_on_linux_alone_and_windows_waits_less_for_a_child() -> None:
    cases = [decided(names, "_CASE", platform) for platform in ("linux", "darwin", "win32")]
    assert cases == ["core.ignoreCase=false", "core.ignoreCase=true", "core.ignoreCase=true"]
    assert [decided(isolated, "_WAIT_S", platform) for platform in ("darwin", "win32")] == [4.0, 2.0]
