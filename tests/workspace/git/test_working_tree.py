"""The working tree's cache always equals a full hash of the bytes, after any change of files."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.workspace.checkpoint_scene import saved
from wfe_mcp.workspace.git import names, working_tree
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.objects import trees_of
from wfe_mcp.workspace.git.snapshot import Snapshots, take
from wfe_mcp.workspace.git.snapshot_limits import Limits
from wfe_mcp.workspace.git.working_tree import GRAIN_NS, WorkingTree, tree_hash

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
SECOND = 1_000_000_000

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows every file is hashed every time")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("A = 1\n", encoding="utf-8")
    (folder / "b.txt").write_text("b\n", encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "src")
    git(folder, "commit", "-qm", "first")
    return folder


def git(root: Path, *words: str, **env: str) -> str:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(root), *named, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **env}).stdout


# -- the rule for times, proved against a full hash ------------------------------------------------------------------


class Disk:
    """Files on a file system whose times come in grains of two seconds, where a program may set mtime to any value.

    Only the times are made up, by inode: the files are real. As on the weakest file systems, a rename changes no time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now_ns = 1_000 * SECOND
        self._times: dict[int, tuple[int, int]] = {}

    def times(self, facts: os.stat_result) -> tuple[int, int]:
        return self._times.setdefault(facts.st_ino, (0, 0))

    def touched(self, path: str, mtime_ns: int | None = None) -> None:
        grain = self.now_ns // GRAIN_NS * GRAIN_NS
        place = self.root / path
        if os.path.lexists(place):
            self._times[place.lstat().st_ino] = (grain if mtime_ns is None else mtime_ns, grain)

    def clear(self, path: str) -> Path:
        """``path``, with nothing there and every folder above it."""
        place = self.root / path
        above = self.root
        for name in Path(path).parts[:-1]:
            above = above / name
            if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
                above.unlink()
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        return place

    # -- what may happen to a file ---------------------------------------------------------------------------------

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        if place.is_symlink() or not place.is_file():
            place = self.clear(path)
        place.write_text(text)
        self.touched(path)

    def write_and_put_the_time_back(self, path: str, text: str) -> None:
        place = self.root / path
        before = self.times(place.lstat())[0] if os.path.lexists(place) else None
        self.write(path, text)
        self.touched(path, before)

    def replace(self, path: str, text: str) -> None:
        aside = self.root.parent / "aside"
        aside.write_text(text)
        place = self.root / path
        before = self.times(place.lstat()) if os.path.lexists(place) else None
        inode = aside.lstat().st_ino
        os.replace(aside, self.clear(path))
        if before is None:
            self.touched(path)
        else:
            self._times[inode] = before

    def swap(self, path: str, text: str) -> None:
        other = self.root / ("src/a.py" if path == "b.txt" else "b.txt")
        place = self.root / path
        if all(stat.S_ISREG(each.lstat().st_mode) if os.path.lexists(each) else False for each in (place, other)):
            aside = self.root.parent / "aside"
            os.replace(place, aside)
            os.replace(other, place)
            os.replace(aside, other)

    def delete(self, path: str, text: str) -> None:
        self.clear(path)

    def change_mode(self, path: str, text: str) -> None:
        place = self.root / path
        if place.is_file() and not place.is_symlink():
            place.chmod(place.stat().st_mode ^ 0o100)
            self.touched(path, self.times(place.lstat())[0])

    def link(self, path: str, text: str) -> None:
        self.clear(path).symlink_to(text.strip() or "x")
        self.touched(path)

    def link_a_folder(self, path: str, text: str) -> None:
        self.clear("src").symlink_to("elsewhere" if text == "one\n" else ".")
        self.touched("src")

    def make_a_folder(self, path: str, text: str) -> None:
        self.clear(path).mkdir()
        self.write(f"{path}/inner", text)

    def ignore(self, path: str, text: str) -> None:
        self.write(".gitignore", f"{path}\n" if text == "one\n" else "inner\n")

    def stage(self, path: str, text: str) -> None:
        git(self.root, "add", "-A")

    def forget(self, path: str, text: str) -> None:
        git(self.root, "rm", "-rqf", "--cached", "--ignore-unmatch", path)

    def lie(self, path: str, text: str) -> None:
        if git(self.root, "ls-files", path).strip() == path:
            git(self.root, "update-index", "--assume-unchanged", path)


