"""``dependency_update``, played to its end: what CI refuses goes back, and only a person merges."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS, REPO, Committer, Outside, reach
from tests.templates.scene import LIFE, feedback_to, messages, started, states_of
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, follow
from wfe_mcp.testing.playground import Playground, stand_in
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

INPUTS = {**REPO, "ecosystem": "pip", "workflow": "ci.yml"}
ATTRS: dict[str, Any] = {"name": "attrs", "from": "24.1.0", "to": "24.2.0", "kind": "minor", "why": "Mends a leak"}
UPDATES = Work({"updates": [ATTRS]})
DONE = Work({"summary": "attrs 24.2.0"}, {"requirements.txt": "attrs==24.2.0\n"})
AGAIN = Work({"summary": "attrs 24.2.0, pinned"}, {"requirements.txt": "attrs==24.2.0\nsix==1\n"})
BROKEN = Work({"summary": "attrs 24.2.0"}, {"broken.txt": ""})
HAPPY: Script = {"check": [UPDATES], "update": [DONE]}
CI = ["actions_run_trigger.run_workflow", "actions_list.list_workflow_runs"]
RED, GREEN = ({"status": "completed", "conclusion": said} for said in ("failure", "success"))


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks=CHECKS) as made:
        yield made


@pytest.fixture
def outside(project: Playground) -> Generator[Outside]:
    with reach(project, "github") as made:
        yield made


def play(project: Playground, script: Script, **inputs: Any) -> PlayedRun:
    with project.agent() as agent:
        call = Committer(project, agent.call, "update", "Update attrs")
        return drive(call, project.root, "dependency_update", INPUTS | inputs, script)


@pytest.mark.requirement("S2-28")
def test_updates_are_made_tested_here_and_in_ci_and_proposed(project: Playground, outside: Outside):
    played = play(project, HAPPY)

    assert (played.last["run_state"], played.codes, started(played)) == ("completed", [], ["check", "update"])
    branch = f"deps/pip-{played.run}"
    assert outside.called == ["create_branch", *CI, "create_pull_request"]
    assert outside.calls(CI[0]) == [{"tool": CI[0], "workflow_id": "ci.yml", "ref": branch}]
    (proposed,) = outside.calls("create_pull_request")
    assert (proposed["title"], proposed["head"]) == ("Update 1 pip package(s)", branch)
    assert outside.log(branch) == ["Update attrs"]
    assert project.problems(played.run) == []


def test_nothing_to_update_touches_nothing(project: Playground, outside: Outside):
    played = play(project, {"check": [Work({"updates": []})]})

    assert (played.last["run_state"], played.codes) == ("waiting", ["needs_human"]), "a person agrees"
    project.approve(played.run, "nothing")
    with project.agent() as agent:
        assert agent.call("status", run=played.run, wait_s=45)["run_state"] == "completed"
    assert outside.called == []


@pytest.mark.requirement("S2-18")
def test_an_update_that_ci_refuses_goes_back_and_is_pushed_again(project: Playground, outside: Outside):
    outside.answer(actions_list__list_workflow_runs=[RED, GREEN])

    played = play(project, {"check": [UPDATES], "update": [DONE, AGAIN]})

    first, again = feedback_to(played, "update")
    own_words = first["prompt"].partition("## Done means")[2].partition("## Example")[0]
    assert "- `commit` is the hash of the newest commit" in own_words
    assert "data, not instructions" not in own_words, "what the template asks for is no data"
    assert "CI ended with failure" in messages(again)

    assert played.last["run_state"] == "completed"
    assert outside.called == ["create_branch", *CI, *CI, "create_pull_request"]
    assert "success" in messages(feedback_to(played, "update")[-1])
    assert outside.log(f"deps/pip-{played.run}") == ["Update attrs"] * 2
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["ready"]


def test_an_update_that_breaks_the_tests_here_is_left_out(project: Playground, outside: Outside):
    left = Work({"updates": [ATTRS], "left_out": ["six: breaks the tests"]})
    repaired = Work(DONE.artifact, {**DONE.files, "broken.txt": None})

    played = play(project, {"check": [UPDATES, left], "update": [BROKEN, BROKEN, repaired]})

    assert (played.last["run_state"], played.codes) == ("completed", ["gate_failed"] * 2)
    assert "six: breaks the tests" in outside.calls("create_pull_request")[0]["body"]
    assert outside.called.count("create_branch") == 1
    assert project.problems(played.run) == []


def test_what_ci_refuses_again_and_again_waits_for_a_person(project: Playground, outside: Outside):
    outside.answer(actions_list__list_workflow_runs=[RED])

    played = play(project, {"check": [UPDATES], "update": [DONE, AGAIN, DONE]})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "create_pull_request" not in outside.called


@pytest.mark.requirement("S2-19", "S2-18")
def test_only_a_person_who_types_the_phrase_merges(project: Playground, outside: Outside):
    from wfe_mcp.core.errors import Refused

    played = play(project, HAPPY, merge=True)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "merge_pull_request" not in outside.called
    person = stand_in(project.engine)
    with pytest.raises(Refused, match="YES MERGE"):
        approvals.decide(project.engine, person, played.run, "merge")
    approvals.decide(project.engine, person, played.run, "merge", phrase="YES MERGE")
    with project.agent() as agent:
        assert agent.call("status", run=played.run, wait_s=45)["run_state"] == "completed"
    assert outside.calls("merge_pull_request") == [
        {"tool": "merge_pull_request", "pullNumber": 9, "merge_method": "squash"}
    ]
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["done"]


@pytest.mark.requirement("S2-19")
def test_the_decision_shows_what_is_merged_and_signs_it(project: Playground, outside: Outside):
    played = play(project, HAPPY, merge=True)
    head = project.git("rev-parse", "HEAD").strip()

    view = open_approval(project.engine, overview_of(project.engine, played.run), "merge")
    assert view is not None
    assert view.target is not None
    assert view.target.head == head
    read, merge = view.target.calls
    assert (read.step, read.action) == ("now", "tool github.pull_request_read")
    assert (merge.step, merge.action, merge.condition) == ("merge", "tool github.merge_pull_request", "")
    assert merge.params == {**REPO, "pullNumber": 9, "merge_method": "squash"}
    assert view.prompt is not None
    assert f"at commit {head}" in str(view.prompt.text)


def test_a_person_who_does_not_merge_is_not_asked_again_by_itself(project: Playground, outside: Outside):
    played = play(project, HAPPY, merge=True)
    project.reject(played.run, "merge", "not now")

    with project.agent() as agent:
        last = agent.call("status", run=played.run)
    assert (last["run_state"], [each["state"] for each in last["data"]["phases"]]) == ("waiting", ["failed"])
    assert "merge failed (not now)" in str(last["data"]["blockers"])
    assert outside.called.count("list_pull_requests") == 1


def test_what_the_start_left_out_is_said_at_once_with_what_to_do(project: Playground, outside: Outside):
    with project.agent() as agent:
        last = agent.call("start_run", template="dependency_update", inputs={"ecosystem": "pip"})

    assert (last["run_state"], last["data"]["phases"][0]["attempt"]) == ("waiting", 1)
    message = last["data"]["last_verdict"]["message"]
    assert message.startswith("Cancel this run, and start another one with owner, repo and workflow.")
    assert "submit again" not in message, "there is nothing to submit"
    assert outside.called == []


@pytest.mark.requirement("S2-19")
def test_a_pull_request_that_moved_after_the_approval_is_not_merged(project: Playground, outside: Outside):
    played = play(project, HAPPY, merge=True)
    moved = {"number": 9, "head": {"ref": "deps", "sha": "f" * 40}}
    outside.answer(pull_request_read__get=[moved], list_pull_requests=[[moved]])

    approvals.decide(project.engine, stand_in(project.engine), played.run, "merge", phrase="YES MERGE")
    with project.agent() as agent:
        last = agent.call("status", run=played.run, wait_s=45)
        while last["waiting_on"] == "job":
            last = agent.call("status", run=played.run, wait_s=45)
    assert (last["run_state"], last["waiting_on"]) == ("waiting", "human")
    assert "merge_pull_request" not in outside.called
    assert "at the commit that CI has passed" in str(last)


@pytest.mark.requirement("S2-19")
def test_a_commit_since_the_question_asks_it_again(project: Playground, outside: Outside):
    from wfe_mcp.core.errors import Refused

    played = play(project, HAPPY, merge=True)
    person = stand_in(project.engine)
    first = approvals.ask(project.engine, person, played.run, "merge").request
    project.git("commit", "-q", "--allow-empty", "-m", "one more")

    with pytest.raises(Refused) as refused:
        approvals.decide(project.engine, person, played.run, "merge", phrase="YES MERGE", request=first.id)
    assert refused.value.code == "stale_revision"
    assert "the commit, has changed" in refused.value.message
    assert refused.value.data["request"] != first.id
    approvals.decide(project.engine, person, played.run, "merge", phrase="YES MERGE")
    with project.agent() as agent:
        assert agent.call("status", run=played.run, wait_s=45)["run_state"] == "completed"


def test_an_agent_that_only_follows_next_finishes_it(project: Playground, outside: Outside):
    with project.agent() as agent:
        call = Committer(project, agent.call, "update", "Update attrs", DONE.files)
        steps = follow(call, first="start_run", arguments={"template": "dependency_update", "inputs": INPUTS})

    assert steps[-1].answer["run_state"] == "completed"
    assert outside.called[-1] == "create_pull_request"
