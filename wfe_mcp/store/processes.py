"""Registry of running wfe-mcp processes, as they registered themselves."""

from sqlalchemy import delete, select

from wfe_mcp.store.layout.tables import PROCESS
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.store.repository import Repository, bound, columns_for, row_from
from wfe_mcp.store.sqlite import insert_new

_NEW = insert_new(PROCESS)
_RECORDS = select(*columns_for(ProcessRecord, PROCESS)).order_by(PROCESS.c.started_at, PROCESS.c.pid)
_ON_HOST = _RECORDS.where(*bound(PROCESS, "host"))
_FORGET_ALL = delete(PROCESS)
_FORGET = delete(PROCESS).where(*bound(PROCESS, "host", "pid", "started_at"))


class ProcessRepository(Repository):
    """Registered processes. Does not check whether they are still alive."""

    def register(self, process: ProcessRecord) -> None:
        """Register a process that has started. Idempotent."""
        self._run(_NEW, row_from(process, PROCESS))

    def on_host(self, host: str) -> list[ProcessRecord]:
        """The registered processes of a host, oldest first."""
        return self._all(ProcessRecord, _ON_HOST, {"host_": host})

    def forget(self, process: ProcessRecord) -> None:
        """Remove a process that has ended."""
        self._run(_FORGET, {"host_": process.host, "pid_": process.pid, "started_at_": process.started_at})

    def forget_all(self) -> None:
        """Remove all processes: this database is a copy that no process uses."""
        self._run(_FORGET_ALL)
