"""A user who answers at the terminal."""

from collections.abc import Callable

import pytest


@pytest.fixture
def answering(at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``answering("y", "n", pins=(PIN, PIN))``: a user at the terminal and their answers."""

    def say(*lines: str, pins: tuple[str, ...] = ()) -> None:
        given, typed = iter(lines), iter(pins)
        at_terminal(True)

        def type_in(_prompt: str) -> str:
            return next(typed)

        if pins:
            monkeypatch.setattr("getpass.getpass", type_in)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin.readline", lambda: f"{next(given)}\n", raising=False)

    return say
