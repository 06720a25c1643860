"""Each way to make a tree lie about what a check reads: by hiding a file, or by a setting that makes git report other bytes."""

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspace.conftest import Git, run_git, tree
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import names, repository
from wfe_mcp.workspace.git.file_diffs import all_diffs, file_diffs
from wfe_mcp.workspace.git.objects import object_id
from wfe_mcp.workspace.git.working_tree import changed_paths, parts_of

# -- five ways to ignore a conftest.py -------------------------------------------------------------------------------


def by_gitignore(root: Path, home: Path) -> None:
    (root / ".gitignore").write_text("conftest.py\n")


def by_a_nested_gitignore(root: Path, home: Path) -> None:
    (root / "tests/.gitignore").write_text("*\n")


def by_info_exclude(root: Path, home: Path) -> None:
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text("conftest.py\n")


def by_a_global_excludes_file(root: Path, home: Path) -> None:
    (home / "excludes").write_text("conftest.py\n")
    run_git(root, "config", "--global", "core.excludesFile", str(home / "excludes"))


def by_bits_of_the_index(root: Path, home: Path) -> None:
    (root / "tests/conftest.py").write_text("import pytest\n")
    run_git(root, "add", "tests/conftest.py")
    run_git(root, "update-index", "--skip-worktree", "tests/conftest.py")
    run_git(root, "update-index", "--assume-unchanged", "tests/conftest.py")


IGNORED = (by_gitignore, by_a_nested_gitignore, by_info_exclude, by_a_global_excludes_file, by_bits_of_the_index)


@pytest.mark.parametrize("ignore", IGNORED)
@pytest.mark.attack("hide a conftest.py from git, in five ways", "held", "T15")
def test_a_conftest_that_is_ignored_changes_the_tree_and_is_named(
    root: Path, repo: Git, home: Path, ignore: Callable[[Path, Path], None]
) -> None:
    (root / "tests").mkdir()
    ignore(root, home)
    before = tree(root)
    (root / "tests/conftest.py").write_text("import os\nos._exit(0)\n")
    after = tree(root)
    assert after != before
    assert changed_paths(root, before, after) == ["tests/conftest.py"]
    (root / "tests/conftest.py").write_text("import os\nos._exit(1)\n")
    assert changed_paths(root, after, tree(root)) == ["tests/conftest.py"]


def test_a_watched_file_is_bound_beside_the_tree_and_is_no_part_of_it(root: Path, repo: Git) -> None:
    (root / ".gitignore").write_text("conftest.py\n")
    before = tree(root)
    assert parts_of(before)[1] == ""
    (root / "conftest.py").write_text("secret = 1\n")
    after = tree(root)
    assert parts_of(after)[0] == before
    assert all_diffs(root, before, after)[1] == {"new": ("conftest.py",), "changed": (), "removed": ()}
    assert all_diffs(root, after, before)[1]["removed"] == ("conftest.py",)
    (root / "conftest.py").write_text("secret = 2\n")
    assert all_diffs(root, after, tree(root))[1]["changed"] == ("conftest.py",)
    assert file_diffs(root, before, tree(root)) == ()
    assert tree(root, ("conftest.py",)) == before


