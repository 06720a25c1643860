"""The run that a command names. Where it is not here, the refusal says where: the id may come from a page or a message."""

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.workspace.system.shell_words import shell_word

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RunRecord


def find_run(tx: "Tx", engine: "Engine", run: str) -> "RunRecord":
    """The run of the project with this id or the only one with this beginning. Refuses ``unknown_run``."""
    try:
        return tx.runs.find(engine.project_id, run)
    except Refused as refused:
        there = tx.runs.load(RunId(run), to_change=False) if refused.code == "unknown_run" else None
        at_server = "" if there or refused.code != "unknown_run" else runs_at_server(engine)
        if at_server:
            raise Refused("unknown_run", f"{refused.message} {at_server}", _AT_SERVER) from None
        if there is None or there.record.project_id == engine.project_id:
            raise
        folder = shell_word(there.record.worktree)
        raise Refused(
            "unknown_run",
            f"Run {there.record.id} is of another project: it works in {folder}",
            f"Change to that folder, or add: --project {folder}",
            data={"folder": there.record.worktree},
        ) from None


_AT_SERVER = "Look at it there in a browser; your agent sees it over the bridge."


def runs_at_server(engine: "Engine") -> str:
    """Which server has the runs of this folder's clients; empty where they are here."""
    from wfe_mcp.cli.terminal.trust_health import server_of

    server = server_of(engine)
    return f"The clients of this folder work with {server}, which has their runs." if server else ""
