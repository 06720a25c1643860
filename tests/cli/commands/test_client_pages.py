"""The pages of the clients that no test can start: their commands as written, and a client that acts as its entry says.

The other four have sessions of the real client (tests/docs/test_client_pages.py).
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import BUGGED, QUICK_FIX, UNITTEST
from tests.cli.client_files import everything, file_of, findings, places
from tests.cli.conftest import trusted
from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Said, Terminal
from tests.docs.conftest import ROOT, blocks_of
from wfe_mcp.clients import look, trial
from wfe_mcp.clients.table import CLIENTS, Client, Scope
from wfe_mcp.testing.agent import drive
from wfe_mcp.testing.stdio_client import HANDSHAKE, StdioClient

PAGES = ROOT / "docs" / "how-to" / "clients"
TYPED = [client for client in CLIENTS if not (PAGES / "recorded" / f"{client.name}.txt").exists()]
SCRIPTS = Path(sys.executable).parent
TO_THE_END = ("cursor", "goose", "windsurf")
"""One for each way in which clients choose the server's folder. The others stop before the work, which is the same."""
EXAMPLE = "/home/you/.local/bin/wfe-mcp"
"""What the pages write where a file has the absolute path of the command."""
SENTENCE = re.compile(r"^> Use wfe (\w+): (.+)$", re.MULTILINE)
IN_FOLDER = re.compile(r"No run is open in this project: (.+)")
ELSEWHERE = re.compile(
    r"If `status` names another folder than your project, add `(\"--project\", \"<folder>\")` to `args`\."
)


class Window(StdioClient):
    """A client with a folder open, which it names when the server asks."""

    def __init__(self, open_folder: Path | None, *words: Any, **more: Any) -> None:
        self._open_folder = open_folder
        super().__init__(*words, **more)

    def _capabilities(self) -> dict[str, Any]:
        return super()._capabilities() | ({"roots": {}} if self._open_folder else {})

    def _answer_to(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "roots/list" and self._open_folder is not None:
            return {"roots": [{"uri": self._open_folder.as_uri(), "name": "shop"}]}
        return super()._answer_to(method, params)


@scene
def bugged(cli: Terminal, prepared: str) -> None:
    """A project in which ``wfe-mcp init`` was run, with a bug and a check that finds it."""
    for name, text in BUGGED.items():
        (cli.root / name).parent.mkdir(exist_ok=True)
        (cli.root / name).write_text(text)
    (cli.root / ".gitignore").write_text("__pycache__/\n")
    cli.git("init", "-q")
    cli.git("add", ".")
    cli.git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "-m", "As it begins")
    trusted(cli, prepared)
    (cli.root / ".wfe" / "config.toml").write_text(f"[checks.test]\nargv = {json.dumps(UNITTEST)}\n")
    assert cli.json("trust", "--yes", pin=PIN).code == 0


