"""Generates the plain tables and the records of the store from the SQLModel classes of tables.py.

python scripts/generate_layout.py [--check]

    class Job(Row, table=True) ─┬─→ store/layout/tables.py        JOB = Table("job", …)
                                └─→ store/layout/*_records.py     a frozen dataclass for each record of store_records.py

A field has the type and the default of its column; fields with a default come last. Nothing in ``store/layout`` is written
manually: properties and fields that are no columns are in a subclass in ``store/records``.
"""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

from sqlalchemy import Column, ForeignKeyConstraint, Table, UniqueConstraint
from store_records import RECORDS, Record

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wfe_mcp.core import items  # noqa: E402 - after the path is set
from wfe_mcp.store import enums  # noqa: E402 - after the path is set
from wfe_mcp.store.columns import JsonText, Number, UtcDateTime, Word  # noqa: E402
from wfe_mcp.store.schema import tables  # noqa: E402
from wfe_mcp.store.schema.base_table import METADATA, Row  # noqa: E402

LAYOUT = ROOT / "wfe_mcp" / "store" / "layout"
CLASSES = {each.__name__: each for each in Row.__subclasses__()}
PACKAGE = '"""Tables and records, all written by scripts/generate_layout.py: nothing here is edited manually."""\n'
RECORDS_HEAD = '''"""Records of the tables. Written by scripts/generate_layout.py from tables.py and store_records.py: change those, not this."""

{imports}'''
TABLES_HEAD = '''"""The tables that statements name. Written by scripts/generate_layout.py from tables.py: change that, not this.

The classes of tables.py declare the schema. Every process uses these plain tables instead: SQLModel and the mapper
behind it cost 300 ms and 17 MB a start, and only migrations need them.
"""

# fmt: off
from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

{imports}
METADATA = MetaData(naming_convention=NAMING)
'''


def main(argv: list[str]) -> int:
    if argv not in ([], ["--check"]):
        print("usage: generate_layout.py [--check]", file=sys.stderr)
        return 2
    made = {LAYOUT / f"{name}.py": _records(records) for name, records in RECORDS.items()}
    all_tables = "".join(_table(table) for table in METADATA.tables.values())
    made[LAYOUT / "tables.py"] = TABLES_HEAD.format(imports=_imports()) + all_tables
    made[LAYOUT / "__init__.py"] = PACKAGE
    if others := sorted(path.name for path in LAYOUT.glob("*.py") if path not in made):
        print(f"Not generated, so it belongs elsewhere: {', '.join(others)} in {LAYOUT.relative_to(ROOT)}")
        return 1
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if argv:
            print(f"Out of date: {path.relative_to(ROOT)}. Next: python scripts/generate_layout.py")
        else:
            path.write_text(made[path], encoding="utf-8", newline="\n")
    return 1 if argv and stale else 0


def _records(records: tuple[Record, ...]) -> str:
    classes = "".join(
        f"\n\n@dataclass(frozen=True, slots=True)\nclass {each.name}{f'({each.base})' if each.base else ''}:\n"
        + textwrap.indent(f'"""{each.doc}"""' if "\n" not in each.doc else f'"""{each.doc}\n"""', "    ")
        + "\n\n"
        + "".join(_fields(each))
        for each in records
    )
    named = set(re.findall(r"^    \w+: (.*)$", classes, re.MULTILINE))
    words = {"dataclass"} | {word for line in named for word in re.findall(r"[A-Za-z]\w+", line)}
    return RECORDS_HEAD.format(imports=_imports_of(words)) + classes


def _imports_of(words: set[str]) -> str:
    modules: dict[str, set[str]] = {}
    for word in words:
        module = _module_of(word)
        if module is not None:
            modules.setdefault(module, set()).add(word)
    ours = sorted(module for module in modules if module.startswith("wfe_mcp."))
    library = sorted(modules.keys() - set(ours))
    return "\n".join("".join(_import(module, modules[module]) for module in group) for group in (library, ours))


def _module_of(word: str) -> str | None:
    """Where a name in the line of a field is imported from; None for a builtin, and for what is no name of a type."""
    known = {
        "Any": "typing",
        "Mapping": "collections.abc",
        "datetime": "datetime",
        "field": "dataclasses",
        "dataclass": "wfe_mcp.core.dataclass",
    }
    if word in known or hasattr(enums, word):
        return known.get(word, enums.__name__)
    found = getattr(tables, word, None) or getattr(items, word, None)
    return found.__module__ if word[0].isupper() and found is not None else None


