"""Upstream and downstream phases."""

from __future__ import annotations

import time

from tests.core.conftest import phase
from wfe_mcp.core.graph import downstream, upstream
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import RunSpec

SPEC = RunSpec(
    (phase("plan"), phase("docs"), phase("build", "plan"), phase("test", "build"), phase("ship", "test", "docs"))
)
"""plan → build → test → ship, and docs → ship."""


def at(path: str) -> PhasePath:
    return PhasePath(path)


def test_upstream_is_everything_a_phase_transitively_needs_without_itself():
    assert upstream(SPEC, at("ship")) == {"plan", "build", "test", "docs"}
    assert upstream(SPEC, at("test")) == {"plan", "build"}
    assert upstream(SPEC, at("plan")) == set()


def test_downstream_is_the_phase_and_everything_that_needs_it_in_declared_order():
    assert downstream(SPEC, at("build")) == ("build", "test", "ship")
    assert downstream(SPEC, at("docs")) == ("docs", "ship")


def test_downstream_of_several_phases_names_each_once():
    assert downstream(SPEC, at("docs"), at("test")) == ("docs", "test", "ship")


def test_a_phase_needed_on_two_ways_counts_once():
    diamond = RunSpec((phase("a"), phase("b", "a"), phase("c", "a"), phase("d", "b", "c")))
    assert upstream(diamond, at("d")) == {"a", "b", "c"}
    assert downstream(diamond, at("a")) == ("a", "b", "c", "d")


def test_what_needs_the_first_of_thousands_of_phases_in_a_row_is_found_in_linear_time():
    row = RunSpec(tuple(phase(f"p{number}", *([f"p{number - 1}"] if number else [])) for number in range(3_000)))
    began = time.process_time()
    assert len(downstream(row, at("p1"), at("p2"))) == 2_999
    assert time.process_time() - began < 2
