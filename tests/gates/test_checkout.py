"""What a checkout holds, keeps out, brings and leaves behind."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.gates.conftest import Project
from tests.gates.place_scene import (
    LIST,
    PY,
    abandoned,
    check,
    environment,
    hashlib_of,
    judge,
    printed,
    printed_json,
    removed,
)
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates import brought
from wfe_mcp.gates.brought import bring
from wfe_mcp.gates.command import run_check
from wfe_mcp.jobs import sandbox
from wfe_mcp.jobs.sandbox import checkout_folder
from wfe_mcp.workspace.git.objects import Node
from wfe_mcp.workspace.git.trees import copy_tree
from wfe_mcp.workspace.git.working_tree import hashed_tree, tree_hash
from wfe_mcp.workspace.system.temporary import remove_abandoned


def test_a_checkout_holds_the_files_of_the_tree_and_no_ignored_one(project: Project) -> None:
    project.write(".git/info/exclude", "conftest.py\n")
    project.write(".gitignore", "secret.env\n__pycache__/\n")
    project.write("secret.env", "KEY=1")
    project.write("src/__pycache__/calc.cpython-312.pyc", "stale")
    project.write("new.py", "not added yet")
    assert printed_json(project, LIST) == [".gitignore", "new.py", "src/calc.py"]


def test_a_checkout_has_modes_links_and_bytes_of_the_tree(project: Project) -> None:
    project.write("run.sh", "#!/bin/sh\necho ran\n").chmod(0o755)
    (project.root / "link").symlink_to("src/calc.py")
    (project.root / "large.bin").write_bytes(b"\xff\x00" * 2_000_000)
    code = (
        "import json, os, hashlib; print(json.dumps([os.access('run.sh', os.X_OK), os.readlink('link'),"
        "hashlib.sha256(open('large.bin', 'rb').read()).hexdigest()]))"
    )
    expected = hashlib_of(project.root / "large.bin")
    assert printed_json(project, code) == [True, "src/calc.py", expected]


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
    found = printed_json(
        project, "import json, os; print(json.dumps([open('id.txt', newline='').read(), os.listdir('.')]))"
    )
    assert found[0] == "$Id$\n"
    assert "ran" not in found[1] and not (project.root / "ran").exists()


def test_home_and_temporary_folder_are_new_and_the_evidence_names_the_variables(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".rustup").mkdir(parents=True)
    (home / ".mix").mkdir()
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
    assert (env["RUSTUP_HOME"], env["MIX_HOME"]) == (str(home / ".rustup"), str(home / ".mix"))
    assert "SECRET_TOKEN" not in env and "XDG_CONFIG_HOME" not in env
    assert "HOME" in judgement.data["variables"] and "SECRET_TOKEN" not in judgement.data["variables"]
    assert "s3cret" not in json.dumps(judgement.data)


def test_a_checkout_is_removed_after_the_check_with_its_read_only_folders(project: Project) -> None:
    code = (
        "import os, json; os.mkdir(os.environ['HOME'] + '/cache'); open(os.environ['HOME'] + '/cache/f', 'w').close();"
        "os.chmod(os.environ['HOME'] + '/cache', 0o500); print(json.dumps(os.getcwd()))"
    )
    assert removed(Path(printed_json(project, code)).parent)


def test_the_next_start_removes_the_checkout_of_a_killed_process_and_no_other(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from wfe_mcp.jobs.sandbox import checkout_folder;"
        "manager = checkout_folder(pathlib.Path(sys.argv[1])); (manager.__enter__().files / 'f').write_text('x');"
        "os._exit(9)"
    )
    subprocess.run([PY, "-c", code, str(tmp_path)], check=False)
    left = abandoned(tmp_path)
    assert len(left) == 1
    (tmp_path / "wfe-checkout-mine").mkdir()  # someone else's
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
    monkeypatch.setattr(sandbox.os, "getuid", lambda: os.geteuid() + 1)
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


def test_a_link_to_itself_stops_no_check(project: Project) -> None:
    (project.root / "self").symlink_to("self")
    assert judge(project, check(PY, "-c", "")).data["exit_code"] == 0


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


def test_a_virtual_environment_of_which_git_ignores_a_part_is_brought_as_a_whole(project: Project) -> None:
    environment(project)
    project.write(".gitignore", "lib/\nLib/\n")
    run = check(".venv/bin/python", "-c", "import helper; print(helper.VALUE)", bring=(".venv",))
    judgement = judge(project, run)
    assert printed(judgement) == "7"
    assert [each["how"] for each in judgement.data["bring"]] == ["linked"]


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
    found = printed_json(project, code, bring=("node_modules",))
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
        "path": ".env",
        "how": "copied",
        "covers": "its bytes",
        "sha256": hashlib_of(project.root / ".env"),
    }
    assert listed["src"]["how"] == "part of the tree"
    assert "PYTHONPYCACHEPREFIX" in judgement.data["variables"]


def test_the_digest_of_what_is_brought_sees_links_and_is_capped(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(".gitignore", "cache/\n")
    project.write("cache/a/b", "1")
    (project.root / "cache/link").symlink_to("a")
    one = brought.list_brought(bring(project.root, ("cache",), project.root.parent / "x"))[0]
    (project.root / "cache/link").unlink()
    (project.root / "cache/link").symlink_to("b")
    other = brought.list_brought([brought.Brought("cache", project.root / "cache", "linked")])[0]
    assert one["sha256"] != other["sha256"] and one["covers"].endswith("of 3 entries")
    monkeypatch.setattr(brought, "MAX_ENTRIES", 2)
    capped = brought.list_brought([brought.Brought("cache", project.root / "cache", "linked")])[0]
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


def test_a_program_that_only_the_project_has_is_no_missing_check_and_the_line_that_brings_it_is_named(
    project: Project,
) -> None:
    environment(project)
    judgement = judge(project, check("../.venv/bin/python", "-c", "", cwd="src", bring=["src/calc.py"]))
    assert (judgement.kind, judgement.data.get("missing")) == (VerdictKind.ERROR, None)
    assert "starts '../.venv/bin/python', which the project has and its checkout does not" in judgement.message
    assert 'write `bring = ["src/calc.py", ".venv"]` into [checks.test]' in judgement.message
    assert "init" not in judgement.message
    nowhere = judge(project, check(".venv/bin/other"))
    assert (nowhere.kind, nowhere.data["missing"]) == (VerdictKind.FAIL, True)
