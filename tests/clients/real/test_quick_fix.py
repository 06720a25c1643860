"""Each real client, connected by ``wfe-mcp install`` and otherwise unmodified, finishes a quick_fix offline."""

from pathlib import Path

import pytest

from tests.acceptance.scene import BUGGED, FIXED, PROBLEM, QUICK_FIX, SHOWN, UNITTEST
from tests.real_clients import REAL_CLIENTS, Follower, RealClient, play
from wfe_mcp.testing.playground import Playground


@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_a_real_client_finishes_a_quick_fix(client: RealClient, tmp_path: Path) -> None:
    (folder := tmp_path / "play").mkdir()
    with Playground(folder, files=BUGGED, checks={"test": UNITTEST}) as project:
        model = Follower(client, project.root, "quick_fix", PROBLEM, QUICK_FIX, project.approve)
        session = play(client, project, tmp_path / "home", model)
        assert (session.code, model.heard[-1].run_state) == (0, "completed"), session.output[-3_000:]
        run = model.heard[-1].run
        assert project.problems(run) == []
        for name, text in {**SHOWN, **FIXED}.items():
            assert (project.root / name).read_text(encoding="utf-8") == text
    assert [each.code for each in model.heard if each.code] == ["needs_human"]
    assert len(model.called) <= 9
