"""Exchanges rows of the database at random moments while a person looks at a decision and signs it.

Each exchange is one of tests/security/exchanging.py, at a terminal or a page: made before a random transaction, put back
before a later one or after the signature. It must be refused, or ``verify`` must name it, or what was signed must be what an
undisturbed look shows because nothing read it while it was made: that one does not count.
"""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene

_SEED = 27


def measure(scene: Scene, exchanges: int) -> list[Figure]:
    """What became of each of ``exchanges``; none may be signed unnoticed."""
    del scene  # uses its own project: a run that shows everything that a decision can
    from tests.engine.scene import HUMAN, Clock, Scene as Project, environment
    from tests.security.exchanging import played, waiting
    from wfe_mcp.engine.approvals.pin import set_pin
    from wfe_mcp.store import Store

    with tempfile.TemporaryDirectory(prefix="wfe-exchanged-") as place:
        folder, clock = Path(place).resolve(), Clock()
        root = folder / "project"
        root.mkdir()
        (root / "app.py").write_text("VALUE = 1\n", encoding="utf-8")
        (root / ".gitignore").write_text(".wfe/runs/\n", encoding="utf-8")
        ada = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
        for words in (["init", "-q"], ["add", "-A"], [*ada, "commit", "-q", "-m", "begin"]):
            subprocess.run(["git", *words], cwd=root, check=True)
        store = Store.open(f"sqlite:///{(folder / 'wfe.db').as_posix()}", clock=clock, durable=False)
        with closing(Project(root, store, clock, environment(folder))) as project:
            drill = waiting(project, set_pin(project.engine, "correct horse", HUMAN))
            outcomes = played(drill, _SEED, exchanges)
            drill.close()
    note = "; ".join(f"{one.what} {first}-{last}" for one, first, last, _ in outcomes.holes[:3])
    return [
        Figure(
            f"of {outcomes.count - outcomes.harmless:,} exchanged rows that something read, refused before the signature",
            outcomes.refused,
            "exchanges",
        ),
        Figure("signed, and named by verify", outcomes.named, "exchanges"),
        Figure("beside them read by nothing: signed is what an undisturbed look shows", outcomes.harmless, "exchanges"),
        Figure("signed unnoticed", len(outcomes.holes), "exchanges", 0, note=note),
    ]
