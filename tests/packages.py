"""Packages that a test installs: the sample of the documentation as a wheel, small ones made on the spot, and programs of
others by their own installers.

A wheel of pure Python is a zip whose content an installer lays into a folder of sys.path. So only ``installed_once`` needs a
network or an installer; scripts/check_wheel.py installs the sample with the real ones.
"""

import functools
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import tomllib
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts import real_clients

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "examples" / "acme-wfe"
KEPT = real_clients.folder()
"""Where the programs of others are; read here, since tests have homes of their own."""

Entries = Mapping[str, Mapping[str, str]]
"""Entry-point group → name → module:object."""


def wheel_of(project: Path, folder: Path) -> Path:
    """The wheel of a project whose package lies in ``src``."""
    document: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = f"{re.sub(r'[-_.]+', '_', document['name'])}-{document['version']}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in sorted((project / "src").rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(project / "src").as_posix())
        for name, text in _metadata(document["name"], document["version"], document.get("entry-points", {})).items():
            archive.writestr(f"{stem}.dist-info/{name}", text)
    return wheel


def install_sample(folder: Path, site: Path) -> Path:
    """Lay the sample package into ``site``, a folder of its own."""
    with zipfile.ZipFile(wheel_of(SAMPLE, folder)) as archive:
        archive.extractall(site)
    return site


def install(site: Path, name: str, entries: Entries, modules: Mapping[str, str], version: str = "1.0") -> Path:
    """Lay a package with ``modules`` (path → text) into ``site``."""
    about = site / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    for file, text in _metadata(name, version, entries).items():
        (about / file).write_text(text, encoding="utf-8")
    for path, text in modules.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    return site


def installed_once(name: str, command: list[str]) -> Path:
    """The folder in which ``command`` has installed something, for every run of the tests; skips where it could not.

    ``command`` pins its versions: another one installs elsewhere. What failed is tried again by the next process.
    """
    words = json.dumps([Path(command[0]).name, *command[1:]])
    folder = KEPT / f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with _one_at_a_time(folder / "lock.db"):
        if not done.exists():
            if fault := _install(tuple(command), folder):
                pytest.skip(fault)
            done.touch()
    return folder


@contextmanager
def _one_at_a_time(path: Path) -> Generator[None]:
    """Held by one process; a database, since its lock is the same on each system and goes with its process."""
    lock = sqlite3.connect(path, timeout=300, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        lock.close()


@functools.cache
def _install(command: tuple[str, ...], folder: Path) -> str:
    """What went wrong; empty where it is installed."""
    tool = Path(command[0]).stem
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    except subprocess.TimeoutExpired:
        return f"{tool} took more than four minutes to install packages"
    return f"{tool} cannot install packages here: {done.stderr.strip()[-200:]}" if done.returncode else ""


@contextmanager
def on_the_path(site: Path) -> Generator[Path]:
    """What is installed in ``site`` is there, and its modules are gone afterwards."""
    import sys

    before = set(sys.modules)
    sys.path.insert(0, str(site))
    try:
        yield site
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(site)):
                del sys.modules[name]


def _metadata(name: str, version: str, entries: Entries) -> dict[str, str]:
    points = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in named.items())
        for group, named in entries.items()
    ]
    return {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "\n".join(points),
        "RECORD": "",
    }


@functools.cache
def has_program(name: str) -> bool:
    """Whether ``name`` is on PATH and works: rustup's ``cargo`` is there without any toolchain, and only says so."""
    found = shutil.which(name)
    return found is not None and (
        name != "cargo" or subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    )
