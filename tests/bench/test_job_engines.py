"""``python -m bench job-engines`` measures what is installed, names what is not, and heals what an engine has lost."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.engines import VARIANTS, missing
from bench.engines.rows import EFFECTS, KIND, QUEUE, Place, Rows, Sweep
from bench.job_engines import code_lines
from tests.postgres import Cluster
from wfe_mcp.store import Store
from wfe_mcp.store.enums import JobStatus
from wfe_mcp.store.records.jobs import NewJob


@pytest.fixture
def place(postgres: Cluster, postgres_url: str) -> Place:
    place = Place(postgres_url, lease_s=0.0)
    place.open().close()
    postgres.execute(EFFECTS, database=postgres_url.rsplit("/", 1)[1])
    return place


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    store = Store.open(place.url, clock=lambda: datetime.now(UTC))
    yield store
    store.close()


def queued(store: Store) -> str:
    with store.tx() as tx:
        return tx.jobs.enqueue(NewJob(KIND, QUEUE, {"work_s": 0.0}))


def test_an_engine_that_is_not_installed_is_named() -> None:
    needed = {"procrastinate", "absurd_sdk", "absurdctl"}

    absent = {name for variant in VARIANTS for name in missing(variant)}

    assert absent == {name for name in needed if find_spec(name) is None}


def test_lines_of_glue_are_lines_with_code(tmp_path: Path) -> None:
    file = tmp_path / "glue.py"
    file.write_text(
        '"""A text.\n\nMore of it.\n"""\n\n# a comment\nx = 1\n\n\ndef f():\n    """Text."""\n    return x\n', "utf-8"
    )

    assert code_lines(file) == 3


def test_a_second_delivery_of_a_job_does_nothing(
    store: Store, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    job = queued(store)
    rows = Rows(place, store, "w1")

    rows.run(job)
    rows.run(job)

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["began", "worked", "refused"]
    with store.read() as tx:
        assert [(each.status, each.fence) for each in tx.jobs.filter()] == [(JobStatus.DONE, 1)]


def test_a_job_is_announced_again_without_a_delivery_or_when_its_delivery_leads_to_nothing(
    store: Store, place: Place
) -> None:
    job = queued(store)

    with store.tx() as tx:
        assert Sweep(Place(place.url, lease_s=30)).lost(tx, set()) == {job}
        assert Sweep(Place(place.url, lease_s=30)).lost(tx, {job}) == set()
        impatient = Sweep(Place(place.url, lease_s=-1))
        assert impatient.lost(tx, {job}) == {job}
        assert impatient.overruled == 1
