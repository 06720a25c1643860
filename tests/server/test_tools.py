"""Every tool answers in both protocol eras."""

import json

import anyio
import pytest

from tests.server.conftest import DRILL, HUMAN, Connect, House, call, drill, phase, submitted
from wfe_mcp.engine.runs.control import control
from wfe_mcp.engine.templates import trust
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.load import load_definition


async def test_templates_are_listed_with_the_call_that_starts_each(connect: Connect) -> None:
    async with connect() as agent:
        listed = await call(agent, "list_templates", query="drill")

    assert [each["name"] for each in listed["data"]["templates"]] == ["drill"]
    assert listed["next"] == [
        {"tool": "start_run", "args": {"template": "drill"}, "need": {"inputs": "/data/templates/0/inputs"}}
    ]


async def test_a_named_template_brings_its_whole_definition(connect: Connect) -> None:
    async with connect() as agent:
        shown = await call(agent, "list_templates", name="drill")

    assert shown["data"]["template"]["phases"][0]["id"] == "plan"


@pytest.mark.parametrize(
    "name",
    [folder.name for folder in sorted(shipped_folder("templates").iterdir()) if (folder / "template.json").is_file()],
)
async def test_a_shipped_template_is_shown_with_all_that_it_takes(connect: Connect, name: str) -> None:
    async with connect() as agent:
        shown = await call(agent, "list_templates", name=name)

    definition = load_definition(shipped_folder("templates") / name)
    assert shown["data"]["template"].get("inputs") == definition.get("inputs")


async def test_a_template_that_no_one_trusts_yet_is_shown_without_a_call_that_starts_it(
    connect: Connect, house: House
) -> None:
    folder = house.root / ".wfe" / "templates" / "sluice"
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps({**DRILL, "name": "sluice"}), encoding="utf-8")
    async with connect() as agent:
        listed = await call(agent, "list_templates", query="sluice")
        shown = await call(agent, "list_templates", name="sluice")

    assert listed["next"] == [{"tool": "list_templates", "args": {"name": "sluice"}}]
    assert "next" not in shown
    assert "wfe-mcp trust sluice" in shown["summary"]


async def test_a_template_without_inputs_is_started_without_a_place_to_read_them_from(
    connect: Connect, house: House
) -> None:
    folder = house.root / ".wfe" / "templates" / "bare"
    folder.mkdir()
    bare = {key: value for key, value in DRILL.items() if key != "inputs"}
    (folder / "template.json").write_text(json.dumps({**bare, "name": "bare"}), encoding="utf-8")
    trust.give_trust(house.engine(), HUMAN, [])
    async with connect() as agent:
        shown = await call(agent, "list_templates", name="bare")

    assert shown["next"] == [{"tool": "start_run", "args": {"template": "bare"}}]


async def test_the_message_about_an_input_names_the_input(connect: Connect) -> None:
    async with connect() as agent:
        wrong = await agent.call_tool(
            "start_run", {"template": "spec_driven", "inputs": {"name": "My Feature", "goal": "a"}}
        )

    assert wrong.structured_content is not None
    message = wrong.structured_content["error"]["message"]
    assert message.startswith("Invalid inputs for template 'spec_driven': /inputs/name: must be text that matches ")


async def test_a_template_that_cannot_be_read_is_named_by_the_list_and_says_why(connect: Connect, house: House) -> None:
    (house.root / ".wfe" / "templates" / "mine.yaml").write_text("format: wfe/1\nname: mine\n")
    async with connect() as agent:
        listed = await call(agent, "list_templates")
        whole = await call(agent, "list_templates", query="drill")
        refused = await call(agent, "list_templates", name="mine")

    assert listed["data"]["unreadable"] == ["mine"]
    assert "unreadable" not in whole["data"]
    assert "it looks like YAML" in refused["error"]["message"]


