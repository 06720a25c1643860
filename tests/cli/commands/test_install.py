"""wfe-mcp install and uninstall: every client, on prepared homes and projects."""

import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.clients import table
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places, Scope

posix = pytest.mark.skipif(sys.platform == "win32", reason="mode bits, symbolic links and shell scripts")
EVERY: list[tuple[Client, Scope]] = [(client, scope) for client in CLIENTS for scope in client.scopes]
every = pytest.mark.parametrize(("client", "scope"), EVERY, ids=[f"{client.name}-{scope}" for client, scope in EVERY])
OTHERS = {
    "json": '{{\n    "mine": [1, 2],\n    "{0}": {{\n        "github": {{"command": "gh"}}\n    }}\n}}',
    "jsonc": '{{\n    "mine": [1, 2],\n    "{0}": {{\n        "github": {{"command": "gh", "type": "local"}}\n    }}\n}}',
    "toml": 'model = "x"\n\n[{0}.github]\ncommand = "gh"\n',
    "yaml": "GOOSE_MODE: auto\n{0}:\n    github:\n        cmd: gh\nlast: 1\n",
}
COMMENTED = {
    "jsonc": '\ufeff// mine\r\n{{\r\n\t"mine": [1, 2,], /* , */\r\n\t"{0}": {{ // servers\r\n\t\t// gh\r\n\t\t"github": {{"command": "gh", "type": "local"}},\r\n\t}},\r\n}}\r\n',
    "toml": "# mine\r\nmodel = \"x\" # x\r\n\r\n[{0}.github] # gh\r\ncommand = 'gh'\r\n# the end",
    "yaml": "# mine\r\n{0}: # servers\r\n  # gh\r\n  github: {{cmd: gh}} # gh\r\n# the end",
}
BROKEN = {"json": '{{\n"a": ', "jsonc": '{{\n"a": ', "toml": "a = 1\nb\n", "yaml": "a: 1\nb: [\n"}


def places(cli: Terminal) -> Places:
    return Places(cli.root, Path.home(), sys.platform, os.environ)


def file_of(cli: Terminal, client: Client, scope: Scope) -> Path:
    return client.files(places(cli), scope)[0]


def prepare(cli: Terminal, client: Client, scope: Scope, texts: dict[str, str]) -> bytes:
    """The client's file, with the text of its format; ``{0}`` is the name of its servers."""
    file = file_of(cli, client, scope)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(texts[client.format].format(client.shapes[0].path[0]).encode())
    return file.read_bytes()


def held(cli: Terminal, client: Client, scope: Scope) -> dict[str, Any]:
    """The entry of wfe."""
    found = entry.parsed(file_of(cli, client, scope).read_bytes(), client.format)
    return entry.at(found, (*client.shapes[0].path, SERVER))


def install(cli: Terminal, client: Client, scope: Scope, *words: str) -> Any:
    return cli.json("install", "--client", client.name, "--scope", scope, "--yes", *words)


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder of the user and the project, but wfe-mcp's own data."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "wfe-mcp" not in path.parts and path.name not in (".local", "share", "Library", "Application Support")
    }


