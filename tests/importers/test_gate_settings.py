"""Import of ai-workflow-engine's gate settings as configuration."""

import tomllib
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.gate_settings import from_gate_settings, is_gate_settings
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.load import load_definition
from wfe_mcp.workflow.overrides import PhaseOverride, StageOverride, overridden
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
    imported = from_gate_settings(
        {
            "profile": "jpa-mt",
            "workflow": {
                "defaults": {"approval_provider": "manual", "approval_max_retries": 1},
                "plan": {"response": {"approval_provider": "skip"}, "prompt": {"approval_provider": "skip"}},
                "review": {"response": {"approval_provider": "gemini-cli", "approval_allow_rewrite": True}},
            },
        }
    )

    manual = {"approver": "human", "max_retries": 1}
    skipped = {"approver": "skip", "max_retries": 1}
    reviewed = {"approver": "gemini-cli", "max_retries": 1, "allow_rewrite": True}
    assert (
        tomllib.loads(imported.toml())
        == imported.settings()
        == {
            "templates": {
                "jpa_mt": {
                    "phases": {
                        "plan": {"prompt": skipped, "response": skipped},
                        "generate": {"prompt": manual, "response": manual},
                        "review": {"prompt": manual, "response": reviewed},
                        "revise": {"prompt": manual, "response": manual},
                    }
                }
            }
        }
    )
    assert imported.not_carried == ()


@pytest.mark.requirement("S0-35", "S0-44")
def test_who_works_is_the_phases_provider() -> None:
    imported = from_gate_settings(
        {
            "providers": {
                "planner": "manual",
                "reviewer": "gemini-cli",
                "reviser": "codex",
                "default": "claude-code",
                "claude-code": {"fs_ability": "none"},
            },
            "workflow": {"review": {"response": {"ai_provider": "codex"}, "prompt": {"ai_provider": "x"}}},
        }
    )

    phases = Settings.model_validate(tomllib.loads(imported.toml())).templates["plan_generate_review"].phases
    assert {name: phase.provider for name, phase in phases.items()} == {
        "plan": None,
        "generate": "claude-code",
        "review": "codex",
        "revise": "codex",
    }
    assert imported.settings()["providers"] == {"claude-code": {"fs_ability": "none"}}
    assert [detail.path for detail in imported.not_carried] == [
        "/workflow/review/prompt/ai_provider",
        "/providers/reviewer",
    ]
    assert (
        "must be manual"
        in refusal({"workflow": {"plan": {"response": {"ai_provider": 3}}}})["/workflow/plan/response/ai_provider"]
    )


@pytest.mark.requirement("S0-36")
def test_the_older_gate_map_becomes_the_same() -> None:
    imported = from_gate_settings(
        {
            "plan.prompt": "manual",
            "plan.response": {"approver": "second", "max_retries": 2, "allow_rewrite": False},
            "review.response": "skip",
        }
    )

    assert (imported.format, imported.template) == ("ai-workflow-engine", "plan_generate_review")
    assert imported.phases == {
        "plan": {
            "prompt": {"approver": "human"},
            "response": {"approver": "second", "max_retries": 2, "allow_rewrite": False},
        },
        "review": {"response": {"approver": "skip"}},
    }
    assert lost({"plan.prompt": "skip", "plan.response": "second"}) == {}


def test_the_provider_of_a_role_that_the_workflow_replaces_is_reported() -> None:
    document = {"providers": {"planner": "codex", "default": "manual"}, "workflow": {"defaults": {"ai_provider": "x"}}}
    assert lost(document) == {
        "/providers/planner": "workflow.defaults.ai_provider says who works there",
        "/providers/default": "workflow.defaults.ai_provider says who works there",
    }
    one_phase = {"plan": {"response": {"ai_provider": "x"}}}
    assert list(lost({"providers": {"planner": "codex", "default": "y"}, "workflow": one_phase})) == [
        "/providers/planner"
    ]


def test_the_file_that_the_program_writes_has_nothing_to_report() -> None:
    roles = dict.fromkeys(("planner", "generator", "reviewer", "reviser"), "manual")
    assert lost({"profile": "jpa-mt", "providers": roles, "dev": None}) == {}


def test_a_default_approver_holds_for_every_phase() -> None:
    phases = from_gate_settings({"default_approver": "skip"}).phases
    both = {"prompt": {"approver": "skip"}, "response": {"approver": "skip"}}
    assert phases == dict.fromkeys(("plan", "generate", "review", "revise"), both)


def test_without_an_approver_a_person_is_asked() -> None:
    found = from_gate_settings({"plan.prompt": "skip"}).phases
    assert found == {"plan": {"prompt": {"approver": "skip"}, "response": {"approver": "human"}}}


def test_what_has_no_place_here_is_reported_with_its_pointer() -> None:
    response: dict[str, Any] = {
        "approver_config": {"model": "large"},
        "approval_max_retries": 0,
        "approval_allow_rewrite": True,
    }
    answer = lost({"profiles_dir": "x", "profile": "ours", "workflow": {"plan": {"response": response}}})

    assert list(answer) == [
        "/profiles_dir",
        "/profile",
        "/workflow/plan/response/approval_allow_rewrite",
        "/workflow/plan/response/approver_config/model",
    ]
    assert (
        lost({"workflow": {"plan": {"response": {"approval_allow_rewrite": False, "approval_max_retries": 0}}}}) == {}
    )