async def test_a_saved_template_waits_for_a_person_before_a_run_starts_from_it(connect: Connect, house: House) -> None:
    made = {"format": "wfe/1", "name": "saved", "version": "1", "phases": [phase("plan")]}
    async with connect() as agent:
        tried = await call(agent, "save_template", definition=made, dry_run=True)
        saved = await call(agent, "save_template", definition=made)
        started = await call(agent, "start_run", template="saved")
        wrong = await call(agent, "save_template", definition={**made, "phases": []})
        trust.give_trust(house.engine(), HUMAN, [])
        again = await call(agent, "save_template", definition=made)

    assert tried["ok"], tried
    assert saved["next"][0] == {"tool": "list_templates", "args": {"name": "saved@1"}, "why": "the stored version"}
    assert started["error"]["code"] == "needs_trust"
    assert saved["summary"].endswith("once the user trusts it: wfe-mcp trust saved@1")
    assert again["summary"].endswith("A run can start from saved@1")
    assert [each["path"] for each in wrong["error"]["details"]] == ["/phases"]


async def test_a_run_starts_and_says_what_is_next(connect: Connect) -> None:
    async with connect() as agent:
        started = await call(agent, "start_run", template="drill", inputs={"goal": "try"}, title="First")

    assert (started["ok"], started["run_state"], started["waiting_on"]) == (True, "running", "agent")
    assert started["next"][0] == {"tool": "start_phase", "args": {"run": started["run"], "phase": "plan"}}


async def test_the_same_key_is_the_same_run(connect: Connect) -> None:
    async with connect() as agent:
        first = await drill(agent, idempotency_key="k-1")
        again = await drill(agent, idempotency_key="k-1")
        other = await call(agent, "start_run", template="drill", inputs={"goal": "another"}, idempotency_key="k-1")

    assert first == again
    assert other["error"]["code"] == "conflict"


async def test_status_without_a_run_finds_the_open_one(connect: Connect) -> None:
    async with connect() as agent:
        nothing = await call(agent, "status")
        run = await drill(agent)
        found = await call(agent, "status")
        whole = await call(agent, "status", run=run, detail="full")

    assert nothing["next"][0]["tool"] == "list_templates"
    assert found["run"] == run
    assert "phase" not in whole
    assert {each["phase"] for each in whole["data"]["phases"]} == {"plan", "agreed", "asked", "signed", "checked"}


