"""On Windows a mutex is the line of writers. The line of other systems: test_transaction.py."""

import ctypes
import threading
from types import SimpleNamespace

import pytest

from tests.house.other_system import always, on
from wfe_mcp.store import waiting_line
from wfe_mcp.store.waiting_line import place_in_line


class Mutexes:
    """What the kernel of Windows has of them."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.held = threading.Lock()

        def create(_security: None, _owned: bool, name: str) -> int:
            self.open.append(name)
            return len(self.open)

        self.CreateMutexW = create

    def WaitForSingleObject(self, _mutex: object, wait_ms: int) -> int:  # noqa: N802 - its name
        return 0 if self.held.acquire(timeout=wait_ms / 1000) else 0x102

    def ReleaseMutex(self, _mutex: object) -> None:  # noqa: N802 - its name
        self.held.release()

    def CloseHandle(self, _mutex: object) -> None:  # noqa: N802 - its name
        self.open.pop()


def test_on_windows_the_next_writer_is_first_once_the_one_before_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Mutexes()
    on(monkeypatch, waiting_line, "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    with place_in_line("C:\\Work\\wfe.db", 0) as first, place_in_line("c:\\work\\WFE.db", 0) as second:
        assert len(set(kernel.open)) == 1  # one line for one file, however it is written
    with place_in_line("C:\\Work\\wfe.db", 0) as third:
        pass
    assert (first, second, third) == (True, False, True)
    assert kernel.open == []
    assert not kernel.held.locked()


def test_on_windows_a_line_of_another_user_is_not_waited_in(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, waiting_line, "win32")
    none = SimpleNamespace(CreateMutexW=always(0))
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=none), raising=False)
    with place_in_line("C:\\wfe.db", 10) as is_first:
        assert not is_first
