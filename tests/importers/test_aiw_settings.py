"""Import of aiw settings as configuration and inputs of the template ``milestones``."""

import tomllib
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.aiw_settings import TASK, from_aiw_settings, is_aiw_settings
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.load import load_definition
from wfe_mcp.workflow.overrides import PhaseOverride, overridden
from wfe_mcp.workspace.config.settings_tables import Settings

SAME_AS_THE_TEMPLATE: dict[str, Any] = {
    "version": 1,
    "git": {
        "enabled": True,
        "milestone_branch": True,
        "task_commit": True,
        "pr_per_milestone": False,
        "use_gh_cli": False,
    },
    "parallel": {"enabled": False, "worktrees": False, "max_lanes": 1},
    "adr": {"required": False},
    "recovery": {"enabled": True, "auto_for_failed_checks": True, "branch_per_recovery": False},
    "agent": {"default_lane": "core", "stop_after_each_task": False, "auto_commit": True},
}


def lost(document: dict[str, Any]) -> dict[str, str]:
    return {detail.path: detail.message for detail in from_aiw_settings(document).not_carried}


def refusal(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        from_aiw_settings(document)
    assert refused.value.code == "invalid_template"
    return {detail.path: detail.message for detail in refused.value.details}


def at(definition: dict[str, Any], path: str) -> dict[str, Any]:
    """The phase at a path of ids."""
    for name in path.split("."):
        definition = next(each for each in definition["phases"] if each["id"] == name)
    return definition


@pytest.mark.requirement("S3-28")
def test_what_has_a_place_here_takes_effect() -> None:
    imported = from_aiw_settings(
        {
            "git": {"base_branch": "develop", "branch_prefix": "bot/"},
            "recovery": {"max_attempts_per_task": 1, "max_attempts_per_blocker": 1},
            "agent": {"checks": ["uv run pytest -q"], "stop_after_each_task": True},
        }
    )

    assert imported.not_carried == ()
    assert imported.inputs == {"base": "develop", "branch_prefix": "bot/"}
    settings = Settings.model_validate(tomllib.loads(imported.toml()))
    assert settings.checks["test"].argv == ["uv", "run", "pytest", "-q"]
    phase = settings.templates["milestones"].phases[TASK]
    assert (phase.max_retries, phase.same_blocker, phase.auto_proceed) == (1, 1, False)
    override = PhaseOverride(
        max_retries=phase.max_retries, same_blocker=phase.same_blocker, auto_proceed=phase.auto_proceed
    )
    milestones = overridden(load_definition(shipped_folder("templates") / "milestones"), {TASK: override})
    assert lint(milestones).errors == ()
    retry, recovery, _ = at(milestones, TASK)["on_fail"]
    assert retry == {"do": "retry", "max_attempts": 2}
    assert (recovery["template"], recovery["same_blocker"]) == ("recovery", 1)


AS_AIW_WRITES_IT: dict[str, Any] = {
    "version": 1,
    "workspace_dir": "docs/ai/workspace",
    "plan_dir": "docs/ai/plan",
    "git": {
        "enabled": True,
        "base_branch": "ai-workflow",
        "integration_branch": "ai-workflow",
        "branch_prefix": "ai/",
        "milestone_branch": True,
        "task_commit": True,
        "closeout_mode": "direct_merge",
        "pr_per_milestone": False,
        "pr_provider": "github",
        "use_gh_cli": False,
        "merge_strategy": "merge",
    },
    "parallel": {"enabled": False, "worktrees": False, "worktrees_dir": ".worktrees/ai-workflow", "max_lanes": 1},
    "ai": {"entrypoint": "docs/ai/START_HERE.md", "prompt_dir": "docs/ai/workspace/prompts", "default_actor": "codex"},
    "adr": {"required": True, "dir": "docs/ai/workspace/adr"},
    "reports": {"dir": "docs/ai/workspace/reports", "auto_generate": True, "active_file_max_bytes": 8192},
    "recovery": {
        "enabled": True,
        "max_attempts_per_task": 2,
        "max_attempts_per_blocker": 1,
        "auto_for_failed_checks": True,
        "branch_per_recovery": False,
    },
    "history": {"mode": "run_files", "events_file": "docs/ai/workspace/state/events/events.jsonl"},
    "agent": {
        "enabled": True,
        "default_lane": "core",
        "default_mode": "single",
        "stop_after_each_task": True,
        "auto_commit": True,
        "auto_report": True,
        "operator_prompt": "docs/operator/operator.md",
        "plan_builder_prompt": "docs/operator/operator.md",
        "codex_agent_prompt": "docs/operator/codex-agent.md",
        "queue_prompt": "docs/operator/queue-run.md",
        "command_prefix": "uv run",
        "checks": ["uv run python -m pytest"],
    },
}
"""What `aiw init` of aiw 0.1.0 writes."""


@pytest.mark.requirement("S3-28", "E-07")
def test_the_file_that_aiw_writes_is_taken_whole_each_key_carried_or_named() -> None:
    imported = from_aiw_settings(AS_AIW_WRITES_IT)
    assert imported.checks == {"test": {"argv": ["uv", "run", "python", "-m", "pytest"]}}
    assert imported.inputs == {"base": "ai-workflow", "branch_prefix": "ai/"}
    assert imported.phases == {TASK: {"max_retries": 2, "same_blocker": 1, "auto_proceed": False}}
    assert imported.tables == {"delivery": {"mode": "merge", "base": "ai-workflow", "prefix": "ai/"}}
    named = {detail.path for detail in imported.not_carried}
    assert {
        "/agent/auto_report",
        "/agent/command_prefix",
        "/agent/queue_prompt",
        "/git/merge_strategy",
        "/history",
    } <= named


@pytest.mark.requirement("S3-28", "E-07")
def test_the_prefix_of_its_own_commands_is_put_before_no_check() -> None:
    document = {"agent": {"checks": ["python -m pytest"], "command_prefix": "uv run"}}
    assert from_aiw_settings(document).checks["test"]["argv"] == ["python", "-m", "pytest"]
    assert "checks run as they are written" in lost(document)["/agent/command_prefix"]


@pytest.mark.requirement("S3-21", "S3-28")
def test_the_way_a_milestone_is_closed_is_how_the_project_delivers() -> None:
    git = {
        "closeout_mode": "pull_request",
        "merge_strategy": "rebase",
        "base_branch": "develop",
        "pr_per_milestone": True,
    }
    imported = from_aiw_settings({"git": git})
    delivery = Settings.model_validate(tomllib.loads(imported.toml())).delivery
    assert (delivery.mode, delivery.strategy, delivery.base) == ("pull_request", "rebase", "develop")
    assert imported.not_carried == ()
    assert refusal({"git": {"closeout_mode": "later"}}) == {
        "/git/closeout_mode": "must be direct_merge or pull_request"
    }


def test_what_the_template_does_anyhow_is_no_loss() -> None:
    imported = from_aiw_settings(SAME_AS_THE_TEMPLATE)
    assert (imported.not_carried, imported.settings(), imported.toml(), imported.inputs) == ((), {}, "", {})
    assert from_aiw_settings({"git": None, "agent": {"checks": None}}).settings() == {}


def test_everything_else_is_reported() -> None:
    assert list(
        lost(
            {
                "version": 3,
                "workspace_dir": ".aiw",
                "history": {"keep": 3},
                "git": {"task_commit": False, "closeout_mode": "direct_merge", "integration_branch": "main"},
                "parallel": {"max_lanes": 2},
                "ai": {"entrypoint": "START_HERE.md"},
                "recovery": {"branch_per_recovery": True},
                "agent": {"next_prompt_path": "prompts/next.md", "default_mode": "queue"},
            }
        )
    ) == [
        "/version",
        "/workspace_dir",
        "/history",
        "/git/task_commit",
        "/git/integration_branch",
        "/parallel/max_lanes",
        "/ai/entrypoint",
        "/recovery/branch_per_recovery",
        "/agent/next_prompt_path",
        "/agent/default_mode",
    ]


def test_further_checks_have_names_of_their_own_and_are_reported() -> None:
    document = {"agent": {"checks": ["pytest", "ruff check .", "ruff format .", "./3.sh", "make a && make b"]}}
    checks = from_aiw_settings(document).checks
    assert {name: check["argv"] for name, check in checks.items()} == {
        "test": ["pytest"],
        "ruff": ["ruff", "check", "."],
        "ruff_2": ["ruff", "format", "."],
        "check_3_sh": ["./3.sh"],
        "make": ["sh", "-c", "make a && make b"],
    }
    assert "run only 'test'" in lost(document)["/agent/checks/1"]
    assert len(lost(document)) == 4


@pytest.mark.parametrize("check", ["PYTHONPATH=src pytest -q", "! grep -r TODO src", "pytest tests/test_[ab].py"])
def test_a_check_that_only_a_shell_understands_runs_in_one_as_it_did(check: str) -> None:
    assert from_aiw_settings({"agent": {"checks": [check]}}).checks["test"]["argv"] == ["sh", "-c", check]


@pytest.mark.parametrize("key", ["enabled", "auto_for_failed_checks"])
def test_without_recovery_nothing_is_tried_again(key: str) -> None:
    imported = from_aiw_settings({"recovery": {key: False, "max_attempts_per_task": 2}})
    assert imported.phases == {TASK: {"max_retries": 0}}
    changed = overridden(
        load_definition(shipped_folder("templates") / "milestones"), {TASK: PhaseOverride(max_retries=0)}
    )
    assert at(changed, TASK)["on_fail"] == [{"do": "retry", "max_attempts": 1}, {"do": "wait_human"}]
    assert list(lost({"recovery": {key: False, "max_attempts_per_task": 2}})) == ["/recovery/max_attempts_per_task"]


@pytest.mark.parametrize("key", ["max_attempts_per_task", "max_attempts_per_blocker"])
def test_no_attempt_at_a_recovery_means_no_recovery(key: str) -> None:
    other = {"max_attempts_per_task": "max_attempts_per_blocker"}.get(key, "max_attempts_per_task")
    document = {"recovery": {key: 0, other: 2}}
    assert from_aiw_settings(document).phases == {TASK: {"max_retries": 0}}
    assert list(lost(document)) == [f"/recovery/{other}"]


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ({"git": []}, "/git", "must be a map"),
        ({"gitt": {}}, "/gitt", "did you mean 'git'?"),
        ({"agent": {"check": []}}, "/agent/check", "did you mean 'checks'?"),
        ({"reports": {"xyz": 1}}, "/reports/xyz", "there are dir, auto_generate"),
        ({"git": {"base_branch": "-f"}}, "/git/base_branch", "the name of a branch"),
        ({"git": {"branch_prefix": "a b"}}, "/git/branch_prefix", "how names of branches begin"),
        ({"recovery": {"max_attempts_per_task": True}}, "/recovery/max_attempts_per_task", "a whole number"),
        (
            {"recovery": {"max_attempts_per_blocker": -1}},
            "/recovery/max_attempts_per_blocker",
            "a whole number, at least 0",
        ),
        ({"recovery": {"enabled": "no"}}, "/recovery/enabled", "true or false"),
        ({"agent": {"checks": "pytest"}}, "/agent/checks", "a list of commands"),
        ({"agent": {"checks": ["'x"]}}, "/agent/checks/0", "must be a command"),
        ({"agent": {"stop_after_each_task": 1}}, "/agent/stop_after_each_task", "true or false"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_its_place(document: dict[str, Any], place: str, words: str) -> None:
    assert words in refusal(document)[place]


def test_settings_of_aiw_are_distinguished_from_others() -> None:
    assert is_aiw_settings({"agent": {}})
    assert not is_aiw_settings({"name": "x", "steps": []})
    assert not is_aiw_settings([])


def test_recovery_that_is_off_loses_nothing_where_no_number_was_given() -> None:
    assert list(lost({"recovery": {"enabled": False}})) == []
