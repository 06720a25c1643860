"""A new kind of gate: two files of the package and its test; what it forgets is named when it is imported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODEL, JUDGE = "wfe_mcp/workflow/model/gates.py", "wfe_mcp/gates/words.py"

KIND = '''class WordsGate(GateShape):
    """Files must not hold certain words."""

    judged = "command"
    tree = "reads"
    label = "words of {file}"
    with_git = ("never",)
    configured_by = ()

    kind: Literal["words"] = required_key("`words`: looks for words that must not be there.")
    file: Text = required_key("The file.", example="app.py")
    never: Many[str] = optional((), "The words.", example=["TODO"])

    def lint(self, lint: GateLint) -> None:
        """At least one word."""
        if not self.never:
            lint.error("/never", "a words gate needs a word", "a word")


'''
JUDGES = '''"""The words gate."""

from wfe_mcp.gates.judgement import Judgement, failed, passed
from wfe_mcp.gates.scene import GateScene
from wfe_mcp.workflow.model import gates


def judge(gate: gates.WordsGate, scene: GateScene) -> Judgement:
    """Judge the file."""
    text = (scene.root / gate.file).read_text(encoding="utf-8")
    found = [word for word in gate.never if word in text]
    if found:
        return failed("words", f"{gate.file} holds {found}.", "remove them.", {"found": found})
    return passed("words", "No such word.", {"found": []})
'''
PLAY = """
import json, subprocess, sys
from pathlib import Path
from scripts.template_page import sections
from tests.engine.scene import Clock, Scene, environment, phase
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.checks.readiness import phase_that_needs_git
from wfe_mcp.engine.templates.effects import effects_of
from wfe_mcp.store import Store
from wfe_mcp.views.approvals.evidence import gate_name
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.load import parse

folder = Path(sys.argv[1])
(folder / "project").mkdir(parents=True)
for args in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]):
    subprocess.run(["git", *args], cwd=folder / "project", check=True)
clock = Clock()
scene = Scene(folder / "project", Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=clock), clock, environment(folder))
gate = {"kind": "words", "file": "app.py", "never": ["TODO"]}
scene.write("app.py", "TODO = 1")
run = scene.start(phase("plan", gate))
scene.do(run, "plan")
scene.work()
first = [verdict.kind for attempt in scene.state(run).attempts["plan"] for verdict in attempt.verdicts]
scene.write("app.py", "DONE = 1")
scene.do(run, "plan")
scene.work()
spec = scene.state(run).phase("plan").gates[0]
definition = {"format": "wfe/1", "name": "x", "version": "1", "phases": [phase("plan", gate)]}
template = parse(definition)
definition["phases"][0]["gates"] = [gate | {"never": []}]
print(json.dumps({
    "first": first,
    "run": scene.state(run).status,
    "binds_tree": spec.binds_tree,
    "needs_git": phase_that_needs_git({"plan": template.phases[0]}, is_sure=False),
    "head": len(scene.state(run).current(PhasePath("plan")).head_at_start or ""),
    "level": type(template.phases[0].gates[0]).evidence_level(),
    "label": gate_name(template.phases[0].gates[0]),
    "effect": [one.kind for one in effects_of(template) if "words gate" in one.subject],
    "lint": [fault.message for fault in lint(definition).errors],
    "reference": [key.name for part in sections() if part.title == "words gate" for key in part.keys],
}))
scene.close()
"""


@pytest.fixture
def copy(tmp_path: Path, real_processes: None) -> Path:
    """The package with the new kind in it."""
    ignored = shutil.ignore_patterns("__pycache__", "web", "*.pyc")
    shutil.copytree(ROOT / "wfe_mcp", tmp_path / "wfe_mcp", ignore=ignored)
    for name in ("schemas", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    model = (tmp_path / MODEL).read_text(encoding="utf-8")
    last = '    | Annotated[PluginGate, Tag("<plugin>")],\n'
    assert last in model
    model = model.replace(last, f'    | Annotated[WordsGate, Tag("<words>")]\n{last}')
    (tmp_path / MODEL).write_text(model.replace("Gate = Annotated[", f"{KIND}Gate = Annotated[", 1), encoding="utf-8")
    (tmp_path / JUDGE).write_text(JUDGES, encoding="utf-8")
    return tmp_path


def python(copy: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Python with the copy of the package before the one that is tested."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join((str(copy), str(ROOT)))}
    return subprocess.run([sys.executable, *argv], cwd=copy, env=environ, capture_output=True, text=True, timeout=120)


def differing(copy: Path) -> set[str]:
    """The files of the package that were added or changed manually."""
    files = [file for file in (copy / "wfe_mcp").rglob("*.py") if "__pycache__" not in file.parts]
    names = {file.relative_to(copy).as_posix() for file in files}
    return {
        name for name in names if not (ROOT / name).exists() or (ROOT / name).read_bytes() != (copy / name).read_bytes()
    }


def test_a_kind_of_gate_is_two_files_of_the_package_and_its_test(copy: Path) -> None:
    done = python(copy, "-c", PLAY, str(copy / "play"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "first": ["fail"],
        "run": "completed",
        "binds_tree": True,
        "needs_git": "plan",
        "head": 40,
        "level": "worktree",
        "label": "words of app.py",
        "effect": ["gates"],
        "lint": ["a words gate needs a word"],
        "reference": ["kind", "delivery", "file", "never"],
    }
    assert differing(copy) == {MODEL, JUDGE}


@pytest.mark.parametrize(
    ("part", "lacks"),
    [
        ('    label = "words of {file}"\n', "the gate kind 'words' lacks label"),
        ('    judged = "command"\n', "the gate kind 'words' lacks judged"),
        ('    tree = "reads"\n', "the gate kind 'words' lacks tree"),
        ('    with_git = ("never",)\n', "the gate kind 'words' lacks with_git"),
        ("    configured_by = ()\n", "the gate kind 'words' lacks configured_by"),
        (KIND[KIND.index("    def lint") : -2], "the gate kind 'words' lacks lint"),
        (', example=["TODO"]', "the gate kind 'words' lacks an example of 'never'"),
    ],
)
def test_a_kind_that_lacks_a_part_fails_at_import_with_its_name_and_the_part(copy: Path, part: str, lacks: str) -> None:
    text = (copy / MODEL).read_text(encoding="utf-8")
    assert part in KIND
    (copy / MODEL).write_text(text.replace(KIND, KIND.replace(part, "")), encoding="utf-8")

    assert lacks in python(copy, "-c", "import wfe_mcp.workflow.model.gates").stderr


def test_a_kind_without_its_judge_fails_at_import_with_its_name(copy: Path) -> None:
    (copy / JUDGE).unlink()

    stderr = python(copy, "-c", "import wfe_mcp.gates.judges").stderr
    assert "the gate kind 'words' lacks its judge, gates/KIND.py" in stderr
