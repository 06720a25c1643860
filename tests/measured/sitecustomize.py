"""Measures which lines and branches of the package run: a process writes what it saw to ``PID.json`` in ``$WFE_MEASURED``.

    WFE_MEASURED=/tmp/ran pytest tests/core; python scripts/coverage_floor.py /tmp/ran wfe_mcp/core

Rules:
1. Modules of the package get a probe at each line and branch as they are imported (slipcover). Libraries get none: a tracer is
   called for each line of theirs too, which doubles the time of the suite. Bytecode files are neither read nor written.
2. ``tests/conftest.py`` loads this file first. What is imported before ``measure`` is not measured.
3. Where this folder is in PYTHONPATH, Python loads this file as it starts, and measures the module that it was started with:
   to measure all would take longer than a child may (``measured_children``).
"""

import ast
import atexit
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from slipcover import Slipcover  # pyright: ignore[reportMissingTypeStubs] - it has none
from slipcover.branch import preinstrument  # pyright: ignore[reportMissingTypeStubs]

PACKAGE = Path(__file__).parents[2] / "wfe_mcp"
NEVER = -1  # probes stay: to take one out, slipcover searches all modules for the functions that hold it

EXCLUDED = [
    "# pragma: no cover",
    "if TYPE_CHECKING:",
    r"assert_never\(",
    r"^\s*\.\.\.$",
    r"if (sys\.platform|os\.name) == \"(win32|nt|darwin)\":",
]
"""Lines that no test on one machine can reach, or that no machine runs; with the block that such a line begins."""


def measure(folder: Path, only: str = "") -> Callable[[], None]:
    """Measure what is imported from now on; of it the module ``only``, if it is given. The answer writes what ran until it is called."""
    # a source: what was never imported never ran
    sources = [] if only else [str(PACKAGE)]
    probes = Slipcover(branch=True, d_miss_threshold=NEVER, source=sources, exclude_lines=EXCLUDED)
    plain = SourceFileLoader.get_code
    instrumented: dict[str, CodeType] = {}  # Alembic loads each migration again for each of them

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if only not in {"", fullname} or not self.path.startswith(f"{PACKAGE}{os.sep}"):
            return plain(self, fullname)
        if self.path not in instrumented:
            tree = preinstrument(ast.parse(self.get_data(self.path)))
            instrumented[self.path] = probes.instrument(compile(tree, self.path, "exec", dont_inherit=True))
        return instrumented[self.path]

    SourceFileLoader.get_code = get_code

    def write() -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{os.getpid()}.json").write_text(json.dumps(probes.get_coverage()), encoding="utf-8")

    return write


if __name__ == "sitecustomize" and "WFE_MEASURED" in os.environ:
    atexit.register(measure(Path(os.environ["WFE_MEASURED"]), only=sys.orig_argv[-1]))