@pytest.mark.parametrize(
    "path",
    [
        "pytest.ini",
        "tox.ini",
        "setup.cfg",
        "sub/pyproject.toml",
        "package.json",
        ".npmrc",
        "jest.config.mjs",
        "vitest.config.ts",
        "playwright.config.ts",
        ".mocharc.cjs",
        "Makefile",
        "CMakeLists.txt",
        "phpunit.xml",
        "go.work",
        ".env",
        "test_more.py",
        "sitecustomize.py",
        "evil.egg-info/entry_points.txt",
        "mypy.ini",
        ".eslintrc.json",
        ".cargo/config.toml",
        "app/build.gradle.kts",
        "karma.conf.js",
        ".venv/lib/python3.12/site-packages/evil.pth",
        ".venv/lib/python3.12/site-packages/usercustomize.py",
        ".venv/lib/python3.12/site-packages/sitecustomize/__init__.py",
    ],
)
@pytest.mark.attack("put an ignored file where a test runner reads it", "held", "T15")
def test_an_ignored_file_that_a_runner_reads_is_watched(root: Path, repo: Git, path: str) -> None:
    (root / ".gitignore").write_text(f"{path}\n.venv/\n")
    before = tree(root)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("x")
    assert changed_paths(root, before, tree(root)) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/left-pad/package.json",
        "build/package.json",
        ".venv/lib/python3.12/site-packages/numpy/conftest.py",
        ".venv/lib/python3.12/test/test_os.py",
        "notes.log",
        "sub/.wfe/runs/r/package.json",
    ],
)
def test_other_ignored_files_bind_nothing(root: Path, repo: Git, path: str) -> None:
    (root / ".gitignore").write_text("/node_modules\n/build\n/.venv\n*.log\n/sub/.wfe/runs\n")
    before = tree(root)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("x")
    assert tree(root) == before


@pytest.mark.parametrize(
    ("source", "compiled"),
    [("calc.py", "calc.cpython-312-x86_64-linux-gnu.so"), ("src/calc.py", "src/calc.abi3.so")],
)
@pytest.mark.attack("leave a compiled module that is loaded in place of its source", "held", "T15")
def test_an_ignored_module_that_is_loaded_in_place_of_its_source_is_watched(
    root: Path, repo: Git, source: str, compiled: str
) -> None:
    (root / ".gitignore").write_text("*.so\n")
    (root / source).parent.mkdir(exist_ok=True)
    (root / compiled).write_text("x")
    before = tree(root)
    assert parts_of(before)[1] == "", "it has no source that it could stand for"
    (root / source).write_text("x")
    assert all_diffs(root, before, tree(root))[1]["new"] == (compiled,)


def test_ignored_files_are_watched_in_a_large_folder_too(
    root: Path, repo: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 2)
    (root / ".gitignore").write_text("conftest.py\nnode_modules\n")
    (root / "node_modules/a").mkdir(parents=True)
    (root / "node_modules/a/package.json").write_text("{}")
    (root / "closed").mkdir()
    before = tree(root)
    (root / "closed/conftest.py").write_text("x")
    assert changed_paths(root, before, tree(root)) == ["closed/conftest.py"]


# -- another story about a file --------------------------------------------------------------------------------------


@pytest.mark.attack("write an index that calls a changed file unchanged", "held", "T15")
def test_an_index_with_the_stat_data_of_a_changed_file_hides_nothing(root: Path, repo: Git) -> None:
    """The entry says: these times, this size, and the content of before."""
    before = tree(root)
    blob = repo("rev-parse", "HEAD:a.txt").strip()
    (root / "a.txt").write_text("b\n")
    os.utime(root / "a.txt", (1_700_000_000, 1_700_000_000))  # one as young as the index would be doubted
    repo("add", "a.txt")
    index = (root / ".git/index").read_bytes()
    changed = bytes.fromhex(repo("rev-parse", ":a.txt").strip())
    forged = index[:-20].replace(changed, bytes.fromhex(blob))
    (root / ".git/index").write_bytes(forged + hashlib.sha1(forged, usedforsecurity=False).digest())
    assert repo("--no-optional-locks", "status", "--porcelain") == "", "git believes it"
    assert changed_paths(root, before, tree(root)) == ["a.txt"]


@pytest.mark.parametrize("where", ["attributes of the tree", "attributes of the repository"])
@pytest.mark.parametrize("scope", ["--local", "--global"])
@pytest.mark.attack("let a clean filter hide a change", "held", "T15")
def test_a_clean_filter_hides_nothing(root: Path, repo: Git, where: str, scope: str) -> None:
    place = root / (".gitattributes" if where == "attributes of the tree" else ".git/info/attributes")
    place.parent.mkdir(exist_ok=True)
    place.write_text("a.txt filter=old text eol=crlf ident working-tree-encoding=UTF-16\n")
    run_git(root, "config", scope, "filter.old.clean", "git cat-file blob HEAD:a.txt")
    before = tree(root)
    (root / "a.txt").write_text("b\n")
    assert changed_paths(root, before, tree(root)) == ["a.txt"]