@pytest.fixture
def answering(at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``answering("y", "n")``: a user at the terminal and their answers."""

    def say(*lines: str) -> None:
        given = iter(lines)
        at_terminal(True)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin.readline", lambda: f"{next(given)}\n", raising=False)

    return say


# -- each client, each scope -----------------------------------------------------------------------------------------


@every
def test_install_in_an_empty_home_writes_the_entry_and_uninstall_leaves_no_trace(
    empty: Terminal, tmp_path: Path, client: Client, scope: Scope
) -> None:
    before = everything(tmp_path)
    said = install(empty, client, scope, "--allow", "--instructions")
    assert said.code == 0, said.out
    (outcome,) = said.data["clients"]
    assert (outcome["state"], outcome["trial"]["fault"], outcome["backups"]) == ("new", "", [])
    assert outcome["trial"]["tools"] == len(table.TOOLS)
    wanted = client.entry(client.shapes[0], places(empty), tuple(outcome["command"]), allow=True)
    assert held(empty, client, scope) == wanted
    assert "wfe-mcp: begin" in client.instructions_file(places(empty), scope).read_text()
    gone = empty.json("uninstall", "--yes")
    assert (gone.code, [each["client"] for each in gone.data["clients"]]) == (0, [client.name])
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("client", "scope", "texts"),
    [(*one, texts) for one in EVERY for texts in (OTHERS, COMMENTED) if one[0].format in texts],
)
def test_install_keeps_the_rest_and_uninstall_gives_every_byte_back(
    empty: Terminal, tmp_path: Path, client: Client, scope: Scope, texts: dict[str, str]
) -> None:
    text = prepare(empty, client, scope, texts)
    before = everything(tmp_path)
    said = install(empty, client, scope)
    assert said.code == 0, said.out
    now = file_of(empty, client, scope).read_bytes()
    assert entry.removed(now, client.format, (*client.shapes[0].path, SERVER)).split() == text.split()
    (backup,) = said.data["clients"][0]["backups"]
    assert Path(backup).read_bytes() == text
    assert empty.json("uninstall", "--client", client.name, "--yes").code == 0
    assert everything(tmp_path) == before


@every
def test_a_broken_file_is_refused_with_its_line_and_stays(
    empty: Terminal, tmp_path: Path, client: Client, scope: Scope
) -> None:
    prepare(empty, client, scope, BROKEN)
    before = everything(tmp_path)
    said = install(empty, client, scope)
    assert (said.code, said.refusal) == (1, "conflict")
    assert f"{client.title} cannot read {file_of(empty, client, scope)}, line " in said.document["error"]["message"]
    assert everything(tmp_path) == before


@pytest.mark.parametrize(("client", "scope"), [one for one in EVERY if one[0].format == "json"])
def test_comments_in_a_file_whose_client_reads_plain_json_are_a_fault_with_its_line(
    empty: Terminal, client: Client, scope: Scope
) -> None:
    text = prepare(empty, client, scope, {"json": COMMENTED["jsonc"]})
    said = install(empty, client, scope)
    assert said.refusal == "conflict"
    assert "line 1: a comment or trailing comma, which its client does not read" in said.document["error"]["message"]
    assert file_of(empty, client, scope).read_bytes() == text


@posix
@every
def test_a_read_only_file_is_refused_and_stays(empty: Terminal, tmp_path: Path, client: Client, scope: Scope) -> None:
    prepare(empty, client, scope, OTHERS)
    file_of(empty, client, scope).chmod(0o444)
    before = everything(tmp_path)
    said = install(empty, client, scope)
    assert (said.code, said.refusal) == (1, "unavailable")
    assert "is read-only, so nothing was changed" in said.document["error"]["message"]
    assert everything(tmp_path) == before


@every
def test_another_server_of_our_name_is_refused_by_install_and_uninstall(
    empty: Terminal, tmp_path: Path, client: Client, scope: Scope
) -> None:
    file = file_of(empty, client, scope)
    file.parent.mkdir(parents=True, exist_ok=True)
    other = client.shapes[0].entry(("node", "wfe.js"), allow=False)
    file.write_bytes(entry.added(b"", client.format, (*client.shapes[0].path, SERVER), other))
    before = everything(tmp_path)
    for said in (install(empty, client, scope), empty.json("uninstall", "--client", client.name, "--scope", scope, "--yes")):  # fmt: skip
        assert (said.code, said.refusal) == (1, "conflict")
        assert f"{file} has a server 'wfe' that is not wfe-mcp: command 'node wfe.js'" in said.document["error"]["message"]  # fmt: skip
    assert everything(tmp_path) == before


@every
def test_a_second_install_says_so_and_changes_nothing(
    empty: Terminal, tmp_path: Path, client: Client, scope: Scope
) -> None:
    prepare(empty, client, scope, OTHERS)
    install(empty, client, scope)
    before = everything(tmp_path)
    said = empty("install", "--client", client.name, "--scope", scope, "--yes")
    assert said.code == 0
    assert f"{client.title} is connected already (" in said.out and "Nothing to change." in said.out
    assert everything(tmp_path) == before


# -- what a user changed meanwhile -----------------------------------------------------------------------------------


def test_uninstall_keeps_what_a_user_added_after_install(empty: Terminal) -> None:
    client = CLIENTS[0]
    text = prepare(empty, client, "project", OTHERS)
    install(empty, client, "project")
    file = file_of(empty, client, "project")
    file.write_bytes(entry.added(file.read_bytes(), "json", ("mcpServers", "later"), {"command": "x"}))
    assert empty("uninstall", "--yes").code == 0
    assert file.read_bytes() == entry.added(text, "json", ("mcpServers", "later"), {"command": "x"})


def test_an_entry_that_a_user_edited_stays_as_it_is_and_uninstall_removes_it(empty: Terminal) -> None:
    (empty.root / ".mcp.json").write_text('{"mcpServers": {"wfe": {"command": "wfe-mcp", "args": ["serve", "--project", "."]}}}')  # fmt: skip
    before = (empty.root / ".mcp.json").read_bytes()
    said = empty("install", "--client", "claude-code", "--yes")
    assert (said.code, "is connected already" in said.out) == (0, True)
    assert (empty.root / ".mcp.json").read_bytes() == before
    assert empty("uninstall", "--yes").code == 0
    assert (empty.root / ".mcp.json").read_text() == '{"mcpServers": {}}'


def test_permission_can_be_added_to_a_connected_client(empty: Terminal, tmp_path: Path) -> None:
    before = everything(tmp_path)
    for name in ("codex", "claude-code"):
        assert empty("install", "--client", name, "--yes").code == 0
        said = empty.json("install", "--client", name, "--yes", "--allow")
        assert (said.code, said.data["clients"][0]["state"]) == (0, "update"), said.out
    assert 'default_tools_approval_mode = "approve"' in (empty.root / ".codex" / "config.toml").read_text()
    assert json.loads((empty.root / ".claude" / "settings.json").read_text()) == {
        "permissions": {"allow": ["mcp__wfe"]}
    }
    assert empty("uninstall", "--yes").code == 0
    assert everything(tmp_path) == before


def test_permission_is_taken_out_of_a_list_that_a_user_extended(empty: Terminal) -> None:
    empty("install", "--client", "claude-code", "--yes", "--allow")
    file = empty.root / ".claude" / "settings.json"
    file.write_text('{"permissions": {"allow": ["Bash(ls)", "mcp__wfe"]}}')
    assert empty("uninstall", "--yes").code == 0
    assert file.read_text() == '{"permissions": {"allow": ["Bash(ls)"]}}'


def test_the_lines_for_the_model_stay_while_another_client_reads_them(empty: Terminal) -> None:
    guide = empty.root / "AGENTS.md"
    guide.write_bytes(b"# Mine\r\n\r\nBe brief.")
    for name in ("codex", "opencode"):
        assert empty("install", "--client", name, "--yes", "--instructions").code == 0
    assert guide.read_bytes().count(b"wfe-mcp: begin") == 1
    assert empty("uninstall", "--client", "codex", "--yes").code == 0
    assert b"wfe-mcp: begin" in guide.read_bytes()
    assert empty("uninstall", "--client", "opencode", "--yes").code == 0
    assert guide.read_bytes() == b"# Mine\r\n\r\nBe brief."


def test_the_lines_for_the_model_are_cut_out_of_a_file_that_a_user_extended(empty: Terminal) -> None:
    guide = empty.root / "CLAUDE.md"
    guide.write_text("# Mine\n")
    empty("install", "--client", "claude-code", "--yes", "--instructions")
    guide.write_text(guide.read_text() + "More.\n")
    assert empty("uninstall", "--yes").code == 0
    assert guide.read_text() == "# Mine\nMore.\n"


def test_a_client_that_passes_few_variables_is_given_the_names_of_those_that_choose_the_database(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    assert empty("install", "--client", "codex", "--yes").code == 0
    text = (empty.root / ".codex" / "config.toml").read_text()
    assert tomllib.loads(text)["mcp_servers"]["wfe"]["env_vars"] == ["WFE_DATABASE_URL", "OPENAI_API_KEY"]
    assert "sk-1" not in text
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty.root))
    assert any("the entry lacks XDG_CONFIG_HOME in env_vars; fix: " in message for _, message in findings(empty, "client Codex"))  # fmt: skip


def test_permission_outside_the_entry_is_asked_for_too(empty: Terminal, answering: Callable[..., None]) -> None:
    empty("install", "--client", "claude-code", "--yes")
    answering("n")
    said = empty.json("install", "--client", "claude-code", "--allow", "--no-instructions")
    assert said.refusal == "needs_human"
    assert not (empty.root / ".claude").exists()


@posix
def test_a_link_is_followed_where_it_is_the_users_and_refused_where_it_leaves_the_project(
    empty: Terminal, tmp_path: Path
) -> None:
    kept = tmp_path / "dotfiles.toml"
    kept.write_text("# mine\n")
    kept.chmod(0o600)
    link = Path.home() / ".codex" / "config.toml"
    link.parent.mkdir()
    link.symlink_to(kept)
    assert empty("install", "--client", "codex", "--scope", "user", "--yes").code == 0
    assert link.is_symlink() and "[mcp_servers.wfe]" in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
    (empty.root / ".codex").mkdir()
    (empty.root / ".codex" / "config.toml").symlink_to(kept)
    said = empty.json("install", "--client", "codex", "--scope", "project", "--yes")
    assert said.refusal == "path_outside_project"


@posix
def test_a_copy_of_a_file_with_secrets_is_readable_by_its_owner_alone(empty: Terminal) -> None:
    file = Path.home() / ".claude.json"
    file.write_text('{"oauth": "s3cret"}')
    file.chmod(0o600)
    said = empty("install", "--client", "claude-code", "--scope", "user", "--yes")
    assert "s3cret" not in said.out + said.err
    copies = [
        each for each in Path.home().rglob("*") if each.is_file() and "s3cret" in each.read_text(errors="replace")
    ]
    assert len(copies) == 2 and {each.stat().st_mode & 0o777 for each in copies} == {0o600}


# -- what is chosen, asked and refused -------------------------------------------------------------------------------


def test_without_a_name_every_installed_client_is_connected_and_a_refusal_leaves_the_others(empty: Terminal) -> None:
    (Path.home() / ".codex").mkdir()
    (Path.home() / ".gemini").mkdir()
    (Path.home() / ".cursor").mkdir()
    (empty.root / ".gemini").mkdir()
    (empty.root / ".gemini" / "settings.json").write_text("{")
    said = empty("install", "--yes")
    assert said.code == 1
    assert "Connected Codex (.codex/config.toml); a test start worked, 15 tools." in said.out
    assert "Connected Cursor (.cursor/mcp.json)" in said.out
    assert "error: Gemini CLI cannot read" in said.err
    states = {each["client"]: each["state"] for each in empty.json("install", "--yes").data["clients"]}
    assert states == {"codex": "connected", "cursor": "connected", "gemini-cli": "refused"}


def test_a_dry_run_shows_the_changes_and_writes_and_starts_nothing(empty: Terminal, tmp_path: Path) -> None:
    before = everything(tmp_path)
    said = empty("install", "--client", "codex", "--dry-run")
    assert said.code == 0
    assert "Codex: .codex/config.toml (new), server wfe\n  + [mcp_servers.wfe]\n" in said.out
    assert "Would connect Codex." in said.out and "test start" not in said.out
    assert everything(tmp_path) == before
    empty("install", "--client", "codex", "--yes")
    there = everything(tmp_path)
    gone = empty("uninstall", "--dry-run")
    assert "  - [mcp_servers.wfe]\n" in gone.out and "Would disconnect Codex (project)." in gone.out
    assert everything(tmp_path) == there


def test_at_a_terminal_the_client_the_permission_and_the_lines_are_asked_for_one_by_one(
    empty: Terminal, answering: Callable[..., None]
) -> None:
    answering("n", "y", "y", "n", "n", "y")
    assert empty.json("install", "--client", "codex").refusal == "needs_human"
    assert not (empty.root / ".codex").exists()
    said = empty("install", "--client", "codex")
    assert said.code == 0
    assert "Connect Codex? [y/N] " in said.err
    assert "May Codex call wfe's tools without asking? Approvals still need your PIN. [y/N] " in said.err
    assert "Add 3 lines on when to use wfe to AGENTS.md? [y/N] " in said.err
    assert "approve" in (empty.root / ".codex" / "config.toml").read_text()
    assert not (empty.root / "AGENTS.md").exists()
    assert "Next: tell your agent: Use wfe quick_fix to fix <the bug>." in said.err
    assert empty.json("uninstall").refusal == "needs_human"
    assert (empty("uninstall").code, (empty.root / ".codex").exists()) == (0, False)


def test_without_a_terminal_nothing_is_written_and_permission_is_never_given_silently(empty: Terminal) -> None:
    assert empty.json("install", "--client", "codex").refusal == "needs_human"
    assert not (empty.root / ".codex").exists()
    said = empty("install", "--client", "codex", "--yes")
    assert "approve" not in (empty.root / ".codex" / "config.toml").read_text()
    assert "It asks before each call that changes something; codex exec refuses those calls; to allow wfe's tools: wfe-mcp install --allow." in said.out  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--client", "cursr"], "No client is called 'cursr'.", "Did you mean cursor?"),
        (["--client", "emacs"], "No client is called 'emacs'.", "There are: claude-code, codex, cursor, "),
        (["--client", "goose", "--scope", "project"], "Goose reads no file of a project.", "wfe-mcp install --client goose --scope user"),
        (["--scope", "usr"], "--scope 'usr' is not known.", "Did you mean user?"),
        (["--command", "pip"], "--command 'pip' is not known.", "There are: auto, path, name, uvx."),
        ([], "No client was found on this machine.", "Name one: wfe-mcp install --client NAME, of claude-code, "),
    ],
)  # fmt: skip
def test_wrong_words_are_refused_with_the_nearest_valid_ones(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str, hint: str
) -> None:
    monkeypatch.setenv("PATH", str(empty.root))
    error = empty.json("install", *words).document["error"]
    assert error["message"] == message and error["hint"].startswith(hint)


def test_uninstall_without_a_connection_says_so_and_leaves_broken_files_of_others(empty: Terminal) -> None:
    (empty.root / ".mcp.json").write_text("{")
    said = empty("uninstall", "--yes")
    assert (said.code, said.out) == (0, "No client is connected; nothing to change.\n")
    assert empty.json("uninstall", "--client", "claude-code", "--yes").refusal == "conflict"


@posix
def test_a_command_that_does_not_start_as_the_client_starts_it_is_refused_and_nothing_is_written(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = empty.root / "bin"
    programs.mkdir()
    (programs / "wfe-mcp").write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    (programs / "wfe-mcp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    error = empty.json("install", "--client", "codex", "--command", "name", "--yes").document["error"]
    assert error["code"] == "unavailable"
    assert error["message"] == "wfe-mcp serve does not work as Codex starts it: it ended before it answered: no such module"  # fmt: skip
    assert not (empty.root / ".codex").exists()


@posix
def test_the_name_of_a_shared_file_is_to_be_committed_and_a_path_is_not(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    said = empty("install", "--client", "claude-code", "--yes", "--instructions")
    assert json.loads((empty.root / ".mcp.json").read_text())["mcpServers"]["wfe"]["command"] == "wfe-mcp"
    assert "To share with your team, commit .mcp.json CLAUDE.md" in said.out
    said = empty("install", "--client", "cursor", "--yes", "--command", "path")
    assert "Do not commit .cursor/mcp.json: the command is a path of this machine." in said.out


# -- opencode's two shapes -------------------------------------------------------------------------------------------


@pytest.fixture
def opencode(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``opencode("2.1.0")``: a program that reports that version."""

    def put(version: str) -> None:
        programs = empty.root.parent / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "opencode").write_text(f"#!/bin/sh\necho {version}\n")
        (programs / "opencode").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    return put


