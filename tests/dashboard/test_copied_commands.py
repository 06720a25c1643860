"""A command that the application shows does in a shell what the page says, whatever text is in it, in the project that is shown."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.backlog import add
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import Scene, approval, phase

__all__ = ["visit"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")

SOURCES = Path(__file__).resolve().parents[2] / "web" / "src"
HOSTILE = "it's $(touch owned) `touch owned` \"; touch owned; # \\ "


@pytest.fixture
def terminal(tmp_path: Path) -> "Terminal":
    return Terminal(tmp_path / "terminal")


class Terminal:
    """A shell whose ``wfe-mcp`` writes down the words that it was given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        program = folder / "wfe-mcp"
        code = "import json, sys; print(json.dumps(sys.argv[1:]))"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
        program.chmod(0o755)

    def words(self, shown: Tab_) -> list[str]:
        """What the command that the page offers gives to ``wfe-mcp``. It runs, and nothing else does."""
        line = shown.locator("main .cli code, dialog .cli code").last.inner_text()
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env={"PATH": path}, capture_output=True, text=True, check=True
        )
        assert [each.name for each in self.folder.iterdir()] == ["wfe-mcp"], line
        return json.loads(ran.stdout)


def test_the_words_of_a_link_are_one_argument_of_the_search(visit: Visit, terminal: Terminal) -> None:
    shown = visit(f"/search?q={quote(HOSTILE)}")
    expect(shown.get_by_label("Words to search for")).to_have_value(HOSTILE)
    assert terminal.words(shown) == ["find", "--all", HOSTILE]
    to(shown, f"/search?q={quote('--json')}")
    expect(shown.get_by_label("Words to search for")).to_have_value("--json")
    assert terminal.words(shown) == ["find", "--all", "--", "--json"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/compare/{}/two", ["compare", HOSTILE, "two"]),
        ("/items?kind={}", ["work", "list", "--kind", HOSTILE]),
    ],
)
def test_what_an_address_says_is_text_in_each_command(
    visit: Visit, terminal: Terminal, address: str, words: list[str]
) -> None:
    shown = visit(address.format(quote(HOSTILE, safe="")))
    expect(shown.locator("main .cli code").last).to_contain_text("touch owned")
    assert terminal.words(shown) == words


def test_what_is_typed_is_text_in_each_command(scene: Scene, visit: Visit, terminal: Terminal) -> None:
    shown = visit("/assistant")
    shown.get_by_label("Question", exact=True).fill(HOSTILE)
    assert terminal.words(shown) == ["ask", HOSTILE.strip()]
    to(shown, "/items/new")
    shown.get_by_label("Title").fill(f"--{HOSTILE}")
    assert terminal.words(shown) == ["work", "add", "--", f"--{HOSTILE}"]
    scene.define(phase("plan"))
    to(shown, "/start/drill")
    shown.get_by_label("goal").fill(HOSTILE)
    assert terminal.words(shown) == ["start", "drill", "--input", f"goal={HOSTILE}"]


def test_no_source_builds_a_command_without_quoting_what_it_puts_in() -> None:
    bare = re.compile(r"(?<!cli)`wfe-mcp [^`]*\$\{")
    assert [path.name for path in SOURCES.glob("**/*.ts*") if bare.search(path.read_text("utf-8"))] == []


def commands(shown: Tab_) -> list[str]:
    """Every command that the page shows, or says of a button."""
    titles = [str(each.get_attribute("title")) for each in shown.locator('main [title^="wfe-mcp "]').all()]
    return [*shown.locator("main code", has_text=re.compile("^wfe-mcp (?!ui)")).all_inner_texts(), *titles]


def test_commands_act_in_the_project_that_is_chosen(scene: Scene, shop: Scene, visit: Visit) -> None:
    scene.define(phase("plan"))
    named = f"wfe-mcp --project {shop.root} "
    shown = visit("/settings")
    project = shown.locator("main").get_by_label("Project")
    expect(shown.locator("main")).to_contain_text("wfe-mcp config show")
    assert [each for each in commands(shown) if "--project" in each] == []
    project.select_option(shop.engine.project_id)
    for address, says in {
        "/settings": "config show",
        "/templates": "templates list",
        "/templates/quick_fix/diff": "templates diff quick_fix",
        "/start/quick_fix": "start quick_fix",
        "/items": "work list",
        "/items/new": "work add TITLE",
        "/runs": "list",
        "/queue": "jobs list",
        "/environments": "deployments",
        "/webhooks": "webhook deliveries",
        "/assistant": "ask QUESTION",
        "/search?q=slugs": "find slugs",
    }.items():
        to(shown, address)
        expect(shown.locator("main")).to_contain_text(named + says)
        assert [each for each in commands(shown) if not each.startswith(named)] == [], address


def test_commands_about_a_run_a_work_item_or_a_project_act_in_its_project(
    scene: Scene, shop: Scene, visit: Visit, terminal: Terminal
) -> None:
    run = shop.start(phase("plan", approval()))
    shop.do(run, "plan")
    item = add(shop, "Sell a table")
    named = f"wfe-mcp --project {shop.root} "
    shown = visit("/inbox")
    expect(shown.locator("main .cli code").first).to_have_text(f"{named}approve {run} plan")
    for address, says in {
        f"/runs/{run}": f"watch {run}",
        f"/runs/{run}/list/plan": f"approve {run} plan",
        f"/artifact/{run}/plan": f"artifact show {run} plan_note",
        f"/items/{shop.engine.project_id}/{item}": f"work show {item}",
        f"/projects/{shop.engine.project_id}": "project show",
    }.items():
        to(shown, address)
        expect(shown.locator("main")).to_contain_text(named + says)
        assert [each for each in commands(shown) if not each.startswith(named)] == [], address
    assert terminal.words(shown)[:2] == ["--project", str(shop.root)]
    own = scene.start(phase("plan"))
    to(shown, f"/runs/{own}")
    expect(shown.locator("main")).to_contain_text(re.compile(f"wfe-mcp (show|watch) {own}"))
    assert [each for each in commands(shown) if "--project" in each] == []
