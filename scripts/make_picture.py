"""Makes the moving picture at the top of the README from a real run: docs/images/first-change.gif, and a still beside it.

    uv run --with pillow python scripts/make_picture.py [FOLDER]        FOLDER: where the picture goes instead

A scripted agent fixes a bug over MCP, a person (Chromium) reads the decision on the page of `wfe-mcp ui` and approves it with a PIN.
All text is what the programs said. Pillow writes the picture and is needed for nothing else, so it is no dependency of this project.
"""

import html
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from chromium import found
from playwright.sync_api import Page, sync_playwright

from wfe_mcp.testing.demo_stage import FAILING_TEST, FILES, FIXED, PROBLEM, TEST_NAME, Stage
from wfe_mcp.testing.stdio_client import StdioClient

ROOT = Path(__file__).resolve().parent.parent
SIZE = (960, 600)
COLOURS = 64
LIMIT_BYTES = 1_500_000
PIN = "correct horse"
TERMINAL = """<body style="margin:0;background:#14171c;color:#d5dae1;font:14px/1.38 'DejaVu Sans Mono',monospace">
<pre style="margin:18px 22px;font:inherit;white-space:pre-wrap">{}</pre></body>"""
INKS = {
    "1": "#fff;font-weight:bold",
    "36": "#7cc5ff",
    "32": "#8fd694",
    "33": "#f2c66d",
    "31": "#ff8a80",
    "2": "#8b95a3",
}


class Frame(NamedTuple):
    """A PNG and how long it is shown, in milliseconds."""

    png: bytes
    ms: int


class Person(io.StringIO):
    """Output that is shown at a terminal with colours."""

    def isatty(self) -> bool:
        return True


def main(argv: list[str]) -> int:
    folder = Path(argv[0]) if argv else ROOT / "docs" / "images"
    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light").new_page()
        frames = list(play(Path(home), page))
        browser.close()
    written = write(frames, folder)
    print(f"{len(frames)} frames, {written:,} bytes")
    return 0 if written <= LIMIT_BYTES else 1


def play(home: Path, page: Page) -> Iterator[Frame]:
    """The run, frame by frame."""
    project = home / "pages"
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
    }
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=You", "-c", "user.email=you@example.com", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=project, env=env, check=True)
    subprocess.run(["wfe-mcp", "init", "--yes", "--pin-fd", "0"], cwd=project, env=env, input=PIN.encode(), check=True)
    shell = Shell(page, {sys.executable: "python", str(home): "~"})
    with StdioClient(["wfe-mcp", "serve"], cwd=project, env=env, name="agent") as agent:
        run = yield from work(agent, shell, project)
        with served(project, env) as address:
            shell.stage.act("The agent tries to approve its own work")
            shell.stage.agent('approve fix  comment="The user said it is fine."')
            answer = agent.call("approve", run=run, phase="fix", comment="The user said it is fine.")
            shell.stage.server(answer)
            yield shell.frame(4200)
            (asked,) = re.findall(r"http://\S+", answer["error"]["hint"])
            yield from decide(page, address, asked)
        shell.stage.act("The run is done, and the record can be checked")
        shell.stage.agent("status")
        shell.stage.server(agent.call("status", run=run))
    verified = subprocess.run(["wfe-mcp", "verify"], cwd=project, env=env, capture_output=True, text=True, check=True)
    shell.stage.person("wfe-mcp verify")
    shell.stage.lines(verified.stdout)
    yield shell.frame(4500)