OPERATIONS: tuple[Callable[[Disk, str, str], None], ...] = (
    Disk.write, Disk.write_and_put_the_time_back, Disk.replace, Disk.swap, Disk.delete, Disk.change_mode, Disk.link,
    Disk.link_a_folder, Disk.make_a_folder, Disk.ignore, Disk.stage, Disk.forget, Disk.lie,
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.sampled_from(["b.txt", "src/a.py", "src/new.py"]),
        st.sampled_from(["one\n", "two\n", "longer\n"]),
        st.sampled_from([0, 1, SECOND, 2 * SECOND, 5 * SECOND]),
    ),
    min_size=1,
    max_size=12,
)


@contextmanager
def disk() -> Generator[Disk]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder, "project")
        (root / "src").mkdir(parents=True)
        made = Disk(root)
        git(root, "init", "-q")
        made.write("b.txt", "one\n")
        made.write("src/a.py", "two\n")
        git(root, "add", "-A")
        patch.setattr(working_tree, "_times", made.times)
        yield made


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_what_is_remembered_is_what_a_full_hash_says(
    steps: list[tuple[Callable[[Disk, str, str], None], str, str, int]],
):
    with disk() as made:
        remembering = WorkingTree(made.root, lambda: made.now_ns)
        remembering.files()
        for operation, path, text, later_ns in steps:
            made.now_ns += later_ns
            operation(made, path, text)
            assert remembering.files() == WorkingTree(made.root, lambda: made.now_ns).files(), operation.__name__


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_the_tree_is_the_one_that_git_would_make(steps: list[tuple[Callable[[Disk, str, str], None], str, str, int]]):
    with disk() as made:
        for operation, path, text, _ in steps:
            operation(made, path, text)
        kept = {"GIT_INDEX_FILE": str(made.root.parent / "index")}
        tracked = git(made.root, "ls-files").split()
        git(made.root, "add", "-A", **kept)
        own = [path for path in tracked if os.path.lexists(made.root / path) and _is_own(made.root, path)]
        if own:  # what is tracked counts though it is ignored
            git(made.root, "add", "-A", "-f", "--", *own, **kept)
        assert tree_hash(made.root) == git(made.root, "write-tree", **kept).strip()


def _is_own(root: Path, path: str) -> bool:
    """A tracked file that is still a file and not behind a link."""
    folders = [root / each for each in Path(path).parents]
    return not any(each.is_symlink() for each in folders) and not stat.S_ISDIR((root / path).lstat().st_mode)


def test_a_file_is_hashed_once_when_its_times_are_old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = working_tree._hash  # pyright: ignore[reportPrivateUsage] - what is counted here

    def counted(place: str, facts: os.stat_result, hash_name: str) -> tuple[str, os.stat_result] | None:
        hashed.append(Path(place).name)
        return real(place, facts, hash_name)

    with disk() as made:
        monkeypatch.setattr(working_tree, "_hash", counted)
        tree = WorkingTree(made.root, lambda: made.now_ns)
        for later_ns, expected in ((0, 2), (GRAIN_NS, 2), (GRAIN_NS, 2), (0, 0), (GRAIN_NS, 0)):
            made.now_ns += later_ns
            hashed.clear()
            tree.files()
            assert len(hashed) == expected, made.now_ns
        made.write("b.txt", "two\n")
        tree.files()
        assert hashed == ["b.txt"]


# -- nothing but the bytes on the disk -------------------------------------------------------------------------------


def excluded(root: Path) -> None:
    (root / ".git" / "info" / "exclude").write_text("b.txt\n", encoding="utf-8")


def excluded_by_configuration(root: Path) -> None:
    (root.parent / "excludes").write_text("b.txt\n", encoding="utf-8")
    git(root, "config", "core.excludesFile", str(root.parent / "excludes"))


def forged(root: Path) -> None:
    blob = git(root, "hash-object", "-w", "b.txt").strip()
    git(root, "update-index", "--cacheinfo", f"100755,{blob},src/a.py")
    git(root, "update-index", "--assume-unchanged", "src/a.py")