@pytest.mark.requirement("S0-31", "S0-35")
def test_every_setting_of_every_stage_is_carried_revising_and_prompts_too() -> None:
    keys = {"approval_provider": "second", "approval_max_retries": 2, "approval_allow_rewrite": True}
    stage = keys | {"approver_config": {"criteria": "Is it small?", "model": "large"}}
    section = {phase: {"prompt": stage, "response": stage} for phase in ("plan", "generate", "review", "revise")}
    imported = from_gate_settings({"hash_prompts": True, "workflow": section})
    made = {"approver": "second", "max_retries": 2, "allow_rewrite": True, "criteria": "Is it small?", "model": "large"}
    assert imported.not_carried == ()
    assert imported.phases == {phase: {"prompt": made, "response": made} for phase in section}
    assert Settings.model_validate(tomllib.loads(imported.toml())).artifacts.hash_prompts is True


def test_a_default_is_lost_only_where_no_stage_uses_it() -> None:
    defaults = {"approval_allow_rewrite": True, "ai_provider": "x", "approver_config": {"model": "large", "seed": 1}}
    assert lost({"workflow": {"defaults": defaults, "plan": {"prompt": {"approval_provider": "second"}}}}) == {
        "/workflow/defaults/approver_config/seed": "how a provider works is in [providers] of .wfe/config.toml"
    }
    assert list(lost({"workflow": {"defaults": defaults}})) == [
        "/workflow/defaults/approval_allow_rewrite",
        "/workflow/defaults/approver_config/model",
        "/workflow/defaults/approver_config/seed",
    ]


def test_a_criteria_file_is_carried_as_its_text_and_one_that_is_not_there_is_reported() -> None:
    def settings(name: object) -> dict[str, Any]:
        return {
            "plan.response": "x",
            "workflow": {
                "plan": {"response": {"approval_provider": "second", "approver_config": {"criteria_file": name}}}
            },
        }

    def given(name: str) -> str | None:
        return {"good.md": 'Is "it" small?\nIs it ✓ \x7f?', "long.md": "x" * 20_001}.get(name)

    document = {"workflow": settings("good.md")["workflow"]}
    imported = from_gate_settings(document, given)
    assert tomllib.loads(imported.toml())["templates"]["plan_generate_review"]["phases"]["plan"]["response"] == {
        "approver": "second",
        "criteria": 'Is "it" small?\nIs it ✓ \x7f?',
    }
    for name, why in (("gone.md", "cannot be read"), ("long.md", "longer than 20,000")):
        (answer,) = from_gate_settings({"workflow": settings(name)["workflow"]}, given).not_carried
        assert why in answer.message
    place = "/workflow/plan/response/approver_config/criteria_file"
    assert refusal({"workflow": settings(3)["workflow"]}) == {place: "must be a text"}


@pytest.mark.parametrize(
    ("given", "lost_at", "refused_at"),
    [
        ({"model": "x"}, ["/providers/codex/model"], ""),
        ({"fs_ability": "all"}, [], "/providers/codex/fs_ability"),
    ],
)
def test_settings_of_a_provider(given: dict[str, Any], lost_at: list[str], refused_at: str) -> None:
    document = {"providers": {"codex": given}, "workflow": {"plan": {"prompt": {"approval_provider": "skip"}}}}
    if refused_at:
        assert "must be one of local-write" in refusal(document)[refused_at]
    else:
        assert list(lost(document)) == lost_at
    defaults = {"providers": {"defaults": {"fs_ability": "none"}, "x": 1}, "workflow": document["workflow"]}
    assert list(lost(defaults)) == ["/providers/defaults/fs_ability", "/providers/x"]


@pytest.mark.requirement("B-08", "S0-37")
@pytest.mark.parametrize(("profile", "template"), [("x", "plan_generate_review"), ("jpa-mt", "jpa_mt")])
def test_each_phase_that_is_reported_is_one_of_the_template(profile: str, template: str) -> None:
    section = {"defaults": {"approval_provider": "manual", "approval_max_retries": 1}}
    imported = from_gate_settings({"profile": profile, "workflow": section})
    settings = Settings.model_validate(tomllib.loads(imported.toml()))
    overrides = {
        name: PhaseOverride(
            prompt=StageOverride(**phase.prompt.model_dump(exclude={"model"})),
            response=StageOverride(**phase.response.model_dump(exclude={"model"})),
        )
        for name, phase in settings.templates[template].phases.items()
    }

    changed = overridden(load_definition(shipped_folder("templates") / template), overrides)
    assert lint(changed).errors == ()
    assert set(overrides) == {"plan", "generate", "review", "revise"}


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
        ({"workflow": {"plan": {"prompt": {}}}, "hash_promts": True}, "/hash_promts", "did you mean 'hash_prompts'?"),
        ({"workflow": {}, "hash_prompts": 1}, "/hash_prompts", "must be true or false"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_its_place(document: dict[str, Any], place: str, words: str) -> None:
    assert words in refusal(document)[place]


def test_settings_are_distinguished_from_workflows() -> None:
    assert is_gate_settings({"plan.prompt": "skip"})
    assert is_gate_settings({"workflow": {}})
    assert not is_gate_settings({"name": "x", "steps": []})
    assert not is_gate_settings([])
