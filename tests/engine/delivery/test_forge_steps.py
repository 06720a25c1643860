"""The steps of a run that deliver its change by a pull request, at both forges and with both kinds of login."""

import json
import sys

import pytest

from tests.delivery.stub_forge import TOKEN
from tests.engine.delivery.delivery_scene import CLEAN, NOTE, approve, operations, results
from tests.engine.delivery.forge_scene import (
    CLOSE,
    MERGE_IT,
    OPEN,
    STATUS,
    UP_TO_PUSH,
    at_forge,
    programs_saw,
    proposed,
)
from tests.engine.scene import HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import reopen, rows, steps
from wfe_mcp.engine.credentials.stored import add_credential, delete_credential
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.work.items import WORK, add_item, change_item
from wfe_mcp.views.history.graph import graph_view
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.operations import operation_line, operation_views

pytestmark = pytest.mark.usefixtures("home")

WAYS = [
    (name, login)
    for name in ("github", "gitlab")
    for login in ("token", "command")
    if login == "token" or sys.platform != "win32"
]


@pytest.mark.requirement("S3-21")
@pytest.mark.parametrize(("name", "login"), WAYS)
def test_the_approved_change_is_proposed_and_merged_and_its_tree_is_the_approved_one(
    scene: Scene, name: str, login: str
) -> None:
    with at_forge(scene, name, login) as forge:
        run = proposed(scene, OPEN, STATUS, MERGE_IT)
        found = results(scene, run)
        pull = forge.pulls[0]
        head = found["push"]["sha"]
        assert (found["open"]["number"], found["open"]["head"], pull.state) == (1, head, "merged")
        assert found["status"]["merge"] == "yes"
        assert found["merge"]["commit"] == forge.tip("main")
        assert found["merge"]["tree"] == found["merge"]["approved_tree"] == found["commit"]["tree"]
        assert f"Run `{run}`" in pull.body and head in pull.body and "`ada` | `human`" in pull.body
        assert forge.git("log", "-1", "--format=%s", "main").endswith("(PR 1)" if name == "github" else "")
        kinds = [(one.kind, one.state) for one in operations(scene, run)][3:]
        assert kinds == [("forge.open", "observed"), ("forge.merge", "observed")]
        assert scene.state(run).status == "completed"


@pytest.mark.sqlite_only("it reads the bytes of the file")
@pytest.mark.attack("the forge's token is read from a log, an event, an artifact or an error", "held", "#29")
def test_the_token_is_in_no_record_of_the_run_and_in_no_file_of_the_project(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.fail["PUT", "merge"] = lambda: (403, {}, {"message": f"no: {TOKEN}"})
        run = proposed(scene, OPEN, MERGE_IT)
        assert "[hidden]" in results(scene, run)["merge"]
    text = json.dumps([one._asdict() for one in operations(scene, run)], default=str)
    text += json.dumps(results(scene, run)) + repr(scene.state(run))
    assert TOKEN not in text
    files = [each for folder in (scene.root, scene.root / ".git") for each in folder.rglob("*") if each.is_file()]
    assert not [each for each in files if TOKEN.encode() in each.read_bytes()]
    assert TOKEN.encode() not in (scene.root.parent / "wfe.db").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="the stub programs begin with a shebang")
def test_the_persons_command_line_never_sees_the_tokens_of_this_process(scene: Scene) -> None:
    scene.engine.environment |= dict.fromkeys(("GH_TOKEN", "GITHUB_TOKEN"), "ghp_of-the-agent-000000000")
    with at_forge(scene, "github", "command"):
        proposed(scene, OPEN)
    seen = programs_saw(scene)
    assert "ghp_of-the-agent" not in seen
    assert str(scene.root) not in [json.loads(line)[2] for line in seen.splitlines()]


def test_without_a_pull_request_mode_the_steps_say_that_they_did_nothing(scene: Scene) -> None:
    run = proposed(scene, NOTE, OPEN, STATUS, MERGE_IT, CLOSE)
    assert results(scene, run)["open"] == {"skipped": "[delivery] mode is none"}
    assert scene.state(run).status == "completed"


