"""The page about signatures: its commands, and its program that needs no wfe-mcp."""

import json
import subprocess
import sys
from pathlib import Path

from tests.docs.conftest import Reader

PAGE = "docs/how-to/check-who-decided.md"
MOST_LINES = 20


def program(root: Path) -> str:
    text = (root / PAGE).read_text(encoding="utf-8")
    return text.split("```python\n")[1].split("```")[0]


def test_a_decision_is_checked_as_documented_with_and_without_wfe_mcp(reader: Reader, root: Path) -> None:
    assert len(program(root).strip().splitlines()) <= MOST_LINES
    reader.follow(root / PAGE)
    (proof,) = (reader.folder / ".wfe" / "approvals").rglob("*.json")

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-c", program(root), str(proof)]
        return subprocess.run(command, cwd=reader.folder, check=False, capture_output=True, text=True)

    document = json.loads(proof.read_text())
    done = check()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"approve {document['statement']['run']} send by {document['statement']['key']}\n"
    document["statement"]["comment"] = "ship it"
    proof.write_text(json.dumps(document))
    done = check()
    assert (done.returncode, "InvalidSignature" in done.stderr) == (1, True)
