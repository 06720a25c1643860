"""The tool ``run_check``: run one of the project's checks."""

from pathlib import Path

from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.engine.toolbox.reach import Given, Reach, tool, whole_log
from wfe_mcp.gates.command import run_check
from wfe_mcp.providers.call import Tool, ToolResult


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