@posix
def test_opencode_2_gets_its_own_shape(empty: Terminal, opencode: Callable[[str], None]) -> None:
    opencode("2.1.0")
    assert empty("install", "--yes").code == 0
    found = json.loads((empty.root / "opencode.json").read_text())
    assert found["mcp"]["servers"]["wfe"]["timeout"] == {"startup": 30000, "request": 120000}
    assert found["mcp"]["servers"]["wfe"]["disabled"] is False
    assert empty("uninstall", "--yes").code == 0
    assert not (empty.root / "opencode.json").exists()


@posix
@pytest.mark.parametrize(
    ("version", "text", "path"),
    [
        ("1.18.0", '{"mcp": {"servers": {"a": {"type": "local"}}}}', ("mcp", "servers", "wfe")),
        ("2.0.0", '{"mcp": {"a": {"type": "local", "command": ["a"]}}}', ("mcp", "wfe")),
        ("1.18.0", "{}", ("mcp", "wfe")),
        ("unknown", "{}", ("mcp", "wfe")),
    ],
)
def test_the_shape_that_opencodes_file_has_is_kept(
    empty: Terminal, opencode: Callable[[str], None], version: str, text: str, path: tuple[str, ...]
) -> None:
    opencode(version)
    (empty.root / "opencode.jsonc").write_text(text)
    assert empty("install", "--client", "opencode", "--yes").code == 0
    found = json.loads((empty.root / "opencode.jsonc").read_text())
    assert entry.at(found, path)["type"] == "local"
    assert not (empty.root / "opencode.json").exists()


