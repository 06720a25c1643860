"""A child runs under our eyes, and surely ends."""

import contextlib
import hashlib
import locale
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.first_line import python_line
from tests.house.other_system import Seen, always, on
from tests.jobs.conftest import until
from wfe_mcp.jobs import environment, output
from wfe_mcp.jobs.child import ChildNotStarted, ChildResult, run_child
from wfe_mcp.jobs.environment import MARK, child_env
from wfe_mcp.jobs.output import MAX_LINE_BYTES
from wfe_mcp.jobs.process_tree import end_process_tree, process_tree
from wfe_mcp.workspace.system.process import start_of

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sessions and process groups are POSIX")

LEAVES_A_GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={setsid})
open({note!r}, "w").write(str(child.pid))
time.sleep({then})
"""


def python(code: str, cwd: Path, timeout_s: float = 60, **options: object) -> ChildResult:
    return run_child([sys.executable, "-c", code], cwd=cwd, env=child_env(), timeout_s=timeout_s, **options)  # type: ignore[arg-type]


def after_first_byte(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.stat().st_size > 0


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_exit_code_output_and_hash_of_a_child_are_known(tmp_path: Path) -> None:
    log = tmp_path / "evidence" / "check.log"
    result = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path, log_path=log)
    assert (result.exit_code, result.timed_out, result.cancelled, result.survivors) == (3, False, False, ())
    assert sorted(result.output_tail.split()) == ["err", "out"]
    assert result.output_sha256 == hashlib.sha256(log.read_bytes()).hexdigest()
    assert result.output_bytes == log.stat().st_size
    assert result.duration_s > 0


@pytest.mark.skipif(sys.platform != "win32", reason="cmd reads the command lines of Windows")
def test_words_reach_a_batch_file_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "show.cmd").write_text(f'@"{sys.executable}" -c "import sys; print(sys.argv[1:])" %*\n')
    words = ["a b", "a&calc", "x|y>z", "^", "", 'say "hi"', "C:\\my shop\\", "*.py"]
    shown = run_child(["./show.cmd", *words], cwd=tmp_path, env=child_env(), timeout_s=60).output_tail
    assert shown.strip() == str(words)


@POSIX
def test_a_child_whose_log_cannot_be_written_runs_to_its_end(tmp_path: Path) -> None:
    import resource

    log, limits = tmp_path / "check.log", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        result = python("print('x' * 1_000_000); print('the end')", tmp_path, log_path=log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (result.exit_code, result.output_bytes) == (0, 1_000_009)
    assert result.output_tail.endswith("the end\n")
    assert result.log_fault == "File too large"


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    result = python("import time; print('so far', flush=True); time.sleep(600)", tmp_path, timeout_s=0.5)
    assert result.timed_out and result.exit_code is None
    assert result.survivors == ()


def test_a_child_is_ended_when_it_must_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = python(
        "import time; print('x', flush=True); time.sleep(600)",
        tmp_path,
        log_path=log,
        should_stop=after_first_byte(log),
    )
    assert result.cancelled and result.exit_code is None


def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(600)"
    result = python(code, tmp_path, log_path=log, should_stop=after_first_byte(log))
    assert result.cancelled and result.survivors == ()


@POSIX
@pytest.mark.parametrize("setsid", [False, True])
def test_what_a_child_leaves_running_ends_with_it(tmp_path: Path, setsid: bool) -> None:
    note = tmp_path / "pid"
    result = python(LEAVES_A_GRANDCHILD.format(setsid=setsid, note=str(note), then=0), tmp_path)
    assert result.exit_code == 0
    assert not lives(int(note.read_text()))


@POSIX
@pytest.mark.attack("a check leaves a process behind, in a session of its own (setsid)", "held", "T4")
def test_a_grandchild_in_its_own_session_ends_when_the_child_times_out(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = LEAVES_A_GRANDCHILD.format(setsid=True, note=str(note), then=600)
    for timeout_s in (
        2,
        10,
        50,
    ):  # the time is over too early only where the machine is too busy to start two processes
        result = python(code, tmp_path, timeout_s=timeout_s)
        assert (result.timed_out, result.exit_code, result.survivors) == (True, None, ())
        if note.exists() and note.read_text():
            break
    assert not lives(int(note.read_text()))


@POSIX
def test_a_grandchild_in_its_own_session_ends_when_the_child_is_stopped(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = LEAVES_A_GRANDCHILD.format(setsid=True, note=str(note), then=600)
    result = python(code, tmp_path, should_stop=after_first_byte(note))
    assert result.cancelled and result.survivors == ()
    assert not lives(int(note.read_text()))


@POSIX
def test_a_family_is_found_by_its_mark_when_no_one_noted_the_pid(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = psutil.Popen(
        [sys.executable, "-c", f"open({str(ready)!r}, 'w').write('x'); import time; time.sleep(600)"],
        env={**child_env(), MARK: "job-7.2"},
        start_new_session=True,
    )
    try:
        until(ready.exists, 120)  # before that, the system may not show its environment yet
        assert [one.pid for one in process_tree(None, None, "job-7.2")] == [process.pid]
        assert end_process_tree(None, None, "job-7.2") == ()
        assert process.wait(120) != 0
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait(120)


@POSIX
def test_a_pid_that_now_belongs_to_someone_else_is_left_alone(tmp_path: Path) -> None:
    process = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        assert end_process_tree(process.pid, start_of(process.pid) - 3600, "no-such-mark") == ()
        assert lives(process.pid)
    finally:
        process.kill()
        process.wait(120)


@pytest.mark.parametrize(
    "pid",
    [
        pytest.param(0, id="nobody"),
        pytest.param(1, id="init"),
        pytest.param(os.getpid(), id="we"),
        pytest.param(os.getppid(), id="our parent"),
    ],
)
def test_neither_the_system_nor_ourselves_are_ever_in_a_family(pid: int) -> None:
    # Asked only, never ended: a wrong answer here would take the whole machine with it.
    started = start_of(pid) if pid else 0.0
    found = {process.pid for process in process_tree(pid, started, None)}
    assert not found & {0, 1, os.getpid(), os.getppid()}
    assert pid > 1 or not found
    assert process_tree(0, 0.0, "") == [] and process_tree(pid, None, None) == []


def test_pid_and_start_time_are_known_before_anyone_waits(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    def note(pid: int, started_at: float) -> None:
        seen.append((pid, started_at))

    result = python("print('x')", tmp_path, on_started=note)
    assert result.exit_code == 0
    ((pid, at),) = seen
    assert pid != os.getpid() and start_of(os.getpid()) <= at < start_of(os.getpid()) + 86_400


def test_a_child_ends_when_its_start_cannot_be_recorded(tmp_path: Path) -> None:
    pids: list[int] = []

    def refuse(pid: int, _at: float) -> None:
        pids.append(pid)
        raise RuntimeError("the store is away")

    with pytest.raises(RuntimeError, match="the store is away"):
        python("import time; time.sleep(600)", tmp_path, on_started=refuse)
    assert not lives(pids[0])


@pytest.mark.attack("a check prints without end, to fill the disk", "held", "T4; T7")
def test_output_beyond_the_cap_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "print('first'); [print('x' * 999) for _ in range(500)]; print('last')"
    result = python(code, tmp_path, log_path=log, max_output_bytes=20_000)
    written = log.read_text()
    assert written.startswith("first\n") and written.rstrip().endswith("last")
    assert "bytes left out" in written
    assert log.stat().st_size < 20_100 < result.output_bytes
    assert result.output_sha256 == hashlib.sha256(log.read_bytes()).hexdigest()
    assert result.output_tail.rstrip().endswith("last")


@pytest.mark.parametrize(("platform", "shown"), [("linux", "\ufffd"), ("win32", "ÿ")])
def test_shown_output_holds_no_terminal_escapes_and_no_broken_text_and_on_windows_lines_of_the_code_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, shown: str
) -> None:
    on(monkeypatch, output, platform)
    monkeypatch.setattr(output, "locale", Seen(locale, getencoding=always("cp1252")))
    code = r"import sys; sys.stdout.buffer.write(b'\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\xff ok\r\n\xc3\xa4\n')"
    assert python(code, tmp_path).output_tail == f"red {shown} ok\nä\n"


def test_a_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    precious, log = tmp_path / "precious", tmp_path / "log"
    precious.write_text("mine")
    try:
        log.symlink_to(precious)
    except OSError:
        pytest.skip("this system lets nobody make links")
    python("print('x')", tmp_path, log_path=log)
    assert precious.read_text() == "mine" and log.read_text().strip() == "x"


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChildNotStarted, match="no-such-program"):
        run_child(["no-such-program"], cwd=tmp_path, env=child_env(), timeout_s=5)
    with pytest.raises(ChildNotStarted, match=r"\./missing"):
        run_child(["./missing"], cwd=tmp_path, env=child_env(), timeout_s=5)
    with pytest.raises(ChildNotStarted, match="does not exist"):
        run_child([sys.executable], cwd=tmp_path / "nowhere", env=child_env(), timeout_s=5)


@POSIX
def test_a_file_that_is_no_program_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a program")
    with pytest.raises(ChildNotStarted, match="could not be started"):
        run_child(["./data"], cwd=tmp_path, env=child_env(), timeout_s=5)


def test_a_child_sees_only_what_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("NAMED", "yes")
    code = "import os; print(sorted(set(os.environ) & {'SECRET_TOKEN', 'NAMED', 'PATH', 'PYTHONDONTWRITEBYTECODE'}))"
    result = run_child([sys.executable, "-c", code], cwd=tmp_path, env=child_env(["NAMED", "ABSENT"]), timeout_s=60)
    assert result.output_tail.strip() == "['NAMED', 'PATH', 'PYTHONDONTWRITEBYTECODE']"


@pytest.mark.parametrize(
    ("platform", "found"), [("win32", {"Token": "x", "OS": "Windows_NT"}), ("linux", {"OS": "Windows_NT"})]
)
def test_the_names_of_variables_have_no_case_on_windows(
    monkeypatch: pytest.MonkeyPatch, platform: str, found: dict[str, str]
) -> None:
    on(monkeypatch, environment, platform)
    given = child_env(["Token"], {"TOKEN": "x", "OS": "Windows_NT", "OTHER": "y"})
    assert given == found | {"PYTHONDONTWRITEBYTECODE": "1"}


def test_a_child_has_no_input_to_wait_for(tmp_path: Path) -> None:
    assert python("import sys; sys.exit(len(sys.stdin.read()))", tmp_path, timeout_s=30).exit_code == 0


def test_children_of_several_threads_do_not_end_each_other(tmp_path: Path) -> None:
    codes: list[int | None] = []

    def run(code: int) -> None:
        codes.append(python(f"import sys; print('x' * 100_000); sys.exit({code})", tmp_path).exit_code)

    threads = [threading.Thread(target=run, args=(code,)) for code in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(code or 0 for code in codes) == [1, 2, 3]


@POSIX
def test_a_program_is_looked_up_in_the_environment_of_the_child(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_text(f"{python_line()}\nprint('hello')\n")
    program.chmod(0o755)
    result = run_child(["hello"], cwd=tmp_path, env={"PATH": str(tmp_path)}, timeout_s=60)
    assert result.output_tail == "hello\n"


def test_lines_are_heard_while_the_child_runs_in_the_thread_that_waits(tmp_path: Path) -> None:
    heard: list[str] = []
    go = tmp_path / "go"

    def hear(line: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard.append(line)
        go.write_text("x")  # the child says its second line only once its first was heard

    code = (
        "import pathlib, sys, time\nprint('one \u20ac', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        "print('not a line', file=sys.stderr, flush=True)\nsys.stdout.write('two\\r\\nthree')"
    )
    log = tmp_path / "log"
    result = python(code, tmp_path, on_line=hear, log_path=log, timeout_s=60)
    assert (heard, result.exit_code) == (["one \u20ac", "two", "three"], 0)
    assert "not a line" in log.read_text() and "three" in result.output_tail


def test_no_line_is_lost_however_many_there_are(tmp_path: Path) -> None:
    heard: list[str] = []
    result = python("for number in range(30_000): print(number)", tmp_path, on_line=heard.append)
    assert result.exit_code == 0 and heard == [str(number) for number in range(30_000)]


def test_a_line_without_end_is_cut_and_logged_whole(tmp_path: Path) -> None:
    heard: list[str] = []
    result = python("print('x' * 9_000_000); print('end')", tmp_path, on_line=heard.append)
    assert [len(line) for line in heard] == [MAX_LINE_BYTES, 3]
    assert result.output_bytes == 9_000_005


def test_a_child_that_never_stops_talking_still_ends_in_time(tmp_path: Path) -> None:
    heard: list[str] = []
    result = python("while True: print('x')", tmp_path, timeout_s=0.5, on_line=heard.append, max_output_bytes=1_000)
    assert result.timed_out and heard


def test_a_child_ends_when_its_listener_fails(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail(_line: str) -> None:
        raise RuntimeError("no more")

    def note(pid: int, _at: float) -> None:
        pids.append(pid)

    with pytest.raises(RuntimeError, match="no more"):
        python(
            "import time; print('x', flush=True); time.sleep(600)",
            tmp_path,
            on_line=fail,
            on_started=note,
        )
    assert not lives(pids[0])


def test_a_child_reads_what_it_is_given_and_nothing_otherwise(tmp_path: Path) -> None:
    code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    given = b"\x00prompt \xff" * 500_000  # more than any pipe holds
    assert python(code, tmp_path, stdin=given).output_tail.strip() == hashlib.sha256(given).hexdigest()
    assert python(code, tmp_path).output_tail.strip() == hashlib.sha256(b"").hexdigest()
    assert python("pass", tmp_path, stdin=given).exit_code == 0  # anyone who does not read is not waited for


WRITES_LATE = """
import os, subprocess, sys
late = "import os, pathlib, time\\nwhile os.getppid() == int({pid!r}): time.sleep(0.01)\\ntime.sleep(0.5)\\nprint('whole')"
subprocess.Popen([sys.executable, "-c", late.format(pid=str(os.getpid()))])
"""


@POSIX
def test_a_process_that_outlives_the_child_may_finish_where_that_was_granted(tmp_path: Path) -> None:
    assert python(WRITES_LATE, tmp_path, linger_s=60).output_tail == "whole\n"
    assert python(WRITES_LATE, tmp_path).output_tail == ""


@POSIX
def test_a_process_that_outlives_the_child_ends_with_its_time(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = LEAVES_A_GRANDCHILD.format(setsid=False, note=str(note), then=0)
    result = python(code, tmp_path, linger_s=0.1)
    assert (result.exit_code, result.survivors) == (0, ())
    assert not lives(int(note.read_text()))
