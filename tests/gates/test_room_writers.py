"""Who else writes into the room of a check, and whose bubblewrap makes its sandbox."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gates.conftest import Project
from tests.gates.place_scene import BASE_PY, PY, check, hashlib_of, judge, printed, removed
from tests.house.other_system import on
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.gates import place
from wfe_mcp.gates.brought import Brought
from wfe_mcp.jobs import sandbox, writers
from wfe_mcp.workspace.config.settings_tables import SandboxSettings

FROM_OUTSIDE = """
import os, subprocess, sys, time
room = os.getcwd()
code = {code!r}
done = subprocess.run([sys.executable, '-S', '-c', code, room], check=True)
"""
"""A check that has another process write into its room; what is written is nothing that the check names in ``writes``."""


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("import sys; open(sys.argv[1] + '/src/calc.py', 'w').write('evil')", "src/calc.py"),
        (
            "import sys; f = sys.argv[1] + '/src/calc.py'; good = open(f).read(); open(f, 'w').write('evil'); "
            "open(f, 'w').write(good)",
            "src/calc.py",
        ),
        ("import os, sys; os.unlink(sys.argv[1] + '/src/calc.py')", "src/calc.py"),
        ("import sys; open(sys.argv[1] + '/conftest.py', 'w').write('evil')", "conftest.py"),
    ],
)
@pytest.mark.attack("another process writes into the checkout while a check runs", "detected", "T15")
def test_a_checkout_that_someone_writes_into_is_a_warning(project: Project, code: str, named: str) -> None:
    judgement = judge(project, check(PY, "-c", FROM_OUTSIDE.format(code=code)))
    assert judgement.outcome is GateOutcome.WARNING
    assert judgement.data["room"] == [named] and f"by another process: {named}." in judgement.message


MAPS = """
import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    mapped = mmap.mmap(file.fileno(), 0)
good = mapped[:]
mapped[0:1] = mapped[0:1]
print('mapped', flush=True)
sys.stdin.read()
"""
"""A process that has mapped a file and written there, and so can change it later without a trace."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say who has a file open")
@pytest.mark.attack("a process maps a file of the checkout before the check, and puts its bytes back", "held", "T15")
@pytest.mark.parametrize("is_sandbox", [False, pytest.param(True, marks=NEEDS_SANDBOX)], ids=["checkout", "sandbox"])
def test_no_check_runs_in_a_checkout_that_someone_has_open_for_writing(
    project: Project, monkeypatch: pytest.MonkeyPatch, is_sandbox: bool
) -> None:
    children: list[subprocess.Popen[str]] = []
    brings = place.bring

    def map_first(root: Path, paths: Sequence[str], into: Path) -> tuple[Brought, ...]:
        """After the copy and before the stamps, which is the attacker's moment."""
        words = [PY, "-S", "-c", MAPS, str(into / "src/calc.py")]
        children.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert children[-1].stdout is not None and children[-1].stdout.readline() == "mapped\n"
        return brings(root, paths, into)

    monkeypatch.setattr(place, "bring", map_first)
    found = check(BASE_PY, "-c", "", sandbox=is_sandbox)
    try:
        judgement = judge(project, found)
    finally:
        for child in children:
            child.communicate()
    assert judgement.kind is VerdictKind.ERROR
    assert "Another process has files of the checkout open for writing: src/calc.py." in judgement.message
    monkeypatch.setattr(place, "bring", brings)
    assert judge(project, found).outcome is GateOutcome.PASS


def test_a_system_that_does_not_say_who_has_a_file_open_runs_the_check(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, writers, "darwin")
    judgement = judge(project, check(PY, "-c", ""))
    assert judgement.outcome is GateOutcome.PASS and not any("mapping" in note for note in judgement.data["notes"])


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no file system in memory here")
@pytest.mark.attack("a checkout in memory is changed through a mapping and put back", "declared", "T15")
def test_a_checkout_in_memory_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        monkeypatch.setattr(tempfile, "tempdir", memory)
        judgement = judge(project, check(PY, "-c", ""))
        assert removed(Path(memory, "none"))  # waits for the thread that empties the folder
    said = "the checkout lies on tmpfs, where a file that is changed through a mapping and put back keeps its times"
    assert said in judgement.data["notes"]


def test_a_copied_file_that_is_written_while_the_check_runs_is_a_warning(project: Project) -> None:
    project.write(".gitignore", "secret.env\n")
    project.write("secret.env", "A=1")
    code = "import sys; open(sys.argv[1] + '/secret.env', 'w').write('A=2')"
    judgement = judge(project, check(PY, "-c", FROM_OUTSIDE.format(code=code), bring=("secret.env",)))
    assert judgement.outcome is GateOutcome.WARNING and judgement.data["room"] == ["secret.env"]


