"""The real clients with a scripted model on this machine: Claude Code, Codex, opencode and Gemini CLI.

``play`` connects a client with ``wfe-mcp install`` and starts it with one prompt. Its model is a ``Follower``: it knows the
order of quick_fix's work, and takes everything else from what the client shows it of our answers.

Rules:
1. A client runs where ``scripts/real_clients.py`` has installed it; else the test is skipped with the reason.
2. A client sees a home of its own, dummy keys, and a proxy without a server: only this machine can be reached.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from scripts import real_clients
from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer, RecordedRequest

if TYPE_CHECKING:
    from wfe_mcp.testing.agent import Script
    from wfe_mcp.testing.playground import Playground

KEY = "sk-dummy-0123456789"
NOWHERE = "http://127.0.0.1:9"
PATIENCE_S = 240
TURNS = 60


@dataclass(frozen=True, slots=True)
class RealClient:
    """One client. ``name`` as ``wfe-mcp install`` knows it; ``tool`` is how its model names a tool of ours.

    ``before`` prepares its home folder, ``argv`` and ``env`` start one prompt; ``write`` are the calls that write a file.
    """

    name: str
    program: str
    scope: str
    tool: str
    before: Callable[[Path, Path], None]
    argv: Callable[[ModelServer], list[str]]
    env: Callable[[ModelServer], dict[str, str]]
    write: Callable[[Path, str], list[Call]]


def program(name: str) -> Path:
    """The installed program; skips the test where there is none."""
    if why := real_clients.missing(name):
        pytest.skip(why)
    found = real_clients.found(name)
    assert found is not None
    return found


def environment(client: RealClient, home: Path, database: str) -> dict[str, str]:
    """Everything that the client sees of this machine."""
    node = real_clients.node_for(client.program)
    folders = [program(client.program).parent, *([node] if node else []), Path(sys.executable).parent]
    return {
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "WFE_DATABASE_URL": database,
        "HTTPS_PROXY": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
    }


class Folder(Protocol):
    """Where a client works: a playground, or a clone of its project."""

    root: Path
    environment: dict[str, str]


def connect(client: RealClient, project: Folder, home: Path, *options: str) -> str:
    """What ``wfe-mcp install`` says when it connects the client, for the project or the user as is usual for it."""
    env = environment(client, home, project.environment["WFE_DATABASE_URL"])
    argv = [sys.executable, "-m", "wfe_mcp", "install", "--client", client.name, "--scope", client.scope, "--yes"]
    choices = ["--allow", "--no-instructions", *(options or ["--no-hooks"])]
    done = subprocess.run(
        [*argv, *choices, "--project", str(project.root)],
        cwd=project.root,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a client: what it printed, and what its model was asked."""

    code: int
    output: str
    asked: list[RecordedRequest]


