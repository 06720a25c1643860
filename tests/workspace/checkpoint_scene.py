"""Projects to save and to wreck, and all that must not change meanwhile."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from wfe_mcp.workspace.git.checkpoints import changes, keep, list_checkpoints
from wfe_mcp.workspace.git.restore import RestoreResult, restore
from wfe_mcp.workspace.git.snapshot import Snapshot, take
from wfe_mcp.workspace.git.snapshot_files import Limits

Git = Callable[..., str]
AT = datetime(2026, 11, 20, tzinfo=UTC)
LIMITS = Limits()


def taken(root: Path, limits: Limits = LIMITS) -> Snapshot:
    snapshot = take(root, {"run": "r"}, limits, at=AT)
    keep(root, f"r/cp-{len(list_checkpoints(root))}", snapshot.commit)
    return snapshot


def back(root: Path, snapshot: Snapshot, expect: str | None = None, safety: str = "") -> RestoreResult:
    return restore(
        root,
        snapshot.commit,
        expect=expect,
        safety=safety or f"r/safety-{len(list_checkpoints(root))}",
        limits=LIMITS,
        at=AT,
    )


def files_of(root: Path) -> dict[bytes, object]:
    """Every file and link below the root but git's and ours: its permissions and bytes, or where it leads."""
    found: dict[bytes, object] = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name not in {b".git", b".wfe"}]
        for name in [*names, *(each for each in folders if os.path.islink(os.path.join(folder, each)))]:
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            inside = os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(root))] = (facts.st_mode, inside)
    return found


def user_state(root: Path, repo: Git) -> tuple[object, ...]:
    """All that is the user's in a repository: index, HEAD, refs, stash, reflogs, configuration, locks."""
    git = root / ".git"
    logs = {each: each.read_bytes() for each in (git / "logs").rglob("*") if each.is_file()}
    refs = [line for line in repo("for-each-ref").splitlines() if "refs/wfe/" not in line]
    index = hashlib.sha256((git / "index").read_bytes()).hexdigest() if (git / "index").exists() else ""
    config = (git / "config").read_bytes()
    return index, (git / "HEAD").read_bytes(), refs, repo("stash", "list"), logs, config, list(git.rglob("*.lock"))


def write(root: Path, path: str | bytes, text: str | bytes = "x\n", mode: int | None = None) -> Path:
    file = Path(os.fsdecode(os.path.join(os.fsencode(root), os.fsencode(path))))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    if mode is not None:
        file.chmod(mode)
    return file


def saved(root: Path, snapshot: Snapshot) -> set[str]:
    empty = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin"], cwd=root, input=b"", capture_output=True
    )
    return {change.path for change in changes(root, empty.stdout.decode().strip(), snapshot.tree)}


def a_busy_repository(root: Path, repo: Git, files: int) -> None:
    """Staged, unstaged, untracked, ignored, symbolic links, executables, odd names, a stash; ``files`` committed."""
    for number in range(files):
        write(root, f"pkg{number % 50}/m{number % 7}/f{number}.py", f"value = {number}\n" * 20)
    write(root, "run.sh", "#!/bin/sh\n", 0o755)
    write(root, ".gitignore", "*.log\nsecret.env\nbuild/\n")
    (root / "link").symlink_to("a.txt")
    repo("add", "-A")
    repo("commit", "-q", "-m", "many")
    write(root, "a.txt", "stashed\n")
    repo("stash", "push", "-q")
    for number in range(0, 200, 2):
        write(root, f"pkg{number % 50}/m{number % 7}/f{number}.py", f"edited = {number}\n")
    for number in range(50):
        write(root, f"new/n{number}.txt", f"untracked {number}\n")
    write(root, "staged.txt", "staged\n")
    write(root, "both.txt", "staged\n")
    repo("add", "staged.txt", "both.txt")
    write(root, "both.txt", "and edited\n")
    repo("rm", "-q", "--cached", "pkg1/m1/f1.py")
    for name in ("sp ace", "-dash", "lö", ":(exclude)x", '"quoted"', "[b]*", "tab\there", "empty"):
        write(root, f"odd/{name}", b"" if name == "empty" else b"odd\r\n\0bytes")
    write(root, "odd/private", "key\n", 0o600)
    write(root, "odd/tool", "#!/bin/sh\n", 0o700)
    write(root, "odd/read-only", "r\n", 0o444)
    (root / "odd/dangling").symlink_to("nowhere/at all")
    (root / "odd/away").symlink_to("/etc")
    write(root, "secret.env", "KEY=1\n")
    write(root, "build/out.o", b"\0\1")
    if os.name == "posix":
        with suppress(OSError):  # macOS file systems refuse such names
            write(root, b"odd/\xff\xfe", "no text")


def wreck(root: Path) -> None:
    for number in range(1, 400, 4):
        (root / f"pkg{number % 50}/m{number % 7}/f{number}.py").unlink(missing_ok=True)
    for number in range(20):
        write(root, f"junk{number}/j", "junk\n")
    shutil.rmtree(root / "odd")
    write(root, "new/n3.txt", "changed\n")
    (root / "link").unlink()
    write(root, "link/is/a/folder/now")
    shutil.rmtree(root / "pkg2")
    write(root, "pkg2", "a file now\n")
    (root / "run.sh").chmod(0o644)
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("/etc/passwd")
