"""Makes the folders of ``tests/importers/folders`` afresh, each with its own tool.

``WFE_RIVAL_TOOLS`` names the folder where the tools are; tests/importers/folders/README.md says how to fill it. No test
installs anything. An agent writes the documents of spec-kit, OpenSpec and spec-workflow: here they come from the stored
folder, at the moment and in the place where the tool asks for them.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
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
        asyncio.run(self._call(StdioServerParameters(
            command=shutil.which("node") or "node", args=[str(self.folder / "node_modules" / program), *words],
            env=dict(self.environment), cwd=self.root,
        ), calls))  # fmt: skip

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


def task_master(tools: Tools) -> None:
    tools.run("node_modules/.bin/task-master", "init", "-y")
    place = {"projectRoot": str(tools.root)}

    def task(title: str, **more: str) -> tuple[str, dict[str, Any]]:
        return "add_task", {**place, "title": title, **more}

    def status(id_: str, value: str) -> tuple[str, dict[str, Any]]:
        return "set_task_status", {**place, "id": id_, "status": value}

    tools.call("task-master-ai/dist/mcp-server.js", [
        task("Read the tide table of a harbour", description="One CSV file per harbour, times in UTC", priority="high",
             details="Rows are time and height in cm", testStrategy="A file with two rows gives two tides"),
        task("Print the next tide", description="The next high water after a given time", dependencies="1",
             testStrategy="After 06:00 it is the tide of 11:20"),
        ("add_subtask", {**place, "id": "2", "title": "Sort the tides by time", "description": "The file may be in any order"}),
        ("add_subtask", {**place, "id": "2", "title": "Print it in the local time", "details": "A harbour in Lisbon prints WET"}),
        ("add_dependency", {**place, "id": "2.2", "dependsOn": "2.1"}),
        task("Name the harbour by its short code", description="LIS stands for Lisbon", dependencies="2", priority="low"),
        task("Colour the table", description="Green and red"),
        task("Warn of a storm tide", description="Above 450 cm", dependencies="1"),
        status("1,2.1", "done"),
        status("2.2", "in-progress"),
        status("4", "cancelled"),
        status("5", "blocked"),
        ("add_tag", {**place, "name": "web-page", "description": "The same as a page"}),
        task("Show the next tide on a page", tag="web-page", description="One page per harbour",
             testStrategy="The page of Lisbon names 11:20"),
    ])  # fmt: skip


def backlog_md(tools: Tools) -> None:
    for words in (
        ["init", "harbour", "--defaults", "--integration-mode", "none"],
        ["milestone", "add", "First table"],
        ["milestone", "add", "Next tide"],
        ["task", "create", "Read the tide table of a harbour", "-d", "One CSV file per harbour, times in UTC",
         "--ac", "A file with two rows gives two tides", "--ac", "A row without a height is named by its line",
         "-l", "parser,csv", "--priority", "high", "-m", "First table"],
        ["task", "create", "Print the next tide", "-d", "The next high water after a given time",
         "--ac", "After 06:00 it is the tide of 11:20", "--dep", "TASK-1", "-m", "Next tide",
         "--notes", "Ask the harbour master about summer time"],
        ["task", "create", "Print it in the local time", "-p", "TASK-2", "--ac", "A harbour in Lisbon prints WET",
         "--dep", "TASK-1"],
        ["task", "create", "Name the harbour by its short code", "--dep", "TASK-2", "--ref", "https://example.org/codes",
         "--dod", "The README lists the codes"],
        ["task", "create", "Keep the table in a cache", "--priority", "low", "-a", "@mira"],
        ["task", "create", "Colour the table"],
        ["task", "create", "Draw a curve of the day", "--draft"],
        ["task", "edit", "1", "-s", "Done", "--check-ac", "1", "--check-ac", "2",
         "--final-summary", "Both cases have tests"],
        ["task", "edit", "2", "-s", "In Progress", "--plan", "1. Sort by time 2. Take the first"],
        ["task", "archive", "5"],
        ["task", "edit", "4", "-s", "Done"],
        ["task", "complete", "4"],
        ["doc", "create", "Tide glossary"],
        ["decision", "create", "Times are UTC inside"],
    ):  # fmt: skip
        tools.run("node_modules/.bin/backlog", *words)


def shrimp(tools: Tools) -> None:
    server = "mcp-shrimp-task-manager/dist/index.js"
    split = [
        {"name": "Read the tide table of a harbour", "description": "One CSV file per harbour, times in UTC",
         "implementationGuide": "Rows are time and height in cm", "dependencies": [],
         "notes": "Old files end in a blank line",
         "relatedFiles": [{"path": "harbour/table.py", "type": "CREATE", "description": "The reader"}],
         "verificationCriteria": "A file with two rows gives two tides"},
        {"name": "Print the next tide", "description": "The next high water after a given time",
         "implementationGuide": "Sort by time, take the first", "dependencies": ["Read the tide table of a harbour"],
         "verificationCriteria": "After 06:00 it is the tide of 11:20"},
        {"name": "Name the harbour by its short code", "description": "LIS stands for Lisbon",
         "implementationGuide": "A table in one file", "dependencies": ["Print the next tide"]},
    ]  # fmt: skip
    tools.call(server, [("split_tasks", {
        "updateMode": "append", "tasksRaw": json.dumps(split), "globalAnalysisResult": "Tide tables on the command line",
    })])  # fmt: skip
    tasks = json.loads((tools.root / ".shrimp" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    first = next(task["id"] for task in tasks if task["name"] == split[0]["name"])
    summary = "Two rows give two tides, a bad row is named by its line"
    tools.call(server, [
        ("execute_task", {"taskId": first}),
        ("verify_task", {"taskId": first, "score": 95, "summary": summary}),
    ])  # fmt: skip


def spec_kit(tools: Tools) -> None:
    tools.run(
        "bin/specify", "init", "--here", "--force", "--non-interactive", "--ignore-agent-tools", "--script", "sh",
        "--integration", "generic", "--integration-options=--commands-dir .agent/commands/",
    )  # fmt: skip
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
            "action": "request", "title": f"{name.capitalize()} of next-tide", "type": "document", "category": "spec",
            "categoryName": "next-tide", "filePath": f".spec-workflow/specs/next-tide/{name}.md",
        }  # fmt: skip

    reads = {"name": "read_table", "purpose": "Reads one file", "location": "harbour/table.py:1",
             "signature": "read_table(path)", "isExported": True}  # fmt: skip
    tools.call(f"{package}/dist/index.js", [
        request("requirements"),
        request("design"),
        ("log-implementation", {
            "specName": "next-tide", "taskId": "1", "summary": "The table is read", "filesModified": [],
            "filesCreated": ["harbour/table.py"], "statistics": {"linesAdded": 20, "linesRemoved": 0},
            "artifacts": {"functions": [reads]},
        }),
        ("spec-status", {"specName": "next-tide"}),
    ], str(tools.root))  # fmt: skip
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


@dataclass(frozen=True)
class Rival:
    """``program``: what must be in the folder of the tools. ``install``: how it comes there. ``apart``: patterns of what the
    tool wrote that is not about the project: its templates, prompts and settings."""

    make: Callable[[Tools], None]
    program: str
    install: str
    apart: tuple[str, ...] = ()


RIVALS = {
    "task_master": Rival(task_master, "node_modules/task-master-ai", "npm install --prefix FOLDER task-master-ai@0.43.1",
                         (".taskmaster/config.json", ".taskmaster/templates/*", ".env.example", ".gitignore")),
    "backlog_md": Rival(backlog_md, "node_modules/.bin/backlog", "npm install --prefix FOLDER backlog.md@1.52.0"),
    "shrimp": Rival(shrimp, "node_modules/mcp-shrimp-task-manager",
                    "npm install --prefix FOLDER mcp-shrimp-task-manager@1.0.21"),
    "spec_kit": Rival(spec_kit, "bin/specify",
                      "python3 -m venv FOLDER && FOLDER/bin/pip install specify-cli==1.2.3",
                      (".agent/*", ".specify/init-options.json", ".specify/integration.json", ".specify/.gitignore", ".specify/integrations/*",
                       ".specify/memory/*", ".specify/scripts/*", ".specify/templates/*", ".specify/workflows/*")),
    "openspec": Rival(openspec, "node_modules/.bin/openspec", "npm install --prefix FOLDER @fission-ai/openspec@1.13.2",
                      ("*/.gitkeep",)),
    "spec_workflow": Rival(spec_workflow, "node_modules/@pimzino/spec-workflow-mcp/dist",
                           "npm install --prefix FOLDER FOLDER_OF_SPEC_WORKFLOW_MCP_2.2.7",
                           (".spec-workflow/templates/*", ".spec-workflow/user-templates/*",
                            "*/.snapshots/*")),
}  # fmt: skip


def made_afresh(name: str, root: Path, home: Path) -> Rival:
    """Lets the tool write its folder below ``root``. Skips the test where the tool is not installed."""
    rival = RIVALS[name]
    folder = os.environ.get("WFE_RIVAL_TOOLS")
    if not folder or not Path(folder, rival.program).exists():
        pytest.skip(f"WFE_RIVAL_TOOLS names no folder with this tool: {rival.install}")
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "OPENSPEC_TELEMETRY": "0",
        "TASK_MASTER_TOOLS": "all", "DATA_DIR": str(root / ".shrimp"), "NO_COLOR": "1", "CI": "true",
    }  # fmt: skip
    rival.make(Tools(Path(folder), root, environment))
    return rival


def written(root: Path, apart: Sequence[str] = ()) -> dict[str, str]:
    """The files below ``root`` with their texts, the same at each making: times, dates and random ids are numbered."""
    names: dict[str, str] = {}

    def numbered(kind: str) -> Callable[[re.Match[str]], str]:
        return lambda found: names.setdefault(
            found[0], f"<{kind} {1 + sum(one.startswith(f'<{kind}') for one in names.values())}>"
        )

    def plain(text: str) -> str:
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:?\d\d(?::\d\d\.\d+Z)?", "<time>", text)
        text = re.sub(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?", "<date>", text)
        text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", numbered("id"), text)
        text = re.sub(r"approval_\d+_\w+", numbered("approval"), text)
        return re.sub(r"(?<=_)[0-9a-f]{8}(?=\.md)", "<log>", text)

    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".git/") and not any(fnmatch(name, pattern) for pattern in apart):
            found[plain(name)] = plain(path.read_text(encoding="utf-8")).strip()
    return found
