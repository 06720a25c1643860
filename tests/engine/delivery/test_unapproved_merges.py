"""What no person approved in a run does not get into the base by its delivery."""

from datetime import timedelta

import pytest

from tests.engine.approvals.people import ada
from tests.engine.delivery.delivery_scene import (
    BRANCH,
    COMMIT,
    MERGE,
    PUSH,
    approve,
    approved,
    delivered,
    operations,
    results,
)
from tests.engine.delivery.forge_scene import MERGE_IT, OPEN, at_forge, proposed
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, phase
from tests.engine.step_scene import reopen, rows, steps
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.grants import give_grant
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.approvals.grants import seen_sha256
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.envelopes import overview_of

pytestmark = pytest.mark.usefixtures("home")

ALL = (BRANCH, COMMIT, PUSH, MERGE)
CLIENT = By("client", Channel.MCP, Assurance.CLIENT)
READS = {"kind": "files", "changed": ["**"]}


def worked(scene: Scene, run: str, name: str = "build", text: str = "VALUE = 2\n") -> None:
    scene.begin(run, name)
    scene.write("app.py", text)
    scene.submit(run, name)
    scene.work()


def main_of(scene: Scene) -> tuple[str, str]:
    """``main`` here and on the remote."""
    return scene.git("rev-parse", "main").strip(), scene.git("ls-remote", "origin", "refs/heads/main").split()[0]


def is_held(scene: Scene, run: str, began: tuple[str, str], step: str = "merge") -> str:
    """The refusal: ``main`` is where it was, and a person must clear it."""
    assert main_of(scene) == began
    assert rows(scene, run, "ship")[step].output == {"blocker": "review"}, results(scene, run)
    assert scene.attempt(run, "ship").human_only
    return str(results(scene, run)[step])


@pytest.mark.attack("a run whose approval phase was left out delivers what only gates judged", "held", "#29")
def test_judged_files_that_no_person_approved_get_to_a_branch_and_not_into_the_base(scene: Scene) -> None:
    remote, began = delivered(scene), main_of(scene)
    left_out = phase("accept", approval(), when="${inputs.only == 'all'}")
    inputs = {"type": "object", "properties": {"only": {"type": "string"}}}
    run = scene.start(phase("build", READS), left_out, steps(*ALL, name="ship"), schema=inputs, inputs={"only": "dev"})
    worked(scene, run)
    text = is_held(scene, run, began)
    commit = results(scene, run)["commit"]["sha"]
    assert f"In this run a person approved no files, and commit {commit[:12]} has tree" in text
    assert f"wfe-mcp retry {run} accept; the delivery follows." in text
    assert commit in scene.git("ls-remote", str(remote)), "a branch may have it"


