"""What reviewers of an opinion gate are shown of the files: the change by the bytes on disk, and pictures."""

from collections.abc import Callable

import pytest

from tests.engine.model_scene import ROLES, configure, gate, opinion, server
from tests.engine.scene import HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.evaluation.reviews import Changes, Subject, question_of
from wfe_mcp.engine.runs import control

pytestmark = pytest.mark.usefixtures("home")

STOP = [{"do": "wait_human"}]


@pytest.mark.requirement("S0-39")
def test_reviewers_of_work_on_files_see_what_changed_and_are_asked_again_when_it_changes_again(scene: Scene) -> None:
    scene.check("ok", "pass")
    with server([opinion(), opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(), command("ok"), approval()), roles=ROLES)
        scene.begin(run, "plan")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "plan")
        scene.write("app.py", "VALUE = 3\n")
        assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
        scene.work()
        assert scene.attempt(run, "plan").status == "awaiting"
    assert ["+VALUE = 2" in str(asked.body) for asked in models.asked] == [True, False]
    assert "+VALUE = 3" in str(models.asked[1].body)


def hide_by_an_exclude_file(scene: Scene) -> None:
    (scene.root / ".git/info").mkdir(exist_ok=True)
    (scene.root / ".git/info/exclude").write_text("*.py\n")


def hide_by_an_attribute(scene: Scene) -> None:
    (scene.root / ".git/info").mkdir(exist_ok=True)
    (scene.root / ".git/info/attributes").write_text("*.py -diff\n")


def hide_by_a_bit_of_the_index(scene: Scene) -> None:
    scene.git("update-index", "--assume-unchanged", "app.py")


def hide_by_a_filter(scene: Scene) -> None:
    (scene.root / ".git/info").mkdir(exist_ok=True)
    (scene.root / ".git/info/attributes").write_text("*.py filter=old\n")
    scene.git("config", "--global", "filter.old.clean", "git cat-file blob HEAD:app.py")


@pytest.mark.attack("hide a changed file from the reviewers by the configuration or the index of git", "held", "T15")
@pytest.mark.parametrize(
    "hide", [hide_by_an_exclude_file, hide_by_an_attribute, hide_by_a_bit_of_the_index, hide_by_a_filter]
)
@pytest.mark.parametrize("is_new", [False, True])
def test_neither_configuration_nor_index_of_git_hides_a_change_from_the_reviewers(
    scene: Scene, hide: Callable[[Scene], None], is_new: bool
) -> None:
    if is_new and hide is hide_by_a_bit_of_the_index:
        pytest.skip("the index has no new file")
    scene.check("ok", "pass")
    scene.write("app.py", "VALUE = 1\n")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "app")
    with server([opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(), command("ok"), approval()), roles=ROLES)
        scene.begin(run, "plan")
        scene.write("more.py" if is_new else "app.py", "VALUE = 2\n")
        hide(scene)
        scene.submit(run, "plan")
    assert "+VALUE = 2" in str(models.asked[0].body)


def test_reviewers_of_a_second_attempt_see_what_the_first_one_changed_too(scene: Scene) -> None:
    scene.check("ok", "pass")
    with server([opinion("fail"), opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(), command("ok"), approval()), roles=ROLES)
        scene.begin(run, "plan")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "plan")
        scene.git("add", "-A")
        scene.git("commit", "-q", "-m", "first try")
        scene.begin(run, "plan")
        scene.write("more.py", "MORE = 3\n")
        scene.submit(run, "plan")
    assert ["+VALUE = 2" in str(asked.body) for asked in models.asked] == [True, True]
    assert "+MORE = 3" in str(models.asked[1].body)


@pytest.mark.attack("a change is hidden from its reviewers behind so much text that it is cut", "detected", "T10; T15")
def test_a_pass_of_reviewers_who_saw_the_beginning_alone_is_a_warning(scene: Scene) -> None:
    scene.check("ok", "pass")
    with server([opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(), command("ok"), approval()), roles=ROLES)
        scene.begin(run, "plan")
        scene.write("a.txt", "nothing to see\n" * 4_000)
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "plan")
    assert "+VALUE = 2" not in str(models.asked[0].body)
    verdict = scene.attempt(run, "plan").verdicts[0]
    assert verdict.outcome is GateOutcome.WARNING
    assert verdict.message.startswith("too long to be shown whole to a reviewer: What changed in the files\n")


@pytest.mark.attack("letters that no one sees give orders to a model that reviews", "detected", "T10; A1")
def test_what_no_one_sees_is_written_out_for_reviewers_and_an_emoji_is_not() -> None:
    asked = question_of(Subject("", (("What was made", "Fine \u26a0\ufe0f\r\n\U000e0070\u200b"),))).prompt
    assert "Fine \u26a0\ufe0f\r\n<U+E0070><U+200B>" in asked


def test_reviewers_learn_where_the_files_cannot_be_compared(scene: Scene) -> None:
    assert "The changed files cannot be shown: " in Changes(scene.root, "0" * 40, ()).text()


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf00000003000100c9fe92ef0000000049454e44ae426082"
)


@pytest.mark.requirement("S4-27")
def test_reviewers_see_the_pictures_that_the_gate_names(scene: Scene) -> None:
    with server([opinion("fail"), opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(images=["shots/*.png"]), on_fail=STOP), roles=ROLES)
        no = scene.do(run, "plan")
        assert no.error is not None
        assert "shots' does not exist" in no.error.message
        (scene.root / "shots").mkdir()
        control.retry(scene.engine, HUMAN, run, "plan")
        no = scene.do(run, "plan")
        assert no.error is not None
        assert "There is no picture to look at: shots/*.png" in no.error.message
        assert models.count == 0
        (scene.root / "shots" / "home.png").write_bytes(PIXEL)
        (scene.root / "shots" / "notes.txt").write_text("no picture")
        control.retry(scene.engine, HUMAN, run, "plan")
        scene.do(run, "plan")
        control.retry(scene.engine, HUMAN, run, "plan")
        (scene.root / "shots" / "home.png").write_bytes(PIXEL + b"\0")
        assert scene.do(run, "plan").state == "completed"
    assert models.count == 2
    parts = models.asked[0].body["messages"][0]["content"]
    assert [part["type"] for part in parts].count("image") == 1


def test_too_many_pictures_are_not_sent(scene: Scene) -> None:
    with server() as models:
        configure(scene, models)
        (scene.root / "shots").mkdir()
        for number in range(9):
            (scene.root / "shots" / f"{number}.png").write_bytes(PIXEL)
        run = scene.start(phase("plan", gate(images=["shots/**"]), on_fail=STOP), roles=ROLES)
        no = scene.do(run, "plan")
    assert no.error is not None
    assert "9 pictures match" in no.error.message
    assert models.count == 0
