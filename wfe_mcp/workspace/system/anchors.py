"""Records outside the database: anchors, of each log's last event and hash, and the person's key, pinned.

    anchor        {at, project, runs: {run: [seq, hash]}, settings, work: [seq, hash]}, one line of canonical JSON;
                  set_back: the database was restored to that state; database: which one wrote it
    refs/wfe/audit        in the project's repository: a chain of commits without files, an anchor in each message
    anchors/<project>     beside the database: an anchor per line, with the commit that holds it
    keys/<name>.pinned.jsonl      beside it: a line for each key that was ever made for the person, written before it is used.
                          A database that pins another key, or none, was changed outside wfe-mcp

Rules:
1. Both homes of anchors are append-only. A commit is added to the newest one by compare-and-swap, so that no server loses another's.
2. Nothing else in the repository is used or changed: no index, work tree, branch, hook or user identity.
3. The line is written after the commit: a commit named in the file but missing from the ref means tampering.
"""

import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.files.project_files import append_line
from wfe_mcp.workspace.git.command import require_repository, run_git, text_of
from wfe_mcp.workspace.git.objects import Outbox, commit_content
from wfe_mcp.workspace.git.own_refs import advance_ref
from wfe_mcp.workspace.git.repository import commit_of

AUDIT_REF = "refs/wfe/audit"

BEGUN = "AnchorsBegun"
"""Recorded in the settings log after a project's first anchor: from then on a missing anchor was deleted."""

LOST = "AnchorsLost"
"""Recorded there when the file beside the database was gone and a new one begins: what lies before, it cannot show."""

TRAILER = "Wfe-Run"
"""The trailer of the server's commits: the run, and the first characters of its last event's hash."""

Head = tuple[int, str]
"""The number of the last event of a chain, and its hash."""

_SUBJECT = "wfe-mcp: how far the logs had come"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The ends of the logs at one moment. ``commit``: its commit in the repository, if any.

    ``set_back``: the database has just been restored to this moment (ISO 8601); empty otherwise. ``key``: the
    fingerprint of the person's key that the database pins. ``database``: the one that wrote it (``mark_of_database``);
    empty in anchors of earlier versions.
    """

    project: str
    at: datetime
    runs: Mapping[str, Head] = field(default_factory=dict[str, Head])
    settings: Head | None = None
    commit: str = ""
    set_back: str = ""
    key: str = ""
    database: str = ""
    work: Head | None = None


@dataclass(frozen=True, slots=True)
class SignedCommit:
    """A commit of the project with its run, and the start of the hash of the run's last event."""

    commit: str
    at: datetime
    run: str
    hash_begins: str


def add_commit(root: Path, anchor: Anchor) -> str:
    """Add ``anchor`` to the ref of the repository that holds ``root``; the new commit. Refuses ``unavailable``."""
    message = f"{_SUBJECT}\n\n{_text(anchor)}\n"
    return advance_ref(root, AUDIT_REF, lambda tip: _add_commit(root, (tip,), message, anchor.at), "The anchor")


def _add_commit(root: Path, parents: tuple[str, ...], message: str, at: datetime) -> str:
    outbox = Outbox(require_repository(root), set())
    # The empty tree is written too, so that the commits are whole for `git fsck` and for a push.
    commit = outbox.add("commit", commit_content(outbox.add("tree", b""), parents, message, at))
    outbox.send()
    return commit


def bring_back_commits(root: Path, lines: Sequence[Anchor], at: datetime) -> None:
    """Have the ref reach again what it held by the lines of the file, as far as git still has it: nothing else names such commits."""
    there = {anchor.commit for anchor in commits_of(root) or ()}
    lost = (line.commit for line in reversed(lines) if line.commit and line.commit not in there)
    newest = next((commit for commit in lost if commit_of(root, commit)), "")
    if newest:
        join = f"{_SUBJECT}: brought back\n"
        advance_ref(
            root,
            AUDIT_REF,
            lambda tip: _add_commit(root, (tip, newest), join, at) if tip else newest,
            "What the ref of anchors held",
        )


def commits_of(root: Path, ref: str = AUDIT_REF) -> list[Anchor] | None:
    """The anchors that a ref holds, oldest first; None where there is no such ref. Refuses commits that git cannot read."""
    if not commit_of(root, ref):
        return None
    words = ("log", "-z", "--reverse", "--no-color", "--no-notes", "--format=%H%n%B", "--end-of-options", ref, "--")
    done = run_git(root, *words)
    commits = (entry.partition("\n") for entry in text_of(done).split("\0") if entry.strip())
    return [replace(anchor, commit=commit) for commit, _, message in commits for anchor in _anchors(message)]


