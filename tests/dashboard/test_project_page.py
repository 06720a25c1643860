"""The page of a project, and the line of the first page that leads to it: facts, figures of the week."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.play import Play, played
from tests.engine.conftest import blank
from tests.engine.scene import phase
from wfe_mcp.workspace.system.temporary import remove_folder

__all__ = ["blank"]


@pytest.fixture
def play(tmp_path: Path, blank: Path, chromium: Chromium) -> Iterator[Play]:
    with played(tmp_path, blank, chromium) as made:
        yield made


@pytest.mark.requirement("S4-31")
def test_a_fact_is_corrected_added_and_undone_on_the_page_of_the_project(play: Play) -> None:
    (play.scene.root / "go.mod").write_text("module m\n", encoding="utf-8")
    shown = play.to(f"/projects/{play.scene.engine.project_id}")
    facts = shown.locator("#facts")
    row = facts.locator("tr").filter(has_text="package manager")
    expect(row).to_contain_text("its files")

    facts.get_by_role("button", name="Correct package manager").click()
    facts.get_by_label("What holds").fill("bazel")
    facts.get_by_role("button", name="Save").click()
    play.sign()
    expect(row).to_contain_text("bazel")
    expect(row).to_contain_text("found: go")
    facts.get_by_role("button", name="Add a fact").click()
    facts.get_by_label("Name of the fact").fill("database")
    facts.get_by_label("What holds").fill("PostgreSQL 16")
    facts.get_by_role("button", name="Save").click()
    play.sign()
    expect(facts.locator("tr").filter(has_text="database")).to_contain_text("found: nothing")
    shown.reload()
    expect(row).to_contain_text("bazel")
    facts.get_by_role("button", name="Undo package manager").click()
    play.sign()
    expect(row).to_contain_text("its files")
    expect(row).not_to_contain_text("bazel")


@pytest.mark.requirement("S4-31")
def test_the_page_of_a_project_has_each_finding_with_its_reason_and_what_speaks_for_a_check(play: Play) -> None:
    root = play.scene.root
    (root / "requirements.txt").write_text("django\n", encoding="utf-8")
    (root / "justfile").write_text("".join(f"t{number}:\n    x\n" for number in range(7)), encoding="utf-8")
    (root / "go.mod").write_text("module m\n", encoding="utf-8")
    shown = play.to(f"/projects/{play.scene.engine.project_id}")
    findings = shown.locator("#findings")
    framework = findings.locator("tr").filter(has_text="framework")
    expect(framework).to_contain_text("Django")
    expect(framework).to_contain_text("requirements.txt:1")
    expect(findings.locator("tr").filter(has_text="port")).to_contain_text("usual")
    expect(findings.locator("tr").filter(has_text="just t6")).to_have_count(0)
    findings.get_by_role("button", name="2 more of the kind task").click()
    expect(findings.locator("tr").filter(has_text="just t6")).to_contain_text("justfile:13")
    expect(shown.locator("#suggested")).to_contain_text("go test ./... because of go.mod")


@pytest.mark.requirement("S1-04", "S1-14")
def test_a_project_is_made_on_the_page_with_its_name_and_default_template(play: Play) -> None:
    folder = play.scene.root.parent / "shop"
    folder.mkdir()
    shown = play.to("/projects")
    form = shown.get_by_role("form", name="Add a project")
    form.get_by_label("Folder of the project").fill(str(folder))
    form.get_by_label("Name of the project").fill("The Shop")
    form.get_by_label("Default template").fill("spec_driven")
    form.get_by_role("button", name="Add a project").click()
    expect(shown.get_by_role("heading", name="The Shop")).to_be_visible()
    expect(shown.get_by_text("the default is spec_driven")).to_be_visible()
    expect(shown.get_by_role("link", name="Providers and roles")).to_be_visible()


def test_a_project_is_added_with_a_template_of_its_own_and_not_with_one_of_another(play: Play) -> None:
    play.scene.define(phase("plan"), name="fishing")
    folder = play.scene.root.parent / "shop"
    own = folder / ".wfe" / "templates" / "selling.json"
    own.parent.mkdir(parents=True)
    definition = {
        "format": "wfe/1",
        "name": "selling",
        "version": "1.0.0",
        "title": "Sell it",
        "phases": [phase("sell")],
    }
    own.write_text(json.dumps(definition), encoding="utf-8")
    shown = play.to("/projects")
    projects = shown.locator("main ul.plist > li")
    expect(projects).to_have_count(1)
    form = shown.get_by_role("form", name="Add a project")
    offered = form.locator("datalist option")
    expect(offered.filter(has_text="spec_driven")).to_have_count(1)
    expect(offered.filter(has_text="fishing")).to_have_count(0)
    form.get_by_label("Folder of the project").fill(str(folder))
    form.get_by_label("Default template").fill("fishing")
    form.get_by_role("button", name="Add a project").click()
    expect(shown.get_by_role("alert")).to_contain_text("No template is called 'fishing'.")
    expect(projects).to_have_count(2)
    form.get_by_label("Default template").fill("selling")
    form.get_by_role("button", name="Add a project").click()
    expect(shown.get_by_text("the default is selling")).to_be_visible()


@pytest.mark.requirement("S4-34")
def test_the_first_page_has_the_figures_of_the_week_and_leads_to_the_others(play: Play) -> None:
    run = play.scene.start(phase("plan"), name="weekly", title="Weekly")
    play.scene.do(run, "plan")
    shown = play.to("/inbox")
    shown.reload()
    week = shown.locator("#week")
    expect(week).to_contain_text(re.compile(r"Last seven days: \d+ runs? completed, \d+ attempts? at \d+ phases?"))
    week.get_by_role("link", name="Statistics").click()
    expect(shown.locator("#statistics tr").filter(has_text="weekly")).to_contain_text("1 of 1")


def test_checks_that_are_not_trusted_yet_are_not_called_missing(play: Play) -> None:
    folder = play.scene.root.parent / "shop"
    (folder / ".wfe").mkdir(parents=True)
    (folder / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["true"]\n', encoding="utf-8")
    shown = play.to("/projects")
    form = shown.get_by_role("form", name="Add a project")
    form.get_by_label("Folder of the project").fill(str(folder))
    form.get_by_role("button", name="Add a project").click()
    checks = shown.locator("section").filter(has=shown.get_by_role("heading", name="Checks", exact=True))
    expect(checks).to_contain_text(
        f"What its configuration runs counts once you trust it. wfe-mcp --project {folder} trust"
    )
    shown.get_by_role("link", name="Providers and roles").click()
    expect(checks).to_contain_text(
        f"What the configuration runs counts once you trust it. wfe-mcp --project {folder} trust"
    )


def test_a_folder_that_became_another_project_is_listed_with_the_earlier_one_which_can_be_forgotten(play: Play) -> None:
    play.scene.start(phase("plan"))
    root = play.scene.root
    remove_folder(root / ".git")
    shutil.rmtree(root / ".wfe")
    argv = [sys.executable, "-m", "wfe_mcp", "project"]
    subprocess.run([*argv, "add"], cwd=root, env=play.env, check=True, capture_output=True)
    listed = subprocess.run([*argv, "list"], cwd=root, env=play.env, check=True, capture_output=True, text=True)
    assert f"Next: wfe-mcp project forget {play.scene.engine.project_id}" in listed.stderr, listed

    lines = play.to("/projects").locator(".plist > li").filter(has_text=str(root))
    expect(lines).to_have_count(2)
    expect(lines.last).to_contain_text("1 open run")
    lines.last.get_by_role("button", name="Forget it").click()
    play.sign()
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("0 open runs")


def test_a_project_is_renamed_on_its_page(play: Play) -> None:
    shown = play.to(f"/projects/{play.scene.engine.project_id}")
    shown.get_by_role("button", name="Rename").click()
    dialog = shown.get_by_role("dialog", name="Rename")
    dialog.get_by_label("Name").fill("The shop")
    dialog.get_by_role("button", name="Rename").click()
    expect(shown.locator("h1")).to_have_text("The shop")
    expect(dialog).to_have_count(0)
    shown.reload()
    expect(shown.locator("h1")).to_have_text("The shop")
