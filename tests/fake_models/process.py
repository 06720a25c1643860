"""The fake models as a child process that outlives its caller, and a record of its requests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

_ANSWER_S = 30.0

_ROOT = Path(__file__).parents[2]
"""A child finds this package from here."""


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """A running server: its addresses, and its process id."""

    origin: str
    v1: str
    pid: int

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Every request for an answer so far, with the keys of ``server.RecordedRequest``."""
        # A child process on loopback.
        with urllib.request.urlopen(f"{self.origin}/_asked", timeout=_ANSWER_S) as answer:
            return json.load(answer)["asked"]

    @property
    def count(self) -> int:
        """The number of requests for an answer so far."""
        return len(self.asked)


@contextlib.contextmanager
def models_running(
    script: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]] = (),
    *,
    key: str | None = None,
    models: Sequence[str] = (),
) -> Generator[ModelProcess]:
    """The server as a child process, until the end of ``with``. ``script`` as in ``script.turns_of``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.json"
        path.write_text(json.dumps(script), encoding="utf-8")
        argv = [sys.executable, "-m", "tests.fake_models", "--script", str(path)]
        argv += [] if key is None else ["--key", key]
        argv += [word for name in models for word in ("--model", name)]
        with subprocess.Popen(argv, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                line = child.stdout.readline()
                if not line:
                    raise RuntimeError(f"the models did not start: exit code {child.wait(_ANSWER_S)}")
                yield ModelProcess(**json.loads(line), pid=child.pid)
            finally:
                child.terminate()
                child.wait(_ANSWER_S)
