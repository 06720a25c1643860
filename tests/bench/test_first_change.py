"""The commands that ``python -m bench first-change`` types are those that people read."""

from bench.first_change import written


def test_the_commands_to_a_first_change_are_those_of_the_readme_and_the_tutorial() -> None:
    assert written() == ("uv tool install --compile-bytecode .", "wfe-mcp init", "wfe-mcp approve RUN fix")