def work(agent: StdioClient, shell: "Shell", project: Path) -> Generator[Frame, None, str]:
    """From the start of the run to a fix that passed; the id of the run."""
    stage = shell.stage
    stage.act("You: use wfe quick_fix, slug() keeps the dot")
    stage.agent("start_run quick_fix")
    answer = agent.call("start_run", template="quick_fix", inputs={"problem": PROBLEM})
    run = answer["run"]
    stage.server(answer)
    yield shell.frame(1500)
    agent.call("start_phase", run=run)
    (project / "tests" / "test_slug.py").write_text(FAILING_TEST, encoding="utf-8")
    proof = {"test": f"tests/test_slug.py::TestSlug::{TEST_NAME}", "file": "tests/test_slug.py"}
    proof |= {"why": "slug() replaces spaces only", "expected": "v1-2-final", "actual": "v1.2-final"}
    stage.act("The bug is shown: a test that fails. The server ran it")
    stage.agent("writes a test, then submit_artifact reproduce")
    answer = settled(agent, run, agent.call("submit_artifact", run=run, phase="reproduce", artifact=proof))
    stage.server(answer)
    yield shell.frame(2200)
    stage.act('"Fixed, all tests pass", says the agent. It has changed nothing')
    agent.call("start_phase", run=run)
    change = {"summary": "slug() turns dots into dashes", "files": ["slug.py"]}
    stage.agent(f"submit_artifact fix  {json.dumps(change)}")
    stage.server(agent.call("submit_artifact", run=run, phase="fix", artifact=change))
    yield shell.frame(4200)
    stage.act("The real fix")
    (project / "slug.py").write_text(FIXED, encoding="utf-8")
    agent.call("start_phase", run=run)
    stage.agent("changes slug.py, then submit_artifact fix")
    answer = settled(agent, run, agent.call("submit_artifact", run=run, phase="fix", artifact=change))
    stage.server(answer)
    yield shell.frame(2600)
    return run


def settled(agent: StdioClient, run: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer once no check runs any more."""
    while answer.get("waiting_on") in {"job", "reviewer"}:
        answer = agent.call("status", run=run, wait_s=45)
    return answer


@contextmanager
def served(project: Path, env: dict[str, str]) -> Generator[str]:
    """The address of the person's own page while it runs."""
    words = ["wfe-mcp", "ui", "--no-browser", "--json"]
    with subprocess.Popen(words, cwd=project, env=env, stdout=subprocess.PIPE, text=True) as page:
        try:
            yield address_in(page.stdout)
        finally:
            page.terminate()


def address_in(lines: IO[str] | None) -> str:
    """The first address that the page's process prints."""
    for line in lines or ():
        if match := re.search(r"http://[^\s\"]+", line):
            return match[0]
    raise SystemExit("the page printed no address")


def decide(page: Page, address: str, asked: str) -> Iterator[Frame]:
    """The person has their page open, opens the agent's address, reads the decision, approves it."""
    page.goto(address)
    page.get_by_role("heading").first.wait_for()
    page.goto(asked)
    page.get_by_text("Evidence", exact=False).first.wait_for()
    page.wait_for_timeout(600)
    yield Frame(page.screenshot(animations="disabled"), 3600)
    page.get_by_text("Approve", exact=True).click()
    page.locator("input[type=password]").first.fill(PIN)
    page.wait_for_timeout(300)
    yield Frame(page.screenshot(animations="disabled"), 2400)
    page.keyboard.press("Enter")
    page.get_by_text("Approved by", exact=False).first.wait_for()
    yield Frame(page.screenshot(animations="disabled"), 2400)


class Shell:
    """What the terminal shows, as a page of the same browser."""

    def __init__(self, page: Page, shortened: dict[str, str]) -> None:
        self._said = Person()
        self._page = page.context.new_page()
        self.stage = Stage(self._said, shortened)

    def frame(self, ms: int) -> Frame:
        """The last lines that fit."""
        coloured = re.sub(r"\x1b\[(\d+)m(.*?)\x1b\[0m", self._ink, html.escape(self._said.getvalue(), quote=False))
        self._page.set_content(TERMINAL.format(coloured.strip("\n")))
        self._page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return Frame(self._page.screenshot(), ms)

    @staticmethod
    def _ink(match: re.Match[str]) -> str:
        return f'<span style="color:{INKS.get(match[1], "inherit")}">{match[2]}</span>'


def write(frames: list[Frame], folder: Path) -> int:
    """Write the picture and its still; the bytes of the picture."""
    image: Any = import_module("PIL.Image")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [image.open(io.BytesIO(frame.png)).convert("RGB").quantize(COLOURS, dither=0) for frame in frames]
    moving = folder / "first-change.gif"
    pictures[0].save(
        moving,
        save_all=True,
        append_images=pictures[1:],
        duration=[frame.ms for frame in frames],
        loop=0,
        optimize=True,
    )
    decision = max(range(len(frames)), key=lambda each: each == len(frames) - 4)
    (folder / "first-change.png").write_bytes(frames[decision].png)
    return moving.stat().st_size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
