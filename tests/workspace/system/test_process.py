"""Identities that survive recycled pids, launchers that are looked through, groups that end whole."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.house.other_system import always, on
from wfe_mcp.workspace.system import process
from wfe_mcp.workspace.system.process import (
    ProcessIdentity,
    ProcessInfo,
    ancestors,
    client_above,
    client_of_server,
    holder_id,
    is_alive,
    is_launcher,
    parse_holder,
    started_at,
    this_process,
)

posix = pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX's")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program in its own session; it is ended after the test."""
    begun: list[subprocess.Popen[str]] = []

    def begin(program: str, *arguments: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", program, *arguments]
        begun.append(
            subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, start_new_session=True)
        )
        return begun[-1]

    yield begin
    for each in begun:
        for one in psutil.Process(each.pid).children(recursive=True) if each.poll() is None else []:
            one.kill()
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout):
            assert pipe is not None
            pipe.close()


def reported(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


SLEEP = "import time; print('up', flush=True); time.sleep(60)"
PARENT = """
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=len(sys.argv) > 1)
print(inner.pid, flush=True)
time.sleep(60)
"""


def test_this_process_is_alive_and_has_a_holder_name() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert is_alive(me)
    assert parse_holder(holder_id(me)) == me


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system itself notes the start of a process")
def test_a_process_stays_the_same_when_the_clock_of_the_machine_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    me, booted = this_process(), psutil.boot_time()

    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 10_800)

    assert is_alive(me)
    assert this_process() == me


def test_a_process_that_an_earlier_version_noted_by_the_clock_is_the_same() -> None:
    noted = ProcessIdentity(this_process().host, os.getpid(), round(psutil.Process().create_time(), 3))

    assert is_alive(noted)
    assert not is_alive(replace(noted, started_at=noted.started_at - 60))


def test_a_recycled_pid_is_not_the_process_that_had_it() -> None:
    assert not is_alive(replace(this_process(), started_at=this_process().started_at - 60))


def test_a_process_of_another_host_counts_as_alive() -> None:
    assert is_alive(ProcessIdentity("elsewhere", 1, 0.0))


def test_another_pid_namespace_is_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    me = this_process()

    def sandboxed(_: Path) -> Path:
        return Path("pid:[4026532999]")

    monkeypatch.setattr(Path, "readlink", sandboxed)
    assert this_process().host == f"{socket.gethostname()}+4026532999"
    assert is_alive(replace(me, pid=2**22 + 7))


def test_a_system_without_namespaces_has_a_plain_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "readlink", missing)
    assert this_process().host == socket.gethostname()


