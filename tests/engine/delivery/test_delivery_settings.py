"""What ``[delivery]`` says decides where a change goes, and who gets the credential."""

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, PUSH, approved, delivered, operations, results
from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.engine.step_scene import reopen, steps
from wfe_mcp.cli.terminal.health import health_findings
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.config.delivery_table import DeliverySettings

PLAIN_COMMIT = {"id": "commit", "builtin": "git.commit"}


def test_branches_begin_at_the_configured_base_under_the_configured_name(scene: Scene) -> None:
    keys = (
        'base = "trunk"',
        'prefix = "wfe/"',
        'branch = "{prefix}{template}/{run}"',
        'message = "{title} ({template})"',
    )
    delivered(scene, *keys)
    scene.git("branch", "trunk")
    run = approved(scene, BRANCH, PLAIN_COMMIT)
    scene.work()
    assert results(scene, run)["branch"]["branch"] == f"wfe/drill/{run}"
    assert results(scene, run)["branch"]["base"] == "trunk"
    assert scene.git("log", "-1", "--format=%s").strip() == "A drill (drill)"


def test_the_configured_remote_is_pushed_to_and_an_empty_one_keeps_all_here(scene: Scene) -> None:
    delivered(scene, 'remote = ""')
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    assert results(scene, run)["push"] == {"skipped": "no remote"}


def test_nothing_is_delivered_while_no_one_has_trusted_the_configuration(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, PUSH)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + "# changed since\n")
    scene.work()
    assert "so nothing is delivered until a person trusts it: wfe-mcp trust" in str(results(scene, run)["branch"])
    assert operations(scene, run) == []
    scene.trust_config()
    reopen(scene, run, "ship")
    assert [step.kind for step in operations(scene, run)] == ["git.branch", "git.commit", "git.push"]


def test_a_pull_request_at_a_remote_without_a_forge_says_how_to_deliver_there(scene: Scene) -> None:
    delivered(scene)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text().replace('mode = "merge"', 'mode = "pull_request"'))
    scene.trust_config()
    run = approved(scene, BRANCH, COMMIT, PUSH, {"id": "open", "builtin": "forge.open"})
    scene.work()
    answer = results(scene, run)["open"]
    assert answer.startswith("No forge is known at the address of remote 'origin'.")
    assert 'Without a forge, mode = "merge" delivers.' in answer


@pytest.mark.parametrize("is_renamed", [True, False])
def test_a_remote_that_is_there_no_more_is_named_and_nothing_is_merged_here_alone(
    scene: Scene, is_renamed: bool
) -> None:
    remote = delivered(scene, *([] if is_renamed else [f"address = '{scene.root.parent / 'remote.git'}'"]))
    began = scene.git("rev-parse", "main")
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.git("remote", *(("rename", "origin", "upstream") if is_renamed else ("remove", "origin")))
    scene.work()
    fault = str(results(scene, run)["branch"])
    which = "; it has upstream. Add it: git remote add origin ADDRESS" if is_renamed else f" add origin {remote},"
    assert ("no remote 'origin'" in fault, which in fault) == (True, True), fault
    assert scene.git("rev-parse", "main") == began


def test_a_remote_with_another_address_gets_nothing(scene: Scene) -> None:
    delivered(scene, 'address = "https://example.org/app.git"')
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    assert "nothing is sent to another place" in results(scene, run)["branch"]


@pytest.mark.parametrize("spelling", ["{}/", "{}/../remote.git", "../remote.git", "file://{}"])
def test_another_spelling_of_the_remotes_path_is_the_same_place(scene: Scene, spelling: str) -> None:
    place = scene.root.parent / "remote.git"
    delivered(scene, f'address = "{spelling.format(place.as_posix())}"')
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    assert results(scene, run)["push"]["sha"]
    assert not [each for each in health_findings(scene.engine) if each.topic == "delivery"]


def test_doctor_names_a_remote_that_is_not_at_the_configured_address(scene: Scene) -> None:
    delivered(scene, 'address = "https://example.org/app.git"')
    (finding,) = [each for each in health_findings(scene.engine) if each.topic == "delivery"]
    assert finding.level == "problem"
    assert "nothing is sent to another place" in finding.message


def test_a_credential_is_given_to_no_remote_without_a_configured_address(scene: Scene) -> None:
    delivered(scene, 'credential = "forge"')
    run = approved(scene, BRANCH)
    scene.work()
    assert "credential is given to no remote while [delivery] address is not set" in results(scene, run)["branch"]


