"""What a person mistypes is refused with a hint, and is no internal error."""

import sys
from pathlib import Path

import pytest

from tests.cli.scene import Terminal


@pytest.mark.parametrize("address", ["https://[wfe.example", "http://localhost:port", "https://wfe.example:99999"])
@pytest.mark.parametrize(
    "words",
    [
        ("login",),
        ("install", "--client", "cursor", "--server"),
        ("runner", "--server"),
        ("server", "--port", "0", "--origin"),
    ],
    ids=lambda words: words[0],
)
def test_an_address_that_is_none_is_refused(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], address: str
) -> None:
    monkeypatch.setenv("WFE_TOKEN", "wfe_of_a_runner")
    answer = empty(*words, address)
    assert (answer.code, "[bad_argument]" in answer.err) == (1, True), answer.err


def test_the_home_folder_of_a_user_that_does_not_exist_is_refused_as_a_folder_that_is_not_there(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = empty("status", "--project", "~no-such-user/app")
    assert "--project names '~no-such-user/app', which is no folder. [bad_argument]" in answer.err
    monkeypatch.setenv("WFE_PROJECT", "~no-such-user/app")
    assert "WFE_PROJECT names '~no-such-user/app'" in empty("status").err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no folder that a process is in")
@pytest.mark.parametrize("words", [("status",), ("--project", "/", "status")], ids=len)
def test_a_current_folder_that_was_removed_is_refused(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    answer = empty(*words)
    assert (answer.code, "error: The current folder no longer exists. [unavailable]" in answer.err) == (1, True)
