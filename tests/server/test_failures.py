"""Every failed call returns the same envelope."""

import json
import logging
from contextlib import closing, suppress
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent

from tests.server.conftest import Connect, House, call, drill, structured
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.templates.versions import make_default
from wfe_mcp.server.tools import BY_ACTION, tools
from wfe_mcp.store.driver import driver
from wfe_mcp.views.answers import reading

BAD_CALLS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("no_such_tool", {}, [""]),
    ("status", {"rum": "x"}, ["/rum"]),
    ("status", {"wait_s": "10"}, ["/wait_s"]),
    ("status", {"wait_s": 46}, ["/wait_s"]),
    ("status", {"wait_s": True}, ["/wait_s"]),
    ("status", {"detail": "all", "run": 5}, ["/run", "/detail"]),
    ("start_run", {"template": "drill", "auto": "yes"}, ["/auto"]),
    ("start_run", {"template": "drill", "inputs": "goal: x"}, ["/inputs"]),
    ("start_run", {"template": "drill", "inputs": '"{}"'}, ["/inputs"]),
    ("start_run", {"template": "drill", "inputs": '[{"goal": "x"}]'}, ["/inputs"]),
    ("start_run", {"template": "drill", "inputs": '{"goal": "x", "goal": "y"}'}, ["/inputs/goal"]),
    ("start_run", {"template": "drill", "inputs": []}, ["/inputs"]),
    ("submit_artifact", {"run": "x", "phase": "plan", "artifact": '{"title": NaN}'}, ["/artifact"]),
    ("submit_artifact", {"run": "x", "phase": "plan", "artifact": '{"title": "x"} {}'}, ["/artifact"]),
    ("submit_artifact", {"run": "x", "phase": "plan", "attempt": 0}, ["/attempt"]),
    ("submit_artifact", {"run": "x", "phase": "plan", "attach": "a.png"}, ["/attach"]),
    ("submit_artifact", {"run": "x", "phase": "plan", "attach": "[1]"}, ["/attach/0"]),
    ("control_run", {"run": "x", "action": "stop"}, ["/action"]),
    ("reject", {"feed~back/": "x"}, ["/feed~0back~1", "/run", "/phase", "/feedback"]),
    ("status", {"detial": None}, ["/detial"]),
]


@pytest.mark.requirement("S1-35")
async def test_a_bad_argument_is_named_by_its_pointer_in_plain_words(connect: Connect) -> None:
    async with connect() as agent:
        for tool, arguments, pointers in BAD_CALLS:
            result = await agent.call_tool(tool, arguments)
            answer = structured(result)
            assert result.is_error, arguments
            assert (answer["ok"], answer["error"]["code"]) == (False, "bad_argument")
            assert sorted(each["path"] for each in answer["error"]["details"]) == sorted(pointers)
            document = json.dumps(answer)
            assert not any(
                word in document for word in ("pydantic", "Input should", "input should", "https://", "NoneType")
            ), document


