"""Fixtures for the repository root and its files."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.house import sources

HERE = Path(__file__).resolve()


@pytest.fixture(scope="session")
def root() -> Path:
    return HERE.parents[2]


@pytest.fixture(scope="package", autouse=True)
def parsed_sources() -> Iterator[None]:
    """What these tests parsed is dropped after the last of them."""
    yield
    sources.nodes.cache_clear()


@pytest.fixture(scope="session")
def repository_files(root: Path) -> list[Path]:
    """Every file that git has or would take; in an unpacked source archive, all but hidden folders and caches."""
    if (root / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            check=True,
            capture_output=True,
        )
        names = listed.stdout.decode().split("\0")
        return [root / name for name in names if name and (root / name).is_file()]
    passed_over = {"__pycache__", "dist", "build", "node_modules", "uv.lock"}
    return [
        path
        for path in root.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") or part in passed_over for part in path.relative_to(root).parts)
    ]


@pytest.fixture(scope="session")
def pages(repository_files: list[Path]) -> list[Path]:
    """The Markdown that people read: not prompts of templates, which are data."""
    return [path for path in repository_files if path.suffix == ".md" and "templates" not in path.parts]


@pytest.fixture
def script(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of scripts/, which find each other as they do when they are run."""
    monkeypatch.setattr(sys, "path", [str(root / "scripts"), *sys.path])
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in {"pins", "pythons", "build_mcpb", "release", "generate_server_json"} - before:
        sys.modules.pop(name, None)
