"""What the working tree remembers of a file is what a full hash says, for any sequence of changes."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.examples import examples
from tests.workspace.git.test_working_tree import git
from wfe_mcp.workspace.git import file_facts, working_tree
from wfe_mcp.workspace.git.file_facts import GRAIN_NS, Signature
from wfe_mcp.workspace.git.working_tree import WorkingTree, tree_hash

SECOND = 1_000_000_000


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

    def signature(self, facts: os.stat_result) -> Signature:
        return facts.st_mode, facts.st_size, *self.times(facts), facts.st_ino, facts.st_dev

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
    Disk.write,
    Disk.write_and_put_the_time_back,
    Disk.replace,
    Disk.swap,
    Disk.delete,
    Disk.change_mode,
    Disk.link,
    Disk.link_a_folder,
    Disk.make_a_folder,
    Disk.ignore,
    Disk.stage,
    Disk.forget,
    Disk.lie,
)
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
        for module in (working_tree, file_facts):
            patch.setattr(module, "signature_of", made.signature)
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
    real = file_facts.hash_at

    def counted(place: str, seen: Signature, hash_name: str) -> tuple[str, Signature] | None:
        hashed.append(Path(place).name)
        return real(place, seen, hash_name)

    with disk() as made:
        monkeypatch.setattr(working_tree, "hash_at", counted)
        tree = WorkingTree(made.root, lambda: made.now_ns)
        for later_ns, expected in ((0, 2), (GRAIN_NS, 2), (GRAIN_NS, 2), (0, 0), (GRAIN_NS, 0)):
            made.now_ns += later_ns
            hashed.clear()
            tree.files()
            assert len(hashed) == expected, made.now_ns
        made.write("b.txt", "two\n")
        tree.files()
        assert hashed == ["b.txt"]
