"""Walks a new user's way in folders that are given: from nothing to the first approved change, by the agent's link.

    python -m bench first-change FOLDER…      git repositories whose own dependencies are installed; each is copied

Per folder an empty home and an empty tool folder of uv. README.md's install and ``wfe-mcp init`` are typed at a terminal, a scripted
agent shows that a file is missing by a test of the project's own runner and writes the file, and a person opens the agent's link in
Chromium and types the PIN there. Packages come from uv's cache, and checks of the project run as often as they must.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from bench.first_change import ANSWERS, PIN, ROOT, environment_of, server_of, written
from bench.terminal import Terminal
from wfe_mcp.testing.agent import Work, drive
from wfe_mcp.testing.stdio_client import StdioClient

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from playwright.sync_api import Page

COMMANDS, QUESTIONS, SECONDS = 4, 3, 60
"""What the way may cost at most (design): commands typed, questions answered, seconds without downloads."""

MISSING = "HELLO.md"
PROBLEM = f"{MISSING} is missing: it should greet people who open the repository."


class Runner(NamedTuple):
    """A test of one runner: how its files are named, the test's own name (``{file}`` is its path), and its text."""

    beside: str
    file: str
    test: str
    text: str


RUNNERS: Mapping[str, Runner] = {
    "pytest": Runner(
        r"(^|/)test_\w+\.py$",
        "test_hello.py",
        "{file}::test_hello_greets_people",
        "import pathlib\n\n\ndef test_hello_greets_people():\n"
        f"    assert any((folder / '{MISSING}').exists() for folder in pathlib.Path(__file__).parents)\n",
    ),
    "mocha": Runner(
        r"(^|/)tests?/[\w.-]+\.[cm]?js$",
        "hello.js",
        "hello greets people",
        "(function () {\n  'use strict';\n\n  var assert = require('assert'),\n    fs = require('fs');\n\n"
        "  describe('hello', function () {\n    it('greets people', function () {\n"
        f"      assert.ok(fs.existsSync('{MISSING}'));\n    }});\n  }});\n}}());\n",
    ),
    "ava": Runner(
        r"(^|/)test[\w.-]*\.js$",
        "hello.test.js",
        "hello greets people",
        "import fs from 'node:fs';\nimport test from 'ava';\n\ntest('hello greets people', t => {\n"
        f"\tt.true(fs.existsSync('{MISSING}'));\n}});\n",
    ),
    "uvu": Runner(
        r"(^|/)test/[\w.-]+\.js$",
        "hello.js",
        "hello greets people",
        "import { existsSync } from 'fs';\nimport { test } from 'uvu';\nimport * as assert from 'uvu/assert';\n\n"
        f"test('hello greets people', () => {{\n\tassert.ok(existsSync('{MISSING}'));\n}});\n\ntest.run();\n",
    ),
    "cargo test": Runner(
        r"(^|/)tests/\w+\.rs$|^src/lib\.rs$",
        "tests/hello.rs",
        "hello_greets_people",
        f'#[test]\nfn hello_greets_people() {{\n    assert!(std::path::Path::new("{MISSING}").exists());\n}}\n',
    ),
    "go test": Runner(
        r"(^|/)\w+_test\.go$",
        "hello_test.go",
        "TestHelloGreetsPeople",
        'package {package}\n\nimport (\n\t"os"\n\t"testing"\n)\n\nfunc TestHelloGreetsPeople(t *testing.T) {{\n'
        f'\tif _, err := os.Stat("{MISSING}"); err != nil {{{{\n\t\tt.Fatal(err)\n\t}}}}\n}}}}\n',
    ),
}
"""What the scripted agent writes for each test runner that ``wfe-mcp project show`` names."""


class Walk(NamedTuple):
    """One way, as it went. ``own_s``: in checks of the project; ``terms``: of the glossary, in all that the person read."""

    project: str
    commands: int
    questions: int
    seconds: Mapping[str, float]
    own_s: float
    terms: tuple[str, ...]

    @property
    def ours_s(self) -> float:
        """Seconds besides the checks of the project."""
        return sum(self.seconds.values()) - self.own_s


