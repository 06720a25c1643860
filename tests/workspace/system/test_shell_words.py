"""Proposed commands work in the shell of the system: ``sys.platform`` is "win32", or another."""

import shlex

import pytest

from wfe_mcp.workspace.system.shell_words import shell_line, shell_word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (r"C:\Users\ada\shop", r"C:\Users\ada\shop"),
        (r"C:\Users\Ada Lovelace\shop", r'"C:\Users\Ada Lovelace\shop"'),
        ("--project", "--project"),
        ("@plans/inputs.json", '"@plans/inputs.json"'),
        ('{"a": "it\'s"}', "'{\"a\": \"it''s\"}'"),
        ("$HOME", "'$HOME'"),
        ("", '""'),
    ],
)
def test_a_word_is_one_word_in_powershell(text: str, word: str) -> None:
    assert shell_word(text, windows=True) == word


def test_elsewhere_a_word_is_one_word_in_a_posix_shell() -> None:
    assert shell_word("it's here", windows=False) == shlex.quote("it's here")
    assert shlex.split(shell_line(["wfe-mcp", "find", "two words"])) == ["wfe-mcp", "find", "two words"]
