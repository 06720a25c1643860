"""Checks in a checkout, and what they print."""

import json
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.gates.conftest import Project
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workspace.config.checks import FrozenCheck

PY = sys.executable
BASE_PY = str(Path(PY).resolve())
"""The Python that a virtual environment was made from: no packages, but seen in a sandbox wherever the environment lies."""


def check(*argv: str, **more: Any) -> FrozenCheck:
    return FrozenCheck.model_validate({"name": "test", "argv": argv, "timeout_s": 60.0, "where": "checkout", **more})


def judge(project: Project, found: FrozenCheck, **more: Any) -> Judgement:
    return run_check(
        found, name="test", root=project.root, evidence_dir=project.root / ".wfe/runs/r/build/1/evidence", **more
    )


def printed(judgement: Judgement) -> str:
    assert judgement.kind is VerdictKind.PASS, judgement.message
    return Path(judgement.log_path or "").read_text().strip()


def printed_json(project: Project, code: str, **more: Any) -> Any:
    """What ``code`` prints as JSON when it runs as a check."""
    return json.loads(printed(judge(project, check(PY, "-c", code, **more))))


def abandoned(within: Path) -> list[Path]:
    return sorted(within.glob("wfe-checkout-*"))


def removed(folder: Path) -> bool:
    """True once the thread that removes the folder has ended."""
    for thread in threading.enumerate():
        if thread.name == "wfe-checkout":
            thread.join(120)
    return not folder.exists()


LIST = "import json, os; print(json.dumps(sorted(os.path.join(d, f)[2:].replace(os.sep, '/') for d, _, fs in os.walk('.') for f in fs)))"


def hashlib_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def environment(project: Project) -> Path:
    """A virtual environment that git ignores, with the project itself in editable form; its folder of packages."""
    project.write(".gitignore", ".venv/\n")
    subprocess.run([PY, "-m", "venv", "--without-pip", str(project.root / ".venv")], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(project.root / ".venv")}))
    (packages / "helper.py").write_text("VALUE = 7\n")
    return packages


def with_pytest(packages: Path) -> None:
    """Copy pytest and what it needs into an environment's folder of packages."""
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        for file in metadata.files(name) or ():
            if file.suffix == ".py":
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), packages / file)
