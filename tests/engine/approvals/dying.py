"""A process that approves a phase and is killed in the middle: ``python -m tests.engine.approvals.dying``.

Arguments: the point, the project, the run, the time, the PIN; without a PIN a standing grant approves. The database is that of the environment.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.engine.approvals.people import seen_by
from wfe_mcp.engine.approvals import decide as approvals, pin, proof_files
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store.runs.runs import RunRepository
from wfe_mcp.views.approvals.grants import approve_by_grant
from wfe_mcp.workspace.system.location import project_at


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(point: str, root: str, run: str, at: str, secret: str) -> None:
    engine = create_engine(
        project_at(Path(root)), environment=dict(os.environ), clock=lambda: datetime.fromisoformat(at)
    )
    save = RunRepository.save

    def saved(*given: Any, **more: Any) -> Any:
        made = save(*given, **more)
        die()
        return made

    if point == "before the commit":
        RunRepository.save = saved
    else:
        proof_files.write_proofs = die
    if not secret:
        assert approve_by_grant(engine, run, "plan")[0] is not None
        die()
    RunRepository.save = save
    person = pin.person_at_page(engine, secret, "ada")
    request, seen = seen_by(engine, run)
    RunRepository.save = saved if point == "before the commit" else save
    approvals.decide(engine, person, run, "plan", request=request, approval=seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
