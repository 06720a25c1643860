"""Providers of models at a terminal: list, add, test, keys, roles, and their health in doctor."""

import contextlib
import json
import os
import sqlite3
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Said, Terminal
from tests.fake_models.server import ModelServer
from tests.providers.certificate import self_signed
from wfe_mcp.workspace.system.location import user_config_file

AGENTS = Path(__file__).resolve().parents[2] / "providers" / "agents" / "recorded"
KEY = "sk-canary-0123456789abcdef"


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(key=KEY, models=("gpt-5.5", "gpt-5.5-mini")) as running:
        yield running


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever serves models on this machine is not asked, and no variable holds a key."""
    monkeypatch.setattr("wfe_mcp.providers.probing.LOCAL", {})
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def with_key(cli: Terminal, *words: str, key: str = KEY, as_json: bool = True) -> Said:
    """A command that reads ``key`` from a file descriptor."""
    readable, writable = os.pipe()
    os.write(writable, key.encode())
    os.close(writable)
    try:
        return cli(*words, "--key-fd", str(readable), *(["--json"] if as_json else []))
    finally:
        os.close(readable)


def added(cli: Terminal, models: ModelServer, name: str = "second") -> Said:
    kind = ("--kind", "openai", "--base-url", models.v1)
    return with_key(cli, "providers", "add", name, *kind, "--key", "stored")


def line(cli: Terminal, name: str) -> dict[str, Any]:
    return next(each for each in cli.json("providers", "list").data["providers"] if each["name"] == name)


@pytest.mark.requirement("S1-05", "S1-20")
def test_a_provider_is_added_with_a_key_and_its_models_are_listed(cli: Terminal, models: ModelServer) -> None:
    answer = added(cli, models)
    assert (answer.code, answer.data["models"]) == (0, ["gpt-5.5", "gpt-5.5-mini"])
    assert "wfe-mcp providers test second" in answer.document["summary"]
    found = line(cli, "second")
    assert (found["key"], found["has_key"], found["where"], found["layer"]) == ("stored", True, models.v1, "user")
    assert tomllib.loads(user_config_file().read_text())["providers"]["second"] == {
        "kind": "openai",
        "base_url": models.v1,
        "key": "stored",
    }
    assert "stored: set" in cli("providers", "list").out
    tested = cli("providers", "test", "second").out
    assert (
        "It lists 2 models. For a call, fill a role with one, or: wfe-mcp providers test second --model MODEL" in tested
    )


@pytest.mark.requirement("S1-05")
def test_a_test_is_one_real_call_with_its_latency(cli: Terminal, models: ModelServer) -> None:
    added(cli, models)
    assert cli.json("providers", "role", "reviewer", "second", "gpt-5.5-mini").code == 0
    document = cli.json("providers", "test", "reviewer")
    tried = document.data["tried"]
    assert (document.code, tried["ok"], tried["model"], tried["model_found"]) == (0, True, "gpt-5.5-mini", True)
    assert tried["latency_s"] >= 0
    assert [each.model for each in models.asked] == ["gpt-5.5-mini"]
    with contextlib.closing(sqlite3.connect(cli.database)) as database:
        calls = database.execute("SELECT purpose, status, provider, model, role FROM model_call").fetchall()
    assert calls == [("test", "done", "second", "gpt-5.5-mini", "reviewer")], "no call is hidden"
    assert cli.json("providers", "test", "second").data["tried"]["model"] == "gpt-5.5-mini", "a role of it names one"
    assert cli.json("providers", "test", "second", "--model", "gpt-5.5").data["tried"]["model"] == "gpt-5.5"


def test_without_a_model_only_the_list_is_read(cli: Terminal, models: ModelServer) -> None:
    added(cli, models)
    document = cli.json("providers", "test", "second")
    assert (document.code, document.data["tried"]["models"], models.count) == (0, ["gpt-5.5", "gpt-5.5-mini"], 0)
    assert "--model MODEL" in document.document["summary"]


def test_each_way_to_fail_has_its_own_message_and_next_step(cli: Terminal, models: ModelServer) -> None:
    added(cli, models)
    with_key(
        cli, "providers", "add", "wrong", "--kind", "openai", "--base-url", models.v1, "--key", "stored", key=f"{KEY}x"
    )
    closed = "http://127.0.0.1:9/v1"
    gone = with_key(cli, "providers", "add", "gone", "--kind", "openai", "--base-url", closed, "--key", "stored")
    assert "cannot be reached at http://127.0.0.1:9" in gone.data["fault"]
    cases = {
        "wrong_key": cli.json("providers", "test", "wrong", "--model", "gpt-5.5"),
        "no_route": cli.json("providers", "test", "gone", "--model", "gpt-5.5"),
        "wrong_model": cli.json("providers", "test", "second", "--model", "gpt-5.4"),
    }
    for kind, answer in cases.items():
        assert (answer.code, answer.data["tried"]["fault"], answer.refusal) == (1, kind, "unavailable"), kind
        assert answer.document["error"]["hint"], kind
    assert len({answer.document["error"]["message"] for answer in cases.values()}) == 3
    assert "gpt-5.5" in cases["wrong_model"].document["error"]["hint"], "the nearest that it has"


def test_an_untrusted_certificate_is_distinguished_from_no_route(cli: Terminal, tmp_path: Path) -> None:
    with ModelServer(key=KEY, tls=self_signed(tmp_path)) as running:
        kind = ("--kind", "openai", "--base-url", running.v1)
        with_key(cli, "providers", "add", "tls", *kind, "--key", "stored")
        document = cli.json("providers", "test", "tls", "--model", "gpt-5.5")
    assert (document.code, document.data["tried"]["fault"]) == (1, "tls")
    assert "certificate" in document.document["error"]["message"]


def test_a_command_line_agent_is_tried_as_the_program_it_is(cli: Terminal, tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    lines = (AGENTS / "codex" / "done.jsonl").read_text(encoding="utf-8")
    program.write_text(f"import sys\nsys.stdin.read()\nprint({lines!r})\n", encoding="utf-8")
    config = user_config_file()
    config.parent.mkdir(parents=True)
    argv = json.dumps([sys.executable, str(program)])
    config.write_text(
        f'[providers.helper]\nkind = "codex"\nargv = {argv}\n[providers.gone]\nkind = "codex"\nargv = ["no-such-agent"]\n'
    )
    document = cli.json("providers", "test", "helper")
    assert (document.code, document.data["tried"]["kind"], document.data["tried"]["ok"]) == (0, "codex", True), (
        document.out
    )
    document = cli.json("providers", "test", "gone")
    assert (document.code, document.data["tried"]["fault"]) == (1, "not_installed")
    assert (
        cli.json("providers", "test", "manual").document["summary"] == "A person answers, so there is nothing to try."
    )


def test_a_variable_that_holds_the_key_is_named_and_nothing_is_asked(
    cli: Terminal, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert cli.json("providers", "add", "openai", "--base-url", models.v1).code == 0
    assert line(cli, "openai")["key"] == "env:OPENAI_API_KEY"
    monkeypatch.setenv("MINE", KEY)
    assert cli.json("providers", "key", "openai", "--key", "env:MINE").code == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    assert cli.json("providers", "test", "openai", "--model", "gpt-5.5").code == 0


def test_a_key_is_never_an_argument(cli: Terminal) -> None:
    for words in (("add", "openai"), ("key", "openai")):
        document = cli.json("providers", *words, "--key", KEY)
        assert (document.code, document.refusal, KEY in document.out + document.err) == (1, "bad_argument", False)
        assert "history" in document.document["error"]["hint"]


def test_without_a_terminal_and_a_descriptor_that_is_said(cli: Terminal) -> None:
    document = cli.json("providers", "add", "openai")
    assert (document.code, document.refusal, "--key-fd N" in document.document["error"]["hint"]) == (
        1,
        "needs_human",
        True,
    )
    assert not user_config_file().exists()


def test_a_server_on_this_machine_is_found_and_added_by_its_name(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(models=("qwen3",)) as running:
        port = int(running.origin.rpartition(":")[2])
        monkeypatch.setattr("wfe_mcp.providers.probing.LOCAL", {"LM Studio": (port, "/v1")})
        found = cli.json("providers", "add").data["servers"]
        assert [(each["name"], each["models"]) for each in found] == [("LM Studio", ["qwen3"])]
        assert "wfe-mcp providers add lmstudio" in cli("providers", "add").out
        looked = {each["topic"]: each for each in cli.json("doctor").data["findings"]}
        assert looked["LM Studio"]["message"] == f"{running.v1}, 1 model"
        document = cli.json("providers", "add", "lm-studio")
        assert (document.code, document.data["models"]) == (0, ["qwen3"])
        assert (line(cli, "lm-studio")["kind"], line(cli, "lm-studio")["key"]) == ("openai-compatible", "")
        assert (answer := cli.json("providers", "test", "lm-studio/qwen3").data["tried"])["ok"], answer


def test_a_name_that_is_meaningless_here_asks_for_its_kind(cli: Terminal) -> None:
    document = cli.json("providers", "add", "acme")
    assert (document.refusal, "--kind anthropic" in document.document["error"]["hint"]) == ("bad_argument", True)
    assert cli.json("providers", "add", "acme", "--kind", "opnai").refusal == "bad_argument"


def test_a_provider_is_turned_off_on_and_taken_out(cli: Terminal, models: ModelServer) -> None:
    added(cli, models)
    assert cli.json("providers", "disable", "second").data["provider"]["usable"] is False
    off = cli.json("providers", "test", "second", "--model", "gpt-5.5")
    assert (off.refusal, "providers enable second" in off.document["error"]["hint"]) == ("unavailable", True)
    assert cli.json("providers", "enable", "second").data["provider"]["usable"] is True
    gone = cli.json("providers", "remove", "second")
    assert (gone.code, gone.data["key"]) == (0, True)
    assert cli.json("providers", "test", "second").refusal == "bad_argument"


def test_verify_shows_who_set_which_key_and_when_and_finds_one_that_was_put_there(
    cli: Terminal, models: ModelServer
) -> None:
    added(cli, models)
    document = cli.json("verify")
    (change,) = document.data["keys"]
    assert (change["provider"], change["what"], change["actor"]) == ("second", "SecretSet", "ada")
    assert "Key of second: set 2026-11-20T08:00:00+00:00 by ada (cli)" in cli("verify").out
    with contextlib.closing(sqlite3.connect(cli.database)) as database, database:
        database.execute("UPDATE secret SET value = 'x' || value WHERE name = 'provider_key:second'")
    document = cli.json("verify")
    assert (document.code, document.data["problems"][0]["where"]) == (1, "secret 'provider_key:second'")
    tried = cli.json("providers", "test", "second", "--model", "gpt-5.5")
    assert (tried.refusal, "was not sealed with" in tried.document["error"]["message"]) == ("unavailable", True)


def test_a_role_that_the_project_fills_stays_the_projects(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[roles.second]\nprovider = "codex"\n')
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    document = cli.json("providers", "role", "second", "claude-code")
    assert (document.data["role"]["provider"], "takes precedence over yours" in document.document["summary"]) == (
        "codex",
        True,
    )


def test_doctor_says_which_keys_are_missing_and_never_one_that_is_there(
    cli: Terminal, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(cli, models)
    cli.json("providers", "role", "reviewer", "second", "gpt-5.5")
    cli.json("providers", "role", "other", "gemini", "gemini-3")
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[providers.gone]\nkind = "codex"\nargv = ["no-such-agent"]\n')
    cli.json("trust", "--yes", pin=PIN)
    cli.json("providers", "role", "third", "gone")
    document = cli.json("doctor")
    looked = {each["topic"]: each for each in document.data["findings"]}
    assert looked["provider second"]["level"] == "ok"
    assert looked["provider second"]["message"].startswith("its key is encrypted in the database; ")
    assert (looked["provider gemini"]["level"], document.code) == ("problem", 1)
    assert looked["provider gemini"]["message"] == "no key in GEMINI_API_KEY; fix: wfe-mcp providers key gemini"
    assert looked["role reviewer"]["message"] == "second gpt-5.5"
    assert looked["role other"]["level"] == "problem"
    assert (looked["role third"]["level"], looked["role third"]["message"]) == ("note", "gone: not installed")
    assert "provider anthropic" not in looked, "nobody asked for it"
    assert KEY not in document.out


def agents_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **agents: str) -> Path:
    """The folder of these programs, the first of PATH; each prints its text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, answer in agents.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the stub is a script of a Unix shell")
