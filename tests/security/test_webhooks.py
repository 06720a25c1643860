"""Webhooks as a way out or in: what a clone says sends nothing, no address leads inside, no secret is written or shown."""

from pathlib import Path

import pytest

from tests.engine.scene import Scene, phase
from tests.engine.webhooks.receiver import configure, listed, receiving, secrets
from wfe_mcp.engine.webhooks.deliveries import send_test
from wfe_mcp.views.project.webhooks import webhooks_view

pytestmark = pytest.mark.usefixtures("home")


def a_run(scene: Scene) -> None:
    scene.do(scene.start(phase("plan")), "plan")
    scene.work()


@pytest.mark.attack("a cloned project names a webhook that gets what happens", "held", "T6; A3")
def test_a_webhook_of_a_clone_is_sent_nothing_before_a_person_trusts_it(scene: Scene) -> None:
    with receiving(scene, trusted=False) as receiver:
        a_run(scene)
        assert (receiver.heard, listed(scene)) == ([], [])


@pytest.mark.attack("trusted bytes are changed to send what happens to another address", "held", "T6; A3")
def test_a_changed_address_counts_only_once_it_is_trusted(scene: Scene) -> None:
    with receiving(scene) as receiver:
        scene.start(phase("plan"))
        configure(scene, receiver, trusted=False, events=["*"], url=f"{receiver.origin}/evil")
        a_run(scene)
        scene.clock.advance(minutes=10)
        scene.work()
        assert receiver.heard == []
        scene.trust_config()


@pytest.mark.attack("a project has a program started as its way of notification", "held", "T4; A3")
def test_a_project_says_nothing_about_notifications(scene: Scene, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    scene.write(".wfe/config.toml", f'[notify]\ndesktop = true\ncommand = ["/bin/sh", "-c", "touch {mark}"]\n')
    scene.trust_config()
    run = scene.start(phase("plan", {"kind": "approval", "assurance": "human"}))
    scene.do(run, "plan")
    scene.work()
    assert not mark.exists()
    assert scene.engine.settings().settings.notify.command == []


@pytest.mark.attack("a webhook is led to an address inside", "held", "T6")
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.1.2.3/x",
        "https://192.168.0.1/x",
        "https://0.0.0.0/x",
        "https://2130706433/x",
        "https://[64:ff9b::a00:1]/x",
    ],
)
def test_no_webhook_reaches_an_address_inside(scene: Scene, url: str) -> None:
    with receiving(scene) as receiver:
        configure(scene, receiver, url=url)
        send_test(scene.engine, "n8n")
        scene.work()
        (found,) = listed(scene)
        assert found.state == "failed"
        assert "not on the public internet" in found.error


@pytest.mark.attack("a webhook goes out over plain http, or with a user name in its address", "held", "T6")
@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "https://user:pass@example.org/x"])
def test_an_address_without_tls_or_with_a_password_does_not_count(scene: Scene, url: str) -> None:
    with receiving(scene) as receiver:
        configure(scene, receiver, url=url)
        assert scene.engine.settings().settings.webhooks == {}
        a_run(scene)
        assert listed(scene) == []


@pytest.mark.attack("a receiver answers with a redirect to an address inside", "held", "T6")
def test_a_redirect_is_not_followed(scene: Scene) -> None:
    with receiving(scene) as receiver:
        receiver.answer = lambda _: (307, {"Location": "http://169.254.169.254/"}, b"")
        send_test(scene.engine, "n8n")
        scene.work()
        assert len(receiver.heard) == 1
        assert listed(scene)[0].state == "failed"


@pytest.mark.attack("the secret of a webhook is read in the database, a log, an event or a page", "held", "T5; A3")
def test_the_secret_is_in_no_file_and_no_answer(scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(scene) as receiver:
        (secret,) = secrets(scene)
        receiver.answer = lambda one: (500, {}, one.headers["webhook-signature"].encode() + secret.encode())
        a_run(scene)
        shown = repr(webhooks_view(scene.engine)) + repr(listed(scene)) + caplog.text
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    bare = secret.removeprefix("whsec_")
    assert bare not in shown
    assert bare.encode() not in written
    assert "secret-path" not in shown
