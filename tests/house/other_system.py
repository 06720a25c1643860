"""A module that sees another operating system, with nothing else of the process changed."""

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


class Seen:
    """A module with some names changed."""

    def __init__(self, real: ModuleType, **changed: Any) -> None:
        self.__dict__.update(changed)
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def always(value: Any) -> Callable[..., Any]:
    """A function that takes anything and returns ``value``."""

    def give(*_: object) -> Any:
        return value

    return give


def on(monkeypatch: pytest.MonkeyPatch, module: ModuleType, platform: str) -> None:
    """``module`` runs on this system, as far as it asks."""
    if hasattr(module, "sys"):
        monkeypatch.setattr(module, "sys", Seen(sys, platform=platform))
    if hasattr(module, "os"):
        monkeypatch.setattr(module, "os", Seen(os, name="nt" if platform == "win32" else "posix"))
