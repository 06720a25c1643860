"""Packages that a test installs: the sample of the documentation as a wheel, and small ones made on the spot.

A wheel of pure Python is a zip whose content an installer lays into a folder of sys.path. So nothing here needs a network,
a build tool or an installer; scripts/check_wheel.py installs the sample with the real ones.
"""

import re
import tomllib
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "examples" / "acme-wfe"

Entries = Mapping[str, Mapping[str, str]]
"""Entry-point group → name → module:object."""


def wheel_of(project: Path, folder: Path) -> Path:
    """The wheel of a project whose package lies in ``src``."""
    told: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = f"{re.sub(r'[-_.]+', '_', told['name'])}-{told['version']}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in sorted((project / "src").rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(project / "src").as_posix())
        for name, text in _metadata(told["name"], told["version"], told.get("entry-points", {})).items():
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
