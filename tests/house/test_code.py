"""House rules for the code that no linter checks."""

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FunctionType

import pytest

from tests.house.sources import nodes, read

LONGEST = 400
MOST_METHODS = 25
"""Public, of one class in store/, inherited ones included."""
MOST_MODULES = 12
"""Of one package below engine/, which a reader takes in at a glance."""
IMPORT_SHARE = 0.08
"""Of all lines of wfe_mcp/, those of import statements: what grows with the number of modules, not with what they do."""
IMPORT = re.compile(r"^\s*from (wfe_mcp[\w.]*) import ([\w, ]+)$", re.MULTILINE)
REQUIREMENT = re.compile(r"S[0-4]-\d{2}|S1-SC-\d{2}|S1-J\d|[BE]-\d{2}")


def test_no_module_is_longer_than_one_idea(root: Path) -> None:
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("wfe_mcp", "scripts", "bench", "tests")
        for path in (root / folder).rglob("*.py")
    }

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_the_formatter_alone_lays_out_the_code(root: Path) -> None:
    files = [path for folder in ("wfe_mcp", "scripts", "bench", "tests") for path in (root / folder).rglob("*.py")]

    assert [
        str(path.relative_to(root)) for path in files if f"# fmt{':'} skip" in path.read_text(encoding="utf-8")
    ] == []


def test_a_connection_is_closed_by_who_opens_it(root: Path) -> None:
    """``with`` ends the transaction of a connection of sqlite3, and leaves it open. Python 3.13 says so in a test that comes later."""
    opened = re.compile(r"(with|assert) +(sqlite3|driver\(\))\.connect\(|\.connect\([^()]*\)\.execute")
    files = [path for folder in ("wfe_mcp", "bench", "tests") for path in (root / folder).rglob("*.py")]

    assert opened.search("with sqlite3.connect(path) as database:")
    assert opened.search("sqlite3.connect(path).execute(")
    assert [
        str(path.relative_to(root))
        for path in files
        if path.name != "test_code.py" and opened.search(path.read_text(encoding="utf-8"))
    ] == []


_COSTLY = re.compile(r"\\[wdsWDS]|\{\d+,\d{3,}\}")
"""A class of all of Unicode, or a count of a hundred and more: pydantic's engine builds a table of it, of megabytes."""


def test_a_text_is_written_with_the_line_ends_that_it_says() -> None:
    """With those of the system a script that git starts has CR in its lines on Windows, and what is hashed differs there."""
    for name, module in nodes("wfe_mcp").items():
        for call in module:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "write_text":
                assert "newline" in {each.arg for each in call.keywords}, f"{name}:{call.lineno}"


def test_a_pattern_of_a_value_covers_all_of_it_and_costs_little() -> None:
    """Pydantic searches: without both anchors a pattern accepts whatever surrounds a match."""
    found = [
        (file, pattern)
        for file, tree in nodes("wfe_mcp").items()
        for call in tree
        if isinstance(call, ast.Call)
        for given in call.keywords
        if given.arg == "pattern" and isinstance(given.value, ast.Constant)
        for pattern in [str(given.value.value)]
        if not (pattern.startswith("^") and pattern.endswith("$")) or _COSTLY.search(pattern)
    ]
    assert not found


def test_no_package_of_the_engine_has_more_modules_than_a_reader_takes_in(root: Path) -> None:
    packages = [folder for folder in (root / "wfe_mcp" / "engine").iterdir() if (folder / "__init__.py").is_file()]
    sizes = {folder.name: len(list(folder.glob("*.py"))) - 1 for folder in packages}

    assert len(sizes) > 10
    assert {name: modules for name, modules in sizes.items() if modules > MOST_MODULES} == {}


def test_no_class_of_the_store_has_more_methods_than_a_reader_takes_in(root: Path) -> None:
    files = [path for path in (root / "wfe_mcp" / "store").rglob("*.py") if "migrations" not in path.parts]
    names = [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in files]
    found = {kind for name in names for kind in vars(importlib.import_module(name)).values() if isinstance(kind, type)}
    counts = {kind.__qualname__: len(_public_methods(kind)) for kind in found if kind.__module__ in names}

    assert {"Tx", "Store", "RunRepository"} <= counts.keys()
    assert counts["RunRepository"] > 10
    assert {name: methods for name, methods in counts.items() if methods > MOST_METHODS} == {}


def _public_methods(kind: type) -> list[str]:
    """The names of methods and properties that are written in this package, inherited ones included."""
    ours = {
        name for base in kind.__mro__ if base.__module__.startswith("wfe_mcp") for name in vars(base) if name[0] != "_"
    }
    members = {name: inspect.getattr_static(kind, name) for name in ours}
    kinds = (FunctionType, property, cached_property, classmethod, staticmethod)
    return [name for name, member in members.items() if isinstance(member, kinds)]


def test_imports_stay_a_small_part_of_the_code(root: Path) -> None:
    modules = nodes("wfe_mcp")
    lines = sum(len((root / name).read_text(encoding="utf-8").splitlines()) for name in modules)

    assert sum(import_lines(module) for module in modules.values()) / lines <= IMPORT_SHARE


def import_lines(module: Iterable[ast.AST]) -> int:
    """Physical lines of import statements, wherever they are: at the top, for types only, or inside functions."""
    imports = (node for node in module if isinstance(node, ast.Import | ast.ImportFrom))
    return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in imports)


