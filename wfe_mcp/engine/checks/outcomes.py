"""How a trial of a check can end. Apart from trials, which load gates: what only reads the last ones stays quick."""

from typing import Literal

Outcome = Literal["passed", "red", "no_tests", "failed", "timed_out", "not_found", "not_tried"]

WORKS: frozenset[Outcome] = frozenset({"passed", "red", "not_tried"})
"""Outcomes of checks that may be stored. ``not_tried``: the user declined the trial."""
