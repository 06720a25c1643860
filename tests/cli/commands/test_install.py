"""wfe-mcp install and uninstall: every client, on prepared homes and projects."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.client_files import (
    BROKEN,
    COMMENTED,
    EVERY,
    OTHERS,
    everything,
    file_of,
    findings,
    held,
    install,
    places,
    posix,
    prepare,
)
from tests.cli.scene import Terminal
from wfe_mcp.clients import table
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Scope

every = pytest.mark.parametrize(("client", "scope"), EVERY, ids=[f"{client.name}-{scope}" for client, scope in EVERY])


@every
def test_install_in_an_empty_home_writes_the_entry_and_uninstall_leaves_no_trace(
    empty: Terminal, client: Client, scope: Scope
) -> None:
    before = everything(empty.place)
    answer = install(empty, client, scope, "--allow", "--instructions")
    assert answer.code == 0, answer.out
    (outcome,) = answer.data["clients"]
    assert (outcome["state"], outcome["trial"]["fault"], outcome["backups"]) == ("new", "", [])
    assert outcome["trial"]["tools"] == len(table.TOOLS)
    wanted = client.entry(client.shapes[0], places(empty), tuple(outcome["command"]), allow=True)
    assert held(empty, client, scope) == wanted
    assert "wfe-mcp: begin" in client.instructions_file(places(empty), scope).read_text()
    gone = empty.json("uninstall", "--yes")
    assert (gone.code, [each["client"] for each in gone.data["clients"]]) == (0, [client.name])
    assert everything(empty.place) == before


@every
def test_install_keeps_the_rest_a_second_one_changes_nothing_and_uninstall_gives_every_byte_back(
    empty: Terminal, client: Client, scope: Scope
) -> None:
    for name, texts in (("others", OTHERS), ("comments", COMMENTED)):
        if client.format not in texts:
            continue
        text = prepare(empty, client, scope, texts)
        before = everything(empty.place)
        answer = install(empty, client, scope)
        assert answer.code == 0, (name, answer.out)
        connected = everything(empty.place)
        now = file_of(empty, client, scope).read_bytes()
        assert entry.remove_entry(now, client.format, (*client.shapes[0].path, SERVER)).split() == text.split(), name
        (backup,) = answer.data["clients"][0]["backups"]
        assert Path(backup).read_bytes() == text, name
        if name == "others":
            again = empty("install", "--client", client.name, "--scope", scope, "--yes")
            assert again.code == 0
            assert f"{client.title} is connected already (" in again.out and "Nothing to change." in again.out
            assert everything(empty.place) == connected
        assert empty.json("uninstall", "--client", client.name, "--yes").code == 0
        assert everything(empty.place) == before, name


@every
def test_a_broken_file_is_refused_with_its_line_and_stays(empty: Terminal, client: Client, scope: Scope) -> None:
    prepare(empty, client, scope, BROKEN)
    before = everything(empty.place)
    answer = install(empty, client, scope)
    assert (answer.code, answer.refusal) == (1, "conflict")
    assert f"{client.title} cannot read {file_of(empty, client, scope)}, line " in answer.document["error"]["message"]
    assert everything(empty.place) == before


@pytest.mark.parametrize(("client", "scope"), [one for one in EVERY if one[0].format == "json"])
def test_comments_in_a_file_whose_client_reads_plain_json_are_a_fault_with_its_line(
    empty: Terminal, client: Client, scope: Scope
) -> None:
    text = prepare(empty, client, scope, {"json": COMMENTED["jsonc"]})
    answer = install(empty, client, scope)
    assert answer.refusal == "conflict"
    assert "line 1: a comment or trailing comma, which its client does not read." in answer.document["error"]["message"]
    assert file_of(empty, client, scope).read_bytes() == text


@posix
@every
def test_a_read_only_file_is_refused_and_stays(empty: Terminal, client: Client, scope: Scope) -> None:
    prepare(empty, client, scope, OTHERS)
    file_of(empty, client, scope).chmod(0o444)
    before = everything(empty.place)
    answer = install(empty, client, scope)
    assert (answer.code, answer.refusal) == (1, "unavailable")
    assert "is read-only, so nothing was changed" in answer.document["error"]["message"]
    assert everything(empty.place) == before


@every
def test_another_server_of_our_name_is_refused_by_install_and_uninstall(
    empty: Terminal, client: Client, scope: Scope
) -> None:
    file = file_of(empty, client, scope)
    file.parent.mkdir(parents=True, exist_ok=True)
    other = client.shapes[0].entry(("node", "wfe.js"), allow=False)
    file.write_bytes(entry.add_entry(b"", client.format, (*client.shapes[0].path, SERVER), other))
    before = everything(empty.place)
    for document in (
        install(empty, client, scope),
        empty.json("uninstall", "--client", client.name, "--scope", scope, "--yes"),
    ):
        assert (document.code, document.refusal) == (1, "conflict")
        assert f"{file} has a server 'wfe' that is not wfe-mcp: node wfe.js" in document.document["error"]["message"]
    assert everything(empty.place) == before


# -- what a user changed meanwhile -----------------------------------------------------------------------------------


def test_uninstall_keeps_what_a_user_added_after_install(empty: Terminal) -> None:
    client = CLIENTS[0]
    text = prepare(empty, client, "project", OTHERS)
    install(empty, client, "project")
    file = file_of(empty, client, "project")
    file.write_bytes(entry.add_entry(file.read_bytes(), "json", ("mcpServers", "later"), {"command": "x"}))
    assert empty("uninstall", "--yes").code == 0
    assert file.read_bytes() == entry.add_entry(text, "json", ("mcpServers", "later"), {"command": "x"})


def test_an_entry_that_a_user_edited_stays_as_it_is_and_uninstall_removes_it(empty: Terminal) -> None:
    (empty.root / ".mcp.json").write_text(
        '{"mcpServers": {"wfe": {"command": "wfe-mcp", "args": ["serve", "--project", "."]}}}'
    )
    before = (empty.root / ".mcp.json").read_bytes()
    answer = empty("install", "--client", "claude-code", "--yes")
    assert (answer.code, "is connected already" in answer.out) == (0, True)
    assert (empty.root / ".mcp.json").read_bytes() == before
    assert empty("uninstall", "--yes").code == 0
    assert (empty.root / ".mcp.json").read_text() == '{"mcpServers": {}}'


def test_the_entry_of_a_colleague_gives_way_to_a_server_that_the_user_names(empty: Terminal) -> None:
    file, there = empty.root / ".mcp.json", ("install", "--client", "claude-code", "--server", "https://wfe.example")
    for way in (["serve"], ["serve", "--server", "https://old.example"]):
        written = {"type": "stdio", "command": "wfe-mcp", "args": way, "alwaysLoad": True}
        file.write_text(json.dumps({"mcpServers": {"wfe": written}}))
        assert empty(*there, "--yes").code == 0
        assert json.loads(file.read_text())["mcpServers"]["wfe"]["args"] == ["serve", "--server", "https://wfe.example"]
    assert "with https://wfe.example); nothing to change" in empty(*there, "--yes").out
    assert empty("install", "--client", "claude-code", "--yes", "--allow").code == 0
    assert json.loads(file.read_text())["mcpServers"]["wfe"]["args"] == ["serve", "--server", "https://wfe.example"]
    file.write_text('{"mcpServers": {"wfe": {"command": "wfe-mcp", "args": ["serve", "--project", "."]}}}')
    kept = empty(*there, "--yes")
    assert (kept.code, "was edited, and works with this machine" in kept.err) == (1, True)


def test_permission_can_be_added_to_a_connected_client(empty: Terminal) -> None:
    before = everything(empty.place)
    for name in ("codex", "claude-code"):
        assert empty("install", "--client", name, "--yes").code == 0
        document = empty.json("install", "--client", name, "--yes", "--allow")
        assert (document.code, document.data["clients"][0]["state"]) == (0, "update"), document.out
    assert 'default_tools_approval_mode = "approve"' in (empty.root / ".codex" / "config.toml").read_text()
    assert json.loads((empty.root / ".claude" / "settings.json").read_text()) == {
        "permissions": {"allow": ["mcp__wfe"]}
    }
    assert empty("uninstall", "--yes").code == 0
    assert everything(empty.place) == before


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
    assert any(
        "the entry lacks XDG_CONFIG_HOME in env_vars; fix: " in message
        for _, message in findings(empty, "client Codex")
    )


def test_permission_outside_the_entry_is_asked_for_too(empty: Terminal, answering: Callable[..., None]) -> None:
    empty("install", "--client", "claude-code", "--yes")
    answering("n")
    document = empty.json("install", "--client", "claude-code", "--allow", "--no-instructions")
    assert document.refusal == "needs_human"
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
    document = empty.json("install", "--client", "codex", "--scope", "project", "--yes")
    assert document.refusal == "path_outside_project"


@posix
def test_a_copy_of_a_file_with_secrets_is_readable_by_its_owner_alone(empty: Terminal) -> None:
    file = Path.home() / ".claude.json"
    file.write_text('{"oauth": "s3cret"}')
    file.chmod(0o600)
    answer = empty("install", "--client", "claude-code", "--scope", "user", "--yes")
    assert "s3cret" not in answer.out + answer.err
    copies = [
        each for each in Path.home().rglob("*") if each.is_file() and "s3cret" in each.read_text(errors="replace")
    ]
    assert len(copies) == 2 and {each.stat().st_mode & 0o777 for each in copies} == {0o600}
