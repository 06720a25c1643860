"""A module that sees another operating system, with nothing else of the process changed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
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


def decided(module: ModuleType, name: str, platform: str) -> object:
    """A constant of ``module`` as that system's Python computes it."""
    lines = Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()
    line = next(each for each in lines if each.startswith(f"{name} = "))
    facts: dict[str, Any] = {
        "os": SimpleNamespace(name="nt" if platform == "win32" else "posix"),
        "sys": SimpleNamespace(platform=platform),
    }
    exec(line, facts)
    return facts[name]
