"""PostgreSQL understands every statement that a module of the store keeps as a constant, those that no other test runs too."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from sqlalchemy import exc
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import Select

import wfe_mcp.store
from tests.store.scene import Clock
from wfe_mcp.store import Store

NOT_HERE = {
    "wfe_mcp.store.databases": "PRAGMA of SQLite",
    "wfe_mcp.store.idle_probe": "reads the file",
    "wfe_mcp.store.runs.hook_statements": "read the file",
    "wfe_mcp.store.schema.upgrade": "SQLite's catalogue",
    "wfe_mcp.store.maintenance.copies": "copies the file",
}


def constants() -> Iterator[tuple[str, Any]]:
    for found in pkgutil.walk_packages(wfe_mcp.store.__path__, "wfe_mcp.store."):
        if found.name in NOT_HERE or ".migrations" in found.name:
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            held: Any = value
            listed = [*held.values()] if isinstance(value, dict) else held if isinstance(value, list) else [held]
            for number, each in enumerate(listed):
                if isinstance(each, Select | UpdateBase | TextClause):
                    yield f"{found.name}.{name}[{number}]", each


def test_postgresql_understands_every_statement(postgres_url: str) -> None:
    store = Store.open(postgres_url, clock=Clock())
    refused, asked = dict[str, str](), 0
    with store.tx() as tx:
        connection = tx.shared.connection
        for place, statement in constants():
            asked += 1
            with connection.begin_nested() as nested:
                try:
                    connection.execute(statement, nothing(statement, connection.dialect))
                except exc.IntegrityError:  # it was understood; a row of NULLs is not written
                    pass
                except exc.DBAPIError as error:
                    refused[place] = str(error.orig).split("\n", 1)[0]
                nested.rollback()
    store.close()

    assert refused == {}
    assert asked > 200


def nothing(statement: Any, dialect: Any) -> dict[str, Any]:
    """A value for each parameter: NULL, and for a list one of them."""
    binds: dict[str, Any] = statement.compile(dialect=dialect).binds
    return {name: [None] if bind.expanding else None for name, bind in binds.items() if bind.required}
