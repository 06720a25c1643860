"""Tools of other projects, run by their own programs."""

import asyncio
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

STORED = Path(__file__).parent / "folders"
Calls = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Tools:
    """The tools of ``folder`` at work in the project ``root``, with ``environment``."""

    folder: Path
    root: Path
    environment: Mapping[str, str]

    def run(self, program: str, *words: str) -> str:
        """What ``program`` printed; a path in the project or in the folder of the tools."""
        argv = [str(self.root / program) if program.startswith(".") else str(self.folder / program), *words]
        done = subprocess.run(argv, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def call(self, program: str, calls: Calls, *words: str) -> None:
        """Makes ``calls`` over MCP."""
        asyncio.run(
            self._call(
                StdioServerParameters(
                    command=shutil.which("node") or "node",
                    args=[str(self.folder / "node_modules" / program), *words],
                    env=dict(self.environment),
                    cwd=self.root,
                ),
                calls,
            )
        )

    async def _call(self, server: StdioServerParameters, calls: Calls) -> None:
        async with Client(stdio_client(server)) as tool:
            for name, arguments in calls:
                answer = await tool.call_tool(name, dict(arguments))
                assert not answer.is_error, (name, answer)

    def agent_writes(self, stored: str, *patterns: str) -> None:
        """Puts the stored documents that match where the tool looks for them."""
        source = STORED / stored
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_file() and any(fnmatch(name, pattern) for pattern in patterns):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, self.root / name)
