"""The CI jobs that run ``verify --branch`` for each change of a branch and for each request to change it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from wfe_mcp import __version__


class CiFile(NamedTuple):
    """A file of a CI system. ``after``: what a person does for it to count."""

    path: str
    text: str
    after: tuple[str, ...]


# The files pin the tags v7.0.1 of actions/checkout and v7.0.0 of actions/setup-python. A request to change the branch is checked as the
# commit that the forge would make of it: its first parent is the base, whose approvers count. `pull_request_target` would give the run a
# token that can write; this one reads, and runs no code of the change.
_JOBS = Path(__file__).parent / "ci_jobs"
_FILES = {
    "github": ".github/workflows/wfe-verify.yml",
    "gitlab": ".gitlab/wfe-verify.yml",
}
_AFTER = {
    "github": (
        "Commit it, then require the check 'wfe-verify' in the ruleset of {branch}, with no one on the bypass list.",
        "Keep the token that may edit rulesets from the agent.",
    ),
    "gitlab": (
        "Commit it, include it in .gitlab-ci.yml, and let merge requests need a successful pipeline.",
        "Keep the token that may edit these settings from the agent.",
    ),
}
FORGES = tuple(_FILES)
"""The forges that a file can be written for."""


def ci_file(forge: str, branch: str) -> CiFile:
    """The file for ``forge`` that checks ``branch``. KeyError: another forge."""
    path = _FILES[forge]
    text = (_JOBS / f"{forge}.yml").read_text(encoding="utf-8")
    text = text.replace("@BRANCH@", branch).replace("@VERSION@", __version__)
    return CiFile(path, text, tuple(line.format(branch=branch) for line in _AFTER[forge]))
