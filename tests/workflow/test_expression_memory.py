"""An expression that needs more than there is ends with its own error."""

import subprocess
import sys

import pytest

from wfe_mcp.workflow.expressions import ExpressionError, Expressions

PLAY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))
from wfe_mcp.workflow.expressions import ExpressionError, Expressions

try:
    Expressions().value(sys.argv[1], {"inputs": {"words": ["x"] * 7_000}})
except ExpressionError as refused:
    print(refused.reason)
"""


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="they do not limit the memory of a process")
def test_where_the_machine_has_too_little_memory_it_is_an_error_of_the_expression() -> None:
    play = [sys.executable, "-c", PLAY, "inputs.words.map(x, x)"]

    ended = subprocess.run(play, capture_output=True, text=True, timeout=300)

    assert ended.stdout == "there is not enough memory for what it builds\n", ended.stderr


@pytest.mark.parametrize("source", ["inputs.x", "inputs.x.map(a, a)", "[inputs.x] + ['x']"])
def test_a_value_that_is_nested_too_deep_is_an_error_of_the_expression(source: str) -> None:
    deep: object = "x"
    for _ in range(3_000):  # Python 3.13 converts 800
        deep = [deep]

    with pytest.raises(ExpressionError, match="its value is nested too deep"):
        Expressions().value(source, {"inputs": {"x": deep}})
