"""An agent keeps the backlog: it adds and describes work items, and starts runs for them; what ends one is not its to say."""

import json

import pytest
from anyio import to_thread

from tests.jobs.conftest import until
from tests.server.conftest import Connect, House, call
from wfe_mcp.views.moves.envelope import LIMIT_BYTES

READY = {"title": "Fix the login", "body": "It fails with a long password", "criteria": ["a test passes"]}


@pytest.mark.requirement("S4-16")
async def test_an_agent_that_follows_next_takes_an_item_from_an_idea_to_a_run(connect: Connect) -> None:
    async with connect() as agent:
        found = await call(agent, "work", action="add", kind="task", item=READY)
        tools = list[str]()
        while found["next"][0]["tool"] == "work":
            move = found["next"][0]
            tools.append(move["args"].get("status", move["args"]["action"]))
            if move["args"].get("status") == "active":
                break
            found = await call(agent, "work", **move["args"])
        started = await call(agent, "work", action="change", id="W-1", status="active", item={"template": "drill"})
        shown = await call(agent, "work", action="show", id="1")

    assert tools == ["ready", "active"]
    assert started["run_state"] == "running"
    assert (shown["data"]["status"], shown["data"]["runs"]) == ("active", [started["run"]])
    assert shown["next"][0] == {"tool": "status", "args": {"run": started["run"]}, "why": "its run"}


async def test_what_comes_next_is_ready_free_and_of_the_highest_priority(connect: Connect) -> None:
    async with connect() as agent:
        empty = await call(agent, "work", action="next")
        for title, more in (
            ("Low", {"priority": 2}),
            ("High", {"priority": "critical"}),
            ("Waits", {"needs": ["W-1"]}),
        ):
            await call(agent, "work", action="add", item={**READY, "title": title, **more})
        planned = await call(agent, "work", action="next")
        for number in (1, 2, 3):
            await call(agent, "work", action="change", id=f"W-{number}", status="ready")
        found = await call(agent, "work", action="next")

    assert empty["next"][0]["args"] == {"action": "list"}
    assert planned["next"][0]["args"] == {"action": "list", "status": "planned"}
    assert [each["title"] for each in found["data"]["items"]] == ["High", "Low"]
    assert found["next"][0]["args"] == {"action": "change", "id": "W-2", "status": "active"}


@pytest.mark.requirement("S4-33")
async def test_an_agent_attaches_files_of_the_project_and_is_led_to_commands_that_are_no_actions(
    connect: Connect, house: House
) -> None:
    (house.root / "shot.txt").write_text("All green.")
    async with connect() as agent:
        made = await call(agent, "work", action="add", kind="bug", item={**READY, "attach": ["shot.txt"]})
        again = await call(agent, "work", action="change", id="W-1", item={"attach": ["shot.txt"]})
        outside = await call(agent, "work", action="change", id="W-1", item={"attach": ["../other.txt"]})
        wrong = await call(agent, "work", action="change", id="W-1", item={"attach": "shot.txt"})
        importing = await call(agent, "work", action="import")
    assert [each["name"] for each in made["data"]["files"]] == ["shot.txt"]
    assert again["data"]["files"] == made["data"]["files"]
    assert (outside["error"]["code"], wrong["error"]["details"][0]["path"]) == ("path_outside_project", "/item/attach")
    assert importing["error"]["hint"] == "That is a command of the terminal: wfe-mcp work import FILE"


async def test_an_agent_reads_calls_where_a_person_reads_commands_and_the_command_of_the_user(connect: Connect) -> None:
    async with connect() as agent:
        await call(agent, "work", action="add", item={"title": "Fix the login"})
        unready = await call(agent, "work", action="change", id="W-1", status="ready")
        filled = {"body": READY["body"], "criteria": READY["criteria"]}
        await call(agent, "work", action="change", id="W-1", item=filled, status="ready")
        done = await call(agent, "work", action="change", id="W-1", status="done")
        await call(agent, "work", action="add", item={**READY, "needs": ["W-1"]})
        await call(agent, "work", action="change", id="W-2", status="ready")
        waits = await call(agent, "work", action="change", id="W-2", status="active")
        shown = await call(agent, "work", action="show", id="W-2")
        wrong = await call(agent, "work", action="add", item={**READY, "attached": ["a.txt"]})

    assert (
        unready["error"]["hint"]
        == "Say it: work(action='change', id='W-1', status='ready', item={'body': TEXT, 'criteria': [TEXT]})"
    )
    assert done["error"]["hint"] == (
        "Start one: work(action='change', id='W-1', status='active'). Or the user says so in a terminal of their own: "
        "wfe-mcp work edit W-1 --status done"
    )
    assert waits["error"]["hint"] == (
        "Finish it first, or drop it: work(action='show', id='W-1'). Or the user starts it: "
        "wfe-mcp work start W-2 --reason TEXT"
    )
    assert shown["next"] == [{"tool": "work", "args": {"action": "next"}}]
    (fault,) = wrong["error"]["details"]
    assert fault["message"] == "is no field that can be given; did you mean 'attach'?"
    assert wrong["error"]["message"] == f"{fault['path']}: {fault['message']}"
    assert "attach" in fault["expected"]


