"""What a person sees of a project in which they have no role: nothing, by any operation of the API."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import DRILL, HUMAN, House
from tests.server.http.conftest import other_project as other_project
from tests.server.people.conftest import Team, of_another_project
from wfe_mcp.core.model import By
from wfe_mcp.dashboard.api.app import OPEN, document
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.engine.work.items import add_item
from wfe_mcp.views.answers.tool_answers import start_phase, start_run
from wfe_mcp.workflow.load import digest

SECRET = "zephyr-of-the-other-project"


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{", "").replace("}", "")


@pytest.mark.parametrize("role", ["reader", "author", "approver", "admin"])
@pytest.mark.attack(
    "a person reads or changes a project without a role in it, by any operation of the API", "held", "#31; T13"
)
def test_no_operation_shows_a_project_without_a_role(team: Team, other_project: House, role: str) -> None:
    engine = other_project.engine()
    hidden = engine.project_id
    shutil.copytree(team.running.house.root / ".wfe", other_project.root / ".wfe")
    with engine.store.tx() as tx:
        tx.projects.change(hidden, {"name": SECRET})
        tx.trust.give(hidden, trust_key("drill"), digest(DRILL), HUMAN, utc_now())
    run = start_run(engine, By("claude"), "drill", {"goal": SECRET}).run
    item = add_item(engine, By("claude"), "task", {"title": SECRET})
    team.provider.claims = {"groups": [f"shop-{role}s"]}
    browser = team.browser()
    assert browser.log_in().status_code == 303
    own = team.running.house.engine().project_id
    assert own in browser.api("GET", "/projects").text
    ids = {"project": hidden, "run": str(run), "request": "none", "name": "drill", "id": item.id}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            if (method.upper(), path) in OPEN or path == "/events":
                continue
            asks = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
            query = f"?project={hidden}&query=x&template=drill" if "project" in asks else "?query=x&template=drill"
            query += "".join(f"&{name}={ids[key]}" for name, key in (("run", "run"), ("item", "id")) if name in asks)
            body: Any = {"project": hidden} if method != "get" else None
            found = browser.api(method.upper(), filled(path, ids) + query, body)
            assert SECRET not in found.text, (method, path)
            assert str(other_project.root) not in found.text, (method, path)
            if "project" in asks or "{project}" in path:
                assert found.status_code >= 400, (method, path, found.text[:300])
    with engine.store.read() as tx:
        record = tx.projects.get(hidden)
    assert record is not None
    assert record.name == SECRET
    assert record.forgotten_at is None


@pytest.mark.attack("an operation of the API answers without a login", "held", "#31")
def test_no_operation_answers_without_a_login(team: Team) -> None:
    browser = team.browser()
    for path, operations in document()["paths"].items():
        for method in operations:
            if (method.upper(), path) not in OPEN:
                assert browser.api(method.upper(), filled(path, {}), {}).status_code == 401, (method, path)


def test_the_lists_of_a_person_have_their_runs_however_many_newer_ones_another_project_has(
    team: Team, other_project: House
) -> None:
    own, other = team.running.house.engine(), other_project.engine()
    shutil.copytree(team.running.house.root / ".wfe", other_project.root / ".wfe")
    with other.store.tx() as tx:
        tx.trust.give(other.project_id, trust_key("drill"), digest(DRILL), HUMAN, utc_now())
    run = start_run(own, By("claude"), "drill", {"goal": "mine"}).run
    for number in range(3):
        start_run(other, By("claude"), "drill", {"goal": f"{SECRET} {number}"})
    browser = team.browser()
    team.provider.claims = {"groups": ["shop-readers"]}
    assert browser.log_in().status_code == 303

    rows = browser.api("GET", "/runs?limit=2").json()["data"]["runs"]
    assert [row["run"] for row in rows] == [run]
    assert str(run) in browser.api("GET", "/runs?limit=2&status=running").text
    events = browser.api("GET", "/activity?limit=2").json()["data"]["events"]
    assert [event["run"] for event in events] == [run] * 2
    assert SECRET not in browser.api("GET", "/activity/export").text


@pytest.fixture
def houses(team: Team, tmp_path: Path) -> list[House]:
    """Three projects, in the first two of which ``ada`` has a role."""
    house = team.running.house
    made = [house]
    for name in ("second", "third"):
        subprocess.run(["git", "init", "-q", "--template=", str(tmp_path / name)], check=True)
        made.append(House(tmp_path / name, house.environment, engines=house.engines))
    of_another_project(team, made[1], "ada")
    team.provider.claims = {"groups": ["shop-authors", "others"]}
    return made


def test_the_work_of_all_projects_of_a_person_is_in_one_list_and_no_other(team: Team, houses: list[House]) -> None:
    for number, at in enumerate(houses):
        add_item(at.engine(), By("claude"), "task", {"title": f"Task {number}"})
    browser = team.browser()
    assert browser.log_in().status_code == 303
    found = browser.api("GET", "/backlog").json()["data"]
    assert sorted(item["title"] for item in found["items"]) == ["Task 0", "Task 1"]
    assert found["count"] == 2
    hits = browser.api("GET", "/search?query=task&all=true&kind=work_item&limit=2").json()["data"]["hits"]
    assert sorted(hit["project"] for hit in hits) == sorted(str(at.root) for at in houses[:2])


def test_the_week_of_a_person_is_that_of_their_projects_and_no_other(team: Team, houses: list[House]) -> None:
    for at in houses:
        engine = at.engine()
        if at is not houses[0]:
            shutil.copytree(houses[0].root / ".wfe" / "templates", at.root / ".wfe" / "templates")
            with engine.store.tx() as tx:
                tx.trust.give(engine.project_id, trust_key("drill"), digest(DRILL), HUMAN, utc_now())
        start_phase(engine, By("claude"), str(start_run(engine, By("claude"), "drill", {"goal": "mine"}).run))
    browser = team.browser()
    assert browser.log_in().status_code == 303
    one = browser.api("GET", f"/stats/week?project={houses[0].engine().project_id}").json()["data"]
    both = browser.api("GET", "/stats/week").json()["data"]
    assert one["phases"] > 0
    assert both["phases"] == 2 * one["phases"]


@pytest.mark.attack(
    "a project gets the name of another one, so that the roles that name that one count for no one", "held", "#31"
)
def test_no_name_of_a_project_changes_who_has_a_role(team: Team, other_project: House) -> None:
    name, own = team.running.house.root.name, team.running.house.engine().project_id
    other = of_another_project(team, other_project, "bob")
    ada = team.browser()
    team.provider.person, team.provider.claims = "ada", {"groups": ["shop-admins"]}
    assert ada.log_in().status_code == 303
    path = f"/projects/{other_project.engine().project_id}/rename"
    refused = other.api("POST", path, {"name": name})
    assert refused.json()["error"]["code"] == "forbidden", refused.text
    assert ada.api("GET", f"/runs?project={own}").status_code == 200
    assert ada.api("POST", f"/projects/{own}/rename", {"name": "till"}).json()["error"]["code"] == "forbidden"
    assert other.api("POST", path, {"name": "a name of no role"}).status_code == 200


@pytest.mark.attack("an admin of a project at a server asks which folders its machine has", "held", "#31")
def test_an_admin_learns_nothing_of_the_folders_of_the_servers_machine(team: Team, tmp_path: Path) -> None:
    team.provider.claims = {"groups": ["shop-admins"]}
    browser = team.browser()
    browser.log_in()
    house = team.running.house
    path = f"/projects/{house.engine().project_id}/move"
    answers = [
        browser.api("POST", path, {"folder": str(at)}).json() for at in (tmp_path, tmp_path / "none", house.root)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["error"]["code"] == "needs_human", answers[0]