async def test_an_argument_that_only_another_action_takes_is_refused(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        cancelled = await call(agent, "control_run", run=run, action="cancel", phase="plan", reason="")
        switched = await call(agent, "control_run", run=run, action="auto_on", reason="go on")
        listed = await call(agent, "work", action="next", id="W-1", item={"title": "T"})
        miswritten = await call(agent, "control_run", run=run, action="Cancel")
        empty = await call(agent, "work", action="list", id="", item={})
        found = await call(agent, "status", run=run)

    message = "control_run cannot take these arguments: /phase has no effect with action 'cancel', only with 'proceed'."
    assert cancelled["error"]["message"] == message
    assert cancelled["error"]["details"][0]["expected"] == ["action", "reason", "run"]
    assert switched["ok"], "a reason is no wish: it is taken with every action"
    assert [each["path"] for each in listed["error"]["details"]] == ["/id", "/item"]
    assert miswritten["error"]["message"].endswith("or 'checkpoint'; did you mean 'cancel'?")
    assert empty["ok"], empty
    assert found["run_state"] == "running"


def test_every_action_of_a_tool_says_which_arguments_it_takes() -> None:
    for name, tool in tools().items():
        arguments = tool.parameters["properties"]
        if "action" not in arguments:
            assert name not in BY_ACTION
            continue
        assert list(BY_ACTION[name]) == arguments["action"]["enum"]
        assert frozenset().union(*BY_ACTION[name].values()) == arguments.keys() - {"action"}


async def test_an_object_or_a_list_sent_as_json_text_counts_as_it(house: House, connect: Connect) -> None:
    (house.root / "a.txt").write_text("proof", encoding="utf-8")
    async with connect() as agent:
        started = await call(agent, "start_run", template="drill", inputs='{"goal": "try"}', idempotency_key="k")
        again = await call(agent, "start_run", template="drill", inputs={"goal": "try"}, idempotency_key="k")
        run = started["run"]
        await call(agent, "start_phase", run=run, phase="agreed")
        note = {"title": "A good title", "body": '{"stays": "text"}'}
        as_text = await call(
            agent, "submit_artifact", run=run, phase="agreed", artifact=json.dumps(note, indent=1), attach='["a.txt"]'
        )
        as_object = await call(agent, "submit_artifact", run=run, phase="agreed", artifact=note)
        kept = await call(agent, "read_artifact", run=run, artifact="agreed_note")
        added = await call(agent, "work", action="add", kind="task", item=' {"title": "T"}\n')

    assert again["run"] == run
    assert (as_text["ok"], as_object["ok"]) == (True, True)
    assert as_text["data"] == as_object["data"]
    assert kept["data"]["content"] == note
    assert "'T'" in added["summary"]


async def test_a_text_that_is_not_quite_the_wanted_object_says_what_is_wrong_with_it(connect: Connect) -> None:
    async with connect() as agent:
        cut = await call(agent, "start_run", template="drill", inputs='{"goal": "x"')
        other = await call(agent, "start_run", template="drill", inputs="do it")
        large = await call(agent, "start_run", template="drill", inputs=json.dumps({"goal": "x" * 1_000_000}))

    message = "was sent in a text that is not an object in JSON: the text ends before its JSON is complete, at line 1 column 12"
    assert [(each["path"], each["message"]) for each in cut["error"]["details"]] == [("/inputs", message)]
    assert other["error"]["details"][0]["message"] == "must be an object"
    assert large["error"]["code"] == "too_large"


async def test_a_mistyped_argument_is_answered_with_the_intended_name(connect: Connect) -> None:
    async with connect() as agent:
        typo = await call(agent, "start_phase", run="x", phaze="plan")
        tool = await call(agent, "start_fase")

    assert "did you mean 'phase'?" in typo["error"]["details"][0]["message"]
    assert typo["error"]["message"].endswith("did you mean 'phase'?")
    assert tool["error"]["hint"] == "Did you mean 'start_phase'?"


async def test_null_for_an_optional_argument_is_the_same_as_leaving_it_out(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent, title=None, idempotency_key=None, auto=None)
        found = await call(agent, "status", run=run, wait_s=None, detail=None)

    assert found["ok"], found


async def test_text_that_looks_like_json_stays_text(connect: Connect) -> None:
    async with connect() as agent:
        for title in ('["not", "a", "list"]', '{"not": "an object"}', "5", "null"):
            run = await drill(agent, title=title)
            found = await call(agent, "status", run=run, detail="full")
            assert found["data"]["title"] == title


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"run": "nobody"}, "unknown_run"),
    ("start_run", {"template": "dril"}, "unknown_template"),
    ("start_run", {"template": "drill", "inputs": {}}, "bad_argument"),
    ("start_phase", {"phase": "plam"}, "unknown_phase"),
    ("submit_artifact", {"phase": "plan", "artifact": {"title": "x"}}, "illegal_transition"),
    ("submit_artifact", {"phase": "plan"}, "bad_argument"),
    ("approve", {"phase": "plan"}, "illegal_transition"),
    ("read_artifact", {"artifact": "plan_note"}, "unknown_artifact"),
    ("skip_phase", {"phase": "signed", "reason": "x"}, "needs_human"),
]


