"""Hostile calls that a server must survive: Hypothesis strategies and written bombs.

``assault`` makes them on a running server and reports forbidden answers; the test and the bench share it.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from tests.security.hostile_inputs import BAD_LINES, BOMBS, JSON, TEXT
from wfe_mcp.core.errors import CODES
from wfe_mcp.testing.stdio_client import MODERN, Era

PATIENCE_S = 120.0
_META = "io.modelcontextprotocol/"


# -- values ----------------------------------------------------------------------------------------------------------


_TEMPLATE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "fuzzed",
    "version": "1.0.0",
    "title": "Fuzzed",
    "phases": [
        {
            "id": "plan",
            "prompt": "Do ${run.id}",
            "output": {"artifact": "plan", "schema": "plan@1"},
            "gates": [{"kind": "expr", "assert": "${size(artifacts.plan.steps) > 0}"}],
        },
        {
            "id": "build",
            "kind": "loop",
            "for_each": {"in": "${artifacts.plan.steps}", "as": "step"},
            "phases": [{"id": "code", "output": {"artifact": "change", "schema": {"type": "object"}}}],
        },
    ],
}


@st.composite
def templates(draw: st.DrawFn) -> object:
    """A good template in which one or two places hold something else."""
    definition: Any = json.loads(json.dumps(_TEMPLATE))
    for _ in range(draw(st.integers(1, 2))):
        _spoil(draw, definition)
    return definition


def _spoil(draw: st.DrawFn, node: Any) -> None:
    """Put something else at a place in ``node``, however deep."""
    while True:
        is_table = isinstance(node, dict)
        table, rows = cast("dict[Any, Any]", node), cast("list[Any]", node)
        key: Any = draw(st.sampled_from([*table] if is_table else [*range(len(rows))]))
        inner = cast("dict[Any, Any]", node)[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            node = cast("Any", inner)
            continue
        if is_table and draw(st.booleans()):
            key = draw(st.one_of(TEXT, st.sampled_from(sorted(_KEYS))))
        # A copy: the next spoiling may walk into it, and the bombs are the same objects for all calls.
        node[key] = json.loads(json.dumps(draw(JSON)))
        return


_KEYS = {
    "when",
    "needs",
    "role",
    "context",
    "on_fail",
    "next",
    "timeout",
    "retry",
    "skip",
    "locks",
    "enter",
    "steps",
    "until",
    "template",
    "with",
    "inputs",
    "roles",
    "limits",
    "defaults",
    "outputs",
    "prompt_gates",
    "tools_allowed",
    "kind",
}


# -- calls -----------------------------------------------------------------------------------------------------------


def arguments(tool: dict[str, Any], known: Mapping[str, Sequence[str]]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments for ``tool``: mostly such as it takes, with names that exist, and hostile values among them."""
    schema: dict[str, Any] = tool["inputSchema"]
    required = set(schema.get("required", ()))
    given = {
        name: mostly(_fitting(name, about, known), JSON)
        for name, about in schema["properties"].items()
        if name != "wait_s"
    }
    if "wait_s" in schema["properties"]:
        given["wait_s"] = st.sampled_from([*[0] * 6, None, -1, 46, 10**30, 0.5, "1", True])  # a good one waits
    fixed = {name: given[name] for name in given if name in required}
    chosen = st.fixed_dictionaries(fixed, optional={name: given[name] for name in given if name not in fixed})
    # Sometimes with one that no one knows, or without one that is required.
    more = st.dictionaries(TEXT, JSON, max_size=2)
    any_known = st.dictionaries(st.sampled_from(sorted(schema["properties"])), JSON, max_size=4)
    strange: st.SearchStrategy[Any] = st.one_of(st.tuples(chosen, more).map(_both), any_known.map(_no_wait))
    return mostly(chosen, strange)


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nine times ``usual``: Hypothesis counts equal branches of ``one_of`` as one."""
    return st.integers(0, 9).flatmap(lambda drawn: rare if drawn == 9 else usual)


def _both(made: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return made[0] | made[1]


def _no_wait(made: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if name != "wait_s"}


def _fitting(name: str, about: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> st.SearchStrategy[Any]:
    if name in known:
        return st.sampled_from([*known[name]])
    if name == "definition":
        return templates()
    if "enum" in about:
        return st.sampled_from(about["enum"])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(-2, 3),
        "boolean": st.booleans(),
        "array": st.lists(TEXT, max_size=3),
        "object": st.one_of(
            st.dictionaries(TEXT, JSON, max_size=5),
            st.sampled_from([bomb for bomb in BOMBS if isinstance(bomb, dict)]),
            st.sampled_from([{"title": "A good title"}, {"goal": "x"}, {"front": {}, "body": "x"}]),
        ),
    }
    return kinds.get(about.get("type", ""), st.one_of(TEXT, st.sampled_from([b for b in BOMBS if isinstance(b, str)])))


# -- the assault -----------------------------------------------------------------------------------------------------


@dataclass
class Assault:
    """What was played on a server and what came of it."""

    era: Era
    calls: int = 0
    worst_ms: float = 0.0
    worst: str = ""
    codes: dict[str, int] = field(default_factory=dict[str, int])
    faults: list[str] = field(default_factory=list[str])


class Talk:
    """A server on its pipes, spoken to line by line."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, era: Era) -> None:
        self.era: Era = era
        self.log = log.open("wb")
        self.server = subprocess.Popen(
            [*argv], cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.unasked: list[dict[str, Any]] = []
        self._id = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if era != MODERN:
            client = {"name": "hostile", "version": "1"}
            self.ask("initialize", {"protocolVersion": era, "capabilities": {}, "clientInfo": client})
            self.say(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())

    def _read(self) -> None:
        assert self.server.stdout is not None
        for line in self.server.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def say(self, line: bytes) -> None:
        assert self.server.stdin is not None
        self.server.stdin.write(line + b"\n")
        self.server.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The whole answer. What is answered besides (to lines that were no message) is kept in ``unasked``."""
        self._id += 1
        wanted = f"q{self._id}"
        if self.era == MODERN:
            who = {
                "protocolVersion": self.era,
                "clientInfo": {"name": "hostile", "version": "1"},
                "clientCapabilities": {},
            }
            params = params | {"_meta": {_META + key: value for key, value in who.items()}}
        self.say(json.dumps({"jsonrpc": "2.0", "id": wanted, "method": method, "params": params}).encode())
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            assert line is not None, f"the server ended at {method} {str(params)[:500]}"
            frame = json.loads(line)
            if frame.get("id") == wanted:
                return frame
            if "method" not in frame:
                self.unasked.append(frame)

    def end(self) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        try:
            self.server.wait(120)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.reader.join(120)
        self.server.stdout.close()
        self.log.close()


def assault(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    *,
    era: Era,
    calls: int,
    known: Mapping[str, Sequence[str]],
) -> Assault:
    """Play ``calls`` calls of ``known`` names, and every line that is no message, on a server of its own."""
    answer = Assault(era)
    talk = Talk(argv, cwd, env, log, era)
    try:
        talk.ask("tools/call", {"name": "status", "arguments": {}})  # the first call loads what the others find loaded
        tools = {tool["name"]: tool for tool in talk.ask("tools/list", {})["result"]["tools"]}
        names = mostly(st.sampled_from(sorted(tools)), TEXT)
        made = names.flatmap(
            lambda name: st.tuples(st.just(name), arguments(tools[name], known) if name in tools else JSON)
        )

        @settings(
            max_examples=calls,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )
        @given(made)
        def play(call: tuple[str, object]) -> None:
            name, given_arguments = call
            began = time.perf_counter()
            frame = talk.ask("tools/call", {"name": name, "arguments": given_arguments})
            _note(answer, call, frame, (time.perf_counter() - began) * 1000, tools)

        play()
        for line in BAD_LINES:
            talk.say(line)
        assert "result" in talk.ask("tools/list", {}), "after all lines that are no message"
        answer.faults += [f"unasked: {str(each)[:300]}" for each in talk.unasked if "error" not in each]
    finally:
        talk.end()
    words = log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in words:
        answer.faults.append(f"the log has a traceback: {words[words.index('Traceback') :][:3_000]}")
    if talk.server.returncode != 0:
        answer.faults.append(f"exit code {talk.server.returncode}")
    return answer


def _note(lines: Assault, call: tuple[str, object], frame: dict[str, Any], ms: float, tools: Mapping[str, Any]) -> None:
    lines.calls += 1
    shown = f"{call[0]!r} {str(call[1])[:400]}"
    if ms > lines.worst_ms:
        lines.worst_ms, lines.worst = ms, shown
    if "Traceback (most recent" in str(frame):
        lines.faults.append(f"a traceback for the client: {shown}")
    if "error" in frame:
        lines.codes["JSON-RPC"] = lines.codes.get("JSON-RPC", 0) + 1
        if isinstance(call[1], dict) and call[0] in tools:
            lines.faults.append(f"no envelope: {shown}: {frame['error']}")
        return
    envelope: Any = frame["result"].get("structuredContent")
    text = frame["result"].get("content", [{}])
    is_ok = isinstance(envelope, dict) and cast("dict[str, Any]", envelope).get("ok") is True
    code = "ok" if is_ok else str(_code(envelope))
    lines.codes[code] = lines.codes.get(code, 0) + 1
    if code != "ok" and (code not in CODES or code == "internal"):
        lines.faults.append(f"{code}: {shown}: {json.dumps(envelope)[:600]}")
    if not text or frame["result"].get("isError", False) == (code == "ok"):
        lines.faults.append(f"isError or content does not fit: {shown}")


def _code(envelope: Any) -> object:
    found = cast("dict[str, Any]", envelope) if isinstance(envelope, dict) else {}
    return found.get("error", {}).get("code")


# -- where it is played ----------------------------------------------------------------------------------------------

_NOTE: dict[str, Any] = {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}
FIELD: dict[str, Any] = {
    "format": "wfe/1",
    "name": "field",
    "version": "1.0.0",
    "title": "A field to play on",
    "limits": {"max_invalid": 1_000_000, "max_parallel": 4},
    "inputs": {"type": "object", "properties": {"goal": {"type": "string"}, "more": {}}},
    "phases": [
        {
            "id": "plan",
            "needs": [],
            "prompt": "Do ${run.id}: ${inputs}",
            "skip": "agent",
            "output": {"artifact": "note", "schema": _NOTE, "editable": True},
            "gates": [{"kind": "expr", "assert": "${size(artifacts.note.title) > 3}"}],
            "on_fail": [{"do": "retry", "max_attempts": 1000}],
        },
        {
            "id": "signed",
            "needs": [],
            "prompt": "Sign",
            "output": {"artifact": "free", "schema": {"type": "object"}},
            "gates": [{"kind": "approval"}],
        },
        {
            "id": "agreed",
            "needs": [],
            "prompt": "x",
            "output": {"artifact": "said", "schema": "markdown_doc@1"},
            "gates": [{"kind": "approval", "assurance": "client"}],
        },
    ],
}
"""A template with a gate of each kind that answers at once."""


def field_of_play(folder: Path, play: Any) -> tuple[list[str], Path, dict[str, str], dict[str, Sequence[Any]]]:
    """Command, folder and environment of a server with a few open runs; and the names that are known there."""

    place = folder / "field"
    place.mkdir()
    (place / "template.json").write_text(json.dumps(FIELD), encoding="utf-8")
    made = play({"a.json": '{"title": "A good title"}', "b.md": "# B\n"}, templates=[place])
    with made.agent() as agent:
        runs = [agent.call("start_run", template="field", inputs={"goal": "x"})["run"] for _ in range(4)]
    known: dict[str, Sequence[Any]] = {
        "run": [*runs, "nope"],
        "phase": ["plan", "signed", "agreed", "nope"],
        "to": ["plan", "nope"],
        "template": ["field", "quick_fix", "fuzzed", "nope"],
        "name": ["field", "quick_fix", "fuzzed"],
        "path": ["a.json", "b.md", "nope.json", ".wfe/config.toml", "/etc/passwd"],
        "artifact_name": ["note"],
        "reviewers": [["nope"], []],
    }
    env = made.environment | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[2])])}
    return [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(made.root)], made.root, env, known