WAITS = """
import time
open('/tmp/shown', 'w').write('good')
end = time.monotonic() + 30
while open('/tmp/shown').read() != 'evil' and time.monotonic() < end:
    time.sleep(0.02)
print(open('/tmp/shown').read())
"""


@NEEDS_SANDBOX
@pytest.mark.attack("a program of the same account enters a sandbox through /proc", "declared", "T15")
def test_the_memory_of_a_sandbox_is_reached_through_proc(project: Project) -> None:
    stop = threading.Event()

    def enter() -> None:
        while not stop.wait(0.02):
            for each in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    is_ours = f"-{os.getpid()}-" in os.readlink(each / "cwd")
                    if is_ours and (each / "root/tmp/shown").read_text() == "good":
                        (each / "root/tmp/shown").write_text("evil")

    attacker = threading.Thread(target=enter)
    attacker.start()
    try:
        judgement = judge(project, check(BASE_PY, "-c", WAITS, sandbox=True))
    finally:
        stop.set()
        attacker.join()
    assert printed(judgement) == "evil" and judgement.outcome is GateOutcome.PASS


def test_other_files_that_a_check_makes_in_its_checkout_are_no_warning(project: Project) -> None:
    found = judge(project, check(PY, "-c", "open('made.txt', 'w').write('x')"))
    assert found.outcome is GateOutcome.PASS and found.data["room"] == []


@pytest.mark.skipif(os.name == "nt", reason="a script of the shell is no program there")
@pytest.mark.attack("a program named bwrap lies earlier on PATH", "held", "T4; T15")
def test_a_bubblewrap_on_path_is_not_taken(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\nexit 0\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sandbox, "_PLACES", ())
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    assert judge(project, check(BASE_PY, "-c", "", sandbox=True)).kind is VerdictKind.ERROR


@NEEDS_SANDBOX
@pytest.mark.attack("a shell earlier on PATH starts the check in its sandbox", "held", "T4; T15")
def test_a_shell_on_path_does_not_start_the_check(project: Project, tmp_path: Path) -> None:
    tools = Path.cwd() / ".pytest_cache" / f"shims-{os.getpid()}"  # seen in the sandbox: not below /tmp
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "sh").write_text('#!/bin/sh\n: > "$3"; exit 0\n')
    (tools / "sh").chmod(0o755)
    try:
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        found = judge(
            project, check(BASE_PY, "-c", "raise SystemExit(3)", sandbox=True), environ=os.environ | {"PATH": path}
        )
    finally:
        shutil.rmtree(tools)
    assert found.kind is VerdictKind.FAIL and found.data["exit_code"] == 3


@NEEDS_SANDBOX
def test_the_evidence_names_bubblewrap_with_its_sha256(project: Project) -> None:
    found = judge(project, check(BASE_PY, "-c", "", sandbox=True)).data["sandbox"]
    assert found["path"] == sandbox.bubblewrap() and found["sha256"] == hashlib_of(Path(found["path"]))


@NEEDS_SANDBOX
def test_a_configured_bubblewrap_makes_the_sandbox_and_the_evidence_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = shutil.copy(sandbox.bubblewrap() or "", tmp_path / "bwrap")
    monkeypatch.setattr(sandbox, "_PLACES", ())
    makes = SandboxSettings(bubblewrap=str(elsewhere), sha256=hashlib_of(Path(elsewhere)))
    found = judge(project, check(BASE_PY, "-c", "", sandbox=True), makes=makes)
    assert found.kind is VerdictKind.PASS, found.message
    assert found.data["sandbox"] == {"path": str(elsewhere), "sha256": makes.sha256}


@pytest.mark.skipif(sys.platform != "linux", reason="a sandbox is made on Linux only")
@pytest.mark.attack("the configured bubblewrap is exchanged", "held", "T4; T15")
def test_a_configured_bubblewrap_with_another_sha256_is_not_started(project: Project, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\n: > began; exit 0\n")
    fake.chmod(0o755)
    for sha256, named in (("0" * 64, "0" * 64), ("", "none")):
        found = judge(
            project,
            check(BASE_PY, "-c", "", sandbox=True),
            makes=SandboxSettings(bubblewrap=str(fake), sha256=sha256),
        )
        assert found.kind is VerdictKind.ERROR
        assert f"has the sha256 {hashlib_of(fake)}, and [sandbox] names {named}, so it is not started" in found.message
    gone = judge(
        project, check(BASE_PY, "-c", "", sandbox=True), makes=SandboxSettings(bubblewrap=str(tmp_path / "gone"))
    )
    assert gone.kind is VerdictKind.ERROR and "which is no file" in gone.message
