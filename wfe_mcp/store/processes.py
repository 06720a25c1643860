"""Which processes of ours are there, by their own word?"""

from sqlalchemy import bindparam, delete, select

from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.store.repository import Repository, columns_for, row_from
from wfe_mcp.store.schema.layout import PROCESS
from wfe_mcp.store.sqlite import insert_new

__all__ = ["ProcessRepository"]

_NEW = insert_new(PROCESS)
_ON_HOST = (
    select(*columns_for(ProcessRecord, PROCESS))
    .where(PROCESS.c.host == bindparam("host"))
    .order_by(PROCESS.c.started_at, PROCESS.c.pid)
)
_FORGET_ALL = delete(PROCESS)
_FORGET = delete(PROCESS).where(
    PROCESS.c.host == bindparam("host"),
    PROCESS.c.pid == bindparam("pid"),
    PROCESS.c.started_at == bindparam("started_at"),
)


class ProcessRepository(Repository):
    """Processes. Whether they still live is not asked here."""

    def register_process(self, process: ProcessRecord) -> None:
        """Say that a process has started; saying it again changes nothing."""
        self._run(_NEW, row_from(process, PROCESS))

    def processes(self, host: str) -> list[ProcessRecord]:
        """The processes that registered on a host and were not forgotten, oldest first."""
        return self._all(ProcessRecord, _ON_HOST, {"host": host})

    def forget_process(self, process: ProcessRecord) -> None:
        """Say that a process has ended."""
        self._run(_FORGET, {"host": process.host, "pid": process.pid, "started_at": process.started_at})

    def forget_all_processes(self) -> None:
        """Say that none of them is there: this is a copy, which nobody works with."""
        self._run(_FORGET_ALL)
