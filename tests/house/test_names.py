"""Names of the code: a function is called by what it does or returns, and a variable by what it holds."""

import ast
import re
from typing import TypeGuard

from tests.house.sources import nodes

PARTICIPLE = re.compile(
    r"_?([a-z]+ed|done|drawn|found|given|held|kept|known|left|made|seen|sent|shown|taken|told|written)_?"
)
VERBS = {"_zed", "feed", "proceed", "_proceed"}
"""Words that only end as participles do."""
PUBLIC = {"failed", "passed", "said", "skipped", "undecided"}
"""What packages call (docs/how-to/extend-with-a-package.md)."""
VAGUE = {"each", "found", "given", "made", "one"}


def test_no_function_is_called_by_a_participle_alone() -> None:
    """``shown(x)`` leaves open who shows what to whom; ``show_plan`` and ``shown_path`` do not."""
    functions = [
        f"{file}:{node.lineno} {node.name}"
        for file, module in nodes("wfe_mcp").items()
        for node in module
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and PARTICIPLE.fullmatch(node.name)
        if node.name not in VERBS | PUBLIC and not _is_property(node)
    ]

    assert functions == []


def test_no_import_gives_a_function_the_name_of_a_participle() -> None:
    names = [
        f"{file}:{node.lineno} {alias.name} as {alias.asname}"
        for file, module in nodes("wfe_mcp").items()
        for node in module
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname and PARTICIPLE.fullmatch(alias.asname)
    ]

    assert names == []


def test_a_variable_is_called_by_what_it_holds() -> None:
    """Parameters are the caller's, and the migrations stay as they ran."""
    variables = [
        f"{file}:{node.lineno} {node.id}"
        for file, module in nodes("wfe_mcp").items()
        if "/migrations/" not in file and any(map(_is_vague, module))
        for function in module
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in filter(_is_vague, ast.walk(function))
        if node.id not in {parameter.arg for parameter in ast.walk(function) if isinstance(parameter, ast.arg)}
    ]

    assert variables == []


def _is_vague(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id in VAGUE and isinstance(node.ctx, ast.Store)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
