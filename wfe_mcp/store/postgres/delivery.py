"""The tables of procrastinate, by which a job that becomes due is delivered to a worker at once (docs/adr/0075).

    a job is due, now or later ── trigger ──► a row of procrastinate, in the same transaction ── NOTIFY ──► a worker looks
    a job that waits is cancelled ── trigger ──► its row goes

Rules:
1. Whatever changes a row of ``job`` announces it: a trigger sees each writer. Our row decides, and nothing reads that of the engine.
   Jobs of runners are not announced: no worker takes them, and runners ask over HTTP.
2. The tables are those of the installed procrastinate, in a schema of their own. Where that is gone, workers find their jobs by looking.
3. The trigger acts as the owner of the schema: who may queue a job needs no right to the engine.
"""

from sqlalchemy import Connection, text

from wfe_mcp.core.errors import Refused

SCHEMA = "procrastinate"
TASK = "deliver"
"""The only task; its argument is the id of a job."""

PATH = f"{SCHEMA}, pg_temp"
NAME, WHEN, TABLE = "job_is_due", "AFTER INSERT OR UPDATE OF status, run_at", "job"
ACTION = f"""
IF to_regclass('{SCHEMA}.procrastinate_jobs') IS NULL OR left(NEW.queue, 7) = 'runner:' THEN RETURN NULL; END IF;
IF NEW.status = 'queued' AND NEW.run_at < '9999-01-01' THEN
IF TG_OP = 'INSERT' OR OLD.status <> 'queued' OR OLD.run_at <> NEW.run_at THEN
PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(NEW.queue, '{TASK}', -NEW.priority, NULL, NULL, jsonb_build_object('job_id', NEW.id),
CASE WHEN NEW.run_at > greatest(NEW.created_at, now() AT TIME ZONE 'UTC') THEN NEW.run_at AT TIME ZONE 'UTC' END
)]::procrastinate_job_to_defer_v1[]);
END IF;
ELSIF TG_OP = 'UPDATE' AND OLD.status = 'queued' AND NEW.status = 'cancelled' THEN
DELETE FROM procrastinate_jobs WHERE status = 'todo' AND args ->> 'job_id' = NEW.id;
END IF;
RETURN NULL;
"""  # noqa: S608 - our names

_IS_THERE = text(f"SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}')")  # noqa: S608 - our name
_BY_JOB = f"CREATE INDEX wfe_job_id ON {SCHEMA}.procrastinate_jobs ((args ->> 'job_id'))"


def is_there(connection: Connection) -> bool:
    """Whether the database has the engine's schema."""
    return bool(connection.execute(_IS_THERE).scalar())


def create(connection: Connection) -> None:
    """The engine's tables. Refuses ``unavailable``: its package is missing, or another program has a schema of its name."""
    try:
        from procrastinate.schema import SchemaManager
    except ImportError as error:
        raise Refused(
            "unavailable",
            "The database is one of PostgreSQL, and the package procrastinate is not installed.",
            "Install wfe-mcp[team].",
        ) from error
    if is_there(connection):
        raise Refused(
            "unavailable",
            f"The schema '{SCHEMA}' of the database is of another program.",
            "Use a database that has no schema of this name.",
        )
    path = connection.exec_driver_sql("SHOW search_path").scalar_one()
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    connection.exec_driver_sql(f"SET LOCAL search_path = {PATH}")
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute(SchemaManager.get_schema())  # past SQLAlchemy: it has many statements, and percent signs
    connection.exec_driver_sql(_BY_JOB)
    connection.exec_driver_sql(f"SET LOCAL search_path = {path}")


def trigger() -> tuple[str, str]:
    """The statements that make the trigger, or bring it up to date, in the schema of our tables."""
    function = (
        f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {PATH} "
        f"AS $wfe$BEGIN {ACTION} END$wfe$"
    )
    return function, f"CREATE OR REPLACE TRIGGER {NAME} {WHEN} ON {TABLE} FOR EACH ROW EXECUTE FUNCTION {NAME}()"