def test_a_file_of_lfs_has_the_hash_of_its_bytes(root: Path, repo: Git) -> None:
    (root / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    content = b"\0the real thing\n"
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
    (root / "m.bin").write_text(pointer)
    as_pointer = tree(root)
    (root / "m.bin").write_bytes(content)
    (change,) = file_diffs(root, as_pointer, tree(root))
    assert (change.path, change.new_oid) == ("m.bin", object_id("blob", content, "sha1"))


# -- what is inside --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["a repository", "a broken repository", "in a repository in it", "a submodule without git"]
)
@pytest.mark.attack("hide files in a repository inside the project", "held", "T15")
def test_the_files_of_a_repository_inside_count(root: Path, repo: Git, how: str) -> None:
    inner = root / "vendor/inner"
    inner.mkdir(parents=True)
    if how == "a submodule without git":
        commit = repo("rev-parse", "HEAD").strip()
        repo("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/inner")
    elif how == "in a repository in it":
        run_git(inner, "init", "-q")
        inner = inner / "deeper"
        run_git(root, "init", "-q", str(inner))
        run_git(inner, "config", "core.worktree", str(root))
    else:
        run_git(inner, "init", "-q")
        if how == "a broken repository":
            (inner / ".git/HEAD").write_text("nonsense")
    before = tree(root)
    place = inner.relative_to(root).as_posix()
    (inner / "conftest.py").write_text("x")
    after = tree(root)
    assert changed_paths(root, before, after) == [f"{place}/conftest.py"]
    (inner / ".gitignore").write_text("conftest.py\n")
    (inner / "conftest.py").write_text("y")
    assert changed_paths(root, after, tree(root)) == [f"{place}/.gitignore", f"{place}/conftest.py"]


def test_a_repository_inside_that_becomes_one_later_is_listed_again(root: Path, repo: Git) -> None:
    (root / "inner").mkdir()
    (root / "inner/f").write_text("f")
    before = tree(root)
    run_git(root, "init", "-q", "inner")
    assert tree(root) == before


@pytest.mark.attack("hide files in a .wfe folder below the root", "held", "T15")
def test_a_wfe_folder_below_the_root_counts_as_any_other(root: Path, repo: Git) -> None:
    before = tree(root)
    for folder in (".wfe", "tests/.wfe"):
        (root / folder).mkdir(parents=True)
        (root / folder / "conftest.py").write_text("x")
    assert changed_paths(root, before, tree(root)) == [".wfe/conftest.py", "tests/.wfe/conftest.py"]
    assert all_diffs(root, before, tree(root))[1]["new"] == (".wfe/conftest.py",)


@pytest.mark.attack("ignore files by a .gitignore that is only in the index", "held", "T15")
def test_a_gitignore_that_is_only_in_the_index_ignores_nothing(root: Path, repo: Git) -> None:
    (root / "sub").mkdir()
    (root / "sub/.gitignore").write_text("helper.py\n")
    repo("add", "-A")
    repo("update-index", "--skip-worktree", "sub/.gitignore")
    (root / "sub/.gitignore").unlink()
    before = tree(root)
    (root / "sub/helper.py").write_text("x")
    assert changed_paths(root, before, tree(root)) == ["sub/helper.py"]


@pytest.mark.skipif(os.name == "nt", reason="there the system itself takes them for the same name")
@pytest.mark.attack("ignore more by a setting of the repository", "held", "T15")
def test_a_setting_does_not_make_a_gitignore_ignore_more(root: Path, repo: Git) -> None:
    (root / ".gitignore").write_text("HELPER.py\n")
    repo("config", "core.ignoreCase", "true")
    before = tree(root)
    (root / "helper.py").write_text("x")
    assert changed_paths(root, before, tree(root)) == ["helper.py"]


