"""What a gate names by expressions: exact tests, the file of a test, the input that allows files."""

import re
from typing import Any, cast

from wfe_mcp.workflow.model import CommandGate, FilesGate, Gate


def exact_names(gate: Gate) -> frozenset[str]:
    """The keys of ``expect`` whose test names come from an expression: an agent's text is no glob."""
    if not isinstance(gate, CommandGate):
        return frozenset()
    named = {"fails": gate.expect.fails, "passes": gate.expect.passes}
    return frozenset(key for key, names in named.items() if "${" in str(names))


def file_beside(gate: Gate, values: dict[str, Any]) -> str:
    """The ``file`` of the artifact whose ``test`` the gate names; empty where there is none."""
    text = gate.expect.model_dump_json() if isinstance(gate, CommandGate) else ""
    found = re.search(r"\$\{artifacts\.(\w+)\.test\}", text)
    artifact: object = values["artifacts"].get(found[1]) if found else None
    file = cast("dict[str, object]", artifact).get("file") if isinstance(artifact, dict) else None
    return file if isinstance(file, str) else ""


def allowing_input(gate: Gate) -> str:
    """The input of the run that says which files a files gate allows; empty where the template itself says it."""
    globs = gate.within if isinstance(gate, FilesGate) else ()
    found = re.fullmatch(r"\$\{inputs\.(\w+)\}", globs[0]) if len(globs) == 1 else None
    return found[1] if found else ""
