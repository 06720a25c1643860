"""What a person was shown of an open approval, and the same made again inside the transaction of their decision."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.runs.overview import overview
from wfe_mcp.views.approvals.model import shown_sha256
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.values.model import plain

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.views.approvals.model import ApprovalView


@dataclass(frozen=True, slots=True)
class Seen:
    """``view`` as it was shown to the person who decides."""

    engine: Engine
    view: ApprovalView
    values: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", plain(self.view))

    @property
    def sha256(self) -> str:
        """Names it, in what the person signs."""
        return shown_sha256(self.view)

    def again(self, tx: Tx, loaded: LoadedRun) -> dict[str, Any]:
        """The same, made from what ``tx`` reads."""
        view = open_approval(self.engine, overview(self.engine, tx, loaded), self.view.phase, tx, self.view.changes)
        return {} if view is None else plain(view)
