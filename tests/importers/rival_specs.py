"""Projects of the tools that work from specifications."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.importers.rival_tools import STORED, Tools


def spec_kit(tools: Tools) -> None:
    tools.run(
        "bin/specify",
        "init",
        "--here",
        "--force",
        "--non-interactive",
        "--ignore-agent-tools",
        "--script",
        "sh",
        "--integration",
        "generic",
        "--integration-options=--commands-dir .agent/commands/",
    )
    feature = "specs/001-next-tide"
    scripts = "./.specify/scripts/bash"
    tools.run(
        f"{scripts}/create-new-feature.sh", "--json", "--short-name", "next-tide", "Print the next tide of a harbour"
    )
    _fill_in(tools, f"{feature}/spec.md", (tools.root / feature / "spec.md").read_text(encoding="utf-8"))
    tools.run(f"{scripts}/setup-plan.sh", "--json")
    _fill_in(tools, f"{feature}/plan.md", (tools.root / feature / "plan.md").read_text(encoding="utf-8"))
    asked = json.loads(tools.run(f"{scripts}/setup-tasks.sh", "--json"))
    _fill_in(tools, f"{feature}/tasks.md", Path(asked["TASKS_TEMPLATE"]).read_text(encoding="utf-8"))
    tools.agent_writes("spec_kit", "*/research.md", "*/contracts/*", "*/checklists/*")


def _fill_in(tools: Tools, name: str, template: str) -> None:
    """The agent fills the tool's template in: what it keeps of the headings is the tool's own."""
    tools.agent_writes("spec_kit", name)
    filled = (tools.root / name).read_text(encoding="utf-8")
    wanted, kept = (
        set(re.findall(r"^## ([A-Z][\w &-]*?)(?: [*:].*)?$", text, re.MULTILINE)) for text in (template, filled)
    )
    assert kept - {"Phase 2", "Phase 3"} <= wanted, (name, kept, wanted)


def openspec(tools: Tools) -> None:
    program = "node_modules/.bin/openspec"
    tools.run(program, "init", "--tools", "none")
    tools.run(program, "new", "change", "read-table")
    archived, change = "openspec/changes/archive", tools.root / "openspec/changes/read-table"
    stored = next((STORED / "openspec" / archived).iterdir())
    shutil.copytree(stored, change, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".openspec.yaml"))
    tools.run(program, "validate", "read-table", "--strict")
    tools.run(program, "archive", "read-table", "--yes")
    tools.run(program, "new", "change", "add-next-tide")
    tools.agent_writes("openspec", "openspec/changes/add-next-tide/*.md")
    tools.run(program, "validate", "add-next-tide", "--strict")


def spec_workflow(tools: Tools) -> None:
    package = "@pimzino/spec-workflow-mcp"
    tools.agent_writes("spec_workflow", ".spec-workflow/specs/next-tide/*.md", ".spec-workflow/steering/*.md")
    (tools.root / ".spec-workflow/specs/next-tide/Implementation Logs").mkdir(exist_ok=True)
    for log in (tools.root / ".spec-workflow/specs/next-tide/Implementation Logs").iterdir():
        log.unlink()

    def request(name: str) -> tuple[str, dict[str, Any]]:
        return "approvals", {
            "action": "request",
            "title": f"{name.capitalize()} of next-tide",
            "type": "document",
            "category": "spec",
            "categoryName": "next-tide",
            "filePath": f".spec-workflow/specs/next-tide/{name}.md",
        }

    reads = {
        "name": "read_table",
        "purpose": "Reads one file",
        "location": "harbour/table.py:1",
        "signature": "read_table(path)",
        "isExported": True,
    }
    tools.call(
        f"{package}/dist/index.js",
        [
            request("requirements"),
            request("design"),
            (
                "log-implementation",
                {
                    "specName": "next-tide",
                    "taskId": "1",
                    "summary": "The table is read",
                    "filesModified": [],
                    "filesCreated": ["harbour/table.py"],
                    "statistics": {"linesAdded": 20, "linesRemoved": 0},
                    "artifacts": {"functions": [reads]},
                },
            ),
            ("spec-status", {"specName": "next-tide"}),
        ],
        str(tools.root),
    )
    storage = (tools.folder / "node_modules" / package / "dist/dashboard/approval-storage.js").resolve().as_uri()
    script = f"""
        const {{ ApprovalStorage }} = await import({json.dumps(storage)});
        const kept = new ApprovalStorage({json.dumps(str(tools.root))});
        await kept.start?.();
        const open = await kept.getAllPendingApprovals();
        await kept.updateApproval(open.find(one => one.filePath.endsWith('requirements.md')).id, 'approved', 'Go on');
        await kept.stop?.();
        process.exit(0);
    """
    argv = ["node", "--input-type=module", "-e", script]
    subprocess.run(argv, cwd=tools.root, env=tools.environment, check=True, capture_output=True)
