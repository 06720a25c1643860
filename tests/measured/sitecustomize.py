"""Measures which lines and branches of the package run: a process writes what it saw to ``PID.json`` in ``$WFE_MEASURED``.

    WFE_MEASURED=/tmp/ran pytest tests/core; python scripts/coverage_floor.py /tmp/ran wfe_mcp/core

Rules:
1. Modules of the package get a probe at each line and branch as they are imported (slipcover). Libraries get none: a tracer is
   called for each line of theirs too, which doubles the time of the suite. Bytecode files are neither read nor written.
2. ``tests/conftest.py`` loads this file first. What is imported before ``measure`` is not measured.
3. Where this folder is in PYTHONPATH, Python loads this file as it starts, and measures the module that it was started with:
   to measure all would take longer than a child may (``measured_children``).
4. To put the probes in takes 12 s of CPU: the workers of one run share that work (``Shared``).
"""

import ast
import atexit
import contextlib
import hashlib
import json
import marshal
import os
import random
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, cast

from slipcover import Slipcover, slipcover  # pyright: ignore[reportMissingTypeStubs] - it has none
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


WORKER = "PYTEST_XDIST_WORKER" in os.environ
PROBE = "wfe-mcp: a probe"
"""In a file of ``Shared``, what stands for the function that takes a probe; with a line or branch, for the probe."""


def measure(folder: Path, only: str = "") -> Callable[[], None]:
    """Measure what is imported from now on; of it the module ``only``, if it is given. The answer writes what ran until it is called."""
    # a source: what was never imported never ran
    sources = [] if only else [str(PACKAGE)]
    probes = Slipcover(branch=True, d_miss_threshold=NEVER, source=sources, exclude_lines=EXCLUDED)
    plain = SourceFileLoader.get_code
    instrumented: dict[str, CodeType] = {}  # Alembic loads each migration again for each of them

    def code_of(path: str) -> CodeType:
        tree = preinstrument(ast.parse(Path(path).read_bytes()))
        return probes.instrument(compile(tree, path, "exec", dont_inherit=True))

    shared = Shared(folder, probes, code_of) if not only and WORKER and sys.version_info < (3, 12) else None

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if only not in {"", fullname} or not self.path.startswith(f"{PACKAGE}{os.sep}"):
            return plain(self, fullname)
        if self.path not in instrumented:
            instrumented[self.path] = shared.code(self.path) if shared else code_of(self.path)
        return instrumented[self.path]

    SourceFileLoader.get_code = get_code

    def write() -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{os.getpid()}.json").write_text(json.dumps(probes.get_coverage()), encoding="utf-8")

    return write


class Shared:
    """Code with its probes that the workers of one run write for each other: a file per module in ``$WFE_MEASURED/code``.

    Each worker begins elsewhere and leaves out what another one has begun. A module that is imported before its file is there is
    done once more: nothing waits for another process. On Python 3.12 and later the probes are Python's own, and cost less than a file.
    """

    def __init__(self, folder: Path, probes: Any, make: Callable[[str], CodeType]) -> None:
        self._folder, self._probes, self._make = folder / "code", probes, make
        self._labels: dict[int, object] = {}
        module: Any = slipcover
        self._native: Any = module.probe
        module.probe = self  # for ``new`` and ``signal`` below
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = sorted(map(str, PACKAGE.rglob("*.py")))
        random.Random(os.getpid()).shuffle(paths)
        for path in paths:
            with contextlib.suppress(FileExistsError):
                self._file(path).with_suffix(".begun").touch(exist_ok=False)
                self._write(path)

    def code(self, path: str) -> CodeType:
        """The code of the module at ``path``; its probes report to this process."""
        try:
            written = self._file(path).read_bytes()
        except FileNotFoundError:
            return self._make(path)
        code, lines, branches = marshal.loads(written)
        self._probes.code_lines[path], self._probes.code_branches[path] = lines, branches
        return _with_constants(code, lambda constant: self._read(path, constant))

    def new(self, owner: object, file: str, label: object, threshold: int) -> object:
        """A probe for the line or branch ``label``. slipcover calls it."""
        probe = self._native.new(owner, file, label, threshold)
        self._labels[id(probe)] = label
        return probe

    @property
    def signal(self) -> object:
        """What code calls with a probe."""
        return self._native.signal

    def _write(self, path: str) -> None:
        code = self._make(path)
        known = self._probes.code_lines.pop(path), self._probes.code_branches.pop(path)  # it may never be imported here
        beside = self._file(path).with_suffix(f".{os.getpid()}")
        beside.write_bytes(marshal.dumps((_with_constants(code, self._written), *known)))
        beside.replace(self._file(path))
        for each in (self._labels, self._probes.instrumented, self._probes.code2index):  # they would hold the code
            each.clear()

    def _file(self, path: str) -> Path:
        digest = hashlib.sha256(os.fsencode(path) + Path(path).read_bytes())  # the folder may be one of before
        return self._folder / f"{digest.hexdigest()}.code"

    def _written(self, constant: object) -> object:
        if constant is self._native.signal:
            return PROBE
        return (PROBE, self._labels[id(constant)]) if id(constant) in self._labels else constant

    def _read(self, path: str, constant: object) -> object:
        if constant == PROBE:
            return self._native.signal
        if isinstance(constant, tuple) and constant[:1] == (PROBE,):
            return self._native.new(self._probes, path, cast("tuple[object, ...]", constant)[1], NEVER)
        return cast("object", constant)


def _with_constants(code: CodeType, change: Callable[[object], object]) -> CodeType:
    """``code``, and the code in it, with each constant changed."""
    constants = [
        _with_constants(each, change) if isinstance(each, CodeType) else change(each) for each in code.co_consts
    ]
    return code.replace(co_consts=tuple(constants))


if __name__ == "sitecustomize" and "WFE_MEASURED" in os.environ:
    atexit.register(measure(Path(os.environ["WFE_MEASURED"]), only=sys.orig_argv[-1]))
