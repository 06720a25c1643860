"""Providers are added, listed, turned off and taken out, in the user's own configuration."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.models import providers, secrets
from wfe_mcp.engine.models.providers import ProviderLine

KEY = "sk-canary-0123456789"
LOCAL = {"kind": "openai-compatible", "base_url": "http://127.0.0.1:1/v1"}


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration, in a home of this test."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    from wfe_mcp.workspace.system.location import user_config_file

    return user_config_file()


def line(scene: Scene, name: str) -> ProviderLine:
    return next(each for each in providers.list_providers(scene.engine) if each.name == name)


def written(mine: Path) -> dict[str, Any]:
    return tomllib.loads(mine.read_text(encoding="utf-8"))


def test_the_kinds_that_need_no_table_are_listed_last_and_an_agent_is_usable_where_its_program_is(
    scene: Scene, mine: Path, tmp_path: Path
) -> None:
    scene.engine.environment["OPENAI_API_KEY"] = KEY
    scene.engine.environment["PATH"] = str(tmp_path)
    (tmp_path / ("codex.exe" if sys.platform == "win32" else "codex")).touch(mode=0o755)
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text('[providers.mine]\nkind = "codex"\n[roles.second]\nprovider = "mine"\n')
    found = providers.list_providers(scene.engine)
    assert [each.name for each in found] == [
        "mine",
        "anthropic",
        "openai",
        "gemini",
        "claude-code",
        "codex",
        "gemini-cli",
        "manual",
    ]
    assert (found[0].layer, found[0].where, found[0].roles) == ("user", "codex", ("second",))
    assert {each.name for each in found if each.is_usable} == {
        "mine",
        "openai",
        "codex",
        "manual",
    }
    assert (line(scene, "claude-code").state, line(scene, "anthropic").state) == ("not installed", "no key")
    assert line(scene, "openai") == ProviderLine(
        "openai", "openai", "", "env:OPENAI_API_KEY", has_key=True, enabled=True, layer="built in", trusted=True
    )
    assert KEY not in str(found)


def test_what_needs_trust_is_listed_as_such(scene: Scene) -> None:
    text = '[providers.here]\nkind = "codex"\n[roles.r]\nprovider = "here"\n'
    scene.write(".wfe/config.toml", text)
    assert (line(scene, "here").trusted, line(scene, "here").layer) == (False, "project")
    (role,) = providers.roles(scene.engine)
    assert (role.trusted, "wfe-mcp trust" in role.fault) == (False, True)
    scene.trust_config()
    assert line(scene, "here").trusted
    (role,) = providers.roles(scene.engine)
    assert (role.trusted, role.layer, role.fault) == (True, "project", "")


@pytest.mark.requirement("S1-05", "S1-20")
def test_a_provider_is_added_to_what_the_user_wrote_and_its_key_is_not(scene: Scene, mine: Path) -> None:
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("# mine\nauto = false  # slow\n")
    added = providers.add(scene.engine, HUMAN, "openai", {"kind": "openai", "key": "stored"}, KEY)
    assert (added.has_key, added.layer) == (True, "user")
    assert mine.read_text().startswith("# mine\nauto = false  # slow\n")
    assert written(mine)["providers"] == {"openai": {"kind": "openai", "key": "stored"}}
    assert KEY not in mine.read_text()
    assert secrets.key_of(scene.engine, "openai", "stored") == KEY


def test_the_first_provider_makes_the_file(scene: Scene, mine: Path) -> None:
    providers.add(scene.engine, HUMAN, "local", LOCAL)
    assert written(mine)["providers"]["local"] == LOCAL
    assert line(scene, "local").where == LOCAL["base_url"]


def test_a_second_one_of_the_name_is_refused_and_keeps_the_first_key(scene: Scene) -> None:
    providers.add(scene.engine, HUMAN, "openai", {"kind": "openai", "key": "stored"}, KEY)
    no = refused(providers.add, scene.engine, HUMAN, "openai", {"kind": "openai", "key": "stored"}, "another-key")
    assert (no.code, "wfe-mcp providers key openai" in no.hint) == ("conflict", True)
    assert secrets.key_of(scene.engine, "openai", "stored") == KEY


@pytest.mark.parametrize(
    ("name", "table", "answer"),
    [
        ("a b", {"kind": "codex"}, "a name is"),
        ("x", {}, "needs 'kind'"),
        ("x", {"kind": "opnai"}, "one of anthropic, openai"),
        ("x", {"kind": "openai-compatible"}, "needs 'base_url'"),
        ("x", {"kind": "openai", "base_url": "http://h.example/v1"}, "plain http"),
        ("x", {"kind": "openai", "base_url": f"https://me:{KEY}@h.example"}, "without a user name"),
        ("x", {"kind": "openai", "key": KEY}, "where the key is, never the key"),
        ("x", {"kind": "openai", "options": {"api_key": KEY}}, "no secret belongs into configuration"),
        ("x", {"kind": "codex", "base_url": "https://h.example"}, "reached by no address"),
        ("x", {"kind": "openai", "argv": ["a"]}, "is no program"),
        ("x", {"kind": "codex", "max_token": 1}, "Did you mean 'max_tokens'?"),
    ],
)
def test_a_table_that_would_not_count_is_refused_without_repeating_a_key(
    scene: Scene, mine: Path, name: str, table: dict[str, Any], answer: str
) -> None:
    no = refused(providers.add, scene.engine, HUMAN, name, table)
    assert (no.code, answer in no.message) == ("bad_argument", True), no.message
    assert KEY not in f"{no}{no.details}"
    assert not mine.exists()


def test_plain_http_to_another_machine_needs_an_origin_that_configuration_allows(scene: Scene, mine: Path) -> None:
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text('[http]\nallow = ["http://models.lan:8000"]\n')
    providers.add(scene.engine, HUMAN, "lan", {"kind": "openai-compatible", "base_url": "http://models.lan:8000/v1"})
    assert line(scene, "lan").enabled


def test_a_file_that_cannot_be_edited_is_left_alone_and_the_key_is_not_kept(scene: Scene, mine: Path) -> None:
    mine.parent.mkdir(parents=True, exist_ok=True)
    text = 'providers = {mine = {kind = "codex"}}\n'
    mine.write_text(text)
    no = refused(providers.add, scene.engine, HUMAN, "openai", {"kind": "openai", "key": "stored"}, KEY)
    assert (no.code, str(mine) in no.message, mine.read_text()) == ("conflict", True, text)
    assert not secrets.is_there(scene.engine, "openai", "stored")


def test_a_provider_is_turned_off_and_on(scene: Scene, mine: Path) -> None:
    assert not providers.turn(scene.engine, "codex", on=False).enabled
    assert written(mine)["providers"] == {"codex": {"enabled": False}}
    assert refused(providers.connection_of, scene.engine, "codex").code == "unavailable"
    assert providers.turn(scene.engine, "codex", on=True).enabled
    assert providers.connection_of(scene.engine, "codex").kind == "codex"


def test_what_the_project_says_wins_and_that_is_said(scene: Scene) -> None:
    scene.write(".wfe/config.toml", "[providers.codex]\nenabled = false\n")
    scene.trust_config()
    no = refused(providers.turn, scene.engine, "codex", on=True)
    assert (no.code, "project's configuration turns" in no.message) == ("conflict", True)


def test_a_removed_provider_takes_its_key_along_and_names_the_roles_it_leaves(scene: Scene, mine: Path) -> None:
    providers.add(scene.engine, HUMAN, "mine", {"kind": "openai", "key": "stored"}, KEY)
    providers.set_role(scene.engine, "second", "mine", "gpt-5.5")
    gone = providers.remove(scene.engine, HUMAN, "mine")
    assert (gone.key, gone.roles) == (True, ("second",))
    assert "providers" not in written(mine)
    assert not secrets.is_there(scene.engine, "mine", "stored")
    assert "wfe-mcp providers add mine" in providers.roles(scene.engine)[0].fault


def test_what_the_user_did_not_add_is_not_removed(scene: Scene) -> None:
    scene.write(".wfe/config.toml", '[providers.here]\nkind = "codex"\n')
    scene.trust_config()
    assert "providers disable codex" in refused(providers.remove, scene.engine, HUMAN, "codex").hint
    assert ".wfe/config.toml" in refused(providers.remove, scene.engine, HUMAN, "here").hint
    assert "Did you mean 'codex'?" in refused(providers.remove, scene.engine, HUMAN, "codx").hint


def test_another_key_replaces_the_one_before_wherever_that_was(scene: Scene, mine: Path) -> None:
    providers.add(scene.engine, HUMAN, "openai", {"kind": "openai", "key": "stored"}, KEY)
    providers.give_key(scene.engine, HUMAN, "openai", "stored", f"{KEY}-2")
    assert secrets.key_of(scene.engine, "openai", "stored") == f"{KEY}-2"
    scene.engine.environment["MY_KEY"] = f"{KEY}-3"
    assert providers.give_key(scene.engine, HUMAN, "openai", "env:MY_KEY").has_key
    assert written(mine)["providers"]["openai"]["key"] == "env:MY_KEY"
    assert not secrets.is_there(scene.engine, "openai", "stored"), "the old one is not left behind"


def test_a_server_of_ones_own_gets_a_key_and_keeps_its_address(scene: Scene, mine: Path) -> None:
    providers.add(scene.engine, HUMAN, "local", LOCAL)
    providers.give_key(scene.engine, HUMAN, "local", "stored", KEY)
    assert written(mine)["providers"]["local"] == {**LOCAL, "key": "stored"}
    assert providers.connection_of(scene.engine, "local/m").api_key == KEY


def test_a_provider_of_the_project_gets_no_key_here(scene: Scene) -> None:
    scene.write(".wfe/config.toml", '[providers.here]\nkind = "openai"\n')
    scene.trust_config()
    no = refused(providers.give_key, scene.engine, HUMAN, "here", "stored", KEY)
    assert (no.code, ".wfe/config.toml" in no.hint) == ("bad_argument", True)
    assert not secrets.is_there(scene.engine, "here", "stored")


@pytest.mark.requirement("S1-05", "S0-44")
def test_a_role_gets_a_provider_a_model_and_fallbacks(scene: Scene, mine: Path) -> None:
    scene.engine.environment["OPENAI_API_KEY"] = KEY
    made = providers.set_role(scene.engine, "second", "openai", "gpt-5.5", ["codex"])
    assert (made.provider, made.model, made.fallback, made.layer, made.fault) == (
        "openai",
        "gpt-5.5",
        ("codex",),
        "user",
        "",
    )
    providers.set_role(scene.engine, "second", "codex")
    assert written(mine)["roles"]["second"] == {"provider": "codex", "fallback": ["codex"]}
    assert "no model" not in providers.roles(scene.engine)[0].fault


@pytest.mark.parametrize(
    ("role", "provider", "model", "answer"),
    [
        ("second", "opneai", "m", "No provider 'opneai'"),
        ("second", "openai", "", "has no default model"),
        ("a b", "openai", "m", "a name is"),
    ],
)
def test_a_role_that_no_one_could_fill_is_refused(
    scene: Scene, mine: Path, role: str, provider: str, model: str, answer: str
) -> None:
    no = refused(providers.set_role, scene.engine, role, provider, model)
    assert (no.code, answer in no.message, mine.exists()) == ("bad_argument", True, False)
