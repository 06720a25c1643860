"""The names of the levels of evidence."""

from wfe_mcp.core.evidence_levels import LEVELS, level_named


def test_a_level_has_its_name_and_nothing_else_is_one() -> None:
    assert [level_named(name) for name in LEVELS] == [*LEVELS]
    assert [level_named(name) for name in ("tested", "", None, 3, ["runner"])] == [None] * 5
