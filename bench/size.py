"""Measures what an installation takes on disk: the built wheel and what it needs, in an empty environment.

The budget is for what packages bring; bytecode is what Python adds when it compiles all of it, as ``uv`` does here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure
from scripts.pins import uv

if TYPE_CHECKING:
    from bench.scene import Scene

ROOT = Path(__file__).resolve().parents[1]
BUDGET_MB = 130
NAMED_MB = 3
ASKED_FOR = ("mcp", "pydantic", "sqlmodel", "anthropic", "openai")
"""The packages that were asked for: with what they need in turn they are the floor."""
_LISTS = """
import json
from importlib.metadata import distributions
print(json.dumps({
    each.name: [str(file.locate()) for file in each.files or ()] for each in distributions() if each.name != "pip"
}))
"""


def measure(_: Scene) -> list[Figure]:
    """Megabytes of the whole, of the packages that were asked for, of the bytecode, and of each large package."""
    with tempfile.TemporaryDirectory(prefix="wfe-size-") as folder:
        place = Path(folder).resolve()
        _uv("build", "--quiet", "--wheel", "--out-dir", str(place), str(ROOT))
        (wheel,) = place.glob("*.whl")
        floor = _installed(place / "floor", ASKED_FOR)[0]
        packages, bytecode_mb = _installed(place / "whole", (str(wheel),))
    large = [(name, size) for name, size in packages.most_common() if size > NAMED_MB]
    return [
        Figure("an installation", packages.total(), "MB", BUDGET_MB, f"{len(packages)} packages"),
        Figure("the packages that were asked for", floor.total(), "MB", None, f"floor: {', '.join(ASKED_FOR)}"),
        Figure("bytecode beside it", bytecode_mb, "MB"),
        *(Figure(name, size, "MB", None, "" if name in floor else "not of the floor") for name, size in large),
    ]


def _installed(environment: Path, wanted: tuple[str, ...]) -> tuple[Counter[str], float]:
    """Megabytes of each package in a new environment with what is ``wanted``, and of all bytecode."""
    _uv("venv", "--quiet", "--python", sys.executable, str(environment))
    python = next(
        each for each in (environment / "bin" / "python", environment / "Scripts" / "python.exe") if each.exists()
    )
    _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *wanted)
    listed = subprocess.run([str(python), "-c", _LISTS], check=True, capture_output=True, text=True).stdout
    sizes: Counter[str] = Counter()
    files: dict[str, list[str]] = json.loads(listed)
    for name, paths in files.items():
        kept = {Path(path) for path in paths if not path.endswith(".pyc")}
        sizes[name] = sum(path.stat().st_size for path in kept if path.is_file())
    bytecode = sum(path.stat().st_size for path in environment.rglob("*.pyc"))
    return Counter({name: size / 1e6 for name, size in sizes.items()}), bytecode / 1e6


def _uv(*words: str) -> None:
    subprocess.run([uv(), *words], cwd=ROOT, check=True, capture_output=True)
