"""Limits name themselves, what was found and what to do."""

from wfe_mcp.core.limits import Limit

PARTS = Limit(3, "parts", "one message", "Make it smaller.")


def test_a_limit_with_another_number_is_the_same_limit() -> None:
    less = PARTS.with_most(1)
    assert (less.of, less.remedy) == (PARTS.of, PARTS.remedy)
    assert less.fault(1_200) == "has 1,200 parts; at most 1 is allowed"
    assert PARTS.fault(4, at_least=True) == "has at least 4 parts; at most 3 are allowed"
