"""What the evidence says about where a check ran, and what a sandbox keeps out."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.gates.conftest import Project
from tests.gates.place_scene import BASE_PY, PY, check, environment, hashlib_of, judge, printed, with_pytest
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.jobs import sandbox
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.git.working_tree import hashed_tree
from wfe_mcp.workspace.system.location import data_dir


def test_pytest_in_a_checkout_is_counted_from_its_report(project: Project) -> None:
    project.write("test_calc.py", "from src.calc import add\ndef test_add():\n    assert add(1, 1) == 2\n")
    project.write("conftest.py", "")
    judgement = judge(project, check(PY, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"))
    assert judgement.kind is VerdictKind.PASS, judgement.message
    assert judgement.data["tests"]["passed"] == 1 and judgement.data["tests"]["counted_from"] == "reporter"
    assert Path(judgement.log_path or "").with_suffix(".junit.xml").exists()


def test_a_report_that_the_check_writes_into_the_checkout_is_read(project: Project) -> None:
    code = "open('.wfe/r.xml', 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')"
    judgement = judge(project, check(PY, "-c", code, junit=".wfe/r.xml"))
    assert judgement.data["tests"]["passed"] == 1


def test_a_check_may_be_tried_in_a_checkout_before_it_says_so(project: Project) -> None:
    project.write(".gitignore", "data\n")
    project.write("data", "")
    found = check(PY, "-c", "open('data')", where="worktree")
    assert judge(project, found).kind is VerdictKind.PASS
    assert judge(project, found, where="checkout").kind is VerdictKind.FAIL


def test_the_evidence_names_the_program_with_its_sha256(project: Project, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "true").write_text("#!/bin/sh\nexit 0\n")
    (shims / "true").chmod(0o755)
    plain = judge(project, check("true", where="worktree")).data["program"]
    path = f"{shims}{os.pathsep}{os.environ['PATH']}"
    shim = judge(project, check("true", where="worktree"), environ=os.environ | {"PATH": path}).data["program"]
    assert shim == {"path": str(shims / "true"), "sha256": hashlib_of(shims / "true")}
    assert plain["sha256"] == hashlib_of(Path(shutil.which("true") or "")) != shim["sha256"]


def test_a_linked_program_is_named_with_where_it_leads(project: Project, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("/bin/sh")
    found = judge(project, check(str(tmp_path / "run"), "-c", "", where="worktree")).data["program"]
    assert found["path"] == str(tmp_path / "run") and found["real"] == str(Path("/bin/sh").resolve())


SWAP = """
import os, shutil
original = open('src/calc.py').read()
{do}
"""


@pytest.mark.parametrize(
    "do",
    [
        "open('src/calc.py', 'w').write('swapped'); open('src/calc.py', 'w').write(original)",
        "s = os.stat('src/calc.py'); open('src/calc.py', 'w').write('x'); open('src/calc.py', 'w').write(original);"
        "os.utime('src/calc.py', ns=(s.st_atime_ns, s.st_mtime_ns))",
        "os.rename('src/calc.py', 'keep'); open('src/calc.py', 'w').close(); os.rename('keep', 'src/calc.py')",
    ],
)
def test_a_file_changed_and_changed_back_while_the_check_runs_is_named(project: Project, do: str) -> None:
    judgement = judge(project, check(PY, "-c", SWAP.format(do=do), where="worktree"))
    tree = judgement.data["tree"]
    assert tree["before"] == tree["after"]
    assert tree["changed"] == ["src/calc.py"]


def test_a_file_that_the_check_may_write_voids_nothing(project: Project) -> None:
    found = check(
        PY, "-c", SWAP.format(do="open('src/calc.py', 'w').write(original)"), where="worktree", writes=("src",)
    )
    assert judge(project, found).data["tree"]["changed"] == []


def test_a_check_below_the_level_that_is_asked_for_fails_without_running(project: Project) -> None:
    found = check(PY, "-c", "open('ran', 'w')", where="worktree")
    judgement = judge(project, found, level="checkout")
    assert judgement.kind is VerdictKind.FAIL
    assert "evidence of level worktree, and at least checkout is asked for" in judgement.message
    assert '`where = "checkout"`' in judgement.message and "wfe-mcp trust" in judgement.message
    assert not (project.root / "ran").exists()
    assert judge(project, check(PY, "-c", ""), level="checkout").data["level"] == "checkout"
    assert '`where = "runner"`' in judge(project, found, level="runner").message


BIND = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"


@NEEDS_SANDBOX
def test_a_sandbox_has_no_network_unless_it_is_asked_for(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        alone = judge(project, check(BASE_PY, "-c", BIND, port, sandbox=True))
        connected = judge(project, check(BASE_PY, "-c", BIND, port, sandbox=True, network=True))
        outside = judge(project, check(BASE_PY, "-c", BIND, port))
    assert (alone.kind, alone.data["network"]) == (VerdictKind.FAIL, False)
    assert (connected.kind, connected.data["network"]) == (VerdictKind.PASS, True)
    assert outside.kind is VerdictKind.PASS
    assert (alone.data["level"], outside.data["level"]) == ("sandbox", "checkout")


@pytest.mark.attack("a variable of a check loads code into what makes its sandbox", "held", "#31")
@NEEDS_SANDBOX
def test_what_the_loader_reads_acts_inside_a_sandbox_and_not_on_what_makes_it(project: Project, tmp_path: Path) -> None:
    asked = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(tmp_path / "loaded"), "PLAIN": "a 'b' $c"}
    code = "import os; print(*(os.environ[name] for name in ('LD_DEBUG_OUTPUT', 'PLAIN')), sep='|')"

    judgement = judge(project, check(BASE_PY, "-c", code, sandbox=True, env=tuple(asked)), environ=os.environ | asked)

    assert f"{tmp_path / 'loaded'}|a 'b' $c" in printed(judgement)
    assert list(tmp_path.glob("loaded*")) == []


WRITE = """
import json, os, sys
def tried(path):
    try:
        open(path, 'w').close()
        return 'written'
    except OSError as error:
        return type(error).__name__