def _import(module: str, names: set[str]) -> str:
    return f"from {module} import {', '.join(sorted(names, key=lambda name: (not name.isupper(), name)))}\n"


def _fields(record: Record) -> list[str]:
    """The fields of a record, one line each."""
    declared = ast.parse(textwrap.dedent(inspect.getsource(CLASSES[record.table]))).body[0]
    assert isinstance(declared, ast.ClassDef)
    columns = {
        each.target.id: each
        for each in declared.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    named = set((record.only or record.without).split(", ")) - {""}
    if unknown := named - columns.keys():
        raise ValueError(f"'{record.name}' names no column of {record.table}: {', '.join(sorted(unknown))}")
    required: list[str] = []
    optional: list[str] = []
    for name, column in columns.items():
        if named and (name in named) is not bool(record.only):
            continue
        how = column.value.func if isinstance(column.value, ast.Call) else None
        if record.given and isinstance(how, ast.Name) and how.id == "Filled":
            continue
        kind, default = ast.unparse(column.annotation), _default(column.value)
        if record.given:
            kind = re.sub(r"^dict\b", "Mapping", kind)
        (required if default is None else optional).append(f"    {name}: {kind}{default or ''}\n")
    return required + optional


def _default(value: ast.expr | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, ast.Call):
        return f" = {_source(value)}"
    for word in value.keywords:
        if word.arg == "default":
            return f" = {_source(word.value)}"
        if word.arg == "default_factory":
            return f" = field(default_factory={_source(word.value)})"
    return None


def _source(value: ast.expr) -> str:
    return '""' if isinstance(value, ast.Constant) and value.value == "" else ast.unparse(value)


def _imports() -> str:
    """Imports of the columns' enums and of our column types."""
    modules: dict[str, set[str]] = {"wfe_mcp.store.columns": {"NAMING", "JsonText", "Number", "UtcDateTime", "Word"}}
    for table in METADATA.tables.values():
        for column in table.columns:
            if isinstance(column.type, Word | Number):
                members = column.type.members
                modules.setdefault(members.__module__, set()).add(members.__name__)
    return "".join(_import(module, names) for module, names in sorted(modules.items()))


def _table(table: Table) -> str:
    lines = [_column(column) for column in table.columns]
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
            lines.append(f"UniqueConstraint({_names(list(constraint.columns))})")
        elif isinstance(constraint, ForeignKeyConstraint) and len(constraint.columns) > 1:
            raise ValueError(f"{table.name} has a foreign key of several columns, which nobody has written out yet")
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if {*index.dialect_kwargs} - {"sqlite_where"} or index.unique:
            raise ValueError(f"{index.name} is a kind of index that nobody has written out yet")
        where = index.dialect_options["sqlite"]["where"]
        partly = "" if where is None else f', sqlite_where=text("{where}")'
        lines.append(f"Index(None, {_names(list(index.columns))}{partly})")
    body = "".join(f"    {line}\n" for line in _packed(lines))
    return f'\n{table.name.upper()} = Table(\n    "{table.name}", METADATA,\n{body})\n'


def _packed(words: list[str], width: int = 128) -> list[str]:
    """The words with their commas, as many to a line as fit."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 6 <= width:
            lines[-1] += f" {word},"
        else:
            lines.append(f"{word},")
    return lines


def _names(columns: list[Column[object]]) -> str:
    return ", ".join(f'"{column.name}"' for column in columns)


def _column(column: Column[object]) -> str:
    words = [f'"{column.name}"', _type(column)]
    words += [f'ForeignKey("{key.target_fullname}")' for key in column.foreign_keys]
    words += ["primary_key=True"] if column.primary_key else [f"nullable={column.nullable}"]
    unique = any(
        isinstance(each, UniqueConstraint) and list(each.columns) == [column] for each in column.table.constraints
    )
    return f"Column({', '.join(words + (['unique=True'] if unique else []))})"


def _type(column: Column[object]) -> str:
    kind = column.type
    if isinstance(kind, Word | Number):
        return f"{type(kind).__name__}({kind.members.__name__})"
    if isinstance(kind, UtcDateTime | JsonText):
        return type(kind).__name__
    return {"AutoString": "String"}.get(type(kind).__name__, type(kind).__name__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
