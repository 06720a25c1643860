"""The Python files of a folder as the rules of the house read them: the package is parsed once for all rules."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def nodes(folder: str) -> dict[str, list[ast.AST]]:
    """``read``, kept. 100,000 lines take 200 MB: conftest.py drops them after the last test of this folder."""
    return dict(read(folder))


def read(folder: str) -> Iterator[tuple[str, list[ast.AST]]]:
    """Each file's name below the root, and all its nodes in the order of ``ast.walk``: the module first."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        gc.disable()  # among new nodes there is no garbage, and to look for it takes longer than to parse
        try:
            found = list(ast.walk(ast.parse(source)))
        finally:
            gc.enable()
        yield path.relative_to(ROOT).as_posix(), found