def replaced(root: Path) -> None:
    blob = git(root, "hash-object", "-w", "b.txt").strip()
    git(root, "replace", git(root, "rev-parse", "HEAD:src/a.py").strip(), blob)


def converted(root: Path) -> None:
    git(root, "config", "core.autocrlf", "input")
    git(root, "config", "core.fileMode", "false")
    git(root, "config", "core.ignoreCase", "true")
    (root / ".git" / "info" / "attributes").write_text("* text eol=crlf ident\n", encoding="utf-8")


@pytest.mark.parametrize("change", [excluded, excluded_by_configuration, forged, replaced, converted])
def test_no_configuration_and_nothing_git_remembers_takes_part_in_a_tree(
    root: Path, change: Callable[[Path], None]
) -> None:
    (root / "src" / "a.py").write_text("A = 1 # $Id$\r\n", encoding="utf-8")
    before = tree_hash(root)
    change(root)
    assert tree_hash(root) == before
    (root / "b.txt").write_text("c\n", encoding="utf-8")
    assert tree_hash(root) != before


def test_what_only_the_user_excludes_counts_as_evidence_and_is_not_saved(root: Path) -> None:
    before = tree_hash(root)
    (root / "secret.env").write_text("KEY=1\n", encoding="utf-8")
    (root / ".git" / "info" / "exclude").write_text("# mine\n*.env\n", encoding="utf-8")
    assert tree_hash(root) != before
    snapshot = take(root, {}, Limits(), at=AT)
    assert saved(root, snapshot) == {"b.txt", "src/a.py"}


# -- git is asked when the names change ------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the git commands that the working tree runs."""
    commands: list[str] = []
    real = names.run_git

    def counted(root: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes] | None:
        commands.append(words[2])
        return real(root, *words, **more)

    monkeypatch.setattr(names, "run_git", counted)
    return commands


def test_git_lists_the_names_again_only_when_they_may_differ(root: Path, asked: list[str]) -> None:
    def calls(change: Callable[[], object] = lambda: None) -> int:
        asked.clear()
        change()
        tree_hash(root)
        return len(asked)

    assert calls() == 1
    assert calls() == 0
    assert calls(lambda: (root / "b.txt").write_text("changed\n")) == 0
    assert calls(lambda: (root / "c.txt").write_text("new\n")) == 1
    assert calls(lambda: (root / ".gitignore").write_text("c.txt\n")) == 1
    assert calls(lambda: (root / ".gitignore").write_text("d.txt\n")) == 1
    assert calls(lambda: git(root, "add", "b.txt")) == 1
    assert calls(lambda: (root / ".wfe").mkdir()) == 0
    assert calls() == 0


def test_the_names_of_a_large_folder_are_asked_each_time(
    root: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 2)
    for _ in range(3):
        tree_hash(root)
    assert len(asked) == 3


def test_another_repository_inside_is_listed_once(root: Path, asked: list[str]) -> None:
    git(root, "init", "-q", "src/inner")
    for _ in range(3):
        tree_hash(root)
    assert len(asked) == 2


def test_a_folder_that_goes_while_it_is_walked_is_left_to_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    before = tree_hash(root)
    monkeypatch.setattr(names, "_walk", gone)
    assert tree_hash(root) == before


def test_where_a_repository_is_gets_asked_again_when_its_configuration_changes(root: Path, tmp_path: Path) -> None:
    assert repository(root) is repository(root) is not None
    git(root, "config", "core.worktree", str(tmp_path))
    found = repository(root)
    assert found is None or found.top == tmp_path
    git(root, "config", "--unset", "core.worktree")
    (root / ".git").rename(tmp_path / "moved")
    assert repository(root) is None


# -- checkpoints -----------------------------------------------------------------------------------------------------


def taken(snapshots: Snapshots, root: Path, seconds: int = 0, limits: Limits | None = None) -> str:
    """A snapshot ``seconds`` later; the note makes each commit another one."""
    at = AT + timedelta(seconds=seconds)
    return snapshots.take(root, {"second": str(seconds)}, limits or Limits(), at).commit