@pytest.mark.attack("a template without any approval delivers into the base", "held", "#29")
def test_a_run_without_an_approval_names_what_to_do(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    run = scene.start(phase("build", READS), steps(*ALL, name="ship"))
    worked(scene, run)
    assert "No phase of drill asks a person: start a run of a template that does" in is_held(scene, run, began)


@pytest.mark.attack("the agent's own channel approves what is merged", "held", "#29")
@pytest.mark.parametrize("assurance", ["agent", "client"])
def test_an_approval_that_no_person_gave_merges_nothing(scene: Scene, assurance: str) -> None:
    delivered(scene)
    began = main_of(scene)
    run = scene.start(phase("build", approval(assurance)), steps(*ALL, name="ship"))
    worked(scene, run)
    if assurance == "agent":
        approvals.ask(scene.engine, AGENT, run, "build")
    else:
        approvals.ask(scene.engine, CLIENT, run, "build")
        approvals.decide(scene.engine, CLIENT, run, "build")
    scene.work()
    assert "a person approved no files" in is_held(scene, run, began)


@pytest.mark.attack("a standing grant approves what is merged", "held", "#29")
def test_what_a_grant_approved_is_not_merged(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    scene.human = ada(scene)
    scene.define(phase("build", READS, approval()), steps(*ALL, name="ship"))
    draft = draft_grant(scene.engine, "drill", "build", "${change.added < 5}", 1, scene.clock() + timedelta(hours=1))
    give_grant(scene.engine, scene.human, draft, seen_sha256(draft))
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    worked(scene, run)
    assert ask_approval(scene.engine, AGENT, run, "build").data["decided_by"] == "grant g-1 of ada"
    scene.work()
    assert "a person approved no files" in is_held(scene, run, began)


@pytest.mark.attack("the approval phase is skipped or forced, and the change is delivered", "held", "#29")
@pytest.mark.parametrize("way", ["skip", "force"])
def test_a_phase_that_was_skipped_or_forced_is_no_approval(scene: Scene, way: str) -> None:
    delivered(scene)
    began = main_of(scene)
    run = scene.start(phase("work", READS), phase("build", approval()), steps(*ALL, name="ship"))
    worked(scene, run, "work")
    scene.begin(run, "build")
    scene.submit(run, "build")
    if way == "skip":
        control.skip(scene.engine, HUMAN, run, "build", "in a hurry")
    else:
        control.force_accept(scene.engine, HUMAN, run, "build", "in a hurry")
    scene.work()
    assert f"wfe-mcp retry {run} build; the delivery follows." in is_held(scene, run, began)


@pytest.mark.attack("files that were approved and then sent back are merged", "held", "#29")
def test_an_approval_that_was_reopened_since_does_not_count_until_it_is_given_again(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    ship = steps(*ALL, name="ship", needs=["work"])
    run = scene.start(
        phase("work", READS), phase("accept", approval(), needs=["work"]), ship, limits={"max_parallel": 2}
    )
    scene.begin(run, "work")
    scene.write("app.py", "VALUE = 2\n")
    answers.submit_artifact(scene.engine, AGENT, run, "work", artifact=GOOD)
    scene.work_one()
    scene.begin(run, "accept")
    answers.submit_artifact(scene.engine, AGENT, run, "accept", artifact=GOOD)
    approve(scene, run, "accept")
    control.retry(scene.engine, HUMAN, run, "accept", "not like this")
    scene.work()
    is_held(scene, run, began)
    scene.do(run, "accept")
    reopen(scene, run, "ship")
    is_held(scene, run, began)
    approve(scene, run, "accept")
    reopen(scene, run, "ship")
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("show", "main:app.py") == "VALUE = 2\n"


@pytest.mark.attack("an older head of the run is merged than the files approved last", "held", "#29")
def test_commits_after_the_approval_are_not_merged(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    later = phase("later", READS)
    run = scene.start(phase("build", approval()), later, steps(*ALL, name="ship"))
    worked(scene, run)
    approve(scene, run, "build")
    scene.clock.advance(seconds=1)
    worked(scene, run, "later", "VALUE = 3\n")
    text = is_held(scene, run, began)
    assert "In this run a person approved tree" in text and "in phase 'build' last" in text


@pytest.mark.attack("unapproved commits below the approved one come along with the merge", "held", "#29")
@pytest.mark.parametrize("strategy", ["ff", "merge", "squash", "rebase"])
def test_commits_of_others_below_the_approved_one_are_named_and_taken_in(scene: Scene, strategy: str) -> None:
    delivered(scene, f'strategy = "{strategy}"')
    began = main_of(scene)
    named = {"branch": "ai/mine"}
    scene.git("switch", "-q", "-c", "ai/mine")
    scene.write("hidden.py", "print('hidden')\n")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "below")
    below = scene.git("rev-parse", "HEAD").strip()
    run = approved(scene, COMMIT | {"params": named}, MERGE | {"params": named})
    scene.work()
    text = is_held(scene, run, began)
    assert f"Below the approved commit are {below[:12]}, which this run did not make" in text
    assert f"git reset --soft {began[0][:12]}, on its branch" in text
    assert f"wfe-mcp retry {run} ship --from commit" in text
    scene.git("reset", "-q", "--soft", began[0])
    control.retry(scene.engine, HUMAN, run, "ship", from_step="commit")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert "below" not in scene.git("log", "--format=%s", "main")


def test_commits_of_others_below_a_commit_that_was_pushed_are_taken_in_once_the_push_is_undone(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    named = {"branch": "ai/mine"}
    scene.git("switch", "-q", "-c", "ai/mine")
    scene.write("hidden.py", "print('hidden')\n")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "below")
    run = approved(scene, *(step | {"params": named} for step in (COMMIT, PUSH, MERGE)))
    scene.work()
    text = is_held(scene, run, began)
    assert (
        f"They were pushed: take that back by wfe-mcp undo {run} --delivery. Make them part of the change: git reset"
        in text
    )
    undo_delivery(scene.engine, HUMAN, run)
    scene.git("reset", "-q", "--soft", began[0])
    control.retry(scene.engine, HUMAN, run, "ship", from_step="commit")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert "below" not in scene.git("log", "--format=%s", "main")


def test_the_commit_that_is_made_again_is_that_of_a_phase_that_ran(scene: Scene) -> None:
    delivered(scene)
    left_out = steps(COMMIT, name="repair", when="${inputs.repair}")
    inputs = {"type": "object", "properties": {"repair": {"type": "boolean"}}}
    phases = phase("build", approval()), left_out, steps(BRANCH, COMMIT, name="keep"), steps(MERGE, name="ship")
    run = scene.start(*phases, schema=inputs, inputs={"repair": False})
    worked(scene, run)
    approve(scene, run, "build")
    scene.work_one()
    scene.git("commit", "-q", "--allow-empty", "-m", "of another")
    scene.work()
    assert f"commit again: wfe-mcp retry {run} keep --from commit" in results(scene, run)["merge"]


def test_the_base_that_was_brought_in_manually_and_approved_is_merged(scene: Scene) -> None:
    delivered(scene, 'strategy = "merge"', remote=False)
    run = approved(scene, BRANCH, COMMIT, MERGE)
    scene.work_one()
    scene.work_one()
    other = scene.git("commit-tree", "main^{tree}", "-p", "main", "-m", "other").strip()
    scene.git("update-ref", "refs/heads/main", other)
    scene.git("merge", "-q", "--no-edit", "main")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)


@pytest.mark.attack("a commit beside the approved files changes who may approve", "held", "#29")
def test_a_commit_with_the_approved_files_and_other_approvers_is_named(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    run = approved(scene, BRANCH, COMMIT, MERGE)
    scene.work_one()
    scene.work_one()
    scene.git("commit", "-q", "--allow-empty", "-m", "same files")
    scene.write(".wfe/approvers.json", "{}\n")
    scene.git("add", "-f", ".wfe/approvers.json")
    scene.git("commit", "-q", "-m", "same files, other approvers")
    evil = scene.git("rev-parse", "HEAD").strip()
    scene.work()
    assert f"Below the approved commit are {evil[:12]}, which" in is_held(scene, run, began)


@pytest.mark.attack("an input of the agent names the branch that is merged into", "held", "#29")
def test_a_base_that_a_value_of_the_run_names_is_refused(scene: Scene) -> None:
    delivered(scene, 'protected = ["release"]')
    scene.git("branch", "live")
    began = main_of(scene)
    into = {**MERGE, "params": {"base": "${inputs.goal}"}}
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, into, name="ship"), inputs={"goal": "live"})
    worked(scene, run)
    approve(scene, run, "build")
    scene.work()
    assert rows(scene, run, "ship")["merge"].output == {"blocker": "protected"}
    assert "Nothing is merged into 'live': a value of the run names it" in results(scene, run)["merge"]
    assert scene.git("rev-parse", "live").strip() == began[0]


@pytest.mark.attack("a template's own step names a protected branch as its base", "held", "#29")
def test_a_protected_base_of_a_step_is_refused(scene: Scene) -> None:
    delivered(scene, 'protected = ["release/*"]')
    run = approved(scene, BRANCH, COMMIT, {**MERGE, "params": {"base": "release/1"}})
    scene.work()
    assert "['release/*'] in [delivery] protected covers it" in results(scene, run)["merge"]


@pytest.mark.attack("unapproved files are committed to the base itself", "held", "#29")
@pytest.mark.parametrize("name", ["main", "MAIN"])
def test_no_commit_is_made_on_the_base(scene: Scene, name: str) -> None:
    delivered(scene)
    began = main_of(scene)
    run = scene.start(phase("build", READS), steps(COMMIT | {"params": {"branch": name}}, name="ship"))
    worked(scene, run)
    assert rows(scene, run, "ship")["commit"].output == {"blocker": "protected"}
    assert main_of(scene) == began


@pytest.mark.attack("the branch of the change is made another name of the base, to commit there", "held", "#29")
def test_a_branch_that_became_another_name_of_the_base_takes_no_commit(scene: Scene) -> None:
    delivered(scene)
    run = scene.start(phase("build", READS), steps(BRANCH, name="start"), phase("wait"), steps(COMMIT, name="ship"))
    worked(scene, run)
    began, branch = main_of(scene), scene.git("branch", "--show-current").strip()
    scene.git("symbolic-ref", f"refs/heads/{branch}", "refs/heads/main")
    scene.do(run, "wait")
    scene.work()
    assert main_of(scene) == began
    assert f"HEAD is on 'main', not on the branch of the change. Change over: git switch {branch}" in str(
        results(scene, run)
    )


@pytest.mark.attack("a pull request of files that no person approved is merged", "held", "#29")
@pytest.mark.parametrize("by_others", [False, True])
def test_a_pull_request_that_no_person_approved_is_opened_and_not_merged(scene: Scene, by_others: bool) -> None:
    with at_forge(scene) as forge:
        proposal = steps(BRANCH, COMMIT, PUSH, OPEN, name="propose")
        run = scene.start(phase("build", READS), proposal, phase("wait"), steps(MERGE_IT, name="ship"))
        worked(scene, run)
        if by_others:
            forge.merge(forge.pulls[0], "merge", "by the agent's own token")
        began = forge.tip("main")
        scene.do(run, "wait")
        scene.work()
        assert rows(scene, run, "ship")["merge"].output == {"blocker": "review"}, results(scene, run)
        assert (forge.tip("main"), forge.count("PUT", "merge")) == (began, 0)
        assert (forge.pulls[0].state == "merged") is by_others


@pytest.mark.attack("files are edited after the approval and the merge is retried", "held", "#29")
def test_a_retry_after_an_edit_merges_the_approved_files(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.word = "draft"
        run = proposed(scene, OPEN, MERGE_IT)
        scene.write("app.py", "VALUE = 3\n")
        forge.word = ""
        reopen(scene, run, "ship")
        assert scene.state(run).status == "completed", results(scene, run)
        assert forge.git("show", "main:app.py") == "VALUE = 2"
        assert [one.kind for one in operations(scene, run)][-1] == "forge.merge"


@pytest.mark.attack("an approval of another run is used for the merge", "held", "#29")
def test_the_approval_of_another_run_is_none_of_this_one(scene: Scene) -> None:
    delivered(scene)
    began = main_of(scene)
    first = approved(scene, BRANCH, COMMIT)
    scene.work()
    theirs, named = results(scene, first)["commit"]["sha"], {"branch": results(scene, first)["branch"]["branch"]}
    run = scene.start(phase("build", READS), steps(MERGE | {"params": named}, name="ship"))
    worked(scene, run, text="VALUE = 3\n")
    assert f"a person approved no files, and commit {theirs[:12]} has other files" in is_held(scene, run, began)


def test_the_decision_names_the_branch_that_the_step_merges_into(scene: Scene) -> None:
    delivered(scene)
    run = scene.start(
        phase("build", approval()), steps(BRANCH, COMMIT, {**MERGE, "params": {"base": "live"}}, name="ship")
    )
    worked(scene, run)
    approvals.ask(scene.engine, HUMAN, run, "build")
    found = overview_of(scene.engine, run)
    assert "merges them into live" in leads_to(scene.engine, found, "approve", "build")


def test_a_base_that_has_gone_on_is_brought_into_the_change_and_approved_again(scene: Scene) -> None:
    remote = delivered(scene, 'strategy = "squash"')
    idle = {"kind": "files", "unchanged": ["**"]}
    phases = phase("build", READS), steps(BRANCH, COMMIT), phase("close", idle, approval())
    run = scene.start(*phases, steps(PUSH, MERGE, name="ship"))
    worked(scene, run)
    there = scene.root.parent / "there"
    scene.git("clone", "-q", str(remote), str(there))
    (there / "other.txt").write_text("other\n")
    scene.git("-C", str(there), "add", "-A")
    scene.git("-C", str(there), "commit", "-q", "-m", "Another change")
    scene.git("-C", str(there), "push", "-q")
    scene.clock.advance(minutes=1)
    scene.begin(run, "close")
    scene.submit(run, "close")
    approve(scene, run, "close")
    scene.clock.advance(minutes=1)
    scene.work()
    text = results(scene, run)["merge"]
    assert "'main' has gone on. They differ in 'other.txt'" in text
    bring = "on its branch: git fetch origin main && git merge FETCH_HEAD; then have the result approved"
    assert text.endswith(f"{bring}: wfe-mcp retry {run} close; the delivery follows.")
    scene.git("fetch", "-q", "origin", "main")
    scene.git("merge", "-q", "-m", "Bring main", "FETCH_HEAD")
    reopen(scene, run, "ship")
    assert f"Have them approved: wfe-mcp retry {run} close; the delivery follows." in results(scene, run)["merge"]
    control.retry(scene.engine, HUMAN, run, "close")
    scene.begin(run, "close")
    assert scene.submit(run, "close").ok
    approve(scene, run, "close")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("show", "main:app.py", "main:other.txt") == "VALUE = 2\nother\n"