async def test_what_the_engine_refuses_comes_with_its_code_and_what_to_do(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        for tool, arguments, code in REFUSED:
            of_run = {} if tool == "start_run" else {"run": run}
            result = await agent.call_tool(tool, of_run | arguments)
            answer = structured(result)
            assert result.is_error
            assert answer["error"]["code"] == code, (tool, arguments)
            assert answer["error"]["message"]
            assert answer["error"]["hint"]


async def test_an_invalid_artifact_names_every_fault_and_how_to_try_again(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="plan")
        refused = await call(agent, "submit_artifact", run=run, phase="plan", artifact={"body": 5, "titel": "x"})

    assert refused["error"]["code"] == "invalid_artifact"
    assert refused["error"]["message"] == "'plan' was not accepted: 3 errors against its schema."
    assert {each["path"] for each in refused["error"]["details"]} == {"/title", "/body", "/titel"}
    assert refused["next"][0]["tool"] == "submit_artifact"
    assert refused["state"] == "running"


async def test_an_attempt_that_has_failed_for_good_says_not_to_submit_again_and_what_the_user_runs(
    connect: Connect,
) -> None:
    async with connect() as agent:
        hints: list[str] = []
        for artifact, tries in (({"titel": "x"}, 5), ({"title": "ab"}, 3)):
            run = await drill(agent)
            await call(agent, "start_phase", run=run, phase="plan")
            answers = [
                await call(agent, "submit_artifact", run=run, phase="plan", artifact=artifact) for _ in range(tries)
            ]
            answer = answers[-1]
            assert (answer["state"], answer["waiting_on"]) == ("failed", "human")
            status = await call(agent, "status", run=run)
            assert "submit again" not in answer["error"]["message"] + json.dumps(status), "one thing is said"
            hints.append(answer["error"]["hint"].replace(run, "RUN"))

    decides = "do not submit again. The user decides: wfe-mcp retry RUN plan (or: skip, force-accept, edit)"
    assert hints == [f"Attempt 1 has failed: {decides}", f"No automatic retry is left: {decides}"]


async def test_a_path_that_leaves_the_project_is_refused(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="plan")
        refused = await call(agent, "submit_artifact", run=run, phase="plan", path="../secret.json")

    assert refused["error"]["code"] == "path_outside_project"


async def test_a_path_that_is_written_in_another_way_is_answered_with_the_one_to_write(
    house: House, connect: Connect
) -> None:
    (house.root / "docs").mkdir()
    (house.root / "docs" / "plan.json").write_text('{"title": "A good title"}', encoding="utf-8")
    async with connect() as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="plan")
        for path in ("./docs/plan.json", "docs//plan.json", f"{house.root.as_posix()}/docs/plan.json"):
            asked = {"run": run, "phase": "plan"}
            by_path = await call(agent, "submit_artifact", **asked, path=path)
            attached = await call(agent, "submit_artifact", **asked, artifact={"title": "So"}, attach=[path])
            for refused in (by_path, attached):
                assert refused["error"]["code"] == "path_outside_project"
                assert refused["error"]["hint"] == "Write 'docs/plan.json': relative to the project root."
        outside = await call(agent, "submit_artifact", **asked, path="/etc/hosts")

    assert outside["error"]["hint"] == "Give a path relative to the project root, for example 'docs/plan.md'."