# -- stored trees ----------------------------------------------------------------------------------------------------


def forged_tree(root: Path, oid: str, content: bytes) -> None:
    place = root / ".git/wfe/objects" / oid[:2] / oid[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"tree %d\0" % len(content) + content))


@pytest.mark.attack("store another tree under the id of the one that was judged", "held", "T15")
def test_a_forged_tree_is_as_good_as_missing(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "a.txt").write_text("b\n")
    after = tree(root)
    kept = root / ".git/wfe/objects" / after[:2] / after[2:]
    forged_tree(root, before, zlib.decompress(kept.read_bytes()).partition(b"\0")[2])
    assert changed_paths(root, before, after) == ["a.txt"], "git has the tree of the commit"
    forged_tree(root, after, b"")
    with pytest.raises(Refused) as refused:
        changed_paths(root, before, after)
    assert refused.value.code == "unavailable"


@pytest.mark.attack("store other content under the id that a diff shows", "held", "T15")
def test_content_that_git_has_under_another_id_is_not_shown(root: Path, repo: Git) -> None:
    before = tree(root)
    (root / "a.txt").write_text("b\n")
    blob = repo("rev-parse", "HEAD:a.txt").strip()
    place = root / ".git/objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"blob 5\0evil\n"))
    (shown,) = file_diffs(root, before, tree(root))
    assert (shown.kind, shown.hunks) == ("unknown", ())


def test_a_tree_of_before_files_were_watched_stays_comparable(root: Path, repo: Git) -> None:
    old = tree(root)
    (root / ".gitignore").write_text("*.log\npytest.ini\n")
    (root / "pytest.ini").write_text("[pytest]\n")
    assert changed_paths(root, old, tree(root)) == [".gitignore", "pytest.ini"]


# -- what a git gate asks --------------------------------------------------------------------------------------------


@pytest.mark.attack("tell the index to overlook an uncommitted change", "held", "T15")
@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_index_overlooks_is_uncommitted_all_the_same(root: Path, repo: Git, bit: str) -> None:
    repo("update-index", bit, "a.txt")
    assert repository.is_clean(root)
    (root / "a.txt").write_text("b\n")
    assert repo("status", "--porcelain") == "", "git believes it"
    assert not repository.is_clean(root)


def test_what_is_only_staged_is_uncommitted(root: Path, repo: Git) -> None:
    (root / "a.txt").write_text("b\n")
    repo("add", "a.txt")
    (root / "a.txt").write_text("a\n")
    assert not repository.is_clean(root)


def test_a_sparse_checkout_is_clean(root: Path, repo: Git) -> None:
    for folder in ("in", "out"):
        (root / folder).mkdir()
        (root / folder / "f").write_text(folder)
    repo("add", "-A")
    repo("commit", "-q", "-m", "two folders")
    repo("sparse-checkout", "set", "in")
    assert repository.is_clean(root)
    (root / "in/f").write_text("changed")
    assert not repository.is_clean(root)


@pytest.mark.attack("call a history cut off, to hide commits", "held", "T15")
def test_a_history_that_is_called_cut_off_is_read_all_the_same(root: Path, repo: Git) -> None:
    first = repo("rev-parse", "HEAD").strip()
    for name in ("two", "three"):
        repo("commit", "-q", "--allow-empty", "-m", name)
    (root / ".git/shallow").write_text(repo("rev-parse", "HEAD"))
    assert repo("rev-list", "HEAD").split() == [repo("rev-parse", "HEAD").strip()], "git believes it"
    assert len(repository.commits_between(root, first)) == 2
    assert repository.is_ancestor(root, first)


def test_a_history_that_is_really_cut_off_still_has_its_commits(root: Path, repo: Git, tmp_path: Path) -> None:
    repo("commit", "-q", "--allow-empty", "-m", "two")
    run_git(tmp_path, "clone", "-q", "--depth=1", f"file://{root}", "shallow")
    assert len(repository.commits_between(tmp_path / "shallow", None)) == 1
