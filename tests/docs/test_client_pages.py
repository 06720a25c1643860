"""Each real client, connected by ``wfe-mcp install`` and otherwise unmodified, finishes a quick_fix offline.

The page of the client shows what this session prints: recorded here, and compared with what the page has.

``WFE_RECORD=1 pytest tests/docs/test_client_pages.py`` writes the recordings; then ``python scripts/generate.py``.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.acceptance.scene import BUGGED, FIXED, PROBLEM, QUICK_FIX, SHOWN, UNITTEST
from tests.docs.conftest import ROOT
from tests.real_clients import REAL_CLIENTS, Follower, RealClient, connect, program, prompt
from wfe_mcp.testing.playground import Playground

RECORDED = ROOT / "docs" / "how-to" / "clients" / "recorded"
SENTENCE = "Use wfe quick_fix: add(1, 2) gives -1; it should give 3."
STARTED = {
    "claude-code": f'claude -p "{SENTENCE}"',
    "codex": f'codex exec "{SENTENCE}"',
    "opencode": f'opencode run "{SENTENCE}"',
    "gemini-cli": f'gemini -p "{SENTENCE}"',
}


def normal(text: str, project: Playground, home: Path, run: str) -> str:
    """Without what differs between two sessions: paths, times, the name of the run, a test start's duration."""
    for part, name in (
        (str(project.root), "~/shop"),
        (str(home), "~"),
        (str(Path(sys.executable).parent), "~/.local/bin"),
    ):
        text = text.replace(part, name)
    text = re.sub(rf"\b{re.escape(run)}\b", "RUN", text)
    return re.sub(r"[ \t]+$", "", re.sub(r"\d+(\.\d+)? s\b", "… s", text), flags=re.MULTILINE)


def conversation(model: Follower) -> str:
    """One line per call of ours: what the model called, what it was shown, what it was asked to call next."""
    lines: list[str] = []
    for tool, heard in zip(model.called, model.heard, strict=False):
        text = (
            f"refused: {heard.code}" if heard.code else " ".join(filter(None, (heard.phase, heard.run_state))) or "ok"
        )
        following = f"next: {heard.tool}" if heard.tool else "nothing is left"
        lines.append(f"  wfe {tool:<16} {text:<24} {following}")
    return "\n".join(lines)


@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_a_real_client_finishes_a_quick_fix_and_its_page_shows_that_session_as_it_is(
    client: RealClient, tmp_path: Path
) -> None:
    program(client.program)
    (folder := tmp_path / "play").mkdir()
    (home := tmp_path / "home").mkdir()
    with Playground(folder, files=BUGGED, checks={"test": UNITTEST}) as project:
        client.before(home, project.root)
        installed = connect(client, project, home)
        approved: list[str] = []

        def person(run: str, phase: str) -> object:
            approved.append(f"$ wfe-mcp approve RUN {phase}")
            return project.approve(run, phase)

        model = Follower(client, project.root, "quick_fix", PROBLEM, QUICK_FIX, person)
        done = prompt(client, project, home, model)
        assert (done.code, model.heard[-1].run_state) == (0, "completed"), done.output[-3_000:]
        run = model.heard[-1].run
        assert project.problems(run) == []
        for name, text in {**SHOWN, **FIXED}.items():
            assert (project.root / name).read_text(encoding="utf-8") == text
        assert [each.code for each in model.heard if each.code] == ["needs_human"]
        assert len(model.called) <= 9
        written = "\n".join(
            [
                f"$ wfe-mcp install --client {client.name} --scope {client.scope} --allow",
                installed.rstrip(),
                f"$ {STARTED[client.name]}",
                conversation(model),
                "  Done.",
                "",
                "and at a terminal of your own, when it waits for you:",
                *approved,
                "",
            ]
        )
        found = normal(written, project, home, run)
    file = RECORDED / f"{client.name}.txt"
    if os.environ.get("WFE_RECORD"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "run it with WFE_RECORD=1, and look at the difference"