def test_a_protected_branch_is_no_branch_of_a_change(scene: Scene) -> None:
    delivered(scene, 'protected = ["release/**"]')
    run = approved(scene, {**BRANCH, "params": {"branch": "release/1"}})
    scene.work()
    assert "'release/1' is protected" in results(scene, run)["branch"]


def test_a_remote_whose_address_is_a_command_is_not_run(scene: Scene) -> None:
    delivered(scene)
    ran = scene.root.parent / "ran"
    scene.git("config", "remote.origin.url", f"ext::sh -c 'touch {ran}'")
    scene.git("config", "core.sshCommand", f"touch {ran}")
    scene.git("config", "credential.helper", f"!touch {ran}")
    scene.git("config", "protocol.ext.allow", "always")
    run = approved(scene, BRANCH)
    scene.work()
    assert "cannot be read" in results(scene, run)["branch"]
    assert not ran.exists()


@pytest.mark.parametrize("has_remote", [True, False])
def test_a_base_that_another_folder_has_checked_out_keeps_its_files(scene: Scene, has_remote: bool) -> None:
    remote = delivered(scene, remote=has_remote)
    began, folder = scene.git("rev-parse", "main").strip(), scene.root.parent / "main folder"
    run = approved(scene, BRANCH, COMMIT, MERGE)
    scene.work_one()
    scene.git("worktree", "add", "-q", str(folder), "main")
    scene.work()
    commit = scene.git("rev-parse", "HEAD").strip()
    if has_remote:
        assert scene.git("ls-remote", str(remote), "main").split()[0] == commit
    else:
        assert results(scene, run)["merge"] == (
            f"'main' is checked out in {folder}, so it is moved there, with its files: git -C '{folder}' merge --ff-only {commit}; "
            "then retry the phase."
        )
    assert scene.git("rev-parse", "main").strip() == began
    assert scene.git("-C", str(folder), "status", "--porcelain") == ""
    if not has_remote:
        scene.git("-C", str(folder), "merge", "-q", "--ff-only", commit)
        reopen(scene, run, "ship")
    assert scene.state(run).status == "completed", results(scene, run)
    assert [one.kind for one in operations(scene, run) if one.state == "observed"][-1] == "git.merge"


def test_a_commit_that_leaves_approved_files_out_is_said_before_it_is_approved(scene: Scene) -> None:
    delivered(scene, 'never = ["*.env"]')
    run = scene.start(phase("build", approval()), steps(BRANCH, COMMIT, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approvals.ask(scene.engine, HUMAN, run, "build")
    found = leads_to(scene.engine, overview_of(scene.engine, run), "approve", "build")
    assert found.endswith("the server commits these files without those of [delivery] never (*.env).")
    (said,) = [each for each in health_findings(scene.engine) if each.topic == "delivery"]
    assert "never leaves '*.env' out of what was approved: wfe-mcp verify --branch names such a commit" in said.message


def test_a_base_that_is_nowhere_is_a_problem_that_doctor_names(scene: Scene) -> None:
    delivered(scene, 'base = "trunk"')
    (said,) = [each for each in health_findings(scene.engine) if each.topic == "delivery"]
    assert (said.level, "there is no branch 'trunk' here or at origin" in said.message) == ("problem", True)
    assert "each delivery stops whose template names no base of its own" in said.message


def test_each_mode_merges_in_a_way_that_works_there() -> None:
    ways = {mode: DeliverySettings(mode=mode).merges_by for mode in ("merge", "pull_request")}
    assert ways == {"merge": "ff", "pull_request": "squash"}
    assert DeliverySettings(mode="pull_request", strategy="rebase").merges_by == "rebase"


def test_a_remote_that_is_a_path_from_the_repository_is_delivered_to(scene: Scene) -> None:
    remote = delivered(scene)
    scene.git("remote", "set-url", "origin", "../remote.git")
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert scene.git("--git-dir", str(remote), "rev-parse", "main") == scene.git("rev-parse", "main")


def test_a_commit_without_an_author_says_what_to_configure(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(scene.root.parent / "absent"))
    for setting in ("--unset user.name", "--unset user.email", "user.useConfigOnly true"):
        scene.git("config", *setting.split())
    scene.work()
    (blocker,) = scene.status(run).data["blockers"]
    assert "git config user.name NAME; git config user.email ADDRESS. Then retry the phase" in blocker