print(json.dumps({'here': tried('f'), 'home': tried(os.environ['HOME'] + '/f'),
                  'project': tried(sys.argv[1] + '/f'), 'etc': tried('/etc/f'), 'listed': os.listdir(sys.argv[1])}))
"""


@NEEDS_SANDBOX
def test_a_sandbox_writes_nothing_but_its_own_folder_and_hides_the_project(project: Project) -> None:
    found = json.loads(printed(judge(project, check(BASE_PY, "-c", WRITE, str(project.root), sandbox=True))))
    assert (found["here"], found["home"]) == ("written", "written")
    assert found["project"] != "written" and found["etc"] != "written"
    assert found["listed"] == []
    assert not (project.root / "f").exists()


@NEEDS_SANDBOX
def test_a_sandbox_shows_what_is_brought_and_lets_no_one_write_into_it(project: Project) -> None:
    packages = environment(project)
    code = "import helper; print(helper.VALUE); open(helper.__file__, 'w')"
    judgement = judge(project, check(".venv/bin/python", "-c", code, bring=(".venv",), sandbox=True))
    assert judgement.kind is VerdictKind.FAIL and "Read-only file system" in judgement.message
    assert (packages / "helper.py").read_text() == "VALUE = 7\n"


@NEEDS_SANDBOX
def test_pytest_in_a_sandbox_is_counted_from_its_report(project: Project) -> None:
    project.write("test_calc.py", "from src.calc import add\ndef test_add():\n    assert add(1, 1) == 2\n")
    project.write("conftest.py", "")
    with_pytest(environment(project))
    words = (".venv/bin/python", "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider")
    judgement = judge(project, check(*words, bring=(".venv",), sandbox=True))
    assert judgement.data["tests"]["passed"] == 1, judgement.message


@NEEDS_SANDBOX
def test_a_program_that_the_sandbox_hides_is_named(project: Project) -> None:
    project.write("tools/run", "#!/bin/sh\n").chmod(0o755)
    judgement = judge(project, check(str(project.root / "tools/run"), sandbox=True))
    assert judgement.kind is VerdictKind.ERROR
    assert "which is hidden in its sandbox" in judgement.message
    assert "write 'tools/run' in `argv`, to name its folder in `bring` where git ignores it" in judgement.message
    tracked = judge(project, check("tools/run", sandbox=True))
    project.write(".gitignore", "tools/\n")
    ignored = judge(project, check("tools/run", bring=("tools",), sandbox=True))
    assert (tracked.kind, ignored.kind) == (VerdictKind.PASS, VerdictKind.PASS), ignored.message


@NEEDS_SANDBOX
@pytest.mark.parametrize("name", ["env/bin/run", "env/node_modules/.bin/run", "tools/run"])
def test_a_program_in_a_temporary_folder_is_brought_with_its_environment_and_nothing_beside_it(
    project: Project, name: str
) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as outside:
        program = Path(outside, name)
        program.parent.mkdir(parents=True)
        library = program.parents[1] if name.startswith("env") else program.parent
        (library / "data").write_text("shipped")
        Path(outside, "secret").write_text("of another program")
        program.write_text(
            f"#!/bin/sh\ncat '{library}/data'; cat '{outside}/secret'; echo > '{library}/data'; exit 0\n"
        )
        program.chmod(0o755)
        judgement = judge(project, check(str(program), sandbox=True))
        seen = printed(judgement)
        assert (library / "data").read_text() == "shipped"

    assert "shipped" in seen and "of another program" not in seen
    assert f"{library}: the program's own folder, read-only" in judgement.data["notes"]


@NEEDS_SANDBOX
def test_a_program_beside_the_hidden_project_is_brought_alone(project: Project) -> None:
    program = project.root.parent / "run"
    program.write_text(f"#!/bin/sh\nls '{project.root}'; ls '{project.root.parent}'\n")
    program.chmod(0o755)
    project.write("kept.txt", "")

    assert "kept.txt" not in printed(judge(project, check(str(program), sandbox=True)))


@NEEDS_SANDBOX
def test_a_program_among_our_own_data_is_to_be_installed_elsewhere(project: Project) -> None:
    program = data_dir() / "run"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    judgement = judge(project, check(str(program), sandbox=True))
    assert judgement.kind is VerdictKind.ERROR and "`bring`" not in judgement.message
    assert "outside the folders of wfe-mcp's own data" in judgement.message and "remove `sandbox`" in judgement.message


@NEEDS_SANDBOX
def test_the_exit_code_of_a_sandbox_is_the_checks_own(project: Project) -> None:
    judgement = judge(
        project, check(BASE_PY, "-c", "raise SystemExit(7)", sandbox=True), expect={"exit_code": "nonzero"}
    )
    assert (judgement.kind, judgement.data["exit_code"]) == (VerdictKind.PASS, 7)


@NEEDS_SANDBOX
def test_a_sandbox_that_could_not_be_made_is_no_failing_test(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.sandbox_fault() is None  # it works now, and is not asked again
    monkeypatch.setattr(sandbox, "_NAMESPACES", ("--no-such-option",))
    judgement = judge(project, check(BASE_PY, "-c", "", sandbox=True), expect={"exit_code": "nonzero"})
    assert judgement.kind is VerdictKind.ERROR and "could not be made" in judgement.message


def test_where_there_is_no_bubblewrap_the_gate_is_undecided_never_less(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_PLACES", ())
    monkeypatch.setenv("PATH", str(project.root))
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    judgement = judge(project, check(BASE_PY, "-c", "open('ran', 'w')", sandbox=True))
    assert judgement.kind is VerdictKind.ERROR
    assert "apt install bubblewrap" in judgement.message and "remove `sandbox`" in judgement.message


def test_where_bubblewrap_is_forbidden_the_gate_says_what_it_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(sandbox, "_PLACES", (str(refusing),))
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    judgement = judge(project, check(BASE_PY, "-c", "", sandbox=True))
    assert "setting up uid map: Permission denied" in judgement.message
    broken = tmp_path / "broken"
    broken.write_text("no program")
    monkeypatch.setattr(sandbox, "_PLACES", (str(broken),))
    assert "cannot make a sandbox here" in judge(project, check(BASE_PY, "-c", "", sandbox=True)).message


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_say_that_they_have_no_sandbox(
    project: Project, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sandbox.sys, "platform", platform)
    assert sandbox.sandbox_fault() == "A sandbox is made with bubblewrap, which only Linux has."


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"sandbox": True}, "'sandbox' needs where = \"checkout\""),
        ({"bring": [".venv"]}, "'bring' needs where = \"checkout\""),
        ({"where": "checkout", "network": True}, "'network' needs sandbox = true; without it a check has your network"),
        ({"where": "checkout", "sandbox": True, "network": True, "bring": [".venv"]}, ""),
    ],
)
def test_keys_of_a_check_that_are_meaningless_alone_are_a_fault(keys: dict[str, Any], fault: str) -> None:
    assert CheckSettings.model_validate({"argv": ["x"], **keys}).fault() == fault


@pytest.mark.parametrize("where", ["worktree", "checkout"])
def test_a_check_by_the_python_of_a_virtual_environment_finds_its_other_programs(project: Project, where: str) -> None:
    """As in a shell where the environment is activated: tests start the commands that the project installs there."""
    programs = "Scripts" if os.name == "nt" else "bin"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.root / ".venv"], check=True)
    project.write(".gitignore", ".venv/\n")
    own = project.root / ".venv" / programs / "glom.exe"
    own.write_text("#!/bin/sh\n", encoding="utf-8")
    own.chmod(0o755)
    code = "import os, shutil; print(os.path.exists(shutil.which('glom.exe')), os.environ['VIRTUAL_ENV'])"
    python = f".venv/{programs}/{'python.exe' if os.name == 'nt' else 'python'}"
    shown = printed(
        judge(project, check(python, "-c", code, where=where, bring=[".venv"] if where == "checkout" else []))
    )
    assert shown.startswith("True ") and shown.endswith(".venv")


@pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts for sh")
@pytest.mark.attack(
    "files of the project pose as an environment, so that its programs run in place of those on PATH", "held", "T4"
)
@pytest.mark.parametrize("where", ["worktree", "checkout"])
@pytest.mark.parametrize(("word", "cwd"), [("tool", "backend"), ("./run", "backend"), ("bin/run", None)])
def test_a_settings_file_of_an_environment_puts_no_folder_of_the_project_on_path(
    project: Project, tmp_path: Path, word: str, cwd: str | None, where: str
) -> None:
    project.write("pyvenv.cfg", "")
    for name in ("backend/tool", "bin/tool"):
        project.write(name, "#!/bin/sh\necho of the project\n").chmod(0o755)
    for name in ("backend/run", "bin/run"):
        project.write(name, "#!/bin/sh\nexec tool\n").chmod(0o755)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/tool").write_text("#!/bin/sh\necho of the person\n")
    (tmp_path / "tools/tool").chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}"}
    assert printed(judge(project, check(word, cwd=cwd, where=where), environ=environ)) == "of the person"


def test_a_check_of_a_commit_by_the_python_of_an_environment_finds_its_other_programs(project: Project) -> None:
    environment(project)
    programs = project.root / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    (programs / "glom.exe").write_text("")
    (programs / "glom.exe").chmod(0o755)
    code = "import shutil; print(shutil.which('glom.exe'))"
    python = str(programs / Path(PY).name)
    shown = printed(judge(project, check(python, "-c", code, where="worktree"), of=hashed_tree(project.root)))
    assert shown == str(programs / "glom.exe")


@NEEDS_SANDBOX
def test_in_a_container_that_masks_proc_the_fault_says_how_to_start_the_container() -> None:
    """No one may mount a /proc that shows more than theirs: a container's default, made here with one folder of each."""
    probe = "from wfe_mcp.jobs.sandbox import sandbox_fault; print(sandbox_fault())"
    masked = 'for proc in $(awk \'$3 == "proc" { print $2 }\' /proc/mounts); do mount -t tmpfs none "$proc/tty"; done; exec "$@"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", masked, "sh", sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "systempaths=unconfined (podman: unmask=ALL)" in done.stdout, done
