"""On PostgreSQL a job that becomes due is announced to the job engine in the transaction that makes it so; its row decides all the same."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.postgres import Cluster
from tests.store.scene import Clock
from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store
from wfe_mcp.store.postgres import delivery
from wfe_mcp.store.records.jobs import JobStatus, NewJob

JOB = NewJob("check", "checks", {})
_ROWS = "SELECT args ->> 'job_id', queue_name, priority, status::text, scheduled_at FROM procrastinate.procrastinate_jobs ORDER BY id"


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    name = postgres.new_database()
    yield name
    postgres.drop(name)


@pytest.fixture
def store(postgres: Cluster, database: str, clock: Clock) -> Iterator[Store]:
    opened = Store.open(postgres.url(database), clock=clock)
    yield opened
    opened.close()


def announced(postgres: Cluster, database: str) -> list[tuple[Any, ...]]:
    return postgres.rows(_ROWS, database)


def enqueue_and_fail(store: Store) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(JOB)
        raise LookupError


def test_a_job_is_announced_with_its_commit_and_not_where_it_was_undone(
    store: Store, postgres: Cluster, database: str
) -> None:
    with store.tx() as tx:
        job = tx.jobs.enqueue(NewJob("check", "checks", {}, priority=3))
        assert announced(postgres, database) == []
    with pytest.raises(LookupError):
        enqueue_and_fail(store)
    assert announced(postgres, database) == [(job, "checks", -3, "todo", None)]


def test_a_retry_is_announced_for_its_time_and_a_claim_or_an_end_is_not(
    store: Store, postgres: Cluster, database: str, clock: Clock
) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(JOB)
        held = tx.jobs.claim("one", ["checks"], 30, clock())
        assert held is not None
    assert len(announced(postgres, database)) == 1
    later = clock() + timedelta(days=36_500)
    with store.tx() as tx:
        assert tx.jobs.fail(held.id, held.fence, "it failed", later)
    assert [row[4] for row in announced(postgres, database)] == [None, later]


def test_a_job_that_waits_and_is_cancelled_is_announced_no_more(store: Store, postgres: Cluster, database: str) -> None:
    with store.tx() as tx:
        job, other = tx.jobs.enqueue(JOB), tx.jobs.enqueue(JOB)
    with store.tx() as tx:
        tx.jobs.request_cancel(job)
    assert [row[0] for row in announced(postgres, database)] == [other]


def test_the_next_of_a_line_is_announced_when_its_turn_comes(store: Store, postgres: Cluster, database: str) -> None:
    with store.tx() as tx:
        first, second = tx.lines.enqueue(JOB, "events"), tx.lines.enqueue(JOB, "events")
    assert [row[0] for row in announced(postgres, database)] == [first]
    with store.tx() as tx:
        tx.jobs.request_cancel(first)
        ended = tx.jobs.get(first)
        assert ended is not None
        tx.lines.advance(ended)
    assert [row[0] for row in announced(postgres, database)] == [second]


def test_without_the_tables_of_the_engine_jobs_are_queued_and_claimed_and_doctor_names_it(
    store: Store, postgres: Cluster, database: str, clock: Clock
) -> None:
    postgres.execute("DROP SCHEMA procrastinate CASCADE", database=database)
    with store.tx() as tx:
        job = tx.jobs.enqueue(JOB)
        held = tx.jobs.claim("one", ["checks"], 30, clock())
    assert held is not None
    assert held.id == job
    with store.read() as tx:
        found = [(problem.where, problem.code) for problem in tx.verification.schema_problems()]
    assert found == [("schema procrastinate", "schema_missing")]


@pytest.mark.usefixtures("store")
def test_a_role_that_may_not_use_the_engine_queues_jobs(postgres: Cluster, database: str, clock: Clock) -> None:
    role = f"plain_{database}"
    postgres.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA wfe TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wfe TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA wfe TO {role}",
        database=database,
    )
    plain = Store.open(postgres.url(database).replace("postgres@", f"{role}@"), clock=clock)
    with plain.tx() as tx:
        job = tx.jobs.enqueue(JOB)
    plain.close()
    assert [row[0] for row in announced(postgres, database)] == [job]
    postgres.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}", database=database)


def test_a_database_of_before_gets_the_engine_by_its_migration_and_loses_no_job(
    store: Store, postgres: Cluster, database: str, clock: Clock
) -> None:
    with store.tx() as tx:
        waits = tx.jobs.enqueue(JOB)
    store.close()
    postgres.execute(
        "DROP SCHEMA procrastinate CASCADE",
        "DROP TRIGGER job_is_due ON wfe.job",
        "DROP FUNCTION wfe.job_is_due()",
        "UPDATE wfe.alembic_version SET version_num = '0017'",
        database=database,
    )
    upgraded = Store.open(postgres.url(database), clock=clock)
    with upgraded.tx() as tx:
        assert not list(tx.verification.schema_problems())
        new = tx.jobs.enqueue(JOB)
    with upgraded.read() as tx:
        assert {job.id for job in tx.jobs.filter(statuses=(JobStatus.QUEUED,))} == {waits, new}
    upgraded.close()
    assert [row[0] for row in announced(postgres, database)] == [new]


def test_a_job_of_a_runner_is_announced_to_no_worker(store: Store, postgres: Cluster, database: str) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(NewJob("gate", "runner:project", {}))
        job = tx.jobs.enqueue(JOB)
    assert [row[0] for row in announced(postgres, database)] == [job]


def test_a_database_from_before_runners_gets_the_trigger_of_now_by_its_migration(
    store: Store, postgres: Cluster, database: str, clock: Clock
) -> None:
    store.close()
    postgres.execute(
        "CREATE OR REPLACE FUNCTION wfe.job_is_due() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        "UPDATE wfe.alembic_version SET version_num = '0018'",
        database=database,
    )
    upgraded = Store.open(postgres.url(database), clock=clock)
    with upgraded.tx() as tx:
        assert not list(tx.verification.schema_problems())
        tx.jobs.enqueue(NewJob("gate", "runner:project", {}))
        job = tx.jobs.enqueue(JOB)
    upgraded.close()
    assert [row[0] for row in announced(postgres, database)] == [job]


def test_a_schema_of_another_program_is_left_alone(postgres: Cluster, database: str, clock: Clock) -> None:
    postgres.execute(f"CREATE SCHEMA {delivery.SCHEMA}", database=database)
    with pytest.raises(Refused, match="'procrastinate' of the database is of another program") as refused:
        Store.open(postgres.url(database), clock=clock)
    assert refused.value.code == "unavailable"
    assert postgres.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'wfe'", database) == [(0,)]
