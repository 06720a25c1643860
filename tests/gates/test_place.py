"""Where a check runs: what a checkout and a sandbox hold, keep out and leave behind."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.gates.conftest import Project
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import VerdictKind
from wfe_mcp.gates import brought
from wfe_mcp.gates.brought import bring
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.jobs import checkouts, sandbox
from wfe_mcp.jobs.checkouts import checkout_folder, remove_abandoned
from wfe_mcp.workspace.config.checks import CheckSettings, FrozenCheck
from wfe_mcp.workspace.git.objects import Node
from wfe_mcp.workspace.git.tree_copy import copy_tree
from wfe_mcp.workspace.git.working_tree import hashed_tree, tree_hash

PY = sys.executable


def check(*argv: str, **more: Any) -> FrozenCheck:
    return FrozenCheck.model_validate(
        {"name": "test", "argv": argv, "timeout_s": 60.0, "where": "checkout", **more}
    )  # fmt: skip


def judge(project: Project, found: FrozenCheck, **more: Any) -> Judgement:
    return run_check(found, name="test", root=project.root, evidence_dir=project.root / ".wfe/evidence", **more)


def printed(judgement: Judgement) -> str:
    assert judgement.kind is VerdictKind.PASS, judgement.message
    return Path(judgement.log_path or "").read_text().strip()


def told(project: Project, code: str, **more: Any) -> Any:
    """What ``code`` prints as JSON when it runs as a check."""
    return json.loads(printed(judge(project, check(PY, "-c", code, **more))))


def abandoned(within: Path) -> list[Path]:
    return sorted(within.glob("wfe-checkout-*"))


def removed(folder: Path) -> bool:
    """True once the thread that removes the folder has ended."""
    for thread in threading.enumerate():
        if thread.name == "wfe-checkout":
            thread.join(30)
    return not folder.exists()


LIST = "import json, os; print(json.dumps(sorted(os.path.join(d, f)[2:] for d, _, fs in os.walk('.') for f in fs)))"


def test_a_checkout_holds_the_files_of_the_tree_and_no_ignored_one(project: Project) -> None:
    project.write(".git/info/exclude", "conftest.py\n")
    project.write(".gitignore", "secret.env\n__pycache__/\n")
    project.write("secret.env", "KEY=1")
    project.write("src/__pycache__/calc.cpython-312.pyc", "stale")
    project.write("new.py", "not added yet")
    assert told(project, LIST) == [".gitignore", "new.py", "src/calc.py"]


def test_a_checkout_has_modes_links_and_bytes_of_the_tree(project: Project) -> None:
    project.write("run.sh", "#!/bin/sh\necho ran\n").chmod(0o755)
    (project.root / "link").symlink_to("src/calc.py")
    (project.root / "large.bin").write_bytes(b"\xff\x00" * 2_000_000)
    code = (
        "import json, os, hashlib; print(json.dumps([os.access('run.sh', os.X_OK), os.readlink('link'),"
        "hashlib.sha256(open('large.bin', 'rb').read()).hexdigest()]))"
    )
    expected = hashlib_of(project.root / "large.bin")
    assert told(project, code) == [True, "src/calc.py", expected]


def hashlib_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_check_in_a_checkout_cannot_change_the_project(project: Project) -> None:
    before = tree_hash(project.root)
    judgement = judge(project, check(PY, "-c", "open('src/calc.py', 'w').write('x'); open('more', 'w').write('y')"))
    assert judgement.kind is VerdictKind.PASS
    assert tree_hash(project.root) == before
    assert judgement.data["tree"] == {"before": before, "after": before, "changed": []}


def test_no_filter_hook_or_attribute_of_git_changes_the_checkout(project: Project) -> None:
    project.git("config", "filter.evil.smudge", "touch ran; cat")
    project.git("config", "core.autocrlf", "true")
    project.git("config", "core.hooksPath", "hooks")
    project.write("hooks/post-checkout", "#!/bin/sh\ntouch ran\n").chmod(0o755)
    project.write(".gitattributes", "* filter=evil text eol=crlf ident\n")
    project.write("id.txt", "$Id$\n")
    found = told(project, "import json, os; print(json.dumps([open('id.txt', newline='').read(), os.listdir('.')]))")
    assert found[0] == "$Id$\n"
    assert "ran" not in found[1] and not (project.root / "ran").exists()


def test_home_and_temporary_folder_are_new_and_the_evidence_names_the_variables(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".rustup").mkdir(parents=True)
    (home / ".npmrc").write_text("evil=1")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    code = (
        "import json, os; print(json.dumps([os.listdir(os.environ['HOME']), os.environ['TMPDIR'], dict(os.environ)]))"
    )
    judgement = judge(project, check(PY, "-c", code))
    listed, temporary, env = json.loads(printed(judgement))
    assert listed == [] and env["HOME"] != str(home) and Path(temporary).parent == Path(env["HOME"]).parent
    assert env["RUSTUP_HOME"] == str(home / ".rustup")
    assert "SECRET_TOKEN" not in env and "XDG_CONFIG_HOME" not in env
    assert "HOME" in judgement.data["variables"] and "SECRET_TOKEN" not in judgement.data["variables"]
    assert "s3cret" not in json.dumps(judgement.data)


def test_a_checkout_is_removed_after_the_check_with_its_read_only_folders(project: Project) -> None:
    code = (
        "import os, json; os.mkdir(os.environ['HOME'] + '/cache'); open(os.environ['HOME'] + '/cache/f', 'w').close();"
        "os.chmod(os.environ['HOME'] + '/cache', 0o500); print(json.dumps(os.getcwd()))"
    )
    assert removed(Path(told(project, code)).parent)


def test_the_next_start_removes_the_checkout_of_a_killed_process_and_no_other(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, pathlib; from wfe_mcp.jobs.checkouts import checkout_folder;"
        "manager = checkout_folder(pathlib.Path(sys.argv[1])); (manager.__enter__().files / 'f').write_text('x');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([PY, "-c", code, str(tmp_path)], check=False)
    left = abandoned(tmp_path)
    assert len(left) == 1
    (tmp_path / "wfe-checkout-mine").mkdir()  # somebody else's
    (tmp_path / "wfe-checkout-00000000-1-1-other_host").mkdir()
    with checkout_folder(tmp_path) as mine:
        assert not left[0].exists()
        assert remove_abandoned(tmp_path) == []
        assert mine.files.is_dir()
    assert removed(mine.top)
    assert [each.name for each in abandoned(tmp_path)] == ["wfe-checkout-00000000-1-1-other_host", "wfe-checkout-mine"]


def test_a_folder_of_another_host_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old = tmp_path / "wfe-checkout-00000000-1-1-other_host"
    old.mkdir()
    os.utime(old, (1, 1))
    assert remove_abandoned(tmp_path) == [old] and not old.exists()


def test_another_users_folder_and_one_that_is_gone_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "wfe-checkout-00000000-1-1-x"
    other.mkdir()
    os.utime(other, (1, 1))
    monkeypatch.setattr(checkouts.os, "getuid", lambda: os.geteuid() + 1)
    assert remove_abandoned(tmp_path) == [] and other.exists()
    assert remove_abandoned(tmp_path / "absent") == []


def test_a_file_that_changes_while_it_is_copied_is_refused_and_named(project: Project, tmp_path: Path) -> None:
    files = hashed_tree(project.root).files
    assert files is not None
    project.write("src/calc.py", "swapped")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Refused, match=r"Files changed while they were copied: src/calc\.py") as refused:
        copy_tree(project.root, files, into, "sha1")
    assert refused.value.code == "conflict"
    assert not (into / "src/calc.py").exists()


def test_a_large_file_and_a_link_that_change_while_they_are_copied_are_refused(
    project: Project, tmp_path: Path
) -> None:
    (project.root / "large").write_bytes(b"a" * 3_000_000)
    for name in ("link", "gone"):
        (project.root / name).symlink_to("src")
    files = hashed_tree(project.root).files
    assert files is not None
    (project.root / "large").write_bytes(b"b" * 3_000_000)
    (project.root / "link").unlink()
    (project.root / "link").symlink_to("/etc")
    (project.root / "gone").unlink()
    (tmp_path / "into").mkdir()
    with pytest.raises(Refused, match=r"large, link, gone|large, gone, link"):
        copy_tree(project.root, files, tmp_path / "into", "sha1")
    assert not (tmp_path / "into/large").exists()


def test_what_a_sparse_checkout_left_out_comes_from_git(project: Project, tmp_path: Path) -> None:
    files = hashed_tree(project.root).files
    assert files is not None
    (project.root / "src/calc.py").unlink()
    (tmp_path / "into").mkdir()
    copied = copy_tree(project.root, files, tmp_path / "into", "sha1")
    assert (tmp_path / "into/src/calc.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert copied.files == 2


def test_submodules_are_empty_folders_and_links_that_lead_out_are_noted(project: Project, tmp_path: Path) -> None:
    (project.root / "out").symlink_to("/etc/hostname")
    files = hashed_tree(project.root).files
    assert files is not None
    (tmp_path / "into").mkdir()
    copied = copy_tree(project.root, {**files, "sub": Node("160000", "0" * 40)}, tmp_path / "into", "sha1")
    assert copied.empty == ("sub",) and list((tmp_path / "into/sub").iterdir()) == []
    assert copied.leading_out == ("out",)
    judgement = judge(project, check(PY, "-c", ""))
    assert any(each.startswith("out: a link that leads out") for each in judgement.data["notes"])


def environment(project: Project) -> Path:
    """A virtual environment that git ignores, with the project itself in editable form."""
    project.write(".gitignore", ".venv/\n")
    subprocess.run([PY, "-m", "venv", "--without-pip", str(project.root / ".venv")], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(project.root / ".venv")}))
    (packages / "helper.py").write_text("VALUE = 7\n")
    return packages


def test_a_virtual_environment_is_brought_and_listed_with_its_digest(project: Project) -> None:
    packages = environment(project)
    run = check(".venv/bin/python", "-c", "import helper; print(helper.VALUE)", bring=(".venv",))
    first, again = judge(project, run), judge(project, run)
    assert printed(first) == "7"
    (listed,) = first.data["bring"]
    assert listed["path"] == ".venv" and listed["how"] == "linked" and "modification times" in listed["covers"]
    assert first.data["bring"] == again.data["bring"]
    (packages / "helper.py").write_text("VALUE = 8888\n")
    assert judge(project, run).data["bring"][0]["sha256"] != listed["sha256"]
    assert "PYTHONPYCACHEPREFIX" not in first.data["variables"]


def test_an_editable_install_leads_to_the_checkout_not_to_the_project(project: Project) -> None:
    packages = environment(project)
    (packages / "a.pth").write_text(f"import sys\n{project.root}/src\n/usr/lib\n")
    (packages / "__editable__pkg_finder.py").write_text(f"MAPPING = {{'pkg': '{project.root}/lib/pkg'}}\n")
    project.write("lib/pkg/__init__.py", "")
    code = "import json, calc, pkg, os; print(json.dumps([os.path.relpath(m.__file__) for m in (calc, pkg)]))"
    judgement = judge(project, check(".venv/bin/python", "-c", code, bring=(".venv",)))
    assert json.loads(printed(judgement)) == ["src/calc.py", "lib/pkg/__init__.py"]


def test_installed_packages_that_are_links_into_the_project_lead_into_the_checkout(project: Project) -> None:
    project.write(".gitignore", "node_modules/\n")
    project.write("node_modules/left/index.js", "")
    project.write("node_modules/@scope/right/index.js", "")
    project.write("packages/own/index.js", "")
    (project.root / "node_modules/own").symlink_to("../packages/own")
    (project.root / "node_modules/@scope/inner").symlink_to("../left")
    code = "import json, os; print(json.dumps({n: os.path.realpath('node_modules/' + n) for n in ('left', 'own', '@scope/right', '@scope/inner')} | {'here': os.getcwd()}))"
    found = told(project, code, bring=("node_modules",))
    assert found["own"] == f"{found['here']}/packages/own"
    assert found["left"] == str(project.root / "node_modules/left") == found["@scope/inner"]
    assert found["@scope/right"] == str(project.root / "node_modules/@scope/right")


def test_a_brought_file_is_copied_and_its_bytes_are_hashed(project: Project) -> None:
    project.write(".gitignore", ".env\n")
    project.write(".env", "A=1")
    judgement = judge(
        project, check(PY, "-c", "print(open('.env').read()); open('.env', 'w').write('B')", bring=(".env", "src"))
    )
    assert printed(judgement) == "A=1"
    assert (project.root / ".env").read_text() == "A=1"
    listed = {each["path"]: each for each in judgement.data["bring"]}
    assert listed[".env"] == {
        "path": ".env", "how": "copied", "covers": "its bytes", "sha256": hashlib_of(project.root / ".env"),
    }  # fmt: skip
    assert listed["src"]["how"] == "part of the tree"
    assert "PYTHONPYCACHEPREFIX" in judgement.data["variables"]


def test_the_digest_of_what_is_brought_sees_links_and_is_capped(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(".gitignore", "cache/\n")
    project.write("cache/a/b", "1")
    (project.root / "cache/link").symlink_to("a")
    one = brought.listed(bring(project.root, ("cache",), project.root.parent / "x"))[0]
    (project.root / "cache/link").unlink()
    (project.root / "cache/link").symlink_to("b")
    other = brought.listed([brought.Brought("cache", project.root / "cache", "linked")])[0]
    assert one["sha256"] != other["sha256"] and one["covers"].endswith("of 3 entries")
    monkeypatch.setattr(brought, "MAX_ENTRIES", 2)
    capped = brought.listed([brought.Brought("cache", project.root / "cache", "linked")])[0]
    assert capped["covers"].endswith("of the first 2 entries")


@pytest.mark.parametrize("path", ["absent", "out/etc"])
def test_what_cannot_be_brought_leaves_the_gate_undecided_with_the_remedy(project: Project, path: str) -> None:
    (project.root / "out").symlink_to("/")
    judgement = judge(project, check(PY, "-c", "", bring=(path,)))
    assert judgement.kind is VerdictKind.ERROR
    assert f"`bring` names '{path}'" in judgement.message and "wfe-mcp trust" in judgement.message


def test_a_checkout_needs_git_and_says_so(tmp_path: Path) -> None:
    judgement = run_check(check(PY, "-c", ""), name="test", root=tmp_path, evidence_dir=tmp_path / "e")
    assert judgement.kind is VerdictKind.ERROR
    assert "no git tree to check out" in judgement.message and 'where = "worktree"' in judgement.message


def test_a_temporary_folder_inside_the_project_is_no_place_for_a_checkout(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(project.root))
    judgement = judge(project, check(PY, "-c", ""))
    assert judgement.kind is VerdictKind.ERROR and "lies in the project" in judgement.message


def test_a_temporary_folder_that_cannot_be_written_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(project.root / "absent"))
    judgement = judge(project, check(PY, "-c", ""))
    assert judgement.kind is VerdictKind.ERROR and "set TMPDIR" in judgement.message


def test_files_above_the_checkout_that_tools_read_are_noted(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    (above / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setattr(tempfile, "tempdir", str(above))
    judgement = judge(project, check(PY, "-c", ""))
    assert f"{above}/pytest.ini: a file above the checkout, which the check may have read" in judgement.data["notes"]


def test_pytest_in_a_checkout_is_counted_from_its_report(project: Project) -> None:
    project.write("test_calc.py", "from src.calc import add\ndef test_add():\n    assert add(1, 1) == 2\n")
    project.write("conftest.py", "")
    judgement = judge(project, check(PY, "-m", "pytest", "-q", "-p", "no:cacheprovider"))
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
    assert "set a runner" in judge(project, found, level="runner").message


BIND = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"


@NEEDS_SANDBOX
def test_a_sandbox_has_no_network_unless_it_is_asked_for(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        alone = judge(project, check(PY, "-c", BIND, port, sandbox=True))
        connected = judge(project, check(PY, "-c", BIND, port, sandbox=True, network=True))
        outside = judge(project, check(PY, "-c", BIND, port))
    assert (alone.kind, alone.data["network"]) == (VerdictKind.FAIL, False)
    assert (connected.kind, connected.data["network"]) == (VerdictKind.PASS, True)
    assert outside.kind is VerdictKind.PASS
    assert (alone.data["level"], outside.data["level"]) == ("sandbox", "checkout")


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
    found = json.loads(printed(judge(project, check(PY, "-c", WRITE, str(project.root), sandbox=True))))
    assert (found["here"], found["home"]) == ("written", "written")
    assert found["project"] != "written" and found["etc"] != "written"
    assert found["listed"] == []
    assert not (project.root / "f").exists()


@NEEDS_SANDBOX
def test_a_sandbox_shows_what_is_brought_and_lets_nobody_write_into_it(project: Project) -> None:
    packages = environment(project)
    code = "import helper; print(helper.VALUE); open(helper.__file__, 'w')"
    judgement = judge(project, check(".venv/bin/python", "-c", code, bring=(".venv",), sandbox=True))
    assert judgement.kind is VerdictKind.FAIL and "Read-only file system" in judgement.message
    assert (packages / "helper.py").read_text() == "VALUE = 7\n"


@NEEDS_SANDBOX
def test_pytest_in_a_sandbox_is_counted_from_its_report(project: Project) -> None:
    project.write("test_calc.py", "from src.calc import add\ndef test_add():\n    assert add(1, 1) == 2\n")
    project.write("conftest.py", "")
    judgement = judge(project, check(PY, "-m", "pytest", "-q", "-p", "no:cacheprovider", sandbox=True))
    assert judgement.data["tests"]["passed"] == 1, judgement.message


@NEEDS_SANDBOX
def test_a_program_that_the_sandbox_hides_is_named(project: Project) -> None:
    project.write("tools/run", "#!/bin/sh\n").chmod(0o755)
    judgement = judge(project, check(str(project.root / "tools/run"), sandbox=True))
    assert judgement.kind is VerdictKind.ERROR
    assert "which is hidden in its sandbox" in judgement.message and "`bring`" in judgement.message


@NEEDS_SANDBOX
def test_the_exit_code_of_a_sandbox_is_the_checks_own(project: Project) -> None:
    judgement = judge(project, check(PY, "-c", "raise SystemExit(7)", sandbox=True), expect={"exit_code": "nonzero"})
    assert (judgement.kind, judgement.data["exit_code"]) == (VerdictKind.PASS, 7)


@NEEDS_SANDBOX
def test_a_sandbox_that_could_not_be_made_is_no_failing_test(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.sandbox_fault() is None  # it works now, and is not asked again
    monkeypatch.setattr(sandbox, "_NAMESPACES", ("--no-such-option",))
    judgement = judge(project, check(PY, "-c", "", sandbox=True), expect={"exit_code": "nonzero"})
    assert judgement.kind is VerdictKind.ERROR and "could not be made" in judgement.message


def test_where_there_is_no_bubblewrap_the_gate_is_undecided_never_less(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_PLACES", ())
    monkeypatch.setenv("PATH", str(project.root))
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    judgement = judge(project, check(PY, "-c", "open('ran', 'w')", sandbox=True))
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
    judgement = judge(project, check(PY, "-c", "", sandbox=True))
    assert "setting up uid map: Permission denied" in judgement.message
    broken = tmp_path / "broken"
    broken.write_text("no program")
    monkeypatch.setattr(sandbox, "_PLACES", (str(broken),))
    assert "cannot make a sandbox here" in judge(project, check(PY, "-c", "", sandbox=True)).message


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
def test_keys_of_a_check_that_mean_nothing_alone_are_a_fault(keys: dict[str, Any], fault: str) -> None:
    assert CheckSettings.model_validate({"argv": ["x"], **keys}).fault() == fault