def test_an_import_counts_with_all_its_lines_wherever_it_is() -> None:
    source = (
        "import a\nfrom b import (\n    c,\n)\nif TYPE_CHECKING:\n    import d\n\n\ndef f():\n    from e import g\n"
    )

    assert import_lines(ast.walk(ast.parse(source))) == 6


LOADED_BY_NAME = (
    "wfe_mcp.artifacts.models.",
    "wfe_mcp.cli.commands.",
    "wfe_mcp.clients.wfe_hook.",
    "wfe_mcp.gates.",
    "wfe_mcp.store.runs.hook_statements",
    "wfe_mcp.store.schema.migrations.",
    "wfe_mcp.testing.agent",
)
"""By a table of kinds, commands or schemas, by Alembic, by a script, or as a program of its own."""


def test_every_module_is_imported_or_loaded_by_its_name(root: Path) -> None:
    imported: set[str] = set()
    for module in nodes("wfe_mcp").values():
        for node in module:
            if isinstance(node, ast.ImportFrom):
                imported |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                imported.add(node.value.partition(":")[0])
    names = {".".join(path.relative_to(root).with_suffix("").parts) for path in (root / "wfe_mcp").rglob("*.py")}
    unused = {name for name in names - imported if not name.endswith("__") and not name.startswith(LOADED_BY_NAME)}
    assert not unused


def test_every_module_says_what_it_is_for(root: Path) -> None:
    modules = [path for folder in ("wfe_mcp", "scripts", "bench") for path in (root / folder).rglob("*.py")]
    written = {path: path.read_text(encoding="utf-8") for path in modules}

    assert [
        str(path.relative_to(root))
        for path, text in written.items()
        if text.strip() and "versions" not in path.parts and not re.match(r'"""\w', text)
        if not ast.get_docstring(ast.parse(text))
    ] == []


# What each interface must not load before it is used: measured, these cost 0.1 to 1.7 s of CPU each.
@pytest.mark.parametrize(
    ("door", "heavy"),
    [
        ("wfe_mcp.server", {"anthropic", "openai", "typer", "rich", "pydantic_settings", "alembic"}),
        ("wfe_mcp.cli", {"anthropic", "openai", "alembic"}),
        ("wfe_mcp.core", {"anthropic", "openai", "mcp", "pydantic", "sqlalchemy"}),
    ],
)
def test_importing_an_interface_loads_nothing_heavy_that_it_does_not_need(door: str, heavy: set[str]) -> None:
    listed = subprocess.run(
        [sys.executable, "-c", f"import {door}, sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )

    assert heavy & set(listed.stdout.split()) == set()


@dataclass
class Written:
    """What the rules below look at in the tests' files, which are parsed once for all of them."""

    promises: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    silent: list[str] = field(default_factory=list[str])
    strings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@pytest.fixture(scope="module")
def written() -> Written:
    found = Written()
    for name, module in read("tests"):
        file = Path(name).name
        if file.startswith("test_"):
            found.promises += ((name, argument) for argument in requirement_arguments(module))
        found.silent += (
            f"{name}:{node.lineno}"
            for node in module
            if isinstance(node, ast.Assert) and node.msg is None and shows_nothing(node.test)
        )
        found.strings += (
            (file, node.value) for node in module if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
    return found


def test_every_promise_that_a_test_names_has_a_known_kind_of_id(written: Written) -> None:
    named = written.promises

    assert [(path, id_) for path, id_ in named if not REQUIREMENT.fullmatch(id_)] == []


def test_an_assert_about_the_end_of_a_program_or_call_shows_what_was_said(written: Written) -> None:
    assert written.silent == [], "write `assert done.returncode == 0, done` and `assert answer['ok'], answer`"


def shows_nothing(test: ast.expr) -> bool:
    """Whether ``test`` looks at an exit code, or is an answer's ``ok``, and nothing else that was said."""
    if isinstance(test, ast.Subscript):
        return isinstance(test.slice, ast.Constant) and test.slice.value == "ok"
    looked_at = {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}
    return "returncode" in looked_at and not {"stdout", "stderr"} & looked_at


@pytest.mark.parametrize(
    ("written", "silent"),
    [
        ("assert done.returncode == 0", True),
        ("assert run(words).returncode in {0, 1}", True),
        ("assert (done.returncode, done.stderr) == (0, '')", False),
        ("assert answer['ok']", True),
        ("assert answer['data']", False),
    ],
)
def test_a_silent_assert_is_known(written: str, silent: bool) -> None:
    node = ast.parse(written).body[0]
    assert isinstance(node, ast.Assert)
    assert shows_nothing(node.test) is silent


def requirement_arguments(nodes: Iterable[ast.AST]) -> list[str]:
    """What is in the parentheses of each ``pytest.mark.requirement(…)``, as written."""
    return [
        str(argument.value) if isinstance(argument, ast.Constant) else ast.unparse(argument)
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement"
        for argument in node.args or [ast.Constant("nothing")]
    ]


def test_what_a_program_in_a_string_imports_exists(written: Written) -> None:
    """A child that dies of an import fails as one that was killed does: such a test would pass for nothing."""
    lines = {
        (file, line[0], line[1], name.split(" as ")[0].strip())
        for file, text in written.strings
        for line in IMPORT.findall(text)
        for name in line[1].split(",")
    }

    assert len(lines) > 50
    missing = [
        f"{file}: from {module} import {name}"
        for file, module, _, name in sorted(lines)
        if not hasattr(importlib.import_module(module), name) and not importlib.util.find_spec(f"{module}.{name}")
    ]
    assert missing == []
