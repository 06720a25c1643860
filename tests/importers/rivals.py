"""Makes the folders of ``tests/importers/folders`` afresh, each with its own tool.

``WFE_RIVAL_TOOLS`` names the folder where the tools are; tests/importers/folders/README.md says how to fill it. No test
installs anything. An agent writes the documents of spec-kit, OpenSpec and spec-workflow: here they come from the stored
folder, at the moment and in the place where the tool asks for them.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.importers.rival_specs import openspec, spec_kit, spec_workflow
from tests.importers.rival_tools import Tools


def task_master(tools: Tools) -> None:
    tools.run("node_modules/.bin/task-master", "init", "-y")
    place = {"projectRoot": str(tools.root)}

    def task(title: str, **more: str) -> tuple[str, dict[str, Any]]:
        return "add_task", {**place, "title": title, **more}

    def status(id_: str, value: str) -> tuple[str, dict[str, Any]]:
        return "set_task_status", {**place, "id": id_, "status": value}

    tools.call(
        "task-master-ai/dist/mcp-server.js",
        [
            task(
                "Read the tide table of a harbour",
                description="One CSV file per harbour, times in UTC",
                priority="high",
                details="Rows are time and height in cm",
                testStrategy="A file with two rows gives two tides",
            ),
            task(
                "Print the next tide",
                description="The next high water after a given time",
                dependencies="1",
                testStrategy="After 06:00 it is the tide of 11:20",
            ),
            (
                "add_subtask",
                {**place, "id": "2", "title": "Sort the tides by time", "description": "The file may be in any order"},
            ),
            (
                "add_subtask",
                {
                    **place,
                    "id": "2",
                    "title": "Print it in the local time",
                    "details": "A harbour in Lisbon prints WET",
                },
            ),
            ("add_dependency", {**place, "id": "2.2", "dependsOn": "2.1"}),
            task(
                "Name the harbour by its short code",
                description="LIS stands for Lisbon",
                dependencies="2",
                priority="low",
            ),
            task("Colour the table", description="Green and red"),
            task("Warn of a storm tide", description="Above 450 cm", dependencies="1"),
            status("1,2.1", "done"),
            status("2.2", "in-progress"),
            status("4", "cancelled"),
            status("5", "blocked"),
            ("add_tag", {**place, "name": "web-page", "description": "The same as a page"}),
            task(
                "Show the next tide on a page",
                tag="web-page",
                description="One page per harbour",
                testStrategy="The page of Lisbon names 11:20",
            ),
        ],
    )


def backlog_md(tools: Tools) -> None:
    for words in (
        ["init", "harbour", "--defaults", "--integration-mode", "none"],
        ["milestone", "add", "First table"],
        ["milestone", "add", "Next tide"],
        [
            "task",
            "create",
            "Read the tide table of a harbour",
            "-d",
            "One CSV file per harbour, times in UTC",
            "--ac",
            "A file with two rows gives two tides",
            "--ac",
            "A row without a height is named by its line",
            "-l",
            "parser,csv",
            "--priority",
            "high",
            "-m",
            "First table",
        ],
        [
            "task",
            "create",
            "Print the next tide",
            "-d",
            "The next high water after a given time",
            "--ac",
            "After 06:00 it is the tide of 11:20",
            "--dep",
            "TASK-1",
            "-m",
            "Next tide",
            "--notes",
            "Ask the harbour master about summer time",
        ],
        [
            "task",
            "create",
            "Print it in the local time",
            "-p",
            "TASK-2",
            "--ac",
            "A harbour in Lisbon prints WET",
            "--dep",
            "TASK-1",
        ],
        [
            "task",
            "create",
            "Name the harbour by its short code",
            "--dep",
            "TASK-2",
            "--ref",
            "https://example.org/codes",
            "--dod",
            "The README lists the codes",
        ],
        ["task", "create", "Keep the table in a cache", "--priority", "low", "-a", "@mira"],
        ["task", "create", "Colour the table"],
        ["task", "create", "Draw a curve of the day", "--draft"],
        [
            "task",
            "edit",
            "1",
            "-s",
            "Done",
            "--check-ac",
            "1",
            "--check-ac",
            "2",
            "--final-summary",
            "Both cases have tests",
        ],
        ["task", "edit", "2", "-s", "In Progress", "--plan", "1. Sort by time 2. Take the first"],
        ["task", "archive", "5"],
        ["task", "edit", "4", "-s", "Done"],
        ["task", "complete", "4"],
        ["doc", "create", "Tide glossary"],
        ["decision", "create", "Times are UTC inside"],
    ):
        tools.run("node_modules/.bin/backlog", *words)


def shrimp(tools: Tools) -> None:
    server = "mcp-shrimp-task-manager/dist/index.js"
    split = [
        {
            "name": "Read the tide table of a harbour",
            "description": "One CSV file per harbour, times in UTC",
            "implementationGuide": "Rows are time and height in cm",
            "dependencies": [],
            "notes": "Old files end in a blank line",
            "relatedFiles": [{"path": "harbour/table.py", "type": "CREATE", "description": "The reader"}],
            "verificationCriteria": "A file with two rows gives two tides",
        },
        {
            "name": "Print the next tide",
            "description": "The next high water after a given time",
            "implementationGuide": "Sort by time, take the first",
            "dependencies": ["Read the tide table of a harbour"],
            "verificationCriteria": "After 06:00 it is the tide of 11:20",
        },
        {
            "name": "Name the harbour by its short code",
            "description": "LIS stands for Lisbon",
            "implementationGuide": "A table in one file",
            "dependencies": ["Print the next tide"],
        },
    ]
    tools.call(
        server,
        [
            (
                "split_tasks",
                {
                    "updateMode": "append",
                    "tasksRaw": json.dumps(split),
                    "globalAnalysisResult": "Tide tables on the command line",
                },
            )
        ],
    )
    tasks = json.loads((tools.root / ".shrimp" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    first = next(task["id"] for task in tasks if task["name"] == split[0]["name"])
    summary = "Two rows give two tides, a bad row is named by its line"
    tools.call(
        server,
        [
            ("execute_task", {"taskId": first}),
            ("verify_task", {"taskId": first, "score": 95, "summary": summary}),
        ],
    )


@dataclass(frozen=True)
class Rival:
    """``program``: what must be in the folder of the tools. ``install``: how it comes there. ``apart``: patterns of what the
    tool wrote that is not about the project: its templates, prompts and settings."""

    make: Callable[[Tools], None]
    program: str
    install: str
    apart: tuple[str, ...] = ()


RIVALS = {
    "task_master": Rival(
        task_master,
        "node_modules/task-master-ai",
        "npm install --prefix FOLDER task-master-ai@0.43.1",
        (".taskmaster/config.json", ".taskmaster/templates/*", ".env.example", ".gitignore"),
    ),
    "backlog_md": Rival(backlog_md, "node_modules/.bin/backlog", "npm install --prefix FOLDER backlog.md@1.52.0"),
    "shrimp": Rival(
        shrimp, "node_modules/mcp-shrimp-task-manager", "npm install --prefix FOLDER mcp-shrimp-task-manager@1.0.21"
    ),
    "spec_kit": Rival(
        spec_kit,
        "bin/specify",
        "python3 -m venv FOLDER && FOLDER/bin/pip install specify-cli==1.2.3",
        (
            ".agent/*",
            ".specify/init-options.json",
            ".specify/integration.json",
            ".specify/.gitignore",
            ".specify/integrations/*",
            ".specify/memory/*",
            ".specify/scripts/*",
            ".specify/templates/*",
            ".specify/workflows/*",
        ),
    ),
    "openspec": Rival(
        openspec,
        "node_modules/.bin/openspec",
        "npm install --prefix FOLDER @fission-ai/openspec@1.13.2",
        ("*/.gitkeep",),
    ),
    "spec_workflow": Rival(
        spec_workflow,
        "node_modules/@pimzino/spec-workflow-mcp/dist",
        "npm install --prefix FOLDER FOLDER_OF_SPEC_WORKFLOW_MCP_2.2.7",
        (".spec-workflow/templates/*", ".spec-workflow/user-templates/*", "*/.snapshots/*"),
    ),
}


def made_afresh(name: str, root: Path, home: Path) -> Rival:
    """Lets the tool write its folder below ``root``. Skips the test where the tool is not installed."""
    rival = RIVALS[name]
    folder = os.environ.get("WFE_RIVAL_TOOLS")
    if not folder or not Path(folder, rival.program).exists():
        pytest.skip(f"WFE_RIVAL_TOOLS names no folder with this tool: {rival.install}")
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OPENSPEC_TELEMETRY": "0",
        "TASK_MASTER_TOOLS": "all",
        "DATA_DIR": str(root / ".shrimp"),
        "NO_COLOR": "1",
        "CI": "true",
    }
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
