"""Files of an open database that are moved, removed or replaced: what is acknowledged afterwards would be lost."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.store.scene import Clock, create, raw
from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store


def remove_the_log(file: Path) -> None:
    Path(f"{file}-wal").unlink()


def exchange_the_log(file: Path) -> None:
    log = Path(f"{file}-wal")
    shutil.copy(log, f"{log}.new")
    Path(f"{log}.new").replace(log)


def remove_the_file(file: Path) -> None:
    file.unlink()


def put_a_copy_in_its_place(file: Path) -> None:
    shutil.copy(file, f"{file}.copy")
    Path(f"{file}.copy").replace(file)


@pytest.mark.sqlite_only("a file and its journal")
@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
@pytest.mark.parametrize("move", [remove_the_log, exchange_the_log, remove_the_file, put_a_copy_in_its_place])
def test_nothing_is_acknowledged_into_files_that_are_not_there_any_more(
    url: str, clock: Clock, move: Callable[[Path], None]
) -> None:
    opened = Store.open(url, clock=clock)
    with opened.tx() as tx:
        create(tx, "R-1")
    refused: list[Refused] = []

    def refuse(transaction: Callable[[], AbstractContextManager[object]]) -> None:
        with pytest.raises(Refused, match="while this process used it") as found, transaction():
            pass
        refused.append(found.value)

    @contextmanager
    def write_meanwhile() -> Generator[None]:
        with opened.tx() as tx:
            create(tx, "R-2")
            move(opened.path)
            yield

    refuse(write_meanwhile)
    refuse(opened.tx)
    refuse(opened.read)
    assert {found.code for found in refused} == {"unavailable"}
    assert all("wfe-mcp verify" in (found.hint or "") for found in refused)
    if move is remove_the_log:
        shutil.copy(opened.path, f"{opened.path}.later")
        with closing(raw(f"{url}.later")) as later:
            assert later.execute("SELECT id FROM run").fetchall() == [("R-1",)], "what was acknowledged is in the file"
    opened.close()


@pytest.mark.sqlite_only("a file and its journal")
def test_a_store_that_was_closed_opens_its_file_again(url: str, clock: Clock) -> None:
    opened = Store.open(url, clock=clock)
    with opened.tx() as tx:
        create(tx, "R-1")
    opened.close()
    with opened.tx() as tx:
        create(tx, "R-2")
    opened.close()