@pytest.mark.requirement("S3-20")
def test_a_blocker_waits_for_a_person_and_the_retry_continues_where_it_was(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.word = "draft"
        run = proposed(scene, OPEN, STATUS, MERGE_IT)
        assert results(scene, run)["status"] == (
            f"#1 is a draft. Next: Mark it as ready at {forge.origin}/shop/till/pull/1, then retry this phase. [draft]"
        )
        shown = graph_view(scene.engine, overview_of(scene.engine, run)).nodes[-1].reason
        assert shown.endswith("then retry this phase."), shown
        assert rows(scene, run, "ship")["status"].output == {"blocker": "review"}
        assert scene.attempt(run, "ship").human_only
        forge.word = ""
        reopen(scene, run, "ship")
        assert scene.state(run).status == "completed"
        assert (len(forge.pulls), forge.count("POST", "pulls")) == (1, 1)


@pytest.mark.requirement("S3-20")
def test_what_the_forge_has_not_computed_is_asked_again_and_then_a_person_decides(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.word = "unknown"
        run = proposed(scene, OPEN, STATUS)
        for _ in range(20):
            scene.clock.advance(hours=1)
            scene.work()
        assert "#1 cannot be merged yet: unknown; it was asked 5 times. Next: Look at " in results(scene, run)["status"]
        forge.word = "clean"
        reopen(scene, run, "ship")
        assert scene.state(run).status == "completed"


def test_a_step_with_a_retry_asks_as_often_as_the_template_says(scene: Scene) -> None:
    status = STATUS | {"retry": {"max_attempts": 3, "initial": "30s", "backoff": "fixed"}}
    with at_forge(scene) as forge:
        forge.word = "unknown"
        run = proposed(scene, OPEN, status)
        assert rows(scene, run, "ship")["status"].status == "queued"
        (sentence,) = scene.status(run).data["blockers"]
        assert sentence.startswith("ship step status is tried again at "), "status says what is waited for"
        assert sentence.endswith("UTC: #1 cannot be merged yet: unknown.")
        forge.word = "clean"
        scene.clock.advance(seconds=31)
        scene.work()
        assert scene.state(run).status == "completed"


def test_a_conflict_names_the_commands_that_take_the_base_into_the_change(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.word = "draft"
        run = proposed(scene, OPEN, MERGE_IT, on_fail=[{"do": "wait_human"}])
        other = forge.git(
            "mktree", stdin=f"100644 blob {forge.git('hash-object', '-w', '--stdin', stdin='9')}\tapp.py\n"
        )
        theirs = forge.git("commit-tree", other, "-p", forge.tip("main"), "-m", "their change")
        forge.git("update-ref", "refs/heads/main", theirs)
        forge.word = ""
        reopen(scene, run, "ship")
        assert results(scene, run)["merge"] == (
            f"#1 conflicts with its base. Next: Take the base in: wfe-mcp retry {run} build, then git fetch origin main && git merge "
            "FETCH_HEAD; have the result approved. [conflict]"
        )
        reopen(scene, run, "build")
        scene.begin(run, "build")
        scene.git("fetch", "-q", "origin", "main")
        scene.git("merge", "-q", "-X", "ours", "FETCH_HEAD")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        assert results(scene, run)["merge"]["is_approved_tree"] is True
        assert scene.state(run).status == "completed"


@pytest.mark.attack("a commit is pushed to the proposed branch after the approval", "held", "#29")
@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_a_branch_that_moved_at_the_forge_is_not_merged(scene: Scene, name: str) -> None:
    with at_forge(scene, name) as forge:
        forge.word = "draft" if name == "github" else "draft_status"
        run = proposed(scene, OPEN, STATUS, MERGE_IT)
        branch, head = forge.pulls[0].branch, forge.tip(forge.pulls[0].branch)
        more = forge.git("commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "one more")
        forge.git("update-ref", f"refs/heads/{branch}", more)
        forge.word, base = "", forge.tip("main")
        reopen(scene, run, "ship")
        assert f"#1 is at commit {more[:12]}, and {head[:12]} was approved." in results(scene, run)["status"]
        assert (forge.tip("main"), forge.count("PUT", "merge")) == (base, 0)


@pytest.mark.attack("the pull request is retargeted to another branch", "held", "#29")
def test_a_pull_request_that_goes_elsewhere_is_not_merged(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.word = "draft"
        run = proposed(scene, OPEN, STATUS, MERGE_IT)
        forge.git("update-ref", "refs/heads/release", forge.tip("main"))
        forge.pulls[0].base, forge.word = "release", ""
        reopen(scene, run, "ship")
        assert "#1 goes to 'release', and 'main' was approved." in results(scene, run)["status"]
        assert forge.count("PUT", "merge") == 0


def test_a_merged_tree_that_differs_is_asked_about_with_its_files_and_the_command_that_shows_them(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.tamper = "one line more\n"
        run = proposed(scene, OPEN, MERGE_IT)
        text = results(scene, run)["merge"]
        merged = forge.tip("main")
        trees = forge.git("rev-parse", f"{merged}^{{tree}}", f"{forge.pulls[0].head}^{{tree}}").split()
        assert text == (
            f"The merged tree {trees[0][:12]} is not the approved tree {trees[1][:12]}: they differ in 'added.txt'. Next: See it: "
            f"git diff {trees[1][:12]} {trees[0][:12]}. Retry this phase to accept that difference, or revert {merged[:12]} on 'main'. "
            "[difference]"
        )
        assert "+one line more" in scene.git("diff", trees[1][:12], trees[0][:12])
        assert rows(scene, run, "ship")["merge"].output == {"blocker": "unfaithful"}
        assert scene.attempt(run, "ship").human_only
        reopen(scene, run, "ship")
        found = results(scene, run)["merge"]
        assert found["is_approved_tree"] is False
        assert scene.state(run).status == "completed"


def test_the_state_of_a_run_has_the_address_of_its_pull_request(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = proposed(scene, OPEN)
        view = operation_views(operations(scene, run))[-1]
        assert view.url == f"{forge.origin}/shop/till/pull/1"
        assert operation_line(view).endswith(f"observed, nothing → 1 {view.url}")


def test_the_title_that_a_step_gives_follows_the_id_of_the_item_once(scene: Scene) -> None:
    titled = {"params": {"title": "Round to the cent"}}
    with at_forge(scene) as forge:
        item = add_item(
            scene.engine, HUMAN, "task", {"title": "Round", "body": "To the cent", "criteria": ["It is a cent"]}
        )
        change_item(scene.engine, HUMAN, item.id, {}, status="ready")
        ship = steps(*UP_TO_PUSH, OPEN | titled, MERGE_IT | titled, name="ship")
        name = scene.define(phase("build", approval()), ship)["name"]
        run = start_run(scene.engine, HUMAN, name, {}, triggered_by=WORK, external_id=item.id).record.id
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        assert forge.pulls[0].title == f"{item.id}: Round to the cent"
        assert forge.git("log", "-1", "--format=%s", "main") == f"{item.id}: Round to the cent (PR 1)"


def test_undo_of_the_run_closes_its_pull_request_and_removes_its_branch(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = proposed(scene, OPEN)
        branch = forge.pulls[0].branch
        undone = undo_delivery(scene.engine, HUMAN, run)
        assert [one.kind for one in undone] == ["forge.open", "git.push", "git.commit", "git.branch"]
        assert (forge.pulls[0].state, forge.tip(branch)) == ("closed", "")


def test_undo_leaves_a_pull_request_open_that_a_person_opened_first(scene: Scene) -> None:
    with at_forge(scene) as forge:
        phases = (phase("build", approval()), steps(*UP_TO_PUSH, name="ship"), phase("look"), steps(OPEN))
        run = scene.start(*phases)
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        forge.opened(scene.git("symbolic-ref", "--short", "HEAD").strip(), "main", "By hand", "")
        scene.begin(run, "look")
        scene.submit(run, "look")
        scene.work()
        assert (scene.state(run).status, len(forge.pulls)) == ("completed", 1)
        undo_delivery(scene.engine, HUMAN, run)
        assert forge.count("PATCH", "/pulls/") == 0, "it was not closed by the undo"


def test_undo_after_the_merge_changes_nothing_and_names_the_reverting_run(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = proposed(scene, OPEN, MERGE_IT)
        merged = forge.tip("main")
        no = refused(undo_delivery, scene.engine, HUMAN, run)
        assert f"{merged[:12]} was merged into 'main'" in f"{no.message} {no.hint}"
        assert (forge.pulls[0].state, forge.tip("main")) == ("merged", merged)


def test_undo_refuses_once_another_has_merged_the_pull_request(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = proposed(scene, OPEN)
        merged = forge.merge(forge.pulls[0], "squash", "by a person")
        no = refused(undo_delivery, scene.engine, HUMAN, run)
        assert (
            no.message
            == f"{merged[:12]} was merged into 'main', and others may build on it: a run of its own reverts it."
        )
        assert forge.tip(forge.pulls[0].branch), "nothing was undone"


def test_a_pull_request_that_was_there_before_is_used_and_not_closed_by_undo(scene: Scene) -> None:
    with at_forge(scene) as forge:
        forge.fail["POST", "pulls"] = lambda: (403, {}, {"message": "read only"})
        run = proposed(scene, OPEN)
        assert "forbids this to the login: read only" in results(scene, run)["open"]
        made = forge.opened(forge.asked[-1].body["head"], "main", "by a person", "")
        assert not isinstance(made, str)
        reopen(scene, run, "ship")
        assert results(scene, run)["open"]["number"] == made.number
        assert forge.pulls == [made]


def test_close_leaves_the_branch(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = proposed(scene, OPEN, CLOSE)
        assert forge.pulls[0].state == "closed"
        assert forge.tip(results(scene, run)["push"]["branch"]) == results(scene, run)["push"]["sha"]


def test_a_missing_credential_is_the_exact_blocker(scene: Scene) -> None:
    with at_forge(scene):
        delete_credential(scene.engine, HUMAN, "forge")
        run = proposed(scene, OPEN)
        text = next(text for text in results(scene, run).values() if isinstance(text, str) and text)
        assert text == (
            "There is no credential 'forge'. Ask the user to add it: wfe-mcp credential add forge; then retry the phase."
        )
        add_credential(scene.engine, HUMAN, "forge", "token", {"token": TOKEN}, kept_in="stored")
        reopen(scene, run, "ship")
        assert scene.state(run).status == "completed"


def test_where_the_process_that_delivers_finds_no_command_line_it_says_so(scene: Scene) -> None:
    with at_forge(scene, "gitlab", "login"):
        (scene.root.parent / "programs" / "glab").unlink()
        scene.engine.environment |= {"PATH": str(scene.root.parent / "programs")}
        run = proposed(scene, OPEN)
        fault = results(scene, run)["open"]
        assert "did not accept" not in fault
        assert (
            "has no login here: [delivery] names no credential, and the process that delivers finds no glab in its PATH."
            in fault
        )
        assert "or install glab where it starts." in fault


@pytest.mark.requirement("S3-20", "S3-21")
def test_a_milestone_is_proposed_once_all_that_belongs_to_it_is_over_and_names_its_pull_request(scene: Scene) -> None:
    source = "https://127.0.0.1/shop/till/issues/5"
    milestone = add_item(
        scene.engine, HUMAN, "milestone", {"title": "Totals", "body": "No cent is lost.", "source": source}
    )
    task = add_item(scene.engine, HUMAN, "task", {"title": "Round once", "parent": milestone.id})
    change_item(scene.engine, HUMAN, milestone.id, {}, status="ready")
    with at_forge(scene) as forge:
        name = scene.define(phase("build", approval()), steps(*UP_TO_PUSH, OPEN, name="ship"))["name"]
        run = start_run(scene.engine, HUMAN, name, {}, triggered_by=WORK, external_id=milestone.id).record.id
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        assert results(scene, run)["open"] == (
            f"Work item {milestone.id} has unfinished tasks: {task.id}. Next: Finish or drop them: wfe-mcp work list [unfinished]"
        )
        change_item(scene.engine, HUMAN, task.id, {}, status="dropped", reason="not needed")
        reopen(scene, run, "ship")
        pull = forge.pulls[0]
        assert pull.title == f"{milestone.id}: Totals"
        assert "No cent is lost." in pull.body
        with scene.store.read() as tx:
            assert tx.items.get(scene.engine.project_id, milestone.id).pull_request.endswith("/pull/1")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_after_a_merge_at_the_forge_the_base_follows_where_it_is_free_and_the_branch_goes(
    scene: Scene, elsewhere: bool
) -> None:
    with at_forge(scene) as forge:
        forge.word = "draft"
        run = proposed(scene, OPEN, MERGE_IT, CLEAN)
        begun = scene.git("rev-parse", "main").strip()
        if elsewhere:
            scene.git("worktree", "add", "-q", str(scene.root.parent / "other folder"), "main")
        forge.word = ""
        reopen(scene, run, "ship")
        merged = forge.tip("main")
        assert results(scene, run)["clean"]["dry_run"] is False
        assert scene.state(run).status == "completed"
        assert scene.git("rev-parse", "HEAD").strip() == merged, "its files are those of the merged commit"
        assert scene.git("branch", "--show-current").strip() == ("" if elsewhere else "main")
        assert scene.git("rev-parse", "main").strip() == (begun if elsewhere else merged)
        assert scene.git("status", "--porcelain", "--untracked-files=no").strip() == ""
        branch = operations(scene, run)[0].target["branch"]
        assert (scene.git("branch", "--list", branch), forge.tip(branch)) == ("", "")