def test_an_ended_process_is_dead_also_while_no_one_has_collected_it(start: Start) -> None:
    child = start(SLEEP)
    reported(child)
    began = started_at(child.pid)
    assert began is not None
    me = replace(this_process(), pid=child.pid, started_at=began)
    assert is_alive(me)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still a zombie
    assert not is_alive(me)
    child.wait()
    assert not is_alive(me)
    assert started_at(-1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has no name in the line that tells its start")
def test_no_name_of_a_process_makes_it_another_one_or_a_dead_one(start: Start) -> None:
    child = start("open('/proc/self/comm', 'w').write('x) Z 1 (y'); " + SLEEP)
    reported(child)
    me = ProcessIdentity(this_process().host, child.pid, round(psutil.Process(child.pid).create_time(), 3))

    assert psutil.Process(child.pid).name() == "x) Z 1 (y"
    assert is_alive(me)
    assert not is_alive(replace(me, started_at=me.started_at - 60))


@pytest.mark.parametrize("text", ["cli", "", "host:1", "host:x:1.0", ":1:1.0", "host:1:nan"])
def test_a_holder_that_is_no_process_has_no_identity(text: str) -> None:
    assert parse_holder(text) is None


def test_ancestors_come_nearest_first(start: Start) -> None:
    child = start(PARENT)
    inner = int(reported(child))
    found = ancestors(inner)
    assert [each.pid for each in found[:2]] == [child.pid, os.getpid()]
    assert found[0].argv0 == sys.executable
    assert ancestors(2**22 + 7) == []


def info(name: str, *argv: str) -> ProcessInfo:
    return ProcessInfo(4_000_000, 1.0, name, argv[0] if argv else name, argv)


@pytest.mark.parametrize(
    "each",
    [
        info("uv", "uv", "run", "wfe-mcp"),
        info("uvx.exe"),
        info("node", "/usr/bin/node", "npx-cli.js"),
        info("node-MainThread", "node", "x.js"),
        info("sh", "sh", "-c", "wfe-mcp serve"),
        info("bash", "/bin/bash", "-lc", "wfe-mcp serve"),
        info("bash", "bash", "start.sh"),
        info("cmd.exe", "C:\\Windows\\cmd.exe", "/C", "wfe-mcp serve"),
        info("pwsh", "pwsh", "-Command", "wfe-mcp"),
        info("python3.12", "/usr/bin/python3.12", "-m", "wfe_mcp"),
        info("Python", "/Library/Python", "wfe-mcp"),
        info("wfe-mcp", "/venv/bin/python", "/venv/bin/wfe-mcp"),
        info("py.exe", "py", "-m", "wfe_mcp"),
        info("env"),
        info("pipx"),
        info("npx"),
    ],
)
def test_what_only_starts_others_is_a_launcher(each: ProcessInfo) -> None:
    assert is_launcher(each)


@pytest.mark.parametrize(
    "each",
    [
        info("claude", "claude"),
        info("code", "/usr/share/code/code", "--type=utility"),
        info("bash", "-bash"),
        info("bash", "bash", "--init-file", "/code/shell.sh", "-i"),
        info("zsh", "zsh", "-l"),
        info("python3", "python3"),
        info("pwsh", "pwsh", "-NoExit", "-Command", "x"),
        info("cmd.exe", "cmd.exe"),
        info("Cursor Helper", "/Applications/Cursor.app/Cursor Helper"),
    ],
)
def test_a_client_and_an_interactive_shell_are_no_launchers(each: ProcessInfo) -> None:
    assert not is_launcher(each)


@posix
def test_the_client_is_the_first_ancestor_with_streams_of_its_own(tmp_path: Path, start: Start) -> None:
    # agent (a Python under another name) -> sh -c -> python -c: the shape of a real client starting the server.
    agent = tmp_path / "agent"
    agent.symlink_to(Path(sys.executable).resolve())
    ask = (
        "import sys; sys.path[:] = eval(sys.argv[1]);"
        "from wfe_mcp.workspace.system.process import client_of_server; print(client_of_server().name, flush=True)"
    )
    words = f"['sh', '-c', '\"$@\"; :', 'sh', {sys.executable!r}, '-c', *sys.argv[1:]]"
    run = f"import subprocess, sys; print(subprocess.run({words}, input='', text=True, stdout=subprocess.PIPE).stdout)"
    done = subprocess.run([agent, "-c", run, ask, repr(sys.path)], capture_output=True, text=True)
    assert done.stdout.strip() == "agent", done.stderr


def stand_under(monkeypatch: pytest.MonkeyPatch, chain: list[ProcessInfo]) -> None:
    def above(_pid: int | None) -> list[ProcessInfo]:
        return chain

    monkeypatch.setattr(process, "ancestors", above)


def test_names_decide_where_the_streams_of_a_process_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [info("uv"), info("claude"), info("zsh")]
    stand_under(monkeypatch, chain)
    own = ((1, 7), (1, 8))
    assert client_of_server(streams=own, of=lambda _: None) == chain[1]
    assert client_of_server(streams=own, of=lambda _: own) is None, "all of them pass the streams on"
    assert client_of_server(streams=(None, None), of=lambda _: own) == chain[1], "a terminal tells nothing"


@pytest.mark.parametrize("each", [info("systemd"), replace(info("anything"), pid=1), info("explorer.exe")])
def test_a_process_that_everything_descends_from_is_no_ones_client(
    each: ProcessInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [info("uv"), each]
    stand_under(monkeypatch, chain)
    assert client_of_server() is None
    chain.insert(1, info("claude"))
    assert client_of_server() == chain[1]


def test_without_ancestors_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_under(monkeypatch, [])
    assert client_of_server() is None


def test_a_descendant_of_a_client_is_recognised_by_pid_and_start(start: Start) -> None:
    me = this_process()
    child = start(SLEEP)
    reported(child)
    found = client_above([(me.pid, me.started_at)], child.pid)
    assert found is not None
    assert found.pid == me.pid
    assert client_above([(me.pid, me.started_at - 60)], child.pid) is None
    assert client_above([], child.pid) is None


def began(pid: int) -> float:
    found = started_at(pid)
    assert found is not None
    return found


@pytest.mark.parametrize("fault", [psutil.AccessDenied(), OSError(22, "what psutil passes on from Windows")])
def test_a_process_that_shows_nothing_is_left_out(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "cmdline", denied)
        found = ancestors()
        assert found
        assert all(each.argv == () and each.argv0 == each.name for each in found)
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "name", denied)
        assert ancestors() == []
    monkeypatch.setattr(psutil.Process, "parents", denied)
    assert ancestors() == []


@pytest.mark.parametrize(
    ("platform", "names", "host"),
    [
        ("darwin", "<key>LocalHostName</key>\n\t<string>Adas-Mac</string>", "Adas-Mac"),
        ("darwin", "bplist00", "of-the-network"),
        ("darwin", None, "of-the-network"),
        ("linux", "<key>LocalHostName</key><string>Adas-Mac</string>", "of-the-network"),
    ],
)
def test_a_mac_has_one_name_in_all_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, names: str | None, host: str
) -> None:
    if names is not None:
        (tmp_path / "preferences.plist").write_text(names)
    on(monkeypatch, process, platform)
    monkeypatch.setattr(process, "_NAMES_OF_MACOS", tmp_path / "preferences.plist")
    monkeypatch.setattr(process, "socket", SimpleNamespace(gethostname=always("of-the-network")))
    assert this_process().host.partition("+")[0] == host