def main(folders: Sequence[str]) -> int:
    """Exit code 0 where each way is within its budget."""
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    walks: list[Walk] = []
    for each in folders:
        with tempfile.TemporaryDirectory(prefix="wfe-first-") as work, browser_page() as page:
            walks.append(walk(Path(each).resolve(), Path(work).resolve(), page))
        print(line_of(walks[-1]) if len(walks) > 1 else f"{HEAD}\n{line_of(walks[-1])}", flush=True)
    kept = all(each.commands <= COMMANDS and each.questions <= QUESTIONS and each.ours_s <= SECONDS for each in walks)
    print(f"at most {COMMANDS} commands, {QUESTIONS} questions, {SECONDS} s of ours: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


_PARTS = ("install", "init", "agent", "decision")
HEAD = "".join(
    (
        "project".ljust(18),
        *(each.rjust(11) for each in ("commands", "questions", *_PARTS, "own checks", "ours", "terms")),
    )
)


def line_of(walked: Walk) -> str:
    """One row of the table: counts, then seconds, then the terms."""
    seconds = [*(walked.seconds[part] for part in _PARTS), walked.own_s, walked.ours_s]
    figures = [walked.commands, walked.questions, *(f"{each:.1f} s" for each in seconds), len(walked.terms)]
    return f"{walked.project:<18}{''.join(str(each).rjust(11) for each in figures)}  {', '.join(walked.terms)}"


def walk(folder: Path, work: Path, page: Page) -> Walk:
    """The way in a copy of ``folder`` below ``work``, decided on ``page``."""
    project, environment = work / folder.name, environment_of(work)
    shutil.copytree(folder, project, symlinks=True, ignore=shutil.ignore_patterns(".wfe", ".mcp.json", ".claude"))
    you, seconds, read = Terminal(environment), dict[str, float](), list[str]()
    install, init, _ = written()
    seconds["install"] = you(install, ROOT)
    you.shown = ""  # uv's own
    seconds["init"] = you(init, project, ANSWERS)
    script = _script(project, environment)
    begin = time.monotonic()
    with StdioClient(server_of(project, environment), cwd=project, env=environment) as agent:
        played = drive(agent.call, project, "quick_fix", {"problem": PROBLEM}, script)
        seconds["agent"] = time.monotonic() - begin
        begin = time.monotonic()
        you.typed.append("wfe-mcp ui")
        with _served(project, environment) as address:
            read += _decided(page, address, played.last["data"]["url"])
        seconds["decision"] = time.monotonic() - begin
        status = agent.call("status", run=played.run)
    if status["run_state"] != "completed":
        raise RuntimeError(f"{folder.name}: approved, but {status['summary']}")
    messages = [each["message"] for _, answer in played.steps for each in answer.get("data", {}).get("verdicts", [])]
    return Walk(
        folder.name,
        len(you.typed),
        len(ANSWERS) + 1,
        seconds,
        trial_seconds(you.shown) + sum(verdict_seconds(message) for message in messages),
        terms_in(" ".join([you.shown, *read])),
    )


def _script(project: Path, environment: Mapping[str, str]) -> dict[str, list[Work]]:
    """The work of the agent, by the test runner that the project is found to have."""
    asked = subprocess.run(
        ["wfe-mcp", "project", "show", "--json"], cwd=project, env=environment, capture_output=True, text=True
    )
    facts = json.loads(asked.stdout)["data"]
    found = {each["value"] for each in facts["findings"] if each["kind"] == "test runner"}
    found |= {each["runner"] for each in facts["stack"]}
    runner = next((RUNNERS[name] for name in RUNNERS if name in found), None)
    if runner is None:
        raise SystemExit(f"{project.name}: no test can be written for {', '.join(sorted(found)) or 'no runner'}")
    files = subprocess.run(["git", "ls-files"], cwd=project, check=True, capture_output=True, text=True).stdout
    beside = next((line for line in files.splitlines() if re.search(runner.beside, line)), "")
    folder = PurePosixPath("" if "/" in runner.file else beside).parent
    file = (folder / runner.file).as_posix()
    package = re.search(r"(?m)^package (\w+)", (project / beside).read_text(encoding="utf-8")) if beside else None
    text = runner.text.format(package=package[1]) if package else runner.text
    proof = {"test": runner.test.format(file=file), "file": file, "why": f"{MISSING} is not there"}
    return {
        "reproduce": [Work({**proof, "expected": MISSING, "actual": "no such file"}, {file: text})],
        "fix": [Work({"summary": f"{MISSING} greets people", "files": [MISSING]}, {MISSING: "Hello\n"})],
    }


@contextmanager
def _served(project: Path, environment: Mapping[str, str]) -> Generator[str]:
    """The address of the person's own page while it runs."""
    words = ["wfe-mcp", "ui", "--no-browser", "--json"]
    with subprocess.Popen(words, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as page:
        try:
            yield next(found[0] for line in page.stdout or () if (found := re.search(r"http://[^\s\"]+", line)))
        finally:
            page.terminate()


@contextmanager
def browser_page() -> Generator[Page]:
    """A page of Chromium with an empty profile."""
    from playwright.sync_api import sync_playwright

    from scripts.chromium import found

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


def _decided(page: Page, address: str, asked: str) -> list[str]:
    """What the person read: ``wfe-mcp ui`` opened ``address``; they open the agent's link and approve with the PIN."""
    page.goto(address)
    page.get_by_role("heading").first.wait_for()
    page.goto(asked)
    page.get_by_text("Evidence").first.wait_for()
    read = [page.inner_text("body")]
    page.get_by_text("Approve", exact=True).first.click()
    page.locator("input[type=password]").first.fill(PIN)
    page.keyboard.press("Enter")
    page.get_by_text("Approved by").first.wait_for()
    return [*read, page.inner_text("body")]


def verdict_seconds(text: str) -> float:
    """The seconds that a gate's message gives its check."""
    found = re.search(r" in ([\d.]+) s\b", text)
    return float(found[1]) if found else 0.0


def trial_seconds(shown: str) -> float:
    """The seconds of the trials that ``init`` printed; those of tests twice where they ran in a checkout, too."""
    plain = re.sub(r"\x1b\[[\d;]*[mK]", "", shown)
    rows = re.findall(r"(?m)[✓!✗] (?:pass|warning|fail)\b[^\n]*?([\d.]+) s\b", plain)
    return sum(map(float, rows)) + (float(rows[0]) if rows and "runs in a checkout" in shown else 0.0)


def terms_in(read: str) -> tuple[str, ...]:
    """The terms of the glossary that stand in what was read."""
    glossary = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"(?m)^\| (\w[\w -]*) \|", glossary)[1:]
    return tuple(term for term in terms if re.search(rf"\b{re.escape(term)}s?\b", read, re.IGNORECASE))
