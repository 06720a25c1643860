"""Clients write into their own files between install and uninstall: nothing of theirs is lost, nothing of ours stays.

What each writes was seen with Claude Code 2.1, Codex 0.169, opencode 1.18 and Gemini CLI 0.61.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.client_files import everything, file_of, held, install, places, prepare
from tests.cli.scene import Terminal
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.hooks import MARK, hook_file
from wfe_mcp.clients.look import client_named
from wfe_mcp.clients.table import Client, Scope

MINE = {
    "json": '{{"mine": [1, 2], "{0}": {{"github": {{"command": "gh"}}}}}}',
    "jsonc": '{{"mine": [1, 2], "{0}": {{"github": {{"command": "gh"}}}}}}',
    "toml": '# mine\nmodel = "x"\n\n[{0}.github]\ncommand = "gh"\n',
}
BARE = {"json": '{"mine": 1}', "jsonc": '{"mine": 1}', "toml": 'model = "x"\n'}


def with_schema(text: str) -> str:
    """opencode puts this line after the first brace."""
    return text.replace("{", '{\n  "$schema": "https://opencode.ai/config.json",', 1)


def with_trust(text: str) -> str:
    """Codex appends the folders it trusts, and the hooks that its user has seen."""
    return f'{text}\n[projects."/srv/shop"]\ntrust_level = "trusted"\n'


def rewritten(**more: Any) -> Callable[[str], str]:
    """Claude Code and Gemini CLI rewrite their whole file, with keys of their own."""
    return lambda text: json.dumps(json.loads(text or "{}") | more, indent=2)


@dataclass(frozen=True, slots=True)
class Writer:
    """A client that writes. ``writes``: text → text. ``left``: a file of its own that only install began, after uninstall."""

    name: str
    scope: Scope
    writes: Callable[[str], str]
    left: str

    @property
    def client(self) -> Client:
        return client_named(self.name)


GROWN = rewritten(numStartups=1, projects={"/srv/shop": {"hasTrustDialogAccepted": True}}, userID="ad0e")
KNOWN = rewritten(security={"auth": {"selectedType": "gemini-api-key"}}, general={"enableAutoUpdate": False})
WRITERS = (
    Writer("opencode", "project", with_schema, '{\n  "$schema": "https://opencode.ai/config.json"\n}\n'),
    Writer("opencode", "user", with_schema, '{\n  "$schema": "https://opencode.ai/config.json"\n}\n'),
    Writer("claude-code", "user", GROWN, GROWN("")),
    Writer("codex", "user", with_trust, with_trust("")),
    Writer("gemini-cli", "user", KNOWN, KNOWN("")),
    Writer("gemini-cli", "project", KNOWN, KNOWN("")),
)
every = pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: f"{writer.name}-{writer.scope}")


def let_it_write(cli: Terminal, writer: Writer) -> str:
    """The client's file after the client has written."""
    file = file_of(cli, writer.client, writer.scope)
    file.write_bytes(writer.writes(file.read_text()).encode())
    return file.read_text()


def squeezed(text: str) -> str:
    """``text`` without blanks: they are not compared where a line was cut out."""
    return "".join(text.split())


def read(text: str, writer: Writer) -> dict[str, Any]:
    return entry.parse_document(text.encode(), writer.client.format)


@every
def test_a_second_install_finds_its_entry_and_uninstall_leaves_what_the_client_wrote(
    empty: Terminal, writer: Writer
) -> None:
    file = file_of(empty, writer.client, writer.scope)
    assert install(empty, writer.client, writer.scope).code == 0
    text = let_it_write(empty, writer)
    connected = everything(empty.place)

    again = empty("install", "--client", writer.name, "--scope", writer.scope, "--yes")

    assert f"{writer.client.title} is connected already (" in again.out and "Nothing to change." in again.out
    assert everything(empty.place) == connected
    assert empty("uninstall", "--client", writer.name, "--yes").code == 0
    assert "wfe" not in file.read_text() and "wfe" in text
    assert squeezed(file.read_text()) == squeezed(writer.left)


@every
@pytest.mark.parametrize("prepared", [MINE, BARE], ids=["with-servers", "without-servers"])
def test_a_file_of_a_user_ends_as_the_client_alone_would_have_left_it(
    empty: Terminal, writer: Writer, prepared: dict[str, str]
) -> None:
    texts = {
        form: text if prepared is MINE else text.replace("{", "{{").replace("}", "}}")
        for form, text in prepared.items()
    }
    before = prepare(empty, writer.client, writer.scope, texts).decode()
    install(empty, writer.client, writer.scope)
    let_it_write(empty, writer)

    assert empty("uninstall", "--client", writer.name, "--yes").code == 0

    left = file_of(empty, writer.client, writer.scope).read_text()
    assert squeezed(left) == squeezed(writer.writes(before))


@every
@pytest.mark.parametrize("more", ["--allow", "--hooks"])
def test_permission_and_hooks_can_still_be_added_and_uninstall_removes_everything_that_is_ours(
    empty: Terminal, writer: Writer, more: str
) -> None:
    before = everything(empty.place)
    file = file_of(empty, writer.client, writer.scope)
    install(empty, writer.client, writer.scope)
    let_it_write(empty, writer)

    answer = install(empty, writer.client, writer.scope, more)

    assert answer.code == 0, answer.out
    if more == "--allow" and (allowed := writer.client.shapes[0].allowed):
        assert allowed.items() <= held(empty, writer.client, writer.scope).items()
    if more == "--hooks" and (row := hook_file(writer.name)) is not None:
        assert any(MARK in each.read_text() for each in empty.place.rglob(row.file(places(empty), writer.scope).name))
    assert empty("uninstall", "--client", writer.name, "--yes").code == 0
    assert read(file.read_text(), writer) == read(writer.left, writer)
    assert everything(empty.place).keys() - before.keys() == {
        each.relative_to(empty.place).as_posix() for each in (file, *file.parents) if each.is_relative_to(empty.place)
    } - before.keys() - {"."}


def test_a_file_in_which_the_client_left_nothing_of_its_own_is_removed_with_its_folder(empty: Terminal) -> None:
    before = everything(empty.place)
    install(empty, client_named("cursor"), "project")
    file = empty.root / ".cursor" / "mcp.json"
    file.write_text(json.dumps(json.loads(file.read_text())))

    assert empty("uninstall", "--yes").code == 0

    assert everything(empty.place) == before


def test_hooks_and_permission_in_one_file_that_the_client_wrote_meanwhile_are_both_removed(empty: Terminal) -> None:
    client = client_named("claude-code")
    install(empty, client, "user", "--allow")
    file = file_of(empty, client, "user").parent / ".claude" / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model": "opus"}))
    install(empty, client, "user", "--hooks")
    assert "mcp__wfe" in file.read_text() and MARK in file.read_text()

    assert empty("uninstall", "--yes").code == 0

    assert json.loads(file.read_text()) == {"model": "opus"}


def test_an_entry_that_a_user_edited_gets_no_permission_unless_they_add_it(empty: Terminal) -> None:
    client = client_named("codex")
    install(empty, client, "project")
    file = file_of(empty, client, "project")
    file.write_text(file.read_text().replace("startup_timeout_sec = 30", "startup_timeout_sec = 90"))
    text = file.read_text()

    answer = install(empty, client, "project", "--allow")

    assert (answer.data["clients"][0]["state"], file.read_text()) == ("connected", text)
