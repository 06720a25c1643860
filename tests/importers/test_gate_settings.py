"""Import of ai-workflow-engine's gate settings as configuration."""

import tomllib
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.gate_settings import from_gate_settings, is_gate_settings
from wfe_mcp.resources import shipped
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.load import load_definition
from wfe_mcp.workflow.overrides import PhaseOverride, overridden
from wfe_mcp.workspace.config.settings_tables import Settings


def refusal(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        from_gate_settings(document)
    assert refused.value.code == "invalid_template"
    return {detail.path: detail.message for detail in refused.value.details}


def lost(document: dict[str, Any]) -> dict[str, str]:
    return {detail.path: detail.message for detail in from_gate_settings(document).not_carried}


@pytest.mark.requirement("S0-35", "S0-37", "B-08")
def test_a_workflow_section_becomes_tables_of_configuration() -> None:
    imported = from_gate_settings({
        "profile": "jpa-mt",
        "workflow": {
            "defaults": {"approval_provider": "manual", "approval_max_retries": 1},
            "plan": {"response": {"approval_provider": "skip"}, "prompt": {"approval_provider": "skip"}},
            "review": {"response": {"approval_provider": "gemini-cli", "approval_allow_rewrite": True}},
        },
    })  # fmt: skip

    assert tomllib.loads(imported.toml()) == {"templates": {"jpa_mt": {"phases": {
        "plan": {"approver": "skip", "max_retries": 1},
        "generate": {"approver": "human", "max_retries": 1},
        "review": {"approver": "gemini-cli", "max_retries": 1, "allow_rewrite": True},
    }}}}  # fmt: skip
    assert [detail.path for detail in imported.not_carried] == ["/workflow/defaults/approval_provider"]


@pytest.mark.requirement("S0-35", "S0-44")
def test_who_works_is_the_phases_provider() -> None:
    imported = from_gate_settings({
        "providers": {"planner": "manual", "reviewer": "gemini-cli", "reviser": "codex", "default": "claude-code",
                      "claude-code": {"fs_ability": "none"}},
        "workflow": {"review": {"response": {"ai_provider": "codex"}, "prompt": {"ai_provider": "x"}}},
    })  # fmt: skip

    phases = Settings.model_validate(tomllib.loads(imported.toml())).templates["plan_generate_review"].phases
    assert {name: phase.provider for name, phase in phases.items()} == {
        "plan": None, "generate": "claude-code", "review": "codex",
    }  # fmt: skip
    assert [detail.path for detail in imported.not_carried] == [
        "/providers/claude-code", "/workflow/review/prompt/ai_provider", "/providers/reviser",
    ]  # fmt: skip
    assert (
        "must be manual"
        in refusal({"workflow": {"plan": {"response": {"ai_provider": 3}}}})["/workflow/plan/response/ai_provider"]
    )


@pytest.mark.requirement("S0-36")
def test_the_older_gate_map_becomes_the_same() -> None:
    imported = from_gate_settings({
        "plan.prompt": "manual",
        "plan.response": {"approver": "second", "max_retries": 2, "allow_rewrite": False},
        "review.response": "skip",
    })  # fmt: skip

    assert (imported.format, imported.template) == ("ai-workflow-engine", "plan_generate_review")
    assert imported.phases == {
        "plan": {"approver": "second", "max_retries": 2, "allow_rewrite": False},
        "review": {"approver": "skip"},
    }
    assert lost({"plan.prompt": "skip", "plan.response": "second"}) == {
        "/plan.prompt": "'skip' for the prompt: a phase has one approver, 'second'"
    }


def test_a_default_approver_holds_for_every_phase() -> None:
    phases = from_gate_settings({"default_approver": "skip"}).phases
    assert [(phase, keys["approver"]) for phase, keys in phases.items()] == [
        ("plan", "skip"), ("generate", "skip"), ("review", "skip"),
    ]  # fmt: skip


def test_without_an_approver_a_person_is_asked() -> None:
    assert from_gate_settings({"plan.prompt": "skip"}).phases == {"plan": {"approver": "human"}}


def test_what_has_no_place_here_is_told_with_its_pointer() -> None:
    response: dict[str, Any] = {
        "approver_config": {},
        "approval_max_retries": 0,
        "approval_allow_rewrite": True,
    }
    told = lost({"hash_prompts": True, "workflow": {"plan": {"response": response}}})

    assert list(told) == [
        "/hash_prompts", "/workflow/plan/response/approver_config",
        "/workflow/plan/response/approval_allow_rewrite",
    ]  # fmt: skip
    assert (
        lost({"workflow": {"plan": {"response": {"approval_allow_rewrite": False, "approval_max_retries": 0}}}}) == {}
    )


def test_revising_is_another_attempt_and_a_prompt_is_never_tried_again() -> None:
    told = lost({"workflow": {
        "defaults": {"approval_max_retries": 1, "ai_provider": "x", "approver_config": {}},
        "plan": {"prompt": {"approval_max_retries": 2, "approval_allow_rewrite": True}},
        "revise": {"response": {"approval_provider": "skip"}},
    }})  # fmt: skip

    assert list(told) == [
        "/workflow/defaults/approver_config", "/workflow/plan/prompt/approval_max_retries",
        "/workflow/plan/prompt/approval_allow_rewrite", "/workflow/revise/response/approval_provider",
    ]  # fmt: skip
    assert "another attempt at 'generate'" in told["/workflow/revise/response/approval_provider"]
    assert from_gate_settings({"revise.response": "skip"}).phases == {}


@pytest.mark.requirement("B-08", "S0-37")
@pytest.mark.parametrize(("profile", "template"), [("x", "plan_generate_review"), ("jpa-mt", "jpa_mt")])
def test_each_phase_that_is_told_is_one_of_the_template(profile: str, template: str) -> None:
    section = {"defaults": {"approval_provider": "manual", "approval_max_retries": 1}}
    imported = from_gate_settings({"profile": profile, "workflow": section})
    settings = Settings.model_validate(tomllib.loads(imported.toml()))
    overrides = {
        name: PhaseOverride(**phase.model_dump(include={"approver", "max_retries"}))
        for name, phase in settings.templates[template].phases.items()
    }

    changed = overridden(load_definition(shipped("templates") / template), overrides)
    assert lint(changed).errors == ()
    assert set(overrides) == {"plan", "generate", "review"}


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ({"workflow": []}, "/workflow", "must be an object"),
        ({"workflow": {"plna": {}}}, "/workflow/plna", "did you mean 'plan'?"),
        ({"workflow": {"plan": {"answer": {}}}}, "/workflow/plan/answer", "there are prompt, response"),
        ({"workflow": {"defaults": {"approver": "skip"}}}, "/workflow/defaults/approver", "unknown 'approver'"),
        ({"plan.prompt": {"aprover": "skip"}}, "/plan.prompt/aprover", "did you mean 'approver'?"),
        ({"plan.prompt": 3}, "/plan.prompt", "must be an object"),
        ({"plan.answer": "skip"}, "/plan.answer", "unknown 'answer'"),
        ({"default_approver": "skip", "name": 1}, "/name", "is no stage"),
        ({"default_approver": 3}, "/default_approver", "must be skip, manual"),
        ({"plan.response": {"max_retries": True}}, "/plan.response/max_retries", "must be a whole number"),
        ({"plan.response": {"allow_rewrite": "yes"}}, "/plan.response/allow_rewrite", "must be true or false"),
        ({"workflow": {}}, "", "says nothing"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_its_place(document: dict[str, Any], place: str, words: str) -> None:
    assert words in refusal(document)[place]


def test_settings_are_told_from_workflows() -> None:
    assert is_gate_settings({"plan.prompt": "skip"})
    assert is_gate_settings({"workflow": {}})
    assert not is_gate_settings({"name": "x", "steps": []})
    assert not is_gate_settings([])
