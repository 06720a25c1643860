"""Whether configured checks can start here, and which checks templates miss."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.checks.missing import missing_checks
from wfe_mcp.engine.checks.readiness import check_fault
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workflow.required_checks import required_checks
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.system.temporary import remove_folder

CHECK = {"kind": "command", "check": "test"}


def fault(root: Path, *argv: str, cwd: str | None = None, environ: dict[str, str] | None = None) -> str:
    return check_fault(root, CheckSettings(argv=list(argv), cwd=cwd), environ)


def test_a_program_is_looked_up_as_a_gate_would(root: Path, tmp_path: Path) -> None:
    assert fault(root, sys.executable, "-m", "pytest") == ""
    assert fault(root, "no-such-program") == "no-such-program is not found on PATH"
    assert fault(root, "./gradlew") == "./gradlew is not found"
    assert fault(root, sys.executable, cwd="web") == "the folder web does not exist"
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    if os.name != "nt":
        assert fault(root, "mine", environ={"PATH": str(tmp_path)}) == ""
        assert fault(root, "mine", environ={"PATH": "/nowhere"}) == "mine is not found on PATH"


@pytest.mark.parametrize(
    ("module", "packages", "settings", "missing"),
    [
        ("pytest", [], "", True),
        ("pytest", ["pytest"], "", False),
        ("pytest", [], "include-system-site-packages = true\n", False),
        ("unittest", [], "", False),
        ("mine.checks", [], "", False),
    ],
)
def test_a_virtual_environment_without_the_runner_is_named(
    root: Path, module: str, packages: list[str], settings: str, missing: bool
) -> None:
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").touch(mode=0o755)
    (root / ".venv/pyvenv.cfg").write_text(settings)
    for name in packages:
        (root / ".venv/lib/python3.12/site-packages" / name).mkdir(parents=True)
    expected = f"{module} is not installed for .venv/bin/python" if missing else ""
    assert fault(root, ".venv/bin/python", "-m", module) == expected


def test_a_check_that_may_be_missing_is_not_required() -> None:
    noted = {**CHECK, "check": "security", "if_missing": "note"}
    definition: dict[str, Any] = {
        "format": "wfe/1",
        "name": "two",
        "version": "1.0.0",
        "title": "Two",
        "phases": [
            phase("plan", CHECK, noted),
            {"id": "ci", "kind": "steps", "steps": [{"id": "push", "check": "push"}]},
        ],
    }
    assert required_checks(definition) == {"test", "push"}


def configure(scene: Scene, **checks: list[str]) -> None:
    lines = [f"[checks.{name}]\nargv = {json.dumps(argv)}\n" for name, argv in checks.items()]
    (scene.root / ".wfe").mkdir(exist_ok=True)
    (scene.root / ".wfe/config.toml").write_text("".join(lines), encoding="utf-8")


@pytest.mark.usefixtures("home")
def test_missing_checks_name_the_templates_that_need_them_and_the_remedy(scene: Scene) -> None:
    found = {one.name: one for one in missing_checks(scene.engine)}
    assert set(found) == {"push", "security", "test"}
    assert (found["test"].is_default, found["push"].is_default) == (True, False)
    assert {"compound", "quick_fix"} <= set(found["test"].templates)
    assert "wfe-mcp init" in found["test"].fix
    assert "wfe-mcp init" not in found["push"].fix
    configure(scene, **{"test-web": ["true"], "push": ["true"], "security": ["true"]})
    scene.trust_config()
    (one,) = missing_checks(scene.engine)
    assert (one.name, one.similar) == ("test", ("test-web",))
    assert one.fix == "rename one of them in .wfe/config.toml: [checks.test-web] -> [checks.test]"


@pytest.mark.usefixtures("home")
def test_a_template_that_cannot_be_read_does_not_hide_the_others(scene: Scene) -> None:
    scene.define({"id": "inner", "kind": "flow", "template": "nowhere"}, name="broken", trusted=False)
    (scene.root / ".wfe" / "templates").mkdir(parents=True, exist_ok=True)
    broken = {"format": "wfe/1", "name": "broken", "version": "1.0.0", "title": "x", "phases": "none"}
    (scene.root / ".wfe/templates/broken.json").write_text(json.dumps(broken))
    assert "test" in [one.name for one in missing_checks(scene.engine)]


def warnings(scene: Scene, template: str) -> list[str]:
    answer = answers.start_run(scene.engine, AGENT, template)
    return list(answer.to_dict()["data"].get("warnings", []))


@pytest.mark.usefixtures("home")
def test_start_run_warns_of_a_check_that_is_not_configured(scene: Scene) -> None:
    scene.define(phase("plan", CHECK), name="needs")
    assert warnings(scene, "needs") == [
        "check test is not configured, so its gates cannot pass; the user fixes it with: wfe-mcp init"
    ]
    scene.define(phase("plan", {**CHECK, "if_missing": "note"}), name="notes")
    assert warnings(scene, "notes") == ["check test is not configured, so its gates are skipped"]
    scene.define({"id": "inner", "kind": "flow", "template": "needs"}, name="runs_it")
    assert warnings(scene, "runs_it") == [
        "check test is not configured, so its gates cannot pass; the user fixes it with: wfe-mcp init"
    ]
    scene.define(phase("plan"), name="free")
    assert warnings(scene, "free") == []


@pytest.mark.usefixtures("home")
def test_start_run_warns_of_a_check_whose_configuration_needs_trust(scene: Scene) -> None:
    configure(scene, test=[sys.executable])
    scene.define(phase("plan", CHECK), name="needs")
    assert warnings(scene, "needs")[0].endswith("wfe-mcp trust")
    scene.define(phase("plan", {**CHECK, "check": "lint"}), name="needs_another")
    assert warnings(scene, "needs_another")[0].endswith("wfe-mcp init")  # trust would not add it


@pytest.mark.usefixtures("home")
def test_start_run_warns_of_a_check_that_cannot_start(scene: Scene) -> None:
    configure(scene, test=["no-such-program"])
    scene.trust_config()
    scene.define(phase("plan", CHECK), name="needs")
    assert warnings(scene, "needs") == [
        "check test cannot start here, so its gates cannot pass: no-such-program is not found on PATH"
    ]
    configure(scene, test=[sys.executable])
    scene.trust_config()
    assert warnings(scene, "needs") == []


@pytest.mark.usefixtures("home")
def test_without_git_a_template_that_compares_files_is_refused_and_others_are_named(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    with pytest.raises(Refused) as refused:
        start_run(scene.engine, AGENT, "quick_fix", {"problem": "x"})
    assert refused.value.code == "unavailable"
    assert refused.value.hint.startswith("In the project: git init; then start it again")
    assert "'quick_fix' needs git: its phase 'reproduce' compares files" in refused.value.message
    instead = refused.value.hint.partition("works without git: ")[2].rstrip(".").split(", ")
    assert "plan_generate_review" in instead and not {"compound", "quick_fix", "deploy"} & set(instead)
    subprocess.run(["git", "init", "-q"], cwd=scene.root, check=True)
    assert start_run(scene.engine, AGENT, "quick_fix", {"problem": "x"}).record.template == "quick_fix", "no restart"


@pytest.mark.usefixtures("home")
def test_without_git_a_start_that_would_deploy_a_commit_is_warned_of(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    deploys = {
        "id": "live",
        "kind": "steps",
        "steps": [{"id": "out", "builtin": "deploy", "params": {"environment": "x"}}],
    }
    configure(scene, test=[sys.executable])
    with (scene.root / ".wfe" / "config.toml").open("a") as config:
        config.write('[environments.x]\nkind = "local"\ndeploy = "test"\nhealth = "test"\n')
    scene.trust_config()
    scene.define(deploys, name="ship")
    assert "phase live needs git to deploy a commit" in warnings(scene, "ship")[0]


@pytest.mark.usefixtures("home")
def test_where_no_git_is_installed_it_is_not_said_that_the_project_has_no_repository(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        start_run(scene.engine, AGENT, "quick_fix", {"problem": "x"})
    assert refused.value.message.endswith(": git is not installed.")
    assert refused.value.hint.startswith("In the project: install git; then start it again")


@pytest.mark.usefixtures("home")
def test_without_git_a_phase_that_a_person_may_skip_is_no_reason_to_refuse(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    compares = {"kind": "files", "changed": ["**"]}
    scene.define(phase("plan", compares), name="may_skip")
    assert warnings(scene, "may_skip") == [
        "phase plan needs git to compare files (no repository), so its gates cannot pass; the user fixes it with: git init"
    ]
    scene.define({**phase("plan", compares), "skip": "never"}, name="must")
    with pytest.raises(Refused, match="needs git"):
        start_run(scene.engine, AGENT, "must", {})
    scene.define({**phase("plan", {"kind": "files", "exist": ["*"]}), "skip": "never"}, name="exists")
    assert start_run(scene.engine, AGENT, "exists", {}).record.template == "exists"
