"""Stored git objects by name, many in one process."""

import os
from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.workspace.git.command import require_repository, run_git
from wfe_mcp.workspace.git.objects import loose

_FEW = 8
"""As many loose objects are read here in less time than git starts in."""


def stored(root: Path, names: Sequence[str]) -> list[tuple[str, bytes] | None]:
    """Kind and content of each object that ``names`` names, in their order; None where git has none of that name."""
    if len(names) <= _FEW:
        repo = require_repository(root)
        found = [loose(repo, name) for name in names]
        if None not in found:
            return found
    asked = os.fsencode("".join(f"{name}\n" for name in names))
    done = run_git(root, "cat-file", "--batch=%(objecttype) %(objectsize)", stdin=asked)
    output, at = b"" if done is None else done.stdout, 0
    found: list[tuple[str, bytes] | None] = []
    for name in names:
        end = output.find(b"\n", at)
        line, at = output[at:end], end + 1
        if end < 0 or line == os.fsencode(f"{name} missing") or line.endswith((b" missing", b" ambiguous")):
            found.append(None)
            continue
        kind, _, size = line.partition(b" ")
        found.append((kind.decode(), output[at : at + int(size)]))
        at += int(size) + 1
    return found
