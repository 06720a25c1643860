"""The tutorial works exactly as written, with the real commands, the real server and an agent for its last step."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from wfe_mcp.testing.agent import Work, drive
from wfe_mcp.testing.stdio_client import StdioClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.conftest import Reader

TEST = """
    def test_slashes_become_dashes(self):
        self.assertEqual(slug("a/b"), "a-b")
"""
REPRODUCED = {
    "test": "test_slug.TestSlug.test_slashes_become_dashes",
    "file": "tests/test_slug.py",
    "why": "slug() leaves slashes alone",
    "expected": "a-b",
    "actual": "a/b",
}
CHANGE = {"summary": "slug() turns slashes into dashes", "files": ["slug.py"]}


def test_the_first_run_goes_as_documented(real_reader: Reader, root: Path) -> None:
    answer = dict(real_reader.follow(root / "docs/tutorial/first-run.md"))

    assert len(answer) == 13
    entry = json.loads((real_reader.folder / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]["wfe"]
    tests, source = (real_reader.folder / name for name in ("tests/test_slug.py", "slug.py"))
    script = {
        "reproduce": [Work(REPRODUCED, {"tests/test_slug.py": tests.read_text(encoding="utf-8") + TEST})],
        "fix": [Work(CHANGE, {"slug.py": source.read_text(encoding="utf-8").rstrip() + '.replace("/", "-")\n'})],
    }
    with StdioClient([entry["command"], *entry["args"]], cwd=real_reader.folder, env=real_reader.environment) as agent:
        played = drive(agent.call, real_reader.folder, "quick_fix", {"problem": "slug('a/b') keeps the slash"}, script)

    assert played.codes == ["needs_human"]
    assert f"wfe-mcp approve {played.run} fix" in played.last["error"]["hint"]
    approved = approve(real_reader, played.run)
    assert (approved.returncode, approved.stderr) == (0, "")
    *_, completed, left = approved.stdout.splitlines()
    assert completed.endswith(" is completed.")
    assert left.endswith(
        "Not committed, in the working tree alone: what this run changed (slug.py, tests/test_slug.py)"
    )


def approve(reader: Reader, run: str) -> subprocess.CompletedProcess[str]:
    """The reader, at the terminal that the agent does not hold, with the PIN of step 3."""
    return subprocess.run(
        ["wfe-mcp", "approve", run, "fix", "--pin-fd", "0"],
        cwd=reader.folder,
        env=reader.environment,
        input="correct horse",
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
