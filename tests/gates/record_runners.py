"""Records what the test runners installed here do with the projects of ``runner_projects.py``.

    python -m tests.gates.record_runners NAME… [--node-modules FOLDER]

For each runner ``recorded/NAME.json`` gets its version and, per case, the command that ran, its exit code, its output
and the files that it wrote. ``{root}`` and ``{evidence}`` stand for the folders of the project and of the evidence.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.gates.runner_projects import CASES, PROJECTS
from wfe_mcp.gates.check import execution
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.workspace.config.checks import FrozenCheck

FOLDER = Path(__file__).parent / "recorded"


def recording_of(runner: str) -> Path:
    """The file of a runner's recording."""
    return FOLDER / f"{runner.replace(' ', '-').replace(':', '-').lower()}.json"


def prepare(runner: str, case: str, root: Path) -> None:
    """The project of a case, with what must be made before its check runs."""
    project = PROJECTS[runner]
    project.write(root, case)
    for command in project.before:
        subprocess.run(command, cwd=root, env=child_env(), check=True, capture_output=True)
    if case == "crash" and runner == "ctest":
        (root / "build" / "CTestTestfile.cmake").write_text("this is not cmake (\n")


def record(runner: str, case: str, root: Path, evidence: Path) -> dict[str, Any]:
    """One run of the check as the gate would start it."""
    project, env = PROJECTS[runner], child_env()
    prepare(runner, case, root)
    check = FrozenCheck(name="test", argv=project.argv, timeout_s=120)
    plan = execution(check, root, evidence / "test-1.tests", env)
    if plan.tests is not None:
        plan.tests.folder.mkdir(parents=True, exist_ok=True)
    run = subprocess.run(
        plan.argv,
        cwd=plan.cwd,
        env=env | dict(plan.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    globs = plan.tests.globs if plan.tests is not None else ()
    written = [path for glob in globs for path in sorted(plan.tests.folder.glob(glob))] if plan.tests else []
    modules = root / "node_modules"
    places = {str(evidence): "{evidence}", str(root): "{root}", str(Path.home()): "{home}"}
    if modules.is_symlink():
        places |= {
            str(modules.resolve()): "{root}/node_modules",
            modules.resolve().as_posix().replace("/tmp/", "../../"): "node_modules",
        }
    return {
        "argv": [_named(word, places) for word in plan.argv],
        "env": {name: _named(value, places) for name, value in plan.env.items()},
        "exit_code": run.returncode,
        "output": _named(run.stdout.decode(errors="replace"), places),
        "files": {_named(str(path), places): _named(path.read_text(), places) for path in written},
    }


def _named(text: str, places: Mapping[str, str]) -> str:
    for path, name in places.items():
        text = text.replace(path, name)
    text = text.replace(str(Path(__file__).parents[2]), "{package}")
    text = re.sub(r"<properties>.*?</properties>", "", text, flags=re.DOTALL)  # Surefire describes the machine
    text = re.sub(r'hostname="[^"]*"', 'hostname="host"', text)
    return re.sub(r"^npm warn Unknown user config.*\n", "", text, flags=re.MULTILINE)


def main() -> None:
    """Record the runners named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runners", nargs="+", choices=sorted(PROJECTS))
    parser.add_argument("--version", default="")
    parser.add_argument("--node-modules", type=Path)
    parser.add_argument("--maven-repository", type=Path, help="a local repository, for a machine without a network")
    given = parser.parse_args()
    for runner in given.runners:
        cases: dict[str, Any] = {}
        for case in CASES:
            with tempfile.TemporaryDirectory() as folder:
                root, evidence = Path(folder, "project"), Path(folder, "evidence")
                root.mkdir()
                if given.node_modules:
                    (root / "node_modules").symlink_to(given.node_modules)
                if given.maven_repository:
                    (root / ".mvn").mkdir()
                    (root / ".mvn/maven.config").write_text(f"-Dmaven.repo.local={given.maven_repository}")
                cases[case] = record(runner, case, root, evidence)
        document = json.dumps(
            {"runner": runner, "version": given.version, "cases": cases}, indent=1, ensure_ascii=False
        )
        recording_of(runner).write_text(document + "\n")


if __name__ == "__main__":
    main()
