"""Webhooks: what happens reaches its receiver at least once, in order, signed, whatever happens to either side."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from scripts.event_schemas import schema_of
from tests.engine.scene import AGENT, HUMAN, Scene, approval, expr, phase
from tests.engine.webhooks.receiver import Heard, Receiver, configure, listed, receiving, secrets, states
from wfe_mcp.core.commands import RecordOperation
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.operation_events import OperationCalled, OperationIntended, OperationObserved
from wfe_mcp.core.public_events import EVENTS
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.background.daemon import gave_up_of
from wfe_mcp.engine.background.queues import cancel_job
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.webhooks import sending
from wfe_mcp.engine.webhooks.deliveries import delivery_of, receivers, redeliver, send_test
from wfe_mcp.engine.webhooks.sending import retry_after_s
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.answers import tool_answers

pytestmark = pytest.mark.usefixtures("home")

TWO = (phase("plan"), phase("build", needs=["plan"]))
ALL_OF_TWO = ["run.state_changed", "phase.completed", "phase.completed", "run.state_changed", "run.completed"]


def types(receiver: Receiver) -> list[str]:
    return [one.body["type"] for one in receiver.accepted]


def two_phases(scene: Scene) -> str:
    run = scene.start(*TWO)
    scene.do(run, "plan")
    scene.do(run, "build")
    return run


@pytest.mark.requirement("S4-28", "B-28")
def test_the_events_of_a_run_reach_the_receiver_in_their_order(scene: Scene) -> None:
    with receiving(scene) as receiver:
        run = two_phases(scene)
        scene.work()

    assert types(receiver) == ALL_OF_TWO
    assert [one.body["sequence"] for one in receiver.heard] == [1, 2, 3, 4, 5]
    assert {one.body["data"]["run"] for one in receiver.heard} == {run}
    assert states(scene) == ["delivered"] * 5


def test_decisions_failed_gates_and_work_items_are_sent(scene: Scene) -> None:
    with receiving(scene) as receiver:
        run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 3}"), approval()))
        scene.do(run, "plan", {"title": "no"})
        scene.do(run, "plan")
        approvals.reject(scene.engine, HUMAN, run, "plan", "secret words of a person")
        scene.do(run, "plan")
        approvals.ask(scene.engine, HUMAN, run, "plan")
        approvals.decide(scene.engine, HUMAN, run, "plan")
        bug = add_item(scene.engine, AGENT, "bug", {"title": "secret words of a title"})
        change_item(scene.engine, AGENT, bug.id, {"priority": 9})
        scene.work()

    sent = [one.body for one in receiver.accepted]
    assert {one["type"] for one in sent} >= {
        *("gate.failed", "approval.requested", "approval.decided", "run.completed"),
        *("item.created", "bug.created", "item.changed"),
    }
    assert [one["data"]["decision"] for one in sent if one["type"] == "approval.decided"] == ["rejected", "approved"]
    assert [one["data"]["changed"] for one in sent if one["type"] == "item.changed"] == [["priority"]]
    assert not any(b"secret words" in one.content for one in receiver.heard)
    for body in sent:
        jsonschema_rs.validator_for(schema_of(body["type"])).validate(body)


def test_a_webhook_gets_only_what_it_asked_for(scene: Scene) -> None:
    with receiving(scene, events=["phase.*"], templates=["other"]) as receiver:
        two_phases(scene)
        configure(scene, receiver, events=["run.completed"], templates=["drill"])
        two_phases(scene)
        configure(scene, receiver, projects=["another"])
        two_phases(scene)
        configure(scene, receiver, enabled=False)
        two_phases(scene)
        scene.work()

    assert types(receiver) == ["run.completed"]


@pytest.mark.requirement("S4-28", "B-28")
def test_the_library_of_the_specification_accepts_the_signature_of_these_bytes_at_this_time(scene: Scene) -> None:
    scene.clock.now = datetime.now(UTC)
    with receiving(scene) as receiver:
        (secret,) = secrets(scene)
        two_phases(scene)
        scene.work()

    for one in receiver.heard:
        assert Webhook(secret).verify(one.content, one.headers) == one.body
        for headers, content in (
            ({**one.headers, "webhook-timestamp": str(int(one.headers["webhook-timestamp"]) + 1)}, one.content),
            (one.headers, one.content + b" "),
            ({**one.headers, "webhook-id": "another"}, one.content),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(content, headers)


@pytest.mark.requirement("B-28")
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("by", ["node:crypto", "standardwebhooks"])
def test_a_receiver_in_node_accepts_the_signature(scene: Scene, tmp_path: Path, by: str) -> None:
    folder = Path(__file__).parents[3] / "web"
    if by == "standardwebhooks" and not (folder / "node_modules" / by).is_dir():
        pytest.skip("needs the packages of web/: npm ci")
    scene.clock.now = datetime.now(UTC)
    with receiving(scene) as receiver:
        (secret,) = secrets(scene)
        two_phases(scene)
        scene.work()
    heard = [{"headers": one.headers, "body": one.content.decode()} for one in receiver.heard]
    file = tmp_path / "heard.json"
    file.write_text(json.dumps({"secret": secret, "heard": heard}), encoding="utf-8")

    script = Path(__file__).with_name("verify.mjs")
    words = ["node", str(script), str(file), *([str(folder)] if by == "standardwebhooks" else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, f"5 by {by}"), done.stderr


@pytest.mark.requirement("B-28")
def test_an_outage_of_a_day_is_made_up_for_in_order(scene: Scene) -> None:
    with receiving(scene) as receiver:
        receiver.stop()
        runs = [two_phases(scene), two_phases(scene)]
        scene.work()
        for _ in range(24):
            scene.clock.advance(hours=1)
            scene.work()
        assert set(states(scene)) == {"waiting", "behind"}
        receiver.start()
        for _ in range(24):
            scene.clock.advance(hours=1)
            scene.work()

    assert states(scene) == ["delivered"] * 10
    for run in runs:
        own = [one.body for one in receiver.heard if one.body["data"]["run"] == run]
        assert [one["type"] for one in own] == ALL_OF_TWO
        assert [one["sequence"] for one in own] == [1, 2, 3, 4, 5]


def test_a_message_is_given_up_after_three_days_and_the_next_one_is_tried(scene: Scene) -> None:
    with receiving(scene, events=["phase.completed"]) as receiver:
        receiver.answer = lambda _: (500, {}, b"out of order")
        two_phases(scene)
        for _ in range(80):
            scene.work()
            scene.clock.advance(hours=1)
        found = listed(scene)
        assert [each.state for each in found] == ["failed", "failed"]
        assert found[0].tries >= 8
        assert "it answered 500" in found[0].error
        assert f"wfe-mcp webhook redeliver {found[0].job}" in found[0].error

        receiver.answer = lambda _: (200, {}, b"")
        receiver.heard.clear()
        assert len(redeliver(scene.engine, failed=True)) == 2
        scene.work()
        assert redeliver(scene.engine, failed=True) == []
        assert [(each.waiting, each.failed) for each in receivers(scene.engine)] == [(0, 0)]

    assert [one.id for one in receiver.heard] == [each.job for each in found]
    assert [one.body["sequence"] for one in receiver.heard] == [1, 2]


Reply = tuple[int, dict[str, str], bytes] | None
WRONG: list[tuple[Reply, str]] = [
    ((500, {}, b"no"), "it answered 500"),
    ((302, {"Location": "/elsewhere"}, b""), "it answered 302, a redirect, which is not followed"),
    (None, "the connection broke"),
    ((404, {}, b"x" * 3_000_000), "it answered 404"),
]


@pytest.mark.parametrize(("answer", "says"), WRONG)
def test_a_wrong_answer_is_tried_again_and_names_no_path(scene: Scene, answer: Reply, says: str) -> None:
    with receiving(scene, events=["run.completed"]) as receiver:
        receiver.answer = lambda _: answer
        two_phases(scene)
        scene.work()
        (waiting,) = listed(scene)
        assert (waiting.state, waiting.tries) == ("waiting", 1)
        assert says in waiting.error
        assert "secret-path" not in waiting.error
        assert 5 <= (datetime.fromisoformat(waiting.next_try) - scene.clock()).total_seconds() <= 6

        receiver.answer = lambda _: (200, {}, b"y" * 3_000_000)
        scene.clock.advance(seconds=6)
        scene.work()

    assert states(scene) == ["delivered"]
    assert {one.path for one in receiver.heard} == {"/in/secret-path"}
    assert len({one.id for one in receiver.heard}) == 1


@pytest.mark.requirement("B-28")
def test_a_slow_receiver_is_given_up_on_in_time_and_gets_it_again_under_the_same_id(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def slow(_: Heard) -> tuple[int, dict[str, str], bytes]:
        assert answered.wait(60)
        return (200, {}, b"")

    monkeypatch.setattr(sending, "TIMEOUT_S", 0.2)
    with receiving(scene, events=["run.completed"]) as receiver:
        receiver.answer = slow
        two_phases(scene)
        scene.work()
        (waiting,) = listed(scene)
        answered.set()
        assert (waiting.state, waiting.tries) == ("waiting", 1)
        assert "no complete answer within 0.2 s" in waiting.error

        receiver.answer = lambda _: (200, {}, b"")
        scene.clock.advance(seconds=6)
        scene.work()

    assert states(scene) == ["delivered"]
    assert [one.id for one in receiver.heard] == [waiting.id] * 2


def test_a_receiver_says_when_to_try_again_and_when_never(scene: Scene) -> None:
    with receiving(scene, events=["run.completed"]) as receiver:
        receiver.answer = lambda _: (429, {"Retry-After": "3600"}, b"")
        two_phases(scene)
        scene.work()
        (later,) = listed(scene)
        assert (datetime.fromisoformat(later.next_try) - scene.clock()).total_seconds() == 3600

        receiver.answer = lambda _: (410, {}, b"")
        scene.clock.advance(hours=1)
        scene.work()

    (over,) = listed(scene)
    assert over.state == "failed"
    assert over.error.endswith(f": wfe-mcp webhook redeliver {over.job}")  # people read it: no code
    assert retry_after_s("Sun, 01 Mar 2026 12:00:10 GMT", datetime(2026, 3, 1, 12, tzinfo=UTC)) == 10
    assert retry_after_s("soon", scene.clock()) == 0
    assert retry_after_s("Sun, 01 Mar 99999999999999999999 12:00:10 GMT", scene.clock()) == 0


def test_a_cancelled_delivery_lets_the_next_one_go(scene: Scene) -> None:
    with receiving(scene, events=["phase.completed"]) as receiver:
        receiver.stop()
        two_phases(scene)
        scene.work()
        first, behind = listed(scene)
        assert (first.state, behind.state) == ("waiting", "behind")
        receiver.start()
        cancel_job(scene.engine, HUMAN, first.job, gave_up_of(scene.engine))
        scene.work()

    assert states(scene) == ["cancelled", "delivered"]
    assert [one.id for one in receiver.heard] == [behind.job]


@pytest.mark.requirement("B-28")
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
@pytest.mark.parametrize("answers", [False, True])
def test_kill_9_of_the_sender_loses_nothing_and_keeps_the_order(scene: Scene, tmp_path: Path, *, answers: bool) -> None:
    with receiving(scene, events=["phase.completed"]) as receiver:
        run = scene.start(*TWO)
        scene.begin(run, "plan")
        tool_answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact={"title": "A good title"})
        words = [sys.executable, "-m", "tests.engine.webhooks.sender", scene.url]
        env = scene.environment | {name: os.environ[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        with subprocess.Popen([*words, str(scene.root)], env=env, cwd=Path.cwd()) as child:

            def kill(_: Heard) -> tuple[int, dict[str, str], bytes] | None:
                receiver.answer = lambda _: (200, {}, b"")
                os.kill(child.pid, signal.SIGKILL)
                return (200, {}, b"") if answers else None

            receiver.answer = kill
            assert child.wait(60) == -signal.SIGKILL
        scene.do(run, "build")
        scene.work()

    assert [one.body["sequence"] for one in receiver.heard] == [1, 1, 2]
    assert receiver.heard[0].id == receiver.heard[1].id
    assert receiver.heard[0].content == receiver.heard[1].content
    assert states(scene) == ["delivered"] * 2


def test_a_test_is_tried_once_and_a_missing_secret_is_said(scene: Scene) -> None:
    with receiving(scene) as receiver:
        configure(scene, receiver, secret="other")
        job = send_test(scene.engine, "n8n")
        scene.work()
        assert receiver.heard == []
        assert delivery_of(scene.engine, job).state == "failed"
        assert "wfe-mcp webhook rotate" in delivery_of(scene.engine, job).error

    with pytest.raises(Refused, match="There is no webhook 'n9n'"):
        send_test(scene.engine, "n9n")
    with pytest.raises(Refused, match="No delivery begins with 'nope'"):
        redeliver(scene.engine, ["nope"])


def test_a_cloudevent_says_the_same(scene: Scene) -> None:
    with receiving(scene, format="cloudevents", events=["run.completed"]) as receiver:
        run = two_phases(scene)
        scene.work()

    (one,) = receiver.heard
    assert one.headers["content-type"] == "application/cloudevents+json"
    body = one.body
    assert (body["specversion"], body["id"], body["type"], body["subject"]) == ("1.0", one.id, "run.completed", run)
    assert body["data"] == {"project": scene.engine.project_id, "run": run, "template": "drill"}


def test_a_deployment_is_sent_as_its_operations_are_recorded(scene: Scene) -> None:
    with receiving(scene, events=["deployment.*"]) as receiver:
        run = scene.start(*TWO)
        target = {"environment": "staging"}
        proof = {"of": "deploy:ship:go:1", "part": "health", "last": True, **target}
        back = {"of": "deploy:ship:go:2", "part": "rollback", **target}
        for event in (
            OperationIntended(key="deploy:ship:go:1", kind="deploy", target=target, before={}),
            OperationCalled(key="deploy:ship:go:1"),
            OperationObserved(key="deploy:ship:go:1", after={"ok": True}),
            OperationIntended(key="health:ship:go:1", kind="health", target=proof, before={}),
            OperationObserved(key="health:ship:go:1", after={"ok": True}),
            OperationIntended(key="deploy:ship:go:2", kind="deploy", target=target, before={}),
            OperationObserved(key="deploy:ship:go:2", after={"ok": None}),
            OperationIntended(key="rollback:ship:go:2", kind="rollback", target=back, before={}),
            OperationObserved(key="rollback:ship:go:2", after={"ok": True}),
            OperationIntended(key="health:ship:ask:1", kind="health", target=target, before={}),
            OperationObserved(key="health:ship:ask:1", after={"ok": True}),
            OperationCalled(key="git.push:ship:go:1"),
        ):
            with change_run(scene.engine, run, SYSTEM) as change:
                change.give(RecordOperation(event=event, by=SYSTEM, at=change.at))
        scene.work()

    assert types(receiver) == [f"deployment.{each}" for each in ("started", "succeeded", "failed", "rolled_back")]
    assert {one.body["data"]["environment"] for one in receiver.heard} == {"staging"}
    for one in receiver.heard:
        jsonschema_rs.validator_for(schema_of(one.body["type"])).validate(one.body)


def test_every_event_has_a_schema() -> None:
    for name in EVENTS:
        jsonschema_rs.validator_for(schema_of(name))
