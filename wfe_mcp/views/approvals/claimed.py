"""What an artifact of schema ``change@1`` says was done and the server did not see: evidence of the level ``claimed``.

files       no changed file, nor a folder of one
tests       no gate names it, and no changed lines do in a run whose checks counted tests
commands    no check ran it
commit      no commit in git has this hash
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.approvals.model import ArtifactShown, Change, Named
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.file_diffs import FileDiff
from wfe_mcp.workspace.git.repository import commit_of, head


def claimed_in(
    root: Path, artifact: ArtifactShown, change: Change, evidence: Sequence[EvidenceRecord]
) -> tuple[Named, ...]:
    """The fields of ``artifact`` with what of them the server did not see. ``change``: since the run began."""
    if artifact.schema != "change@1":
        return ()
    files = {path: file for file in change.files for path in (file.path, file.old_path) if path}
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    commands, tests = set(_commands(evidence)), set(_tests(evidence))
    counted = any(_object(record, "tests").get("passed") for record in evidence)
    is_seen: dict[str, Callable[[str], bool]] = {
        "files": lambda text: str(PurePosixPath(text)) in files.keys() | folders,
        "tests": lambda text: text in tests or (counted and _is_in(files, text)),
        "commands": commands.__contains__,
        "commit": lambda text: _is_commit(root, text, head(root)),
    }
    listed = {
        name: [text for text in _texts(artifact.content, name) if not seen(text)] for name, seen in is_seen.items()
    }
    return tuple(Named(name, claims) for name, claims in listed.items() if claims)


def _texts(content: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a field. A draft that a person forced may have any value there, or none."""
    value = content.get(name)
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def _commands(evidence: Sequence[EvidenceRecord]) -> Iterator[str]:
    for record in evidence:
        yield from (" ".join(record.data.get(key) or ()) for key in ("argv", "argv_run"))


def _tests(evidence: Sequence[EvidenceRecord]) -> Iterator[str]:
    """The tests that a gate found by name: those that failed, and those that it was to see fail or pass."""
    for record in evidence:
        tests, expect = _object(record, "tests"), _object(record, "expect")
        yield from (test["id"] for test in tests.get("failing", ()))
        if record.data.get("passed"):
            yield from (*expect.get("fails", ()), *expect.get("passes", ()))


def _object(record: EvidenceRecord, key: str) -> dict[str, Any]:
    return record.data.get(key) or {}


def _is_in(files: Mapping[str, FileDiff], test: str) -> bool:
    """Whether the changed lines of its file, or those around them, have the name of ``test``."""
    path, _, rest = test.removeprefix("./").partition("::")
    name = rest.rpartition("::")[2].partition("[")[0]
    lines = (line for hunk in files[path].hunks for line in hunk.lines) if path in files else ()
    return any(name in line for line in lines if not line.startswith("-"))


@lru_cache(maxsize=32)
def _is_commit(root: Path, text: str, head: str | None) -> bool:
    """Kept while ``head`` is the commit at HEAD: a decision asks again in its transaction, which starts no git process."""
    del head
    is_id = re.fullmatch(r"[0-9a-f]{7,64}", text) is not None
    return is_id and repository(root) is not None and commit_of(root, text).startswith(text)
