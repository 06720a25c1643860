"""What ``[delivery]`` says decides where a change goes, and who gets the credential."""

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approved, delivered, results
from tests.engine.scene import Scene

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


def test_a_remote_with_another_address_gets_nothing(scene: Scene) -> None:
    delivered(scene, 'address = "https://example.org/app.git"')
    run = approved(scene, BRANCH, COMMIT, PUSH)
    scene.work()
    assert "nothing is sent to another place" in results(scene, run)["branch"]


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
