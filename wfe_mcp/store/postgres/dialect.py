"""How the statements of the repositories are written for PostgreSQL.

The repositories build each statement once, as SQLite has it. What PostgreSQL writes otherwise is written here, when the
statement is compiled: SQLite's path stays as it is, in statements and in imports.

    SQLite                               PostgreSQL
    event.rowid                          the same: a column that only PostgreSQL's tables have (``schema.py``)
    INTEGER, any size                    BIGINT; a sum of them stays one
    json_extract(text, '$.a.b')          text::json #>> '{a,b}'; ``IS true``: = 'true'
    json_valid(text)                     1: version 15 has no such function; a statement that asks is refused (DataError)
    json_each(text, '$.a')               json_array_elements or json_each of text::json #> '{a}', as it has an array or an object
    +column (no index)                   column
    LIMIT -1                             LIMIT NULL
    instr, date, substr                  strpos, to_char, substr with INTEGER places
    ON CONFLICT DO NOTHING               the same, from SQLite's construct

The cast is to ``json``, not ``jsonb``: that refuses a text in which any value has the escape of NUL.
"""

from typing import Any

from sqlalchemy import BindParameter, Integer
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDDLCompiler, PGTypeCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import True_

DRIVER = "postgresql+wfe_psycopg"
"""The name under which SQLAlchemy finds this dialect."""


class _Statements(PGCompiler):
    def visit_on_conflict_do_nothing(self, on_conflict: Any, **kw: object) -> str:
        del on_conflict, kw
        return "ON CONFLICT DO NOTHING"

    def visit_column(self, column: Any, *arguments: Any, **kw: object) -> str:
        text = super().visit_column(column, *arguments, **kw)
        return text.removeprefix("+") if column.is_literal else text

    def limit_clause(self, select: Any, **kw: object) -> str:
        text = ""
        if select._limit_clause is not None:
            text += f"\n LIMIT nullif({self.process(select._limit_clause, **kw)}, -1)"
        if select._offset_clause is not None:
            text += f"\n OFFSET {self.process(select._offset_clause, **kw)}"
        return text

    def visit_is__binary(self, binary: Any, operator: Any, **kw: object) -> str:
        left = self.process(binary.left, **kw)
        if getattr(binary.left, "name", "") == "json_extract" and isinstance(binary.right, True_):
            return f"{left} = 'true'"
        del operator
        return f"{left} IS {self.process(binary.right, **kw)}"

    def visit_json_extract_func(self, function: Any, **kw: object) -> str:
        value, path = function.clauses
        return f"(({self.process(value, **kw)})::json #>> '{_path(path)}')"

    def visit_json_valid_func(self, function: Any, **kw: object) -> str:
        del function, kw
        return "1"

    def visit_json_each_func(self, function: Any, **kw: object) -> str:
        value, path = function.clauses
        there = f"({self.process(value, **kw)})::json #> '{_path(path)}'"
        kinds = (("array", "[]", "json_array_elements"), ("object", "{}", "json_each"))
        rows = (
            f"SELECT value FROM {function_name}(CASE WHEN json_typeof({there}) = '{kind}' THEN {there} ELSE '{none}' END)"  # noqa: S608 - our names
            for kind, none, function_name in kinds
        )
        return f"LATERAL ({' UNION ALL '.join(rows)})"

    def visit_instr_func(self, function: Any, **kw: object) -> str:
        return f"strpos({', '.join(self.process(clause, **kw) for clause in function.clauses)})"

    def visit_date_func(self, function: Any, **kw: object) -> str:
        (at,) = function.clauses
        return f"to_char({self.process(at, **kw)}, 'YYYY-MM-DD')"

    def visit_substr_func(self, function: Any, **kw: object) -> str:
        text, *places = (self.process(clause, **kw) for clause in function.clauses)
        return f"substr({', '.join((text, *(f'CAST({place} AS INTEGER)' for place in places)))})"

    def visit_sum_func(self, function: Any, **kw: object) -> str:
        (of,) = function.clauses
        text = f"sum({self.process(of, **kw)})"
        return f"CAST({text} AS BIGINT)" if isinstance(function.type, Integer) else text


def _path(path: BindParameter[Any]) -> str:
    """``$.tests.skipped`` as ``{tests,skipped}``. Only our own names, which need no quotes."""
    names = str(path.value).removeprefix("$.").split(".")
    if not all(name.isidentifier() for name in names):
        raise ValueError(f"the JSON path {path.value!r} has a name that needs quotes")
    return "{" + ",".join(names) + "}"


class _Types(PGTypeCompiler):
    def visit_INTEGER(self, type_: Any, **kw: object) -> str:  # noqa: N802 - SQLAlchemy calls it so
        del type_, kw
        return "BIGINT"


class _Tables(PGDDLCompiler):
    def get_column_specification(self, column: Any, **kwargs: object) -> str:
        return super().get_column_specification(column, **kwargs).replace(" SERIAL", " BIGSERIAL")


class Dialect(PGDialect_psycopg):
    """SQLAlchemy's dialect for psycopg with the statements of this module."""

    statement_compiler = _Statements
    type_compiler_cls = _Types
    ddl_compiler = _Tables
    supports_statement_cache = True


registry.register(DRIVER.replace("+", "."), __name__, "Dialect")
