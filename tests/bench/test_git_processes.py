"""Limits on git processes per submission and per play; these counts do not depend on the machine."""

import shutil

import pytest

from bench.git_processes import GIT_PER_PLAY, GIT_PER_SUBMISSION, play, submission

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="git is counted by a shell script")


def test_a_submission_in_a_repository_of_twenty_files_stays_within_its_budget() -> None:
    counts = submission()
    assert 0 < counts.total() <= GIT_PER_SUBMISSION, counts


def test_a_play_of_spec_driven_with_eight_submissions_stays_within_its_budget() -> None:
    counts = play()
    assert 0 < counts.total() <= GIT_PER_PLAY, counts
