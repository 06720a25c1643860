"""A command that lacks a part is named when the rules are imported."""

import subprocess
import sys

import pytest

from wfe_mcp.core.parts import require_parts

NEW = """
from wfe_mcp.core import commands as c
class Nap(c.{base}):
    pass
c.COMMANDS += (Nap,)
import wfe_mcp.core.{module}
"""


@pytest.mark.usefixtures("real_processes")
@pytest.mark.parametrize(
    ("base", "module", "lacks"),
    [
        ("Command", "decide", "the command 'Nap' lacks its handler"),
        ("PhaseCommand", "moves", "the command 'Nap' lacks an example"),
    ],
)
def test_a_command_that_lacks_a_part_fails_at_import_with_its_name(base: str, module: str, lacks: str) -> None:
    program = NEW.format(base=base, module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert lacks in done.stderr


def test_all_missing_parts_of_a_table_are_named_at_once() -> None:
    with pytest.raises(TypeError, match=r"the gate kind 'a' lacks x; the gate kind 'b' lacks y"):
        require_parts("gate kind", [("a", "x"), ("b", "y")])
