"""Writes the files of a generator where they differ, or checks them: what each ``generate_*.py`` does with its arguments."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def write_or_check(
    arguments: Sequence[str], script: str, usage: str | None, files: Callable[[], Mapping[Path, str]]
) -> int:
    """Exit code 0 when the files are as generated (now), 1 when ``--check`` found one out of date, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(usage, file=sys.stderr)
        return 2
    stale = {path: text for path, text in files().items() if not _has(path, text)}
    if "--check" in arguments:
        for path in stale:
            print(f"{path.as_posix()} is out of date. Next: python scripts/{Path(script).name}", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path.as_posix()}")
    return 0


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
