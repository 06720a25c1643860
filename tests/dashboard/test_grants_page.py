"""Standing grants on the page: read, signed, used by an agent, and ended."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, expect

from tests.dashboard.play import Play, played
from tests.engine.conftest import blank
from tests.engine.scene import AGENT, approval, phase
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval

__all__ = ["blank"]


@pytest.fixture
def play(tmp_path: Path, blank: Path, chromium: Chromium) -> Iterator[Play]:
    with played(tmp_path, blank, chromium) as made:
        yield made


def test_a_standing_grant_is_read_signed_used_and_ended(play: Play) -> None:
    scene = play.scene
    scene.define(phase("plan", approval()), name="small", title="Small")
    shown = play.to("/settings")
    grants = shown.locator("#grants")
    expect(grants).to_contain_text("each approval is asked for")
    grants.get_by_role("button", name="Give a grant").click()
    form = shown.get_by_role("form", name="Give a grant")
    form.get_by_label("Template").fill("small")
    form.get_by_label("Phase that asks").fill("plan")
    form.get_by_label("How often").fill("2")
    form.get_by_role("button", name="Show what you sign").click()
    expect(form.get_by_role("region", name="What you sign")).to_contain_text("up to 2 times")
    form.get_by_role("button", name="Sign the grant").click()
    play.sign()
    expect(form).to_have_count(0)
    expect(grants).to_contain_text("0 of 2")

    run = answers.start_run(scene.engine, AGENT, "small", {}).run
    assert run is not None
    scene.do(run, "plan")
    assert ask_approval(scene.engine, AGENT, run, "plan").ok
    expect(grants).to_contain_text("1 of 2")
    play.to(f"/runs/{run}/list/plan")
    expect(shown.get_by_role("tabpanel", name="Gates")).to_contain_text(
        re.compile(r"Approved by grant g-1 of \w+, .+ ago: use 1 of 2, given by \w+ at 20\d\d-")
    )
    play.to("/settings")
    expect(grants.get_by_role("link", name=run)).to_be_visible()
    grants.get_by_role("button", name="End grant g-1").click()
    play.sign()
    expect(grants).to_contain_text("ended")
