"""wfe-mcp install --hooks, uninstall and doctor: the hooks of clients on prepared homes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.client_files import everything, findings, install, places, put
from tests.cli.scene import Terminal
from wfe_mcp.clients import hooks
from wfe_mcp.clients.hooks import HOOK_FILES, HookFile
from wfe_mcp.clients.look import client_named
from wfe_mcp.clients.table import Scope

MINE = '{\n    "hooks": {"%s": [{"hooks": [{"type": "command", "command": "mine"}]}]},\n  "a": 1\n}\n'
every = pytest.mark.parametrize(
    ("row", "scope"),
    [(row, scope) for row in HOOK_FILES for scope in ("project", "user")],
    ids=[f"{row.client}-{scope}" for row in HOOK_FILES for scope in ("project", "user")],
)


def added(cli: Terminal, row: HookFile, scope: Scope, *words: str) -> Any:
    return install(cli, client_named(row.client), scope, "--hooks", *words)


def held(cli: Terminal, row: HookFile, scope: Scope) -> dict[str, list[Any]]:
    file = row.file(places(cli), scope)
    return hooks.ours(json.loads(file.read_text()), row) if file.exists() else {}


@every
def test_hooks_are_added_when_asked_for_and_uninstall_leaves_no_trace(
    empty: Terminal, row: HookFile, scope: Scope
) -> None:
    before = everything(empty.place)
    answer = added(empty, row, scope, "--allow", "--instructions")
    assert answer.code == 0, answer.out
    line = hooks.command(row.client, sys.executable, str(hooks.script_folder()), sys.platform)
    assert held(empty, row, scope) == {name: [each] for name, each in row.entries(line).items()}
    assert added(empty, row, scope).data["clients"][0]["state"] == "connected"
    assert empty.json("uninstall", "--client", row.client, "--yes").code == 0
    assert everything(empty.place) == before


@every
def test_never_silently(empty: Terminal, row: HookFile, scope: Scope) -> None:
    for words in ((), ("--no-hooks",)):
        install(empty, client_named(row.client), scope, *words)
        assert held(empty, row, scope) == {}


@every
def test_other_hooks_stay_and_every_byte_comes_back(empty: Terminal, row: HookFile, scope: Scope) -> None:
    file = row.file(places(empty), scope)
    put(file, MINE % row.events[1][0])
    before = everything(empty.place)
    assert added(empty, row, scope).code == 0
    assert '"command": "mine"' in file.read_text() and hooks.MARK in file.read_text()
    assert empty.json("uninstall", "--client", row.client, "--yes").code == 0
    assert everything(empty.place) == before


@every
def test_a_file_that_changed_since_loses_only_our_hooks(empty: Terminal, row: HookFile, scope: Scope) -> None:
    file = row.file(places(empty), scope)
    put(file, MINE % row.events[1][0])
    added(empty, row, scope)
    put(file, file.read_text().replace('"a": 1', '"a": 2'))
    assert empty.json("uninstall", "--client", row.client, "--yes").code == 0
    left = {name: value for name, value in json.loads(file.read_text()).items() if value != {}}
    assert left == json.loads(MINE % row.events[1][0]) | {"a": 2}


@every
def test_hooks_of_another_installation_are_replaced(empty: Terminal, row: HookFile, scope: Scope) -> None:
    old = {
        name: [each]
        for name, each in row.entries(hooks.command(row.client, "/old/python", "/old", sys.platform)).items()
    }
    put(row.file(places(empty), scope), json.dumps({"hooks": old}))
    assert added(empty, row, scope).code == 0
    assert "/old" not in row.file(places(empty), scope).read_text()
    assert all(len(each) == 1 for each in held(empty, row, scope).values())


@every
def test_a_file_whose_hooks_have_another_form_is_refused_and_stays(
    empty: Terminal, row: HookFile, scope: Scope
) -> None:
    file = row.file(places(empty), scope)
    put(file, '{"hooks": "mine"}')
    answer = added(empty, row, scope)
    assert (answer.code, answer.refusal) == (1, "conflict")
    assert file.read_text() == '{"hooks": "mine"}'


def test_a_client_without_hooks_is_connected_without_them(empty: Terminal) -> None:
    assert install(empty, client_named("cursor"), "project", "--hooks").code == 0


def test_a_dry_run_shows_them_and_a_project_file_with_them_is_not_to_be_committed(empty: Terminal) -> None:
    answer = empty("install", "--client", "gemini-cli", "--scope", "project", "--hooks", "--dry-run")
    assert "hooks" in answer.out and "BeforeTool" in answer.out
    answer = empty("install", "--client", "gemini-cli", "--scope", "project", "--hooks", "--yes")
    assert "Do not commit .gemini" in answer.out
    assert "Gemini CLI warns once" in answer.out


def test_an_installation_that_may_be_gone_tomorrow_gets_no_hooks(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from wfe_mcp.clients import launch

    here = launch.this_installation()
    monkeypatch.setattr(launch, "this_installation", lambda: replace(here, prefix=Path("/cache/archive-v0/x")))
    answer = install(empty, client_named("codex"), "project", "--hooks", "--command", "path")
    assert (answer.refusal, "Hooks need an installation that stays" in answer.out) == ("unavailable", True)


@every
def test_doctor_checks_the_hooks(empty: Terminal, row: HookFile, scope: Scope) -> None:
    topic = f"hooks of {client_named(row.client).title}"
    assert findings(empty, topic) == []
    added(empty, row, scope)
    file = row.file(places(empty), scope)
    assert [level for level, _ in findings(empty, topic)] == ["ok"]
    good = file.read_text()
    file.write_text(good.replace("sys.path.append", "sys.path.extend"))
    ((level, answer),) = findings(empty, topic)
    assert (level, f"fix: wfe-mcp install --client {row.client} --hooks --scope {scope}" in answer) == ("note", True)
    file.write_text('{"disableAllHooks": true, "hooksConfig": {"enabled": false},' + good.lstrip()[1:])
    ((level, answer),) = findings(empty, topic)
    assert (level, "switched off there" in answer) == ("note", True)


@pytest.mark.parametrize(
    ("scopes", "plugin", "fix"),
    [
        (["project"], True, " --scope project"),
        (["user"], True, " --scope user"),
        (["project", "user"], True, ""),
        (["project", "user"], False, " --scope user"),
    ],
)
def test_doctor_names_hooks_that_run_twice_and_its_fix_leaves_one(
    empty: Terminal, scopes: list[Scope], plugin: bool, fix: str
) -> None:
    claude, topic = HOOK_FILES[0], "hooks of Claude Code"
    put(claude.file(places(empty), "user"), json.dumps({"enabledPlugins": {"wfe@wfe-mcp": plugin}}))
    for scope in scopes:
        added(empty, claude, scope)
    (lines,) = [text for level, text in findings(empty, topic) if level == "note"]
    answer, _, command = lines.partition("; fix: wfe-mcp ")
    assert (answer.startswith("they run more than once"), command) == (True, f"uninstall --client claude-code{fix}")
    assert empty(*command.split(), "--yes").code == 0
    assert [level for level, _ in findings(empty, topic)] == ([] if plugin else ["ok"])


@pytest.mark.parametrize(
    ("client", "platform", "begins"),
    [
        ("codex", "win32", '& "C:\\py\\python.exe" -I'),
        ("gemini-cli", "win32", '& "C:\\py\\python.exe" -I'),
        ("claude-code", "win32", '"C:\\py\\python.exe" -I'),
        ("codex", "darwin", '"C:\\py\\python.exe" -I'),
    ],
)
def test_a_hook_is_started_by_the_shell_that_its_client_has_on_windows(client: str, platform: str, begins: str) -> None:
    line = hooks.command(client, "C:\\py\\python.exe", "C:\\wfe\\hooks", platform)
    assert line.startswith(begins) and "'C:/wfe/hooks'" in line
