"""Detection of a file's import format."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers import ImportedPlan, ImportedSettings, ImportedTemplate, ImportedWork, read_workflow
from wfe_mcp.importers.imported import free_name, identifier
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.load import load_definition

AFU9: dict[str, Any] = {"name": "tiny", "steps": [{"name": "one", "tool": "github.x", "params": {}}]}
PLAN = "## M1 - Write it\nTasks:\n- Write the whole file\nAcceptance: It has a title\n"


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path: Path) -> str:
    imported = read_workflow(path)
    match imported:
        case ImportedTemplate():
            return f"{imported.format}: {imported.definition['name']}"
        case ImportedPlan():
            return f"{imported.format}: {imported.plan['milestones'][0]['id']}"
        case ImportedSettings():
            return f"{imported.format}: {', '.join(imported.phases)}"
        case ImportedWork():
            return f"{imported.format}: {imported.name}"


def refused(path: Path) -> str:
    with pytest.raises(Refused) as no:
        read_workflow(path)
    return no.value.code


def test_a_shipped_template_comes_back_as_it_is(tmp_path: Path) -> None:
    folder = shipped_folder("templates") / "quick_fix"
    definition = load_definition(folder)
    again = read_workflow(written(tmp_path, "x.json", definition))

    assert read_workflow(folder) == ImportedTemplate("wfe/1", definition)
    assert again == ImportedTemplate("wfe/1", definition)


def test_a_text_with_a_nul_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_workflow(written(tmp_path, "a.md", PLAN.replace("whole", "wh\0le")))
    assert (no.value.code, no.value.details[0].path) == ("invalid_template", "line 3")


def test_a_criteria_file_whose_name_is_too_long_is_not_carried(tmp_path: Path) -> None:
    stage = {"approval_provider": "second", "approver_config": {"criteria_file": "x" * 300}}
    imported = read_workflow(written(tmp_path, "g.json", {"workflow": {"plan": {"response": stage}}}))
    assert [lost.path for lost in imported.not_carried] == ["/workflow/plan/response/approver_config/criteria_file"]


def test_a_file_is_known_by_what_it_says(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.json", AFU9)) == "AFU-9: tiny"
    assert read(written(tmp_path, "g.json", {"plan.prompt": "skip"})) == "ai-workflow-engine: plan"
    assert read(written(tmp_path, "b.md", PLAN)) == "aiw milestones: M1"
    assert read(written(tmp_path, "c.md", f"\ufeff# Milestones\r\n\r\n{PLAN}")) == "aiw milestones: M1"
    assert read(written(tmp_path, "d.md", "## BLG-001 - Write the whole file")) == "aiw backlog: M1"


def test_settings_in_yaml_are_known_by_what_they_say_and_by_their_name(tmp_path: Path) -> None:
    assert read(written(tmp_path, "config.yml", "workflow:\n  plan: {response: {approval_provider: skip}}")) == (
        "ai-workflow-engine: plan"
    )
    assert read(written(tmp_path, "gates.yaml", "plan.prompt: skip")) == "ai-workflow-engine: plan"
    assert read(written(tmp_path, "x.yaml", "recovery: {max_attempts_per_task: 1}")) == (
        "aiw settings: milestone.task.implement"
    )
    assert read(written(tmp_path, ".ai-workflow.yaml", "version: 1")) == "aiw settings: "


@pytest.mark.requirement("S0-35")
def test_what_yaml_loses_and_what_is_wrong_in_it_is_reported_by_line(tmp_path: Path) -> None:
    text = "dev: ada\nworkflow:\n  plan:\n    response:\n      approver_config: {model: x}\n"
    lost = read_workflow(written(tmp_path, "config.yml", text)).not_carried
    assert [(each.path, each.message) for each in lost] == [
        ("line 1", "dev: a developer is not named by configuration; who works is the connected client or a role"),
        (
            "line 5",
            "workflow.plan.response.approver_config.model: no role gives its opinion there, so it is not read",
        ),
    ]

    with pytest.raises(Refused) as no:
        read_workflow(
            written(tmp_path, "config.yml", f"{text}      approval_max_retries: -1\n  pln:\n    prompt: {{}}\n")
        )
    assert [detail.path for detail in no.value.details] == ["line 7", "line 6"]
    assert "line 7: workflow.pln: unknown 'pln'; did you mean 'plan'?" in no.value.message


def test_the_work_of_another_tool_is_known_by_its_place(tmp_path: Path) -> None:
    folders = Path(__file__).parent / "folders"
    assert read(folders / "openspec") == "OpenSpec: add-next-tide"
    assert read(folders / "backlog_md") == "Backlog.md: harbour"
    assert read(folders / "spec_kit") == "spec-kit: 001-next-tide"
    assert read(folders / "shrimp" / ".shrimp" / "tasks.json") == "Shrimp Task Manager: shrimp"
    assert refused(folders) == "invalid_template"
    assert refused(written(tmp_path, "tasks.json", [])) == "invalid_template"
    with pytest.raises(Refused, match="it is empty"):
        read_workflow((tmp_path / "none").mkdir() or tmp_path / "none")
    with pytest.raises(Refused, match="no format 'openspek'"):
        read_workflow(folders, wanted="openspek")
    with pytest.raises(Refused, match="it is a file"):
        read_workflow(tmp_path / "tasks.json", wanted="openspec")
    for name in ("a", "b"):
        shutil.copytree(folders / "openspec" / "openspec" / "changes" / "add-next-tide", tmp_path / "changes" / name)
    with pytest.raises(Refused, match="2 pieces of work"):
        read_workflow(tmp_path)


def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    folder = tmp_path / "flow.md"
    folder.mkdir()
    written(folder, "template.json", {"format": "wfe/1", "name": "x"})
    assert read(folder) == "wfe/1: x"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.md", "# Notes\n- nothing", "invalid_artifact"),
        ("a.json", {"jobs": {}}, "invalid_template"),
        ("a.json", "[]", "invalid_template"),
        ("a.json", "{", "invalid_template"),
        ("a.yaml", "steps: []", "invalid_template"),
        ("a.yml", "- plan.prompt", "invalid_template"),
        ("a.yml", "", "invalid_template"),
    ],
)
def test_a_file_in_no_known_format_is_refused(tmp_path: Path, name: str, content: object, code: str) -> None:
    assert refused(written(tmp_path, name, content)) == code


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes(b"## M1 - \xe9t\xe9")
    assert refused(tmp_path / "latin.md") == "invalid_template"
    assert refused(tmp_path / "nothing.md") == "unknown_template"


@pytest.mark.parametrize(
    ("text", "name"),
    [("issue", "issue"), ("a-b", "a_b"), ("7up", "_7up"), ("", "_"), ("package", "package_"), ("é", "_")],
)
def test_a_name_is_made_fit_for_expressions(text: str, name: str) -> None:
    assert identifier(text) == name


def test_a_taken_name_gets_a_number() -> None:
    assert free_name("a", {"a", "a_2"}) == "a_3"
    assert free_name("x" * 70, {"x" * 64}) == "x" * 62 + "_2"


@pytest.mark.requirement("S0-38")
def test_a_criteria_file_is_read_beside_the_settings_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "home" / ".aiwf").mkdir(parents=True)
    (tmp_path / "home" / "rules.md").write_text("Is it small?\n")
    (tmp_path / "secret.md").write_text("a secret")
    for name, found in (
        ("rules.md", "Is it small?"),
        ("../../secret.md", None),
        (str(tmp_path / "secret.md"), None),
        (".", None),
    ):
        stage = {"approval_provider": "second", "approver_config": {"criteria_file": name}}
        document = {"workflow": {"plan": {"response": stage}}}
        for file in ("config.yml", "config.json"):
            imported = read_workflow(written(tmp_path / "home" / ".aiwf", file, document))
            assert isinstance(imported, ImportedSettings)
            assert imported.phases["plan"]["response"].get("criteria") == found
            assert bool(imported.not_carried) is (found is None)