@pytest.fixture
def project(empty: Terminal, set_up_database: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("PATH", str(SCRIPTS), prepend=os.pathsep)
    monkeypatch.setenv("WFE_UI_AUTO", "false")  # the person of this test decides at the terminal
    bugged(empty, str(set_up_database))
    return empty


def page_of(client: Client) -> str:
    return (PAGES / f"{client.name}.md").read_text(encoding="utf-8")


def shown_command(client: Client, verb: str) -> list[str]:
    """The words that the page says to type, after ``wfe-mcp``."""
    (found,) = re.findall(rf"wfe-mcp ({verb} --client {client.name})\b", page_of(client))
    return shlex.split(found)


def shown_file(client: Client, scope: Scope) -> bytes:
    """The file as the page shows it, with the command of this machine."""
    (block,) = [
        each for each in blocks_of(PAGES / f"{client.name}.md") if each.language not in ("console", "text", "sh")
    ]
    written = '"wfe-mcp"' if client.project else json.dumps(EXAMPLE)
    assert block.text.count(written) == 1
    answer = (
        "In the file of `--scope user` the command is its absolute path"
        if client.project
        else "The command is the absolute path"
    )
    assert answer in page_of(client)
    command = "wfe-mcp" if scope == "project" else str(SCRIPTS / "wfe-mcp")
    return block.text.replace(written, json.dumps(command)).encode()


@contextmanager
def started(cli: Terminal, client: Client, scope: Scope) -> Generator[StdioClient]:
    """The client, which starts the server as its file says: with its variables, in the folder that it has, in a window of its own."""
    found = look.look(client, places(cli), scope)
    program = shutil.which(found.argv[0])
    assert program is not None
    own = places(cli).env
    folder = cli.root if client.root == "folder" else Path.home()
    opened = cli.root if client.root == "roots" else None
    argv = [program, *found.argv[1:]]
    with Window(opened, argv, cwd=folder, env=trial.environment(own, client.passes), era=HANDSHAKE) as agent:
        yield agent


def project_of(agent: StdioClient) -> str:
    """The folder that ``status`` says it serves."""
    answer = agent.call("status")
    assert answer["ok"], answer
    found = IN_FOLDER.fullmatch(answer["summary"])
    assert found is not None, answer
    return found[1]


def with_project(cli: Terminal, client: Client, scope: Scope) -> None:
    """Do what the page says where the server was started in another folder."""
    (words,) = ELSEWHERE.findall(page_of(client))
    file = file_of(cli, client, scope)
    text = file.read_text()
    assert text.count('["serve"]') == 1
    file.write_text(text.replace('["serve"]', f'["serve", {words.replace("<folder>", str(cli.root))}]'))


def connected(cli: Terminal, client: Client, scope: Scope, answering: Callable[..., None]) -> Said:
    """Type what the page says, and answer that the client shall be connected, without permission and lines for the model."""
    usual = scope == client.scopes[0]
    answering("y", "n", "n")
    answer = cli(*shown_command(client, "install"), *(() if usual else ("--scope", scope)))
    assert answer.code == 0, answer.err
    return answer


@pytest.mark.parametrize(
    ("client", "scope"),
    [(client, scope) for client in TYPED for scope in client.scopes],
    ids=lambda each: each.name if isinstance(each, Client) else each,
)
def test_the_page_is_followed_from_install_to_uninstall(
    project: Terminal, client: Client, scope: Scope, answering: Callable[..., None]
) -> None:
    before, page = everything(project.place), page_of(client)

    answer = connected(project, client, scope, answering)

    file = file_of(project, client, scope)
    named = file.relative_to(project.root if scope == "project" else Path.home()).as_posix()
    assert f"`{'' if scope == 'project' else '~/'}{named}` (`--scope {scope}`)" in page
    assert file.read_bytes() == shown_file(client, scope)
    assert "a test start worked, 16 tools." in answer.out
    assert f"{client.title} {client.asks}." in page and f"  It {client.asks}" in answer.out
    assert f"Before the first session: {client.before}." in page or not client.before
    assert not client.before or f"  In the client: {client.before}." in answer.out
    assert [level for level, _ in findings(project, f"client {client.title}")] == ["ok"]
    answering("y")
    assert project(*shown_command(client, "uninstall")).code == 0
    assert everything(project.place) == before


@pytest.mark.parametrize("client", TYPED, ids=lambda client: client.name)
def test_the_first_conversation_goes_as_the_page_says(
    project: Terminal, client: Client, answering: Callable[..., None]
) -> None:
    scope = client.scopes[0]
    connected(project, client, scope, answering)
    ((template, problem),) = SENTENCE.findall(page_of(client))
    if client.root == "unknown":
        with started(project, client, scope) as agent:
            assert project_of(agent) != str(project.root)
        with_project(project, client, scope)
        assert [level for level, _ in findings(project, f"client {client.title}")] == ["ok"]

    def decide(run: str, phase: str) -> None:
        assert phase == "fix"
        assert f"wfe-mcp approve {run} {phase}" in project("status").err
        assert project("approve", run, phase, pin=PIN).code == 0

    with started(project, client, scope) as agent:
        assert project_of(agent) == str(project.root)
        assert template in [each["name"] for each in agent.call("list_templates")["data"]["templates"]]
        if client.name not in TO_THE_END:
            return
        played = drive(agent.call, project.root, template, {"problem": problem}, QUICK_FIX, person=decide)

    assert played.last["run_state"] == "completed"