def prompt(
    client: RealClient,
    project: Folder,
    home: Path,
    model: Callable[[RecordedRequest], Turn],
    text: str = "go",
    env: Mapping[str, str] | None = None,
) -> Session:
    """Start the client in the project with one prompt, and wait for its end."""
    with ModelServer([model] * TURNS, otherwise=Turn(text="The script has ended.")) as models:
        own = environment(client, home, project.environment["WFE_DATABASE_URL"]) | client.env(models) | dict(env or {})
        first, *others = client.argv(models)
        argv = [shutil.which(first, path=own["PATH"]) or first, *others, text]
        done = subprocess.run(
            argv,
            cwd=project.root,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
        return Session(done.returncode, done.stdout + done.stderr, list(models.asked))


def play(client: RealClient, project: Playground, home: Path, model: Callable[[RecordedRequest], Turn]) -> Session:
    """Connect the client and let it work on one prompt."""
    program(client.program)
    home.mkdir(exist_ok=True)
    client.before(home, project.root)
    connect(client, project, home)
    return prompt(client, project, home, model)


# -- the scripted model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model was shown of one answer: its code when it was refused, the state of the run, the first next call."""

    code: str
    run_state: str
    run: str
    phase: str
    tool: str
    arguments: dict[str, Any]


@dataclass
class Follower:
    """A model that works on one template and follows what it is shown.

    ``script`` is the work per phase; ``person`` is called where an answer says that a person must decide. ``heard`` keeps
    each answer as the client passed it on, ``called`` the tools of ours it called.
    """

    client: RealClient
    root: Path
    template: str
    inputs: Mapping[str, Any]
    script: Script
    person: Callable[[str, str], object]
    heard: list[Heard] = field(default_factory=list[Heard])
    called: list[str] = field(default_factory=list[str])
    _due: list[Call] = field(default_factory=list[Call])
    _written: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _looked_up: set[str] = field(default_factory=set[str])

    def __call__(self, asked: RecordedRequest) -> Turn:
        """The reply to one request of the client."""
        tools = offered(asked.body)
        if not tools:  # a client may ask for a title of the conversation
            return Turn(text="A title")
        if not self._due:
            self._decide(asked)
        if not self._due:
            return Turn(text="Done.")
        if (wanted := self._due[0].name).startswith("wfe:") and (search := self._search(wanted[4:], tools)):
            return Turn(calls=(search,))
        call = self._due.pop(0)
        if call.name.startswith("wfe:"):
            self.called.append(call.name[4:])
            call = Call(self.client.tool.format(call.name[4:]), call.given)
        return Turn(calls=(call,))

    def _decide(self, asked: RecordedRequest) -> None:
        answer = newest_answer(asked.body)
        if answer is None:
            self._due.append(Call("wfe:status"))
            return
        self.heard.append(answer)
        if answer.code == "needs_human":
            self.person(answer.run, answer.phase)
        tool: str = answer.tool
        arguments: dict[str, Any] = dict(answer.arguments)
        if tool == "list_templates":
            tool, arguments = "start_run", {"template": self.template, "inputs": dict(self.inputs)}
        if tool == "submit_artifact":
            at = (str(arguments["phase"]), int(arguments["attempt"]))
            work = self.script[at[0]][at[1] - 1]
            if at not in self._written:
                self._written.add(at)
                for name, text in work.files.items():
                    self._due += self.client.write(self.root / name, text or "")
            arguments["artifact"] = work.artifact
        if tool:
            self._due.append(Call(f"wfe:{tool}", arguments))

    def _search(self, tool: str, tools: set[str]) -> Call | None:
        """The call that brings a tool which the client has not shown yet."""
        if tool in self._looked_up or self.client.tool.format(tool) in tools:
            return None
        self._looked_up.add(tool)
        if "tool_search" in tools:
            return Call("tool_search", {"query": f"wfe {tool.replace('_', ' ')}"})
        if "ToolSearch" in tools:
            return Call("ToolSearch", {"query": f"select:{self.client.tool.format(tool)}"})
        return None


def offered(body: Mapping[str, Any]) -> set[str]:
    """The names of the tools in a request, of any vendor."""
    found: set[str] = set()
    for tool in body.get("tools") or ():
        for each in tool.get("functionDeclarations") or [tool.get("function") or tool]:
            found.add(str(each.get("name") or each.get("type")))
    return found


def newest_answer(body: Mapping[str, Any]) -> Heard | None:
    """The newest answer of ours in a conversation, as the model sees it: an envelope in JSON, or its text."""
    for message in reversed(body.get("messages") or body.get("input") or body.get("contents") or []):
        found = [heard for text in _texts(message) if (heard := heard_in(text)) is not None]
        if found:
            return found[-1]
    return None


def heard_in(text: str) -> Heard | None:
    """The answer in a text: an envelope in JSON or in its form for readers."""
    for start in (at.start() for at in re.finditer(r'\{"ok"\s*:', text)):
        try:
            document: dict[str, Any] = json.JSONDecoder().raw_decode(text[start:])[0]
        except ValueError:
            continue
        moves: list[dict[str, Any]] = document.get("next") or [{}]
        return Heard(
            document.get("error", {}).get("code", ""),
            document.get("run_state", ""),
            document.get("run", ""),
            document.get("phase", ""),
            moves[0].get("tool", ""),
            moves[0].get("args", {}),
        )
    first = re.search(r"^(?:<untrusted_context>\s*)?(ok|[a-z_]+): ", text, re.MULTILINE)
    if first is None or not re.search(r"^(next: \w+ \{|run=)", text, re.MULTILINE):
        return None
    places = dict(re.findall(r"(run|phase|run_state)=(\S+)", text))
    line = re.search(r"^next: (\w+) ", text, re.MULTILINE)
    given: dict[str, Any] = json.JSONDecoder().raw_decode(text[line.end() :])[0] if line else {}
    code = "" if first[1] == "ok" else first[1]
    return Heard(
        code,
        places.get("run_state", ""),
        places.get("run", ""),
        places.get("phase", ""),
        line[1] if line else "",
        given,
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in cast("Mapping[str, object]", value).values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _texts(part)


# -- the clients -------------------------------------------------------------------------------------------------------


def _shell(path: Path, text: str) -> str:
    return f"mkdir -p '{path.parent}' && cat > '{path}' <<'EOF'\n{text}EOF\n"


def _claude_home(home: Path, root: Path) -> None:
    """What a person answers when Claude Code first starts in this project: it may be trusted."""
    known = {"projects": {str(root): {"hasTrustDialogAccepted": True}}, "hasCompletedOnboarding": True}
    (home / ".claude.json").write_text(json.dumps(known), encoding="utf-8")


def _gemini_home(home: Path, root: Path) -> None:
    del root
    settings: dict[str, Any] = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"disableAutoUpdate": True},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _nothing(home: Path, root: Path) -> None:
    """This client needs nothing before it starts."""


def _codex(models: ModelServer) -> list[str]:
    vendor = f'{{name="x",base_url="{models.v1}",wire_api="responses",env_key="OPENAI_API_KEY"}}'
    settings = ["-c", "model_provider=x", "-c", f"model_providers.x={vendor}", "--model", "gpt-5.5"]
    return ["codex", "exec", *settings, "--skip-git-repo-check", "--sandbox", "danger-full-access"]


def _opencode(models: ModelServer) -> dict[str, str]:
    options = {"baseURL": models.v1, "apiKey": KEY}
    vendor = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"m": {"tool_call": True}}}
    config = {"provider": {"x": vendor}, "model": "x/m", "small_model": "x/m", "autoupdate": False, "share": "disabled"}
    off = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        **{f"OPENCODE_DISABLE_{each}": "1" for each in off},
    }