async def test_a_phase_brings_prompt_and_schema_and_repeating_the_call_brings_them_again(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        begun = await call(agent, "start_phase", run=run, phase="plan")
        again = await call(agent, "start_phase", run=run)

    assert begun["data"]["prompt"] == "Write plan."
    assert begun["next"][0]["need"] == {"artifact": "/data/output/schema"}
    assert begun["data"]["output"]["schema"]["required"] == ["title"]
    assert again["data"] == begun["data"]


async def test_a_good_artifact_completes_the_phase(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        done = await submitted(agent, run, "plan")

    assert (done["ok"], done["phase"], done["state"]) == (True, "plan", "completed")


async def test_an_artifact_can_come_from_a_file_of_the_project(connect: Connect, house: House) -> None:
    (house.root / "note.json").write_text('{"title": "From a file"}', encoding="utf-8")
    async with connect() as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="plan")
        done = await call(agent, "submit_artifact", run=run, phase="plan", path="note.json")

    assert done["state"] == "completed"


async def test_a_failed_gate_is_reported_at_once_and_the_next_try_is_open(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        failed = await submitted(agent, run, "plan", "no")
        again = await call(agent, "start_phase", run=run, phase="plan")

    assert failed["ok"] is False
    assert failed["error"]["code"] == "gate_failed"
    assert failed["state"] == "running"
    assert again["data"]["attempt"] == 2
    assert again["data"]["feedback"]


async def test_submitting_waits_for_the_checks_of_the_worker(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        done = await submitted(agent, run, "checked")

    assert (done["ok"], done["state"]) == (True, "completed"), done


async def test_a_gate_that_takes_an_agents_word_is_decided_by_approve(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "agreed")
        approved = await call(agent, "approve", run=run, phase="agreed", comment="fine")

    assert (approved["ok"], approved["state"]) == (True, "completed")


async def test_a_submitter_takes_its_submission_back(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        waiting = await submitted(agent, run, "signed")
        back = await call(agent, "reject", run=run, phase="signed", feedback="I forgot something")

    assert waiting["state"] == "awaiting"
    assert (back["ok"], back["data"]["attempt"]) == (True, 2)


async def test_the_status_of_an_agent_calls_no_one_you_but_the_agent(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        at_work = await call(agent, "status", run=run, detail="full")
        await call(agent, "start_phase", run=run, phase="signed")
        await call(agent, "submit_artifact", run=run, phase="signed", artifact={"title": "abcd"})
        asked = await call(agent, "status", run=run, detail="full")
        await drill(agent)
        both = await call(agent, "status")

    assert [row["waiting_on"] for row in both["data"]["runs"]] == ["agent", "human"]
    assert not any("waits_for" in row for row in both["data"]["runs"])
    assert (at_work["waiting_on"], asked["waiting_on"]) == ("agent", "human")
    assert "waits_for" not in at_work["data"]
    assert "waits_for" not in asked["data"]


@pytest.mark.parametrize(("to", "code"), [("plam", "unknown_phase"), ("plan", "needs_human")])
async def test_a_user_is_not_asked_to_send_back_to_a_phase_that_is_not_there(
    connect: Connect, to: str, code: str
) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "signed")
        back = await call(agent, "reject", run=run, phase="signed", feedback="the plan is wrong", to=to)

    assert back["error"]["code"] == code, back
    assert ("wfe-mcp reject" in json.dumps(back)) == (code == "needs_human")


async def test_retry_opens_a_new_attempt(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="plan")
        retried = await call(agent, "retry_phase", run=run, phase="plan", feedback="think again")

    assert (retried["ok"], retried["data"]["attempt"]) == (True, 2)


async def test_a_phase_that_an_agent_may_skip_is_skipped(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        silent = await call(agent, "skip_phase", run=run, phase="plan", reason=" ")
        skipped = await call(agent, "skip_phase", run=run, phase="plan", reason="nothing to plan")
        kept = await call(agent, "skip_phase", run=run, phase="signed", reason="no time")

    assert silent["error"]["message"] == "Skipping a phase needs a reason: the run's record keeps it."
    assert (skipped["ok"], skipped["state"]) == (True, "skipped")
    assert kept["error"]["code"] == "needs_human"
    assert kept["error"]["hint"] == f"Ask the user to run: wfe-mcp skip {run} signed --reason TEXT"


async def test_what_only_the_user_can_do_brings_their_command_and_the_call_that_waits(
    connect: Connect, house: House
) -> None:
    async with connect() as agent:
        run = await drill(agent)
        control(house.engine(), HUMAN, run, "pause")
        refused = await call(agent, "control_run", run=run, action="resume")

    assert refused["error"]["code"] == "needs_human"
    assert refused["error"]["hint"] == f"Ask the user to run: wfe-mcp resume {run}"
    assert refused["next"] == [{"tool": "status", "args": {"run": run, "wait_s": 45}, "why": "waits for a change"}]


async def test_a_run_is_paused_and_cancelled(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        paused = await call(agent, "control_run", run=run, action="pause", reason="lunch")
        cancelled = await call(agent, "control_run", run=run, action="cancel")
        late = await call(agent, "start_phase", run=run)

    assert late["error"]["hint"] == "Start a new run."
    assert paused["run_state"] == "paused"
    assert (cancelled["run_state"], cancelled.get("next", [])) == ("cancelled", [])


@pytest.mark.requirement("S1-07")
async def test_an_artifact_is_read_whole_in_part_and_as_a_list(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        await submitted(agent, run, "plan", "Read me")
        whole = await call(agent, "read_artifact", run=run, artifact="plan_note")
        part = await call(agent, "read_artifact", run=run, phase="plan", pointer="/title", revision=1)
        listed = await call(agent, "read_artifact", run=run)
        inputs = await call(agent, "read_artifact", run=run, artifact="inputs")

    assert whole["data"]["content"] == {"title": "Read me"}
    assert part["data"]["content"] == "Read me"
    assert (listed["summary"], [each["phase"] for each in listed["data"]["artifacts"]]) == ("read 1 artifact", ["plan"])
    assert inputs["data"]["content"] == {"goal": "try"}


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "the open one"])
async def test_waiting_ends_with_the_change_that_is_waited_for(connect: Connect, is_named: bool) -> None:
    async with connect() as agent, connect() as other:
        run = await drill(agent)
        for phase in ("agreed", "asked", "signed", "plan", "checked"):
            await submitted(agent, run, phase)
        for phase in ("agreed", "asked", "signed"):
            await call(agent, "approve", run=run, phase=phase)
        asleep = anyio.Event()
        found: list[dict[str, object]] = []

        async def wait() -> None:
            asleep.set()
            found.append(await call(agent, "status", **({"run": run} if is_named else {}), wait_s=45))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await asleep.wait()
            await call(other, "control_run", run=run, action="cancel")

    # Without its name, a call that comes to it after the end finds no open run any more.
    assert found[0].get("run_state", "" if is_named else "cancelled") == "cancelled"


async def test_a_call_that_the_client_gives_up_changes_nothing_and_blocks_no_one(connect: Connect) -> None:
    async with connect() as agent:
        run = await drill(agent)
        for phase in ("agreed", "asked", "signed", "plan", "checked"):
            await submitted(agent, run, phase)
        for phase in ("agreed", "asked", "signed"):
            await call(agent, "approve", run=run, phase=phase)
        with anyio.move_on_after(0.1) as given_up:
            await call(agent, "status", run=run, wait_s=45)
        after = await call(agent, "status", run=run)

    assert given_up.cancelled_caught
    assert (after["run_state"], after["waiting_on"]) == ("waiting", "human")


@pytest.mark.attack("an agent starts or saves a template that was trusted before a stricter one", "held", "design §7")
async def test_what_was_trusted_before_stricter_bytes_starts_nothing_over_mcp(connect: Connect, house: House) -> None:
    file, config = house.root / ".wfe" / "templates" / "drill" / "template.json", house.root / ".wfe" / "config.toml"
    loose, checks = file.read_text(encoding="utf-8"), config.read_text(encoding="utf-8")
    gates = [{"kind": "command", "check": "ok"}, {"kind": "approval", "assurance": "human"}]
    strict = json.dumps({**DRILL, "phases": [phase("checked", gates=gates)]})
    engine = house.engine()
    file.write_text(strict, encoding="utf-8")
    config.write_text(checks + '[policy]\nevidence = "worktree"\n', encoding="utf-8")
    trust.give_trust(engine, HUMAN, [])
    file.write_text(loose, encoding="utf-8")
    async with connect() as agent:
        began = await call(agent, "start_run", template="drill", inputs={"goal": "try"})
        saved = await call(agent, "save_template", definition=DRILL)
        kept = await call(agent, "start_run", template="drill@1.0.0", inputs={"goal": "try"})
        file.write_text(strict, encoding="utf-8")
        config.write_text(checks, encoding="utf-8")
        run = (await call(agent, "start_run", template="drill", inputs={"goal": "try"}))["run"]
        judged = await submitted(agent, run, "checked")
    engine.close()
    assert (began["error"]["code"], saved["ok"], kept["error"]["code"]) == ("needs_trust", True, "needs_trust")
    assert (judged["state"], "wfe-mcp trust" in json.dumps(judged)) == ("awaiting", True), judged