def signed_commits(root: Path) -> list[SignedCommit]:
    """The commits of all branches and tags that a run made, newest first."""
    form = f"--format=%H %ct %(trailers:key={TRAILER},valueonly,separator=%x20)"
    where = ("--branches", "--tags", "--remotes", "--end-of-options")
    done = run_git(root, "log", "-E", f"--grep=^{TRAILER}: ", "--no-color", form, *where, ok=None)
    if done is None or done.returncode:
        return []
    lines = (line.split() for line in text_of(done).split("\n"))
    entries = (words for words in lines if len(words) >= 4 and words[1].isdecimal())
    return [SignedCommit(words[0], datetime.fromtimestamp(int(words[1]), UTC), words[2], words[3]) for words in entries]


def anchor_file(database: Path, project: str) -> Path:
    """The file of a project's anchors beside the database."""
    return database.parent / "anchors" / f"{database.stem}-{project}.jsonl"


def anchor_files(database: Path) -> list[Path]:
    """The files of anchors beside the database, one for each project, without those of a database whose name begins with its own."""
    files = sorted((database.parent / "anchors").glob(f"{glob.escape(database.stem)}-*.jsonl"))
    return [file for file in files if all(anchor_file(database, line.project) == file for line in lines_of(file) or ())]


def mark_of_database(database: Path) -> str:
    """What names a database in its anchors: its place, which a new database put there has too."""
    return sha256_hex(str(database.resolve()))[:16]


def add_line(file: Path, anchor: Anchor) -> None:
    """Add ``anchor`` to the file, in one write."""
    append_line(file, _text(anchor, commit=anchor.commit))


def lines_of(file: Path) -> list[Anchor] | None:
    """The anchors of the file, oldest first; None where there is none. A line cut short by a crash is skipped."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return list(_anchors(text))


def _text(anchor: Anchor, **more: Any) -> str:
    value: dict[str, Any] = {"at": anchor.at.isoformat(), "project": anchor.project}
    value |= {"runs": {run: list(head) for run, head in anchor.runs.items()}} if anchor.runs else {}
    value |= {"settings": list(anchor.settings)} if anchor.settings else {}
    value |= {"work": list(anchor.work)} if anchor.work else {}
    value |= {"set_back": anchor.set_back} if anchor.set_back else {}
    value |= {"key": anchor.key} if anchor.key else {}
    value |= {"database": anchor.database} if anchor.database else {}
    return canonical_json(value | {key: value_given for key, value_given in more.items() if value_given})


def _anchors(text: str) -> Iterator[Anchor]:
    """Every line that is an anchor; a ref may also hold commits from other sources."""
    for line in text.splitlines():
        if line.startswith("{"):
            with suppress(ValueError, KeyError, TypeError):
                yield _anchor(json.loads(line))


def _anchor(value: dict[str, Any]) -> Anchor:
    runs = {str(run): _head(head) for run, head in cast("dict[str, Any]", value.get("runs", {})).items()}
    settings = _head(value["settings"]) if "settings" in value else None
    at = datetime.fromisoformat(value["at"])
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    work = _head(value["work"]) if "work" in value else None
    words = {name: str(value.get(name, "")) for name in ("commit", "set_back", "key", "database")}
    return Anchor(str(value["project"]), at, runs, settings, work=work, **words)


def _head(value: Sequence[Any]) -> Head:
    seq, hash_ = value
    return int(seq), str(hash_)


def pin_file(database: Path) -> Path:
    """The file's place."""
    return database.parent / "keys" / f"{database.stem}.pinned.jsonl"


def pin_beside(database: Path, public_key: str, at: datetime) -> None:
    """Add a key, unless it is the newest one."""
    if pinned_beside(database)[-1:] == [public_key]:
        return
    line = canonical_json({"public_key": public_key, "at": at.isoformat()})
    append_line(pin_file(database), line)


def pinned_beside(database: Path) -> list[str]:
    """The public halves in the file, oldest first; none where there is no file. An unreadable line is skipped."""
    try:
        lines = pin_file(database).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    keys: list[str] = []
    for line in lines:
        try:
            keys.append(str(json.loads(line)["public_key"]))
        except (ValueError, KeyError, TypeError):
            continue
    return keys