CLAUDE = RealClient(
    "claude-code",
    "claude",
    "project",
    "mcp__wfe__{}",
    _claude_home,
    lambda models: ["claude", "--permission-mode", "acceptEdits", "-p"],
    lambda models: {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": models.origin,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    },
    lambda path, text: [
        *([Call("Read", {"file_path": str(path)})] if path.exists() else []),
        Call("Write", {"file_path": str(path), "content": text}),
    ],
)
CODEX = RealClient(
    "codex",
    "codex",
    "user",
    "mcp__wfe/{}",
    _nothing,
    _codex,
    lambda models: {"OPENAI_API_KEY": KEY},
    lambda path, text: [Call("exec_command", {"cmd": _shell(path, text)})],
)
OPENCODE = RealClient(
    "opencode",
    "opencode",
    "project",
    "wfe_{}",
    _nothing,
    lambda models: ["opencode", "run"],
    _opencode,
    lambda path, text: [
        *([Call("read", {"filePath": str(path)})] if path.exists() else []),
        Call("write", {"filePath": str(path), "content": text}),
    ],
)
GEMINI = RealClient(
    "gemini-cli",
    "gemini",
    "user",
    "mcp_wfe_{}",
    _gemini_home,
    lambda models: ["gemini", "--model", "gemini-2.5-pro", "--approval-mode", "auto_edit", "--skip-trust", "-p"],
    lambda models: {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": models.origin},
    lambda path, text: [Call("write_file", {"file_path": str(path), "content": text})],
)
REAL_CLIENTS = (CLAUDE, CODEX, OPENCODE, GEMINI)