def same_bytes_later(root: Path) -> None:
    path = root / "src" / "a.py"
    facts = path.stat()
    path.write_text("A = 2\n", encoding="utf-8")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content of the same size, its time put back": same_bytes_later,
    "a new file": lambda root: (root / "src" / "new.py").write_text("", encoding="utf-8"),
    "a file that is gone": lambda root: (root / "b.txt").unlink(),
    "a mode": lambda root: (root / "b.txt").chmod(0o755),
    "a permission that git does not know": lambda root: (root / "b.txt").chmod(0o600),
    "what is staged": lambda root: git(root, "add", "b.txt"),
    "a commit": lambda root: git(root, "commit", "-q", "--allow-empty", "-m", "second"),
    "what git ignores": lambda root: (root / ".git" / "info" / "exclude").write_text("b.txt\n", encoding="utf-8"),
}


def test_what_nobody_touched_is_saved_once(root: Path) -> None:
    snapshots = Snapshots()
    assert taken(snapshots, root) == taken(snapshots, root, 1) == taken(snapshots, root, 6_000)


def test_what_we_write_of_runs_is_no_change(root: Path) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    (root / ".wfe" / "runs").mkdir(parents=True)
    (root / ".wfe" / "runs" / "prompt.md").write_text("x", encoding="utf-8")
    assert taken(snapshots, root, 1) == first


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(root: Path, change: Callable[[Path], object]) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    change(root)
    assert taken(snapshots, root, 1) != first


def test_a_snapshot_stands_for_no_other_limits_and_for_no_earlier_time(root: Path) -> None:
    snapshots = Snapshots()
    first = taken(snapshots, root)
    assert taken(snapshots, root, 1, Limits(file_bytes=1)) != first
    again = taken(snapshots, root, 2)
    assert taken(snapshots, root, 1) not in {first, again}


@pytest.mark.parametrize("lost", ["commit", "all"])
def test_what_a_garbage_collection_took_is_written_again(root: Path, lost: str) -> None:
    (root / "b.txt").write_text("only here\n", encoding="utf-8")
    snapshots = Snapshots()
    first = taken(snapshots, root)
    if lost == "all":
        git(root, "gc", "-q", "--prune=now")
    else:
        (root / ".git" / "objects" / first[:2] / first[2:]).unlink()
    second = taken(snapshots, root, 1)
    assert second != first
    assert git(root, "show", f"{second}:b.txt") == "only here\n"
    assert "missing" not in git(root, "fsck", "--full", "--strict", second)


def test_what_only_an_earlier_checkpoint_needed_is_written_again(root: Path) -> None:
    snapshots = Snapshots()
    (root / "b.txt").write_text("early\n", encoding="utf-8")
    taken(snapshots, root)
    (root / "b.txt").write_text("late\n", encoding="utf-8")
    late = taken(snapshots, root, 1)
    git(root, "update-ref", "refs/wfe/late", late)
    git(root, "prune", "--expire=now")
    (root / "b.txt").write_text("early\n", encoding="utf-8")
    assert git(root, "show", f"{taken(snapshots, root, 2)}:b.txt") == "early\n"


def test_many_new_files_make_one_pack_and_few_none(root: Path) -> None:
    def packs() -> int:
        return len(list((root / ".git" / "objects" / "pack").glob("*.pack")))

    take(root, {}, Limits(), at=AT)
    assert packs() == 0
    for number in range(100):
        (root / f"f{number}").write_text(f"{number}\n" * number, encoding="utf-8")
    snapshot = take(root, {}, Limits(), at=AT)
    assert packs() == 1
    assert len(saved(root, snapshot)) == 102
    git(root, "fsck", "--strict")


def test_the_tree_of_files_is_that_of_git(root: Path) -> None:
    for name in ("a", "a.b", "a-b", "ab", "a0"):
        (root / name).write_text(name, encoding="utf-8")
    (root / "c").mkdir()
    for name in ("c.d", "c-d", "c0"):
        (root / name).write_text(name, encoding="utf-8")
    (root / "c" / "inner").write_text("x", encoding="utf-8")
    git(root, "add", "-A")
    files = WorkingTree(root).files()
    assert trees_of(files, "sha1")[0] == git(root, "write-tree").strip()
