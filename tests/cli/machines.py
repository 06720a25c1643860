"""Two machines between which a run moves as a bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal
from tests.forged import Bundle, signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

PLACES = ("worktree", "project", "imported", "summary", "archived", "warnings")


@dataclass
class Machines:
    """Two machines: each a project and a database of its own. One of them is sat at."""

    here: Terminal
    there: Terminal
    patch: pytest.MonkeyPatch

    def go(self, terminal: Terminal) -> Terminal:
        """Sit down at it."""
        self.patch.setenv("WFE_DATABASE_URL", f"sqlite:///{terminal.database.as_posix()}")
        self.patch.chdir(terminal.root)
        return terminal


@scene
def finished(cli: Terminal) -> str:
    """A run with everything in it: a refused draft, a check that failed and passed, a person's no and yes."""
    run = cli.start("deed")
    (cli.root / "draft.json").write_text('{"txt": 1}')
    assert cli.json("submit", run, "sign", "--path", "draft.json").refusal == "invalid_artifact"
    assert cli.submit_work(run, "sign", "too early").refusal == "gate_failed"
    (cli.root / "ok").write_text("")
    assert cli.submit_work(run, "sign", "I sign").code == 0
    assert cli("reject", run, "sign", "--feedback", "In ink, please.", pin=PIN).code == 0
    assert cli.submit_work(run, "sign", "I sign in ink").code == 0
    assert cli("approve", run, "sign", pin=PIN).code == 0
    assert cli.state(run) == "completed"
    return run


def exported(cli: Terminal, run: str, name: str = "run.json") -> Path:
    document = cli.json("export", run, name)
    assert document.code == 0, document.out
    return cli.root / name


def shown(cli: Terminal, run: str) -> dict[str, Any]:
    document = cli.json("show", run)
    assert document.code == 0, document.out
    data = {key: value for key, value in document.data.items() if key not in PLACES}
    text = json.dumps(data).replace(json.dumps(str(cli.root))[1:-1], "")
    return json.loads(text)


def signed_again(file: Path, change: Callable[[Bundle], object]) -> Path:
    """The bundle as a forger leaves it: changed, with checksums that fit."""
    forged = file.with_name("forged.json")
    forged.write_bytes(signed(file.read_bytes(), change))
    return forged