async def test_a_crash_of_ours_is_called_internal_and_shows_nothing_of_the_inside(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret path")

    monkeypatch.setattr(reading, "list_templates", crash)
    async with connect() as agent:
        with caplog.at_level(logging.ERROR):
            result = await agent.call_tool("list_templates", {})

    assert result.is_error
    assert structured(result)["error"]["code"] == "internal"
    assert "secret" not in json.dumps(structured(result))
    assert "ZeroDivisionError" in caplog.text


async def test_a_server_that_cannot_read_what_a_newer_version_stored_says_to_restart_the_client(
    house: House, connect: Connect
) -> None:
    async with connect() as agent:
        run = await drill(agent)
        with closing(driver().connect(str(house.root.parent / "wfe.db"))) as database, database:
            database.execute("UPDATE attempt SET state = json_set(state, '$.status', 'of a newer version')")
            database.execute("UPDATE run SET last_hash = 'another'")  # else the state that the server knows may be used
        crashed = await call(agent, "start_phase", run=run, phase="plan")
        with closing(driver().connect(str(house.root.parent / "wfe.db"))) as database, database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        newer = await call(agent, "start_phase", run=run, phase="plan"), await call(agent, "status")

    assert crashed["error"]["code"] == "unavailable"
    for answer in newer:
        assert answer["error"]["code"] == "unavailable"
        assert "upgraded by a newer wfe-mcp" in answer["error"]["message"]
        assert "Restart the client, page or server" in answer["error"]["hint"]


async def test_a_database_of_another_kind_is_refused_by_every_call_and_the_server_stays(house: House, era: str) -> None:
    house.environment["WFE_DATABASE_URL"] = "postgresql://nowhere/wfe"
    async with house.client(era) as agent:
        first = await call(agent, "status")
        second = await call(agent, "list_templates")
        tools = await agent.list_tools()

    assert first["error"]["code"] == second["error"]["code"] == "unavailable"
    assert tools.tools


async def test_text_and_structure_carry_the_same_facts(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        calls: list[tuple[str, dict[str, Any]]] = [
            ("status", {"run": run}),
            ("start_phase", {"run": run, "phase": "plan"}),
            ("submit_artifact", {"run": run, "phase": "plan", "artifact": {"titel": "x"}}),
            ("status", {"rum": run}),
        ]
        for tool, arguments in calls:
            result = await agent.call_tool(tool, arguments)
            text, answer = result.content[0], structured(result)
            assert isinstance(text, TextContent)
            if "data" in answer:
                assert json.loads(text.text.rsplit("\ndata: ", 1)[1]) == answer["data"]
            for move in answer.get("next", []):
                assert f"next: {move['tool']} {json.dumps(move['args'], separators=(',', ':'))}" in text.text
            for key in ("run", "phase", "state", "run_state", "waiting_on"):
                assert answer.get(key) is None or f"{key}={answer[key]}" in text.text
            error = answer.get("error", {"code": "", "message": "", "hint": "", "details": []})
            assert error["code"] in text.text
            assert error["message"] in text.text
            assert error["hint"] in text.text
            assert all(f"- {each['path']}: {each['message']}" in text.text for each in error.get("details", []))


async def test_what_a_template_lacks_is_named_whole_and_the_user_is_asked_to_add_it(connect: Connect) -> None:
    """An agent does not edit .wfe/, so no hint says that it should."""
    inputs = {"owner": "ada", "repo": "engine", "issue_number": 7}
    async with connect() as agent:
        error = (await call(agent, "start_run", template="issue_to_pr", inputs=inputs))["error"]

    assert error["code"] == "invalid_template"
    for what in ("no MCP server 'github' is configured", "no check 'push'"):
        assert error["message"].count(what) == 1
    without = '[templates.issue_to_pr.phases.fix] with missing_checks = ["test"]'
    assert error["hint"] == (
        f"Ask the user to add it to .wfe/config.toml, or, where the project has no such check, {without}, "
        "and to run: wfe-mcp trust"
    )


async def test_start_run_without_a_template_takes_the_default_one(connect: Connect, house: House) -> None:
    make_default(house.engine(), SYSTEM, "drill")
    async with connect() as agent:
        arguments = {"inputs": {"goal": "x"}, "idempotency_key": "once"}
        started = await call(agent, "start_run", **arguments)
        again = await call(agent, "start_run", **arguments)
        found = await call(agent, "status", run=started["run"], detail="full")

    assert "drill" in str(found["data"]["template"])
    assert again["run"] == started["run"]


@pytest.mark.attack("an unknown prompt, or one without its argument, fills the log with tracebacks", "held", "T7")
async def test_an_unknown_prompt_is_an_error_of_the_caller(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    async with connect() as agent:
        with caplog.at_level(logging.DEBUG):
            for name, given in (("handof", {}), ("\x00" * 500, {}), ("start", {}), ("start", {"goal": "x", "b": "y"})):
                with suppress(MCPError):
                    await agent.get_prompt(name, given)
            with pytest.raises(MCPError) as refused:
                await agent.get_prompt("handof", {})
            with pytest.raises(MCPError, match=r"'goals' is not an argument of it\. Did you mean 'goal'\?"):
                await agent.get_prompt("start", {"goal": "x", "goals": "y"})
    assert refused.value.error.code == INVALID_PARAMS
    assert "'handof'" in str(refused.value) and "'handoff'" in str(refused.value)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