def test_an_agent_whose_program_is_not_there_is_not_usable_in_the_list_and_in_doctor(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents_on_path(tmp_path, monkeypatch, codex="codex-cli 0.60.1")
    for role, provider in (("reviewer", "codex"), ("other", "gemini-cli")):
        assert cli.json("providers", "role", role, provider).code == 0
    assert [line(cli, name)["usable"] for name in ("codex", "gemini-cli", "claude-code")] == [True, False, False]
    listed = cli("providers", "list").out
    assert "2 of 7 providers usable" in listed, "codex and manual"
    assert [each.split()[2:4] for each in listed.splitlines() if each.startswith("gemini-cli")] == [
        ["not", "installed"]
    ]
    looked = {each["topic"]: each for each in cli.json("doctor").data["findings"]}
    assert looked["provider codex"]["level"] == "ok"
    missing = looked["provider gemini-cli"]
    assert (missing["level"], missing["message"]) == ("problem", "program gemini is not found; fix: install it")
    assert "provider claude-code" not in looked, "nothing needs it"


@pytest.mark.skipif(sys.platform == "win32", reason="the stub is a script of a Unix shell")
def test_doctor_names_the_command_line_agents_on_path_with_their_versions(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = agents_on_path(tmp_path, monkeypatch, codex="codex-cli 0.60.1 (rust)", claude="no number")
    looked = {each["topic"]: each["message"] for each in cli.json("doctor").data["findings"]}
    assert looked["codex"] == f"0.60.1, {folder / 'codex'}"
    assert looked["claude-code"] == f"version unknown, {folder / 'claude'}"
    assert "gemini-cli" not in looked
    found = cli.json("providers", "add").data["agents"]
    assert {each["kind"]: each["version"] for each in found} == {"codex": "0.60.1", "claude-code": ""}
    assert "codex 0.60.1" in cli("providers", "add").out


@pytest.mark.requirement("B-08")
def test_configuration_shows_providers_with_their_layers_and_no_key(cli: Terminal, models: ModelServer) -> None:
    added(cli, models)
    document = cli.json("config", "show", "--origin")
    shown = document.data["settings"]
    assert shown["providers.second.key"] == {"value": "stored", "origin": "user", "where": str(user_config_file())}
    assert shown["providers.second.max_tokens"]["origin"] == "default"
    assert KEY not in document.out + document.err
    config = user_config_file()
    config.write_text(f'{config.read_text()}\n[providers.mine]\nkind = "openai"\nkey = "{KEY}"\n')
    document = cli.json("config", "show", "--origin")
    assert "never the key" in str(document.data["problems"])
    assert KEY not in document.out + document.err, "also where somebody wrote it into the file"


def test_no_key_is_asked_for_where_there_is_no_such_provider(cli: Terminal, answering: Callable[..., None]) -> None:
    answering()  # a key that is asked for fails the test
    assert "No provider 'nope' is configured." in cli("providers", "key", "nope").err
