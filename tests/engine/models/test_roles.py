"""The provider and model of a role, and how a run freezes them."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, phase, refused
from wfe_mcp.engine.models.connections import connection_of, connections_of
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.providers.questions import refuse_unusable
from wfe_mcp.views.answers import tool_answers as answers

KEY = "sk-canary-0123456789"
SECOND = '[roles.second]\nprovider = "openai"\nmodel = "gpt-5.5"\n'


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration, in a home of this test."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    from wfe_mcp.workspace.system.location import user_config_file

    file = user_config_file()
    file.parent.mkdir(parents=True)
    return file


def configure(scene: Scene, text: str, *, trusted: bool = True) -> None:
    scene.write(".wfe/config.toml", text)
    if trusted:
        scene.trust_config()


def with_key(scene: Scene, variable: str = "OPENAI_API_KEY") -> None:
    scene.engine.environment[variable] = KEY


def reviewed(**more: Any) -> dict[str, Any]:
    return {"roles": {"reviewer": {"provider": "second"}}, **more}


def trusted_own(scene: Scene, mine: Path, text: str) -> None:
    """The user's own configuration, trusted: what fills a template's role counts only then."""
    mine.write_text(text)
    give_trust(scene.engine, scene.human, [])


def plan_of(*reviewers: str) -> Any:
    """A phase whose gate names these roles: a role that no phase uses is not filled."""
    return phase("plan", gates=[{"kind": "opinion", "reviewers": [*reviewers], "quorum": 1}])


def kept(scene: Scene, run: str) -> dict[str, Any]:
    """What the run froze."""
    with scene.store.read() as tx:
        return tx.documents.load(scene.engine.load(tx, run).record.frozen_sha256)


def test_a_role_is_a_provider_and_its_model_with_the_key_of_the_kinds_variable(scene: Scene) -> None:
    with_key(scene)
    configure(
        scene, f"{SECOND}fs_ability = 'local-read'\n[providers.openai]\nresponse_timeout = '9s'\nmax_tokens = 77\n"
    )
    found = connection_of(scene.engine, "second")
    assert (found.provider, found.kind, found.model, found.api_key) == ("openai", "openai", "gpt-5.5", KEY)
    assert (found.response_s, found.connect_s, found.max_tokens, found.fs_ability) == (9.0, 10.0, 77, "local-read")
    assert KEY not in repr(found)


@pytest.mark.requirement("S0-41", "S0-43")
def test_time_limits_and_file_ability_are_the_roles_then_the_providers_then_the_kinds(scene: Scene, mine: Path) -> None:
    agent = '[roles.second]\nprovider = "codex"\n{role}\n[providers.codex]\n{provider}\n'
    for role, provider, ability in (
        ("", "", "local-write"),
        ("", 'fs_ability = "local-read"', "local-read"),
        ('fs_ability = "none"', 'fs_ability = "local-read"', "none"),
    ):
        mine.write_text(agent.format(role=role, provider=provider))
        found = connection_of(scene.engine, "second")
        assert (found.fs_ability, found.connect_s, found.response_s) == (ability, 10.0, 300.0)
    with_key(scene)
    assert connection_of(scene.engine, "openai/gpt-5.5").fs_ability == "none"


def test_a_provider_is_a_name_too_alone_or_with_a_model(scene: Scene) -> None:
    with_key(scene)
    assert connection_of(scene.engine, "openai/gpt-5.5-mini").model == "gpt-5.5-mini"
    assert connection_of(scene.engine, "claude-code").kind == "claude-code"
    no = refused(connection_of, scene.engine, "openai")
    assert (no.code, "wfe-mcp providers role openai openai MODEL" in no.hint) == ("unavailable", True)


def test_an_unknown_name_offers_the_nearest(scene: Scene) -> None:
    configure(scene, SECOND)
    no = refused(connection_of, scene.engine, "secnd")
    assert (no.code, "Did you mean 'second'?" in no.hint) == ("bad_argument", True)


def test_a_role_whose_provider_is_not_there_says_how_to_add_it(scene: Scene) -> None:
    configure(scene, '[roles.second]\nprovider = "opneai"\nmodel = "m"\n')
    no = refused(connection_of, scene.engine, "second")
    assert (no.code, "Did you mean 'openai'?" in no.hint) == ("unavailable", True)


def test_a_missing_key_names_the_variable(scene: Scene) -> None:
    configure(scene, SECOND)
    no = refused(connection_of, scene.engine, "second")
    assert (no.code, "OPENAI_API_KEY is not set" in no.message) == ("unavailable", True)
    assert "wfe-mcp providers key openai" in no.hint


def test_a_provider_that_is_turned_off_is_not_called(scene: Scene, mine: Path) -> None:
    with_key(scene)
    configure(scene, SECOND)
    mine.write_text("[providers.openai]\nenabled = false\n")
    no = refused(connection_of, scene.engine, "second")
    assert (no.code, "wfe-mcp providers enable openai" in no.hint) == ("unavailable", True)


def test_what_no_one_trusts_does_not_count(scene: Scene) -> None:
    configure(
        scene,
        f'{SECOND}[providers.local]\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:1"\n',
        trusted=False,
    )
    for name in ("second", "local/m"):
        no = refused(connection_of, scene.engine, name)
        assert (no.code, "wfe-mcp trust" in no.hint) == ("needs_trust", True)


def test_a_run_keeps_its_roles_as_they_were_and_no_key(scene: Scene, mine: Path) -> None:
    with_key(scene)
    mine.write_text(f'{SECOND}fallback = ["anthropic/claude-x", "third"]\n[roles.third]\nprovider = "codex"\n')
    run = scene.start(plan_of("reviewer"), **reviewed())
    mine.write_text('[roles.second]\nprovider = "gemini"\nmodel = "other"\n')
    frozen = kept(scene, run)
    assert connections_of(scene.engine, "second", frozen=frozen)[0].model == "gpt-5.5"
    assert connections_of(scene.engine, "third", frozen=frozen)[0].kind == "codex"
    assert refused(connection_of, scene.engine, "second").message.startswith("Provider 'gemini' has no key")
    assert sorted(frozen["providers"]) == ["anthropic", "codex", "openai"]
    assert frozen["providers"]["openai"]["key"] == "env:OPENAI_API_KEY"
    assert KEY not in str(frozen)


def test_a_provider_that_is_added_after_the_start_is_reached_at_the_origin_that_was_allowed_with_it(
    scene: Scene, mine: Path
) -> None:
    run = scene.start(phase("plan"))
    mine.write_text(
        '[http]\nallow = ["http://models.example"]\n'
        '[providers.inside]\nkind = "openai-compatible"\nbase_url = "http://models.example/v1"\n'
    )
    refuse_unusable(connections_of(scene.engine, "inside/m", frozen=kept(scene, run))[0])


def test_trust_that_lapses_stops_a_role_of_the_project_and_no_other(scene: Scene, mine: Path) -> None:
    with_key(scene)
    mine.write_text('[roles.mine]\nprovider = "codex"\n')
    configure(scene, SECOND)
    run = scene.start(plan_of("a", "b"), roles={"a": {"provider": "second"}, "b": {"provider": "mine"}})
    frozen = kept(scene, run)
    assert connections_of(scene.engine, "second", frozen=frozen)[0].model == "gpt-5.5"
    configure(scene, f"{SECOND}# changed\n", trusted=False)
    assert refused(connections_of, scene.engine, "second", frozen=frozen).code == "needs_trust"
    assert connections_of(scene.engine, "mine", frozen=frozen)[0].kind == "codex"


@pytest.mark.requirement("S0-44", "S4-14")
def test_a_role_without_settings_is_filled_by_the_default_role(scene: Scene, mine: Path) -> None:
    mine.write_text('[roles.default]\nprovider = "codex"\nmodel = "m"\n')
    run = scene.start(plan_of("reviewer"), **reviewed())
    assert connections_of(scene.engine, "second", frozen=kept(scene, run))[0].model == "m"
    assert connections_of(scene.engine, "second", declared=True)[0].kind == "codex"
    assert refused(connection_of, scene.engine, "second").code == "bad_argument", "a name that a person mistyped"


def test_the_default_role_fills_no_name_that_is_a_person(scene: Scene, mine: Path) -> None:
    mine.write_text('[roles.default]\nprovider = "codex"\n')
    run = scene.start(plan_of("a"), roles={"a": {"provider": "claude-code"}})
    assert connections_of(scene.engine, "claude-code", frozen=kept(scene, run), declared=True)[0].kind == "claude-code"
    assert connections_of(scene.engine, "gemini-cli", declared=True)[0].kind == "gemini-cli"


def test_a_role_that_no_one_fills_is_refused_where_the_project_is_configured(scene: Scene, mine: Path) -> None:
    configure(scene, "")
    scene.define(plan_of("reviewer"), **reviewed())
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, no.details[0].path) == ("invalid_template", "/roles/reviewer/provider")
    for text in (
        SECOND,
        '[roles.default]\nprovider = "codex"\n',
        '[templates.drill.roles.reviewer]\nprovider = "codex"\n',
    ):
        trusted_own(scene, mine, text)
        assert answers.start_run(scene.engine, AGENT, "drill").ok, text


def test_fallbacks_come_in_order_without_those_that_cannot_be_used(scene: Scene, mine: Path) -> None:
    with_key(scene)
    mine.write_text(
        f'{SECOND}fallback = ["gemini/g", "third", "nobody"]\n'
        '[roles.third]\nprovider = "codex"\nfallback = ["second", "manual"]\n'
    )
    found = connections_of(scene.engine, "second")
    assert [(each.provider, each.model) for each in found] == [("openai", "gpt-5.5"), ("codex", ""), ("manual", "")]


@pytest.mark.requirement("S1-05")
def test_a_template_and_a_phase_get_their_own_provider_and_model(scene: Scene, mine: Path) -> None:
    with_key(scene)
    trusted_own(
        scene,
        mine,
        f"{SECOND}"
        '[templates.drill.roles.reviewer]\nprovider = "codex"\nmodel = "template"\n'
        '[templates.drill.phases.plan]\nprovider = "claude-code"\nmodel = "phase"\n'
        '[templates.drill.phases.build]\nmodel = "gpt-5.5-mini"\n'
        '[templates.drill.phases.check]\nrole = "second"\n',
    )
    roles = {"reviewer": {"provider": "other"}, "maker": {"provider": "second"}}
    run = scene.start(plan_of("reviewer"), phase("build", role="maker"), phase("check"), phase("look"), roles=roles)
    frozen = kept(scene, run)
    with scene.store.read() as tx:
        plan = scene.engine.plans.of_run(tx, scene.engine.load(tx, run).record)

    def behind(role: str | None) -> tuple[str, str]:
        found = plan.template.roles[role or ""].provider
        assert found is not None
        connection = connections_of(scene.engine, found, frozen=frozen)[0]
        return connection.provider, connection.model

    assert behind("reviewer") == ("codex", "template")
    assert behind(plan.phases["plan"].role) == ("claude-code", "phase")
    assert behind(plan.phases["build"].role) == ("openai", "gpt-5.5-mini")
    assert behind(plan.phases["check"].role) == ("openai", "gpt-5.5")
    assert plan.phases["look"].role is None


def test_a_templates_own_role_brings_its_own_fallbacks(scene: Scene, mine: Path) -> None:
    trusted_own(scene, mine, '[templates.drill.roles.reviewer]\nprovider = "codex"\nfallback = ["claude-code"]\n')
    run = scene.start(plan_of("reviewer"), **reviewed())
    frozen = kept(scene, run)
    name = next(each for each in frozen["roles"] if each not in {"codex", "claude-code"})
    mine.write_text("")
    assert [each.provider for each in connections_of(scene.engine, name, frozen=frozen)] == ["codex", "claude-code"]


@pytest.mark.parametrize(
    ("text", "path", "answer"),
    [
        (
            '[templates.drill.roles.reviwer]\nprovider = "codex"\n',
            "/templates/drill/roles/reviwer",
            "did you mean 'reviewer'?",
        ),
        (
            '[templates.drill.phases.plan]\nmodel = "m"\n',
            "/templates/drill/phases/plan/model",
            "name its 'provider' too",
        ),
        ('[templates.drill.phases.ask]\nrole = "second"\n', "/templates/drill/phases/ask/role", "is of kind human"),
    ],
)
def test_a_role_that_would_change_nothing_is_refused(
    scene: Scene, mine: Path, text: str, path: str, answer: str
) -> None:
    trusted_own(scene, mine, text)
    scene.define(plan_of("reviewer"), phase("ask", kind="human"), **reviewed())
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, no.details[0].path, answer in no.details[0].message) == ("invalid_template", path, True)
