"""Damaged lines that a server must survive; the bench plays them."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.security.hostile import Talk
from tests.security.hostile_inputs import BOMBS
from wfe_mcp.testing.stdio_client import HANDSHAKE


def damaged_lines(count: int, *, seed: int = 0) -> dict[str, list[bytes]]:
    """``count`` lines of each kind: a call that is cut off, a message of another form, a call with bytes that were changed."""
    chance = random.Random(seed)
    call = {
        "jsonrpc": "2.0",
        "id": "f",
        "method": "tools/call",
        "params": {"name": "status", "arguments": {"run": "x"}},
    }
    whole = json.dumps(call).encode()

    def changed() -> bytes:
        line = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            line[chance.randrange(len(line))] = chance.choice([*range(10), *range(11, 256)])
        return bytes(line)

    def other() -> bytes:
        frame: dict[str, Any] = dict(call) | {chance.choice([*call, "x"]): chance.choice(BOMBS[6:])}
        frame["params"] = chance.choice([frame["params"], *BOMBS[13:40]])
        frame["method"] = chance.choice([frame["method"], "prompts/get", "resources/read", "nope", "initialize"])
        return json.dumps(frame).encode()

    return {
        "cut off": [whole[: chance.randrange(len(whole))] for _ in range(count)],
        "of another form": [other() for _ in range(count)],
        "with changed bytes": [changed() for _ in range(count)],
    }


def line_assault(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, lines: Sequence[bytes]
) -> list[str]:
    """What is wrong after ``lines``: a server that no longer answers, a traceback in its log, an exit code."""
    talk = Talk(argv, cwd, env, log, HANDSHAKE)
    try:
        for number, line in enumerate(lines):
            talk.say(line)
            if number % 50 == 49:  # else what it answers fills the pipe
                talk.ask("tools/list", {})
        faults = [] if "result" in talk.ask("tools/list", {}) else ["it answers no more"]
    finally:
        talk.end()
    words = log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in words:
        faults.append(f"the log has a traceback: {words[words.index('Traceback') :][:2_000]}")
    return faults if talk.server.returncode == 0 else [*faults, f"exit code {talk.server.returncode}"]
