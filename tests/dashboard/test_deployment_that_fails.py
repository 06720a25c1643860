"""A deployment that is not healthy: status, history, page, webhook and notification say that it was rolled back, in one play."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab, is_live
from tests.engine.conftest import home
from tests.engine.deployments.deployment_scene import answer, commit, deploy, environment
from tests.engine.notifications.test_notify import command, configure as notifies, heard
from tests.engine.scene import AGENT, Scene
from tests.engine.webhooks.receiver import receiving
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.views.answers.reading import status
from wfe_mcp.views.runs.deployments import deployments_view

__all__ = ["home"]


@pytest.mark.requirement("S4-08", "S4-28", "S4-30")
@pytest.mark.usefixtures("home")
def test_a_failed_health_check_is_said_wherever_a_person_or_a_program_looks(scene: Scene, page: Page, tab: Tab) -> None:
    notifies(scene, command(events=["deployment"]))
    with receiving(scene, events=["deployment.*"]) as receiver, environment(scene) as target:
        deploy(scene)
        good = scene.git("rev-parse", "HEAD").strip()
        scene.write("status.txt", "500\n")
        bad = commit(scene, "broken")
        run = deploy(scene)
        scene.work()

        assert answer(target) == good
        said = status(scene.engine, AGENT, run)
        assert (said.run_state, said.waiting_on) == ("waiting", "human")
        assert f"{bad[:12]} failed in local and was rolled back to {good[:12]}, which is healthy." in said.to_text()
        history = deployments_view(scene.engine, "local")
        assert next((each.state, each.commit, each.before) for each in history.deployments) == (
            "rolled back",
            bad,
            good,
        )
        assert (history.environments[0].commit, history.environments[0].health) == (good, "healthy")
        sent = [(one.body["type"], one.body["data"]["run"]) for one in receiver.accepted][2:]
        assert sent == [(f"deployment.{each}", run) for each in ("started", "failed", "rolled_back")]
        shown = heard(scene)
        assert [(each["event"], each["severity"]) for each in shown] == [("deployment", "critical")], shown
        assert run in str(shown[0])

        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("location.hash = '/environments'")
        expect(tab.page.get_by_role("link", name="Deploy…")).to_have_attribute("href", "#/start/deploy")
        newest = tab.page.locator("table").last.locator("tbody tr").first
        expect(newest).to_contain_text("rolled back")
        expect(
            newest.locator(f"td[data-label=State] span[title='{history.deployments[0].rolled_back_at}']")
        ).to_be_visible()
        expect(newest.locator(f"td[title='{bad}']")).to_be_visible()
        expect(newest.locator("td[data-label=Before]")).to_have_attribute("title", good)
        expect(tab.page.locator("table").first.locator("tbody tr").first).to_contain_text("healthy")
        tab.page.evaluate(f"location.hash = '/runs/{run}/list'")
        expect(tab.page.locator("main")).to_contain_text(f"was rolled back to {good[:12]}, which is healthy")
