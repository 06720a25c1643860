"""The CI jobs that run ``verify --branch`` for each change of a branch and for each request to change it."""

from __future__ import annotations

from typing import NamedTuple

from wfe_mcp import __version__
from wfe_mcp.delivery.attestations.ref import REF

_FETCH = (
    f"git fetch --quiet origin '+{REF}:refs/remotes/origin/wfe/attestations' || true  # verify names what is missing"
)


class CiFile(NamedTuple):
    """A file of a CI system. ``after``: what a person does for it to count."""

    path: str
    text: str
    after: tuple[str, ...]


# The tags v7.0.1 of actions/checkout and v7.0.0 of actions/setup-python. A request to change the branch is checked as the commit that
# the forge would make of it: its first parent is the base, whose approvers count. `pull_request_target` would give the run a token that
# can write; this one reads, and runs no code of the change.
_GITHUB = """\
# Written by `wfe-mcp ci github`. Names each commit on {branch} that no approver of the commit before it decided on.
# A pull request can change this file as it appears in the pull request. So make it required from outside: a ruleset that requires
# this workflow of another repository, or CODEOWNERS for .github/ with a review that the agent's account cannot give.
name: wfe-verify

on:
  pull_request:
    branches: [{branch}]
  push:
    branches: [{branch}]
  merge_group:

permissions:
  contents: read

jobs:
  wfe-verify:
    name: wfe-verify
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          fetch-depth: 0
          persist-credentials: true # the next fetch needs it; the token can only read
      - uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0
        with:
          python-version: "3.13"
      - run: python -m pip install "wfe-mcp=={version}"
      - run: {fetch}
      - run: wfe-mcp verify --branch HEAD --since "$BASE"
        env:
          # The first parent of the merge that is checked; what {branch} was before a push; the base of a merge queue.
          BASE: ${{{{ github.event_name == 'pull_request' && 'HEAD^1' || github.event.merge_group.base_sha || github.event.before }}}}
"""

_GITLAB = """\
# Written by `wfe-mcp ci gitlab`. Names each commit on {branch} that no approver of the commit before it decided on.
# Include it in .gitlab-ci.yml (include: - local: {path}), switch on merged results pipelines and "Pipelines must succeed".
# A merge request can change this file as it appears in the merge request. So let a compliance or security policy require the job
# from another project.
wfe-verify:
  image: python:3.13
  variables:
    GIT_DEPTH: "0"
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_TARGET_BRANCH_NAME == "{branch}"
      variables:
        BASE: $CI_MERGE_REQUEST_TARGET_BRANCH_SHA
    - if: $CI_COMMIT_BRANCH == "{branch}"
      variables:
        BASE: $CI_COMMIT_BEFORE_SHA
  script:
    - python -m pip install "wfe-mcp=={version}"
    - {fetch}
    - wfe-mcp verify --branch HEAD --since "${{BASE:-$CI_MERGE_REQUEST_DIFF_BASE_SHA}}"
"""

_FILES = {
    "github": (".github/workflows/wfe-verify.yml", _GITHUB),
    "gitlab": (".gitlab/wfe-verify.yml", _GITLAB),
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
    path, text = _FILES[forge]
    filled = text.format(branch=branch, version=__version__, fetch=_FETCH, path=path)
    return CiFile(path, filled, tuple(each.format(branch=branch) for each in _AFTER[forge]))
