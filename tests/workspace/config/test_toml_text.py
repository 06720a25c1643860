"""TOML that a project wrote is read in a bounded time."""

import pytest

from wfe_mcp.clients.formats.splice import Unreadable
from wfe_mcp.clients.formats.toml_text import read
from wfe_mcp.workspace.config.toml_tables import NotEditable, with_value
from wfe_mcp.workspace.config.toml_text import read_toml

LONG = ".".join("k" * 40)


@pytest.mark.attack("a key of many parts takes the reader of configuration minutes", "held", "T7")
@pytest.mark.parametrize(
    "text", [f"{LONG} = 1", f"[{LONG}]", f"x = {{'q' . {LONG} = 1}}", f'x = """{LONG}"""\n{LONG} = 1']
)
def test_a_key_of_many_parts_is_refused_before_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="a key has more than 32 parts"):
        read_toml(text)
    with pytest.raises(Unreadable, match="a key has more than 32 parts"):
        read(text)


@pytest.mark.parametrize(
    "text", [f'x = "{LONG}"', f"x = '''\n{LONG}'''", f"x = 1 # {LONG}", f'x = "\\"{LONG}"', f'"{LONG}" = 1']
)
def test_a_text_may_have_as_many_points_as_it_likes(text: str) -> None:
    assert len(read_toml(text)) == 1


@pytest.mark.attack("a text whose lines each seem to end it takes who edits the configuration minutes", "held", "T7")
@pytest.mark.parametrize("text", ['x = """\n' + "]\n" * 5_000 + '"""\n', 'x = "' + " #" * 5_000 + '"\n'])
def test_a_text_that_seems_to_end_everywhere_is_not_edited(text: str) -> None:
    with pytest.raises(NotEditable, match="too many lines or signs"):
        with_value(text, (), "x", "other")
