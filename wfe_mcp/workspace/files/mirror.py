"""The mirror: files in which users read and edit the content of the database.

    .wfe/runs/<run>/<phase path>/<attempt>/
        prompt.md  feedback.md  evidence/  context/ (bundles too long for the prompt)
        artifact.json, artifact.md, or the folder artifact/

Rules:
1. The database is authoritative: a missing mirror file is written again and is never an error.
2. Names are checked before they become folders, and no link on the way is followed.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.project_files import MAX_FILE_BYTES, read_folder, read_if_there, write_atomic, write_bundle
from wfe_mcp.workspace.files.staging import refusing_faults, remove_tree

Rendered = tuple[str, str] | Mapping[str, str]
"""An artifact as files: (suffix, text), or a bundle's path to content. The result of ``artifacts.render``."""

Edited = tuple[str, bytes] | Mapping[str, bytes]

_BEFORE_PLANS = """\
# What wfe-mcp writes for people to look at; the database holds it too.
runs/
report-*
stage-*/
.wfe-new-*
"""

GITIGNORE = f"{_BEFORE_PLANS}plans/\n"
"""Plans are a person's own until a run takes them: the record of that run holds what was used (S3-26)."""

MARK = ".wfe/runs/.project"
"""The file in which a folder says which project it is."""

CLAIMS = "claims"
"""The folder beside those of runs for the logs of tests of claims."""
_ID = re.compile(r"p-[0-9a-f]{16}")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_RUN = re.compile(_NAME)
_PHASE_PATH = re.compile(rf"{_NAME}(\[{_NAME}\])?(\.{_NAME}(\[{_NAME}\])?)*")


def attempt_folder(run: str, phase: str, attempt: int) -> str:
    """The attempt's folder relative to the project root. Refuses invalid run names, phase paths and numbers."""
    if not _RUN.fullmatch(run) or not _PHASE_PATH.fullmatch(phase) or attempt < 1:
        raise Refused(
            "path_outside_project",
            f"Run {run!r:.80}, phase {phase!r:.200}, attempt {attempt} name no folder.",
            "Use the run and phase as `wfe-mcp status` shows them.",
        )
    return f".wfe/runs/{run}/{phase}/{attempt}"


def artifact_path(run: str, phase: str, attempt: int, rendered: Rendered) -> str:
    """The path of the artifact's file or a bundle's folder, relative to the project root."""
    suffix = rendered[0] if isinstance(rendered, tuple) else ""
    return f"{attempt_folder(run, phase, attempt)}/artifact{suffix}"


def write_prompt(root: Path, run: str, phase: str, attempt: int, text: str) -> str:
    """Write ``prompt.md``; its path relative to the root."""
    return _write(root, f"{attempt_folder(run, phase, attempt)}/prompt.md", text)


def write_context(root: Path, run: str, phase: str, attempt: int, name: str, text: str) -> str:
    """Write a bundle that is too long for the prompt; its path relative to the root."""
    return _write(root, f"{attempt_folder(run, phase, attempt)}/context/{name}", text)


def write_feedback(root: Path, run: str, phase: str, attempt: int, text: str) -> str:
    """Write ``feedback.md``; its path relative to the root."""
    return _write(root, f"{attempt_folder(run, phase, attempt)}/feedback.md", text)


def log_place(run: str, phase: str, attempt: int, name: str) -> str:
    """The path of a check's log, relative to the project root."""
    return f"{attempt_folder(run, phase, attempt)}/evidence/{name}"


def evidence_folder(root: Path, run: str, phase: str, attempt: int) -> Path:
    """The folder for logs of checks, created when missing."""
    relative = f"{attempt_folder(run, phase, attempt)}/evidence"
    with refusing_faults(str(root / relative)):
        write_gitignore(root)
        with walk(root, relative.split("/"), make=True):
            return root / relative


def content_digest(place: Path) -> str | None:
    """The sha256 of a file; of a folder, that of the names and digests in it; None where there is nothing. No link is followed."""
    if place.is_symlink():
        return sha256_hex(f"link to {place.readlink()}")
    if place.is_dir():
        inside = {path.name: content_digest(path) for path in place.iterdir()}
        return sha256_hex(canonical_json(inside))
    return sha256_hex(place.read_bytes()) if place.is_file() else None


def write_artifact(root: Path, run: str, phase: str, attempt: int, rendered: Rendered) -> str:
    """Write the artifact; a bundle replaces its folder whole. The path of the file or folder, relative to the root."""
    path = artifact_path(run, phase, attempt, rendered)
    if isinstance(rendered, tuple):
        return _write(root, path, rendered[1])
    write_gitignore(root)
    write_bundle(root, path, rendered, replace=True)
    return path


def read_artifact_file(root: Path, run: str, phase: str, attempt: int, rendered: Rendered) -> Edited | None:
    """The present content of the artifact's file: (suffix, bytes) or the bundle's files; None when missing."""
    path = artifact_path(run, phase, attempt, rendered)
    if isinstance(rendered, tuple):
        content = read_if_there(root, path, MAX_FILE_BYTES)
        return None if content is None else (rendered[0], content)
    *above, name = path.split("/")
    for length in range(len(above) + 1):
        with walk(root, above[:length]) as folder:
            if folder.kind([*above, name][length]) is None:
                return None
    return read_folder(root, path)


def read_edited(root: Path, run: str, phase: str, attempt: int, rendered: Rendered) -> Edited | None:
    """A user's edit of ``rendered``; None when it is unchanged or missing. B-04."""
    edited = read_artifact_file(root, run, phase, attempt, rendered)
    if isinstance(rendered, tuple):
        return None if edited == (rendered[0], rendered[1].encode()) else edited
    return None if edited == {path: text.encode() for path, text in rendered.items()} else edited


def mark_of(root: Path) -> str:
    """The id of the project that the folder says it is; empty without one."""
    with suppress(Refused, OSError):
        text = (read_if_there(root, MARK, 100) or b"").decode(errors="replace").strip()
        return text if _ID.fullmatch(text) else ""
    return ""


def runs_with_files(root: Path) -> list[str]:
    """The names of the folders below ``.wfe/runs``: normally runs. The logs of tests of claims are of none."""
    with suppress(Refused, OSError), walk(root, [".wfe", "runs"]) as folder:
        return [name for name in folder.names() if folder.kind(name) == "folder" and name != CLAIMS]
    return []


def remove_run(root: Path, run: str) -> None:
    """Remove all files of a run; no link on the way is followed. Does nothing when there are none."""
    if not _RUN.fullmatch(run):
        raise Refused("path_outside_project", f"{run!r:.80} is no run.", "Use the run as `wfe-mcp list` shows it.")
    if _has_files(root, run):
        with walk(root, [".wfe", "runs"]) as folder:
            remove_tree(folder, run)


def _has_files(root: Path, run: str) -> bool:
    with suppress(Refused, OSError), walk(root, [".wfe", "runs"]) as folder:
        return folder.kind(run) == "folder"
    return False


def write_gitignore(root: Path) -> None:
    """Keep mirrors and plans out of git. An existing ``.wfe/.gitignore`` stays unchanged, unless wfe-mcp wrote it before 0.1.0."""
    there = read_if_there(root, ".wfe/.gitignore")
    # A file that a person changed is theirs.
    if there is None or there == _BEFORE_PLANS.encode():
        write_atomic(root, ".wfe/.gitignore", GITIGNORE)


def _write(root: Path, path: str, content: bytes | str) -> str:
    write_gitignore(root)
    write_atomic(root, path, content)
    return path