async def test_status_leads_to_what_is_ready_where_no_run_is_open(connect: Connect) -> None:
    async with connect() as agent:
        await call(agent, "work", action="add", item=READY)
        before = await call(agent, "status")
        await call(agent, "work", action="change", id="W-1", status="ready")
        found = await call(agent, "status")
        same = await call(agent, "work", action="change", id="W-1", status="ready")

    assert [each["tool"] for each in before["next"]] == ["list_templates"]
    assert found["next"][0] == {"tool": "work", "args": {"action": "next"}, "why": "1 work item is ready"}
    assert same["summary"] == "It is so already: W-1 'Fix the login': ready task"


@pytest.mark.parametrize(
    ("arguments", "code", "path"),
    [
        ({"action": "show"}, "bad_argument", "/id"),
        ({"action": "change", "id": "W-1"}, "bad_argument", ""),
        ({"action": "change", "id": "W-1", "status": "blocked"}, "bad_argument", "/item/reason"),
        (
            {"action": "change", "id": "W-1", "status": "active", "item": {"tempalte": "x"}},
            "bad_argument",
            "/item/tempalte",
        ),
        ({"action": "change", "id": "W-1", "status": "active", "item": {"inputs": 3}}, "bad_argument", "/item/inputs"),
        ({"action": "change", "id": "W-1", "status": "done"}, "needs_human", ""),
        ({"action": "change", "id": "W-1", "status": "idle"}, "bad_argument", "/status"),
        ({"action": "add", "kind": "job", "item": {}}, "bad_argument", "/kind"),
        ({"action": "add"}, "bad_argument", "/item/title"),
    ],
    ids=str,
)
async def test_a_refusal_names_the_place_and_changes_nothing(
    connect: Connect, arguments: dict[str, object], code: str, path: str
) -> None:
    async with connect() as agent:
        await call(agent, "work", action="add", item=READY)
        refused = (await agent.call_tool("work", arguments)).structured_content
        listed = await call(agent, "work", action="list", status="all")

    assert refused is not None
    assert refused["error"]["code"] == code
    assert [each["path"] for each in refused["error"].get("details", [])][:1] == ([path] if path else [])
    assert [each["status"] for each in listed["data"]["items"]] == ["planned"]


async def test_long_lists_and_texts_fit_into_an_answer_and_continue(connect: Connect) -> None:
    async with connect() as agent:
        for number in range(30):
            await call(agent, "work", action="add", item={"title": f"{number} {'ü' * 190}", "tags": ["x" * 400]})
        whole = await call(agent, "work", action="add", item={"title": "Long", "body": "ü" * 20_000})
        for number in range(30):
            await call(agent, "work", action="change", id="W-31", item={"tags": [f"{number}{'t' * 400}"]})
        shown = await call(agent, "work", action="show", id="W-31")
        found, seen = await call(agent, "work", action="list"), list[str]()
        while True:
            assert len(json.dumps(found)) < LIMIT_BYTES
            seen += [each["id"] for each in found["data"]["items"]]
            if "cursor" not in found["data"]:
                break
            found = await call(agent, "work", action="list", cursor=found["data"]["cursor"])

    assert seen == [f"W-{number}" for number in range(1, 32)]
    assert max(len(json.dumps(each)) for each in (whole, shown)) < LIMIT_BYTES


@pytest.mark.requirement("S4-21", "S4-23")
async def test_an_agent_adds_a_claim_has_it_tested_and_cannot_say_that_it_holds(connect: Connect, house: House) -> None:
    test = {"type": "metric_threshold", "check": "ok", "metric": "duration_s", "threshold": 900}
    engine = house.engine()

    def is_tested() -> bool:
        with engine.store.read() as tx:
            return bool(tx.items.get(engine.project_id, "W-1").results)

    async with connect() as agent:
        wrong = await call(
            agent, "work", action="add", kind="claim", item={"title": "It works", "tests": [{"type": "x"}]}
        )
        added = await call(agent, "work", action="add", kind="claim", item={"title": "It works", "tests": [test]})
        other = await call(
            agent, "work", action="change", id="W-1", status="active", item={"title": "It works well", "tests": [test]}
        )
        begun = await call(agent, "work", **added["next"][0]["args"])
        await to_thread.run_sync(until, is_tested)
        refused = [
            await call(agent, "work", action="change", id="W-1", status="validated"),
            await call(
                agent, "work", action="change", id="W-1", item={"evidence": [{"reason": "yes", "supports": True}]}
            ),
            await call(agent, "work", action="change", id="W-1", status="active"),
            await call(agent, "work", action="change", id="W-1", status="pending"),
        ]
        shown = await call(agent, "work", action="show", id="W-1")

    assert wrong["error"]["details"][0]["path"] == "/item/tests/0/type"
    assert added["next"][0]["args"] == {"action": "change", "id": "W-1", "status": "active"}
    assert (other["error"]["code"], other["error"]["hint"]) == (
        "bad_argument",
        "To start, item takes template and inputs.",
    )
    assert begun["summary"].endswith("tests W-1 'It works': pending claim")
    assert [each["error"]["code"] for each in refused] == [
        "illegal_transition",
        "needs_human",
        "illegal_transition",
        "not_ready",
    ]
    assert (shown["data"]["status"], shown["data"]["claim"]["tests"][0]["outcome"]) == ("falsified", "failed")
