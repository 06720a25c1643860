"""The tools ``run_check`` and ``bash``: one of the project's checks, or one command line where the user trusted the phase with a shell.

Rules:
1. Only the variables that every child gets; no key of ours is among them (``jobs.environment``).
2. Its own process group under a time limit; when it ends, or the work is cancelled, all it started ends too.
3. The whole output is a log beside the evidence; the answer holds the end of it.
"""

import os
import uuid
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.engine.toolbox.reach import Given, Reach, tool, whole_log
from wfe_mcp.gates.command import run_check
from wfe_mcp.jobs.child import ChildNotStarted, ChildResult
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.providers.call import Tool, ToolResult
from wfe_mcp.workspace.files.programs import find
from wfe_mcp.workspace.git.command import git_program


def check_tool(reach: Reach) -> Tool | None:
    """``run_check``: a check that the run froze, by name. None where there is none."""
    if not reach.checks:
        return None

    def check(given: Given) -> ToolResult:
        name = given["check"]
        judged = run_check(
            reach.checks[name],
            name=name,
            root=reach.root,
            evidence_dir=reach.evidence_dir,
            environ=reach.environ,
            run=reach.run,
            makes=reach.makes,
        )
        message = judged.message
        output = judged.data.get("output")
        if judged.kind is VerdictKind.PASS and output:
            message = f"{message}\n{output['tail']}"
        log = Path(judged.log_path) if judged.log_path else None
        return ToolResult(f"{message}{whole_log(reach, log)}", judged.kind is VerdictKind.PASS)

    arguments = {"check": {"type": "string", "enum": sorted(reach.checks), "description": "Its name."}}
    text = (
        "Run one of the project's checks (tests, linters) and see its result. The gates run them again by themselves."
    )
    return tool("run_check", text, arguments, ["check"], check)


MAX_OUTPUT_BYTES = 5_000_000
_TAIL_CHARACTERS = 8_000
_TIMEOUT_S = 120
_MAX_TIMEOUT_S = 1_800
_OF_WINDOWS = {"system32", "windowsapps"}


def bash_tool(reach: Reach) -> Tool:
    """``bash``: one command line in the project folder."""

    def bash(given: Given) -> ToolResult:
        timeout_s = float(given.get("timeout_s", _TIMEOUT_S))
        log = reach.evidence_dir / f"bash-{uuid.uuid4().hex[:12]}.log"
        try:
            result = reach.run(
                (*_shell(reach.root), given["command"]),
                cwd=reach.root,
                env=child_env((), reach.environ),
                timeout_s=timeout_s,
                max_output_bytes=MAX_OUTPUT_BYTES,
                log_path=log.absolute(),
            )
        except ChildNotStarted as exc:
            raise Refused("unavailable", str(exc), "Continue with the other tools.") from exc
        tail = result.output_tail
        is_cut = len(tail) > _TAIL_CHARACTERS or result.output_bytes > len(tail.encode())
        more = whole_log(reach, log) if is_cut else ""
        return ToolResult(f"{_ending(result, timeout_s)}\n{tail[-_TAIL_CHARACTERS:]}{more}", result.exit_code == 0)

    arguments = {
        "command": {"type": "string", "minLength": 1, "maxLength": 20_000, "description": "The command line."},
        "timeout_s": {
            "type": "integer",
            "minimum": 1,
            "maximum": _MAX_TIMEOUT_S,
            "description": f"When to end it, in seconds; {_TIMEOUT_S} when absent.",
        },
    }
    text = "Run a command line in the project folder. What it leaves running is ended with it."
    return tool("bash", text, arguments, ["command"], bash)


def _shell(root: Path) -> tuple[str, ...]:
    """The shell's argv up to the command; its start-up files are not read."""
    path = os.environ.get("PATH", os.defpath)
    bash = _bash_of_windows(root, path) if os.name == "nt" else find("bash", path)
    if bash:
        return (bash, "--noprofile", "--norc", "-c")
    bash = find("sh", path)
    if bash is None:
        raise Refused(
            "unavailable", "There is no bash on this machine.", "Use the other tools, or ask for bash to be installed."
        )
    return (bash, "-c")


def _bash_of_windows(root: Path, path: str) -> str | None:
    """The bash of git. The system's own is that of Linux (WSL), which has other programs and whose processes are not seen here."""
    git = git_program(root)
    beside = Path(git).parents[1] / "bin" / "bash.exe" if git else None
    if beside is not None and beside.is_file():
        return str(beside)
    folders = [folder for folder in path.split(os.pathsep) if _OF_WINDOWS.isdisjoint(Path(folder.lower()).parts)]
    return find("bash", os.pathsep.join(folders))


def _ending(result: ChildResult, timeout_s: float) -> str:
    if result.timed_out:
        return f"Ended after {timeout_s:g} s, its time limit. Next: a quicker command, or a longer timeout_s. So far:"
    if result.cancelled:
        return "Stopped: the work is being cancelled. So far:"
    return f"Exit code {result.exit_code} after {result.duration_s:.1f} s."
