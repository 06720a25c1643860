"""Which processes of ours use the database: what they say of themselves, so that nothing replaces it while one lives."""

import contextlib
import logging
from collections.abc import Generator

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, this_process

log = logging.getLogger("wfe_mcp.engine")


@contextlib.contextmanager
def register_process(engine: Engine, kind: str, project: str | None = None) -> Generator[None]:
    """Register this process as one of ``kind`` meanwhile, and forget those of this machine that were killed.

    ``project``: the one that it works for; None: all. A database on PostgreSQL may be away: then this is logged, for its own
    sessions say who uses it.
    """
    me = this_process()
    own = ProcessRecord(me.host, me.pid, me.started_at, kind, project_id=project)
    try:
        with engine.store.tx() as tx:
            for row in tx.processes.on_host(me.host):
                if not is_alive(ProcessIdentity(row.host, row.pid, row.started_at)):
                    tx.processes.forget(row)
            tx.processes.register(own)
    except Refused as away:
        if away.code != "unavailable":  # such as a folder that was renamed: what is not registered must not serve later
            raise
        log.warning("this process could not be registered: %s", away.message)
    try:
        yield
    finally:
        with contextlib.suppress(Refused), engine.store.tx() as tx:
            tx.processes.forget(own)
