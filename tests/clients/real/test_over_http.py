"""Each real client finishes a quick_fix at ``wfe-mcp server``: with a token, as the page says, and over a bridge, in a clone."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import BUGGED, FIXED, PROBLEM, QUICK_FIX, UNITTEST
from tests.docs.conftest import ROOT
from tests.real_clients import REAL_CLIENTS, Follower, RealClient, connect, environment, program, prompt
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access.device import confirm_device
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.testing.playground import Playground

PAGE = ROOT / "docs" / "how-to" / "work-over-http.md"
NAMES = {"claude-code": "Claude Code", "codex": "Codex", "gemini-cli": "Gemini CLI", "opencode": "opencode"}
FILES = {"claude-code": ".mcp.json", "opencode": "opencode.json"}
"""Of the project; the other two have theirs in the home folder."""


@contextmanager
def serving(project: Playground) -> Generator[str]:
    """The address of a server of the project's database."""
    argv = [sys.executable, "-m", "wfe_mcp", "--json", "server", "--port", "0"]
    process = subprocess.Popen(argv, cwd=project.root, env=project.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["data"]["url"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def configure(client: RealClient, project: Playground, home: Path, url: str) -> None:
    """Write what the page's table says."""
    (line,) = re.findall(rf"^\| {NAMES[client.name]} \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    given = [each.replace("URL/mcp", f"{url}/mcp") for each in re.findall("`([^`]+)`", line)]
    if client.name == "codex":
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text("\n".join(given[1:]) + "\n", encoding="utf-8")
    elif client.name == "gemini-cli":
        file = home / ".gemini" / "settings.json"
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) | json.loads(given[1])
        settings["mcpServers"]["wfe"]["trust"] = True  # the user lets its tools run
        file.write_text(json.dumps(settings), encoding="utf-8")
    else:
        (project.root / FILES[client.name]).write_text(given[1], encoding="utf-8")
        if client.name == "claude-code":  # what the user answers when Claude Code asks about the server and its tools
            allowed = {"enabledMcpjsonServers": ["wfe"], "permissions": {"allow": ["mcp__wfe"]}}
            (project.root / ".claude").mkdir(exist_ok=True)
            (project.root / ".claude" / "settings.local.json").write_text(json.dumps(allowed), encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="the server is ended by a signal")
@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_a_real_client_finishes_a_quick_fix_over_http(client: RealClient, tmp_path: Path) -> None:
    program(client.program)
    (folder := tmp_path / "play").mkdir()
    (home := tmp_path / "home").mkdir()
    with Playground(folder, files=BUGGED, checks={"test": UNITTEST}) as project, serving(project) as url:
        client.before(home, project.root)
        configure(client, project, home, url)
        ada = By("ada", Channel.CLI, Assurance.HUMAN)
        token = create_token(project.engine, ada, "bot", "work", project=project.engine.project_id)[1]
        model = Follower(client, project.root, "quick_fix", PROBLEM, QUICK_FIX, project.approve)
        done = prompt(client, project, home, model, env={"WFE_TOKEN": token})
        assert (done.code, model.heard[-1].run_state) == (0, "completed"), done.output[-3_000:]
        run = model.heard[-1].run
        assert [each.code for each in model.heard if each.code] == ["needs_human"]
        assert {name: (project.root / name).read_text(encoding="utf-8") for name in FIXED} == FIXED
        assert project.problems(run) == []
        with project.engine.store.read() as tx:
            submitted = list(tx.events.of_types(project.engine.load(tx, run).record.id, "RevisionSubmitted"))
        assert {(each.actor, each.channel) for each in submitted} == {("bot", Channel.HTTP)}
        assert token not in str([each.body for each in done.asked])


@dataclass(slots=True)
class Clone:
    """A developer's clone of a project, on a machine without its database."""

    root: Path
    environment: dict[str, str]


def log_in(clone: Clone, project: Playground, url: str, by: By, env: dict[str, str]) -> None:
    """Type ``wfe-mcp login`` in the clone; a person confirms its code at the server."""
    argv = [sys.executable, "-m", "wfe_mcp", "login", url]
    login = subprocess.Popen(argv, cwd=clone.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert login.stdout is not None
    code = re.search(r"[A-Z]{4}-[A-Z]{4}", login.stdout.readline())
    assert code is not None
    confirm_device(project.engine, by, code[0], project.engine.project_id)
    said, _ = login.communicate(timeout=60)
    assert "Logged in" in said


@pytest.mark.skipif(sys.platform == "win32", reason="the server is ended by a signal")
@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
def test_a_real_client_finishes_a_quick_fix_over_a_bridge(client: RealClient, tmp_path: Path) -> None:
    program(client.program)
    (folder := tmp_path / "play").mkdir()
    (home := tmp_path / "home").mkdir()
    ada = By("ada", Channel.CLI, Assurance.HUMAN)
    with Playground(folder, files=BUGGED, checks={"test": UNITTEST}) as project, serving(project) as url:
        clone = Clone(tmp_path / "clone", {"WFE_DATABASE_URL": f"sqlite:///{tmp_path}/none/here.db"})
        project.git("clone", "-q", "--template=", str(project.root), str(clone.root))
        client.before(home, clone.root)
        log_in(clone, project, url, ada, environment(client, home, clone.environment["WFE_DATABASE_URL"]))
        connect(client, clone, home, "--server", url)
        model = Follower(client, clone.root, "quick_fix", PROBLEM, QUICK_FIX, project.approve)
        done = prompt(client, clone, home, model)
        assert (done.code, model.heard[-1].run_state) == (0, "completed"), done.output[-3_000:]
        run = model.heard[-1].run
        assert {name: (clone.root / name).read_text(encoding="utf-8") for name in FIXED} == FIXED
        assert {name: (project.root / name).read_text(encoding="utf-8") for name in BUGGED} == BUGGED
        assert project.problems(run) == []
        with project.engine.store.read() as tx:
            submitted = list(tx.events.of_types(project.engine.load(tx, run).record.id, "RevisionSubmitted"))
        assert {each.channel for each in submitted} == {Channel.HTTP}
    assert not (tmp_path / "none").exists(), "the developer's machine has no database"