# -- init and doctor -------------------------------------------------------------------------------------------------


def chosen_pin(_prompt: str) -> str:
    return PIN


def test_init_ends_with_the_clients_that_it_found_and_one_key_connects_them(
    empty: Terminal, answering: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.git("init", "-q")
    for folder in (".codex", ".cursor"):
        (Path.home() / folder).mkdir()
    monkeypatch.setattr("getpass.getpass", chosen_pin)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    answering("y", "", "2", "n", "a", "y", "n")
    said = empty("init")
    assert (said.code, "Clients: 1 Codex, 2 Cursor. Connect (1, 2 .., a = all, Enter = none)? " in said.err) == (
        0,
        True,
    )
    assert not (empty.root / ".codex").exists() and not (empty.root / ".cursor").exists()
    said = empty("init", "--no-trial")
    assert "Connected Cursor (.cursor/mcp.json); a test start worked, 15 tools." in said.out
    assert "To share with your team, commit .wfe/config.toml .wfe/.gitignore .cursor/mcp.json" in said.out
    said = empty("init", "--no-trial")
    assert "Clients: 1 Codex. Connect" in said.err and "Connected Codex" in said.out
    assert "approve" in (empty.root / ".codex" / "config.toml").read_text()
    assert "Clients" not in empty("init", "--no-trial").err


def test_init_without_a_terminal_names_the_clients_and_connects_none(empty: Terminal) -> None:
    (Path.home() / ".codex").mkdir()
    said = empty("init", "--yes", pin=PIN)
    assert "Clients not connected yet: Codex. To connect them: wfe-mcp install\n" in said.out
    assert empty.json("init", "--yes", pin=PIN).data["clients"] == ["codex"]
    assert not (empty.root / ".codex").exists()


def findings(cli: Terminal, topic: str) -> list[tuple[str, str]]:
    found = cli.json("doctor").data["findings"]
    return [(each["level"], each["message"].replace(str(cli.root), "ROOT")) for each in found if each["topic"] == topic]


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


AGAIN = "fix: wfe-mcp uninstall --client {0}, then wfe-mcp install --client {0}"
OURS = '"command": "wfe-mcp", "args": ["serve"{0}]'
CLAUDE = '{"mcpServers": {"wfe": {' + OURS + ', "type": "stdio", "alwaysLoad": true}}}'
NO_TRUST = "Codex ignores it, because it does not trust this project; fix: start codex here and trust it, or wfe-mcp install --client codex --scope user"  # fmt: skip
CODEX = '[mcp_servers.wfe]\ncommand = "wfe-mcp"\nargs = ["serve"]\nrequired = true\nstartup_timeout_sec = 30\ntool_timeout_sec = 120\nenv_vars = ["WFE_DATABASE_URL"]\n'  # fmt: skip
GEMINI = '{"mcpServers": {"wfe": {' + OURS + ', "timeout": 1, "trust": true}}}'
NO_FOLDER = "Gemini CLI starts no servers in a folder that it does not trust; fix: /permissions in gemini, or trust the folder when it asks"  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text", "topic", "level", "message"),
    [
        (".mcp.json", "{", "Claude Code", "problem", "Claude Code cannot read ROOT/.mcp.json, line 1: expected a key in double quotes Fix that file first; it was not changed."),
        (".mcp.json", '{"mcpServers": {"wfe": {"command": "node"}}}', "Claude Code", "note", "ROOT/.mcp.json has a server 'wfe' that is not wfe-mcp; fix: rename it there, then wfe-mcp install --client claude-code"),
        (".mcp.json", CLAUDE.replace("{0}", "").replace('"wfe-mcp"', '"/gone/wfe-mcp"'), "Claude Code", "problem", "ROOT/.mcp.json: its command /gone/wfe-mcp is not found; " + AGAIN.format("claude-code")),
        (".mcp.json", CLAUDE.replace("{0}", ', "--project", "/gone"'), "Claude Code", "problem", "ROOT/.mcp.json: it names the project /gone, which is no folder; fix: correct --project there"),
        (".mcp.json", CLAUDE.replace("{0}", ', "--project=/"'), "Claude Code", "note", "ROOT/.mcp.json: it always serves the project /, not this one; fix: remove --project there"),
        (".mcp.json", CLAUDE.replace("{0}", "").replace('"type": "stdio"', '"env": {"WFE_PROJECT": "/"}, "type": "stdio"'), "Claude Code", "note", "ROOT/.mcp.json: it always serves the project /, not this one; fix: remove --project there"),
        (".mcp.json", CLAUDE.replace("{0}", "").replace(', "alwaysLoad": true', ""), "Claude Code", "note", "ROOT/.mcp.json: the entry lacks alwaysLoad; " + AGAIN.format("claude-code")),
        (".mcp.json", CLAUDE.replace("{0}", "").replace(', "alwaysLoad"', ', "disabled": true, "alwaysLoad"'), "Claude Code", "problem", "ROOT/.mcp.json: the server is disabled there; fix: enable it"),
        (".gemini/settings.json", GEMINI.replace("{0}", "").replace('"timeout": 1, ', ""), "Gemini CLI", "note", "ROOT/.gemini/settings.json: the entry lacks timeout; " + AGAIN.format("gemini-cli")),
        (".codex/config.toml", CODEX, "Codex", "note", "ROOT/.codex/config.toml: " + NO_TRUST),
        (".mcp.json", CLAUDE.replace("{0}", ""), "Claude Code", "ok", "ROOT/.mcp.json, serves the project that the client is started in; it asks before each call of a tool; claude -p refuses the calls"),
        (".mcp.json", CLAUDE.replace("{0}", ', "--project", "."'), "Claude Code", "ok", "ROOT/.mcp.json, serves .; it asks before each call of a tool; claude -p refuses the calls"),
        (".mcp.json", CLAUDE.replace("{0}", ', "--project", "${X}"'), "Claude Code", "ok", "ROOT/.mcp.json, serves ${X}; it asks before each call of a tool; claude -p refuses the calls"),
        (".gemini/settings.json", GEMINI.replace("{0}", ""), "Gemini CLI", "ok", "ROOT/.gemini/settings.json, serves the project that the client is started in"),
    ],
)  # fmt: skip
def test_doctor_says_what_is_wrong_with_a_connection_and_how_to_fix_it(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, file: str, text: str, topic: str, level: str, message: str
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    put(empty.root / file, text)
    assert findings(empty, f"client {topic}") == [(level, message)]
    found = empty.json("doctor")
    assert found.code == 1, "nothing is configured here"


def test_doctor_names_an_installed_client_that_is_not_connected(empty: Terminal) -> None:
    (Path.home() / ".cursor").mkdir()
    assert findings(empty, "client Cursor") == [("note", "not connected; fix: wfe-mcp install --client cursor")]
    assert findings(empty, "client Zed") == []


def test_doctor_knows_who_trusts_the_project(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    home = Path.home()
    put(empty.root / ".codex" / "config.toml", CODEX)
    put(home / ".codex" / "config.toml", f'[projects."{empty.root.as_posix()}"]\ntrust_level = "trusted"\n')
    assert [level for level, _ in findings(empty, "client Codex")] == ["ok"]
    put(home / ".codex" / "config.toml", CODEX)
    assert [level for level, _ in findings(empty, "client Codex")] == ["note", "ok"]
    put(empty.root / ".mcp.json", CLAUDE.replace("{0}", ""))
    put(empty.root / ".claude" / "settings.local.json", '{"disabledMcpjsonServers": ["wfe"]}')
    ((level, message),) = findings(empty, "client Claude Code")
    assert (level, "because .claude/settings.local.json has it in disabledMcpjsonServers" in message) == ("note", True)
    put(home / ".claude.json", CLAUDE.replace("{0}", ""))
    assert [level for level, _ in findings(empty, "client Claude Code")] == ["note", "ok"]
    put(empty.root / ".gemini" / "settings.json", GEMINI.replace("{0}", ""))
    put(home / ".gemini" / "settings.json", '{"security": {"folderTrust": {"enabled": true}}}')
    assert findings(empty, "client Gemini CLI") == [("note", f"ROOT/.gemini/settings.json: {NO_FOLDER}")]
    put(home / ".gemini" / "trustedFolders.json", json.dumps({str(empty.root): "DO_NOT_TRUST"}))
    assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["note"]
    put(home / ".gemini" / "trustedFolders.json", "{")
    assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["note"]
    for folder, kind in ((empty.root, "TRUST_FOLDER"), (empty.root.parent, "TRUST_FOLDER"), (empty.root.parent, "TRUST_PARENT")):  # fmt: skip
        put(home / ".gemini" / "trustedFolders.json", json.dumps({"/other": "TRUST_FOLDER", str(folder): kind}))
        assert [level for level, _ in findings(empty, "client Gemini CLI")] == ["ok"]


@posix
def test_doctor_says_which_wfe_mcp_the_path_and_an_entry_name(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts, other = Path(sys.executable).parent, tmp_path / "other" / "wfe-mcp"
    system = "/usr/bin:/bin"
    monkeypatch.setenv("PATH", system)
    ((level, message),) = findings(empty, "PATH")
    assert (level, message) == ("note", f"wfe-mcp is not found; fix: uv tool update-shell, then open a new terminal; until then: {scripts}/wfe-mcp")  # fmt: skip
    put(other, "#!/bin/sh\necho wfe-mcp 0.0.1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{system}")
    ((level, message),) = findings(empty, "PATH")
    assert level == "note" and f"wfe-mcp is {other}, not {scripts}/wfe-mcp, which runs now; fix: " in message
    put(empty.root / ".mcp.json", CLAUDE.replace("{0}", ""))
    ((level, message),) = findings(empty, "client Claude Code")
    assert (level, "its command wfe-mcp is wfe-mcp 0.0.1, this is " in message) == ("note", True)
    other.write_text("#!/bin/sh\necho hello\n")
    assert "is wfe-mcp of unknown version" in findings(empty, "client Claude Code")[0][1]
    other.write_text("no program")
    assert "is wfe-mcp of unknown version" in findings(empty, "client Claude Code")[0][1]
    monkeypatch.setenv("PATH", f"{scripts}:{system}")
    assert findings(empty, "PATH") == [("ok", str(scripts / "wfe-mcp"))]
    assert [level for level, _ in findings(empty, "client Claude Code")] == ["ok"]
