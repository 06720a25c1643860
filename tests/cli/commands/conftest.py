"""A user who answers at the terminal."""

from collections.abc import Callable

import pytest


@pytest.fixture
def answering(at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``answering("y", "n")``: a user at the terminal and their answers."""

    def say(*lines: str) -> None:
        given = iter(lines)
        at_terminal(True)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin.readline", lambda: f"{next(given)}\n", raising=False)

    return say
