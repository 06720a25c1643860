"""Writes wfe_mcp/store/schema/layout.py, the tables as SQLAlchemy Core, from the SQLModel classes of tables.py.

python scripts/generate_layout.py [--check]
"""

import sys
from pathlib import Path

from sqlalchemy import Column, ForeignKeyConstraint, Table, UniqueConstraint

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wfe_mcp.store.schema.columns import JsonText, Number, UtcDateTime, Word  # noqa: E402 - after the path is set
from wfe_mcp.store.schema.tables import METADATA  # noqa: E402

LAYOUT = ROOT / "wfe_mcp" / "store" / "layout.py"
HEAD = '''"""Which tables do statements name? Written by scripts/generate_layout.py from tables.py: change that, not this.

The classes of tables.py say what is kept. Every process speaks to these plain tables instead: SQLModel and the mapper
behind it cost 150 ms and 10 MB a start, and only migrations need them.
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
)

from wfe_mcp.core.model import Assurance, AttemptStatus, Channel, RunStatus, Stage
from wfe_mcp.store.records.approvals import RequestStatus
from wfe_mcp.store.records.calls import CallPurpose, CallStatus
from wfe_mcp.store.schema.columns import NAMING, JsonText, Number, UtcDateTime, Word
from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.records.jobs import Effect, JobStatus
from wfe_mcp.store.records.steps import StepStatus

METADATA = MetaData(naming_convention=NAMING)
'''


def main(argv: list[str]) -> int:
    if argv not in ([], ["--check"]):
        print("usage: generate_layout.py [--check]", file=sys.stderr)
        return 2
    text = HEAD + "".join(_table(table) for table in METADATA.tables.values())
    if LAYOUT.exists() and LAYOUT.read_text(encoding="utf-8") == text:
        return 0
    if argv:
        print(f"Out of date: {LAYOUT.relative_to(ROOT)}. Next: python scripts/generate_layout.py")
        return 1
    LAYOUT.write_text(text, encoding="utf-8", newline="\n")
    return 0


def _table(table: Table) -> str:
    lines = [_column(column) for column in table.columns]
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
            lines.append(f"UniqueConstraint({_names(list(constraint.columns))})")
        elif isinstance(constraint, ForeignKeyConstraint) and len(constraint.columns) > 1:
            raise ValueError(f"{table.name} has a foreign key of several columns, which nobody has written out yet")
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if index.dialect_kwargs or index.unique:
            raise ValueError(f"{index.name} is a kind of index that nobody has written out yet")
        lines.append(f"Index(None, {_names(list(index.columns))})")
    body = "".join(f"    {line}\n" for line in _packed(lines))
    return f'\n{table.name.upper()} = Table(\n    "{table.name}",\n    METADATA,\n{body})\n'


def _packed(words: list[str], width: int = 120) -> list[str]:
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
