"""The last trial of each check: how it ended, when, and on which files; for ``doctor``, ``start`` and a fork.

They are kept in ``.wfe/report-trials.json``, which git ignores. Whatever can write to the project can write there, so they
only add to the message: nothing passes, and no check is trusted, because of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.checks.outcomes import WORKS
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic
from wfe_mcp.workspace.git.working_tree import tree_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wfe_mcp.engine.checks.trial import Trial

FILE = ".wfe/report-trials.json"
_MAX_BYTES = 200_000
_CHARACTERS = 300
_TEXTS = ("outcome", "message", "at", "tree")


@dataclass(frozen=True, slots=True)
class LastTrial:
    """A trial of the command ``argv``. ``at``: when, UTC, ISO 8601. ``tree``: the git tree; empty without git."""

    outcome: str
    message: str
    at: str
    tree: str
    argv: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether the check worked, whatever it found."""
        return self.outcome in WORKS

    @property
    def summary(self) -> str:
        """When and how it ended, in one line."""
        return f"tried {self.at[:16].replace('T', ' ')} UTC: {self.message or self.outcome.replace('_', ' ')}"


def remember(root: Path, trials: Iterable[Trial], now: datetime) -> None:
    """Keep these trials as the last ones of their checks; those that were not run change nothing."""
    tried = [trial for trial in trials if trial.outcome != "not_tried"]
    if not tried:
        return
    at, tree, kept = now.astimezone(UTC).isoformat(timespec="seconds"), _tree(root), last_trials(root)
    for trial in tried:
        argv = tuple(trial.check.settings.argv)
        kept[trial.check.name] = LastTrial(trial.outcome, trial.message[:_CHARACTERS], at, tree, argv)
    write_gitignore(root)
    write_atomic(root, FILE, json.dumps({name: asdict(kept[name]) for name in sorted(kept)}, indent=2) + "\n")


def last_trials(root: Path) -> dict[str, LastTrial]:
    """The last trial of each check by its name; what cannot be read is left out."""
    try:
        value: object = json.loads(read_if_there(root, FILE, _MAX_BYTES) or b"{}")
    except (Refused, ValueError, RecursionError):
        return {}
    rows = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return {name: trial for name, row in rows.items() if (trial := _read(row)) is not None}


def last_trial(root: Path, name: str, argv: Sequence[str] | None = None) -> LastTrial | None:
    """The last trial of the check ``name``; with ``argv`` only one of exactly this command."""
    trial = last_trials(root).get(name)
    return None if trial is None or (argv is not None and trial.argv != tuple(argv)) else trial


def _tree(root: Path) -> str:
    try:
        return tree_hash(root) or ""
    except Refused:
        return ""


def _read(row: object) -> LastTrial | None:
    values = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    texts, argv = [values.get(name) for name in _TEXTS], values.get("argv")
    words = cast("list[object]", argv) if isinstance(argv, list) else [None]
    if not all(isinstance(text, str) and text.isprintable() for text in (*texts, *words)):
        return None
    outcome, message, at, tree = (str(text) for text in texts)
    return LastTrial(outcome, message[:_CHARACTERS], at, tree, tuple(map(str, words)))
