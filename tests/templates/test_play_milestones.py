"""``milestones``, played to its end with real commits: tasks in order, reviews with fixes, closeout, and the person."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import Envelope, PlayedRun, Script, Work, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in

ARCHIVE: dict[str, Any] = {
    "id": "M1",
    "title": "Write the archive",
    "goal": "A run becomes one file",
    "slug": "m1-archive",
    "tasks": [
        {"id": "T-2", "title": "List the artifacts", "acceptance": ["The list is complete"], "depends_on": ["T-1"]},
        {"id": "T-1", "title": "Stream into a zip", "acceptance": ["The zip opens"], "depends_on": []},
    ],
}
READER: dict[str, Any] = {
    "id": "M2",
    "title": "Read the archive",
    "tasks": [{"id": "T-3", "title": "Read the list", "acceptance": ["It is read"], "depends_on": ["T-2"]}],
}
PASS = Work({"verdict": "pass", "findings": [], "summary": "Every criterion has a test"})
FAIL = Work({"verdict": "fail", "findings": [{"severity": "high", "title": "T-1: an empty run breaks"}]})
FINISH = Work(
    {
        "version": "unreleased",
        "summary": "Runs can be exported",
        "changes": [{"kind": "added", "text": "Export a run as one file"}],
        "rollback": "git switch main",
    }
)


def task(key: str, **files: str) -> Work:
    return Work(
        {"summary": f"did {key}"}, {f"{key}.txt": f"{key}\n"} | {f"{name}.txt": it for name, it in files.items()}
    )


def note(milestone: str) -> Work:
    return Work({"front": {"milestone": milestone, "title": "Done"}, "body": "It is there.\n"})


def one_task(**phases: Sequence[Work]) -> Script:
    """M2 alone, with other work for its phases ``implement``, ``review``, ``fix`` and ``closeout``."""
    usual: dict[str, Sequence[Work]] = {"implement": [task("T-3")], "review": [PASS], "closeout": [note("M2")]}
    given = {**usual, **phases}
    return {
        "milestone[M2].task[T-3].implement": given["implement"],
        **{f"milestone[M2].accept[{at}].review": [work] for at, work in enumerate(given["review"], 1)},
        **{f"milestone[M2].accept[{at}].mend": [work] for at, work in enumerate(given.get("mend", ()), 2)},
        "milestone[M2].closeout": given["closeout"],
        "finish": [FINISH],
    }


class Committer:
    """An agent that commits before it submits: per phase the messages, "" to forget it, "amend …" to change the last."""

    def __init__(self, project: Playground, call: Any, commits: Mapping[str, Sequence[str]]) -> None:
        self._project, self._call = project, call
        self._commits = {phase: list(messages) for phase, messages in commits.items()}

    def __call__(self, tool: str, /, **arguments: Any) -> Envelope:
        if tool == "submit_artifact" and self._commits.get(arguments["phase"]):
            self._commit(arguments["phase"], self._commits[arguments["phase"]].pop(0))
        return self._call(tool, **arguments)

    def _commit(self, phase: str, message: str) -> None:
        branch = "ai/m1-archive" if phase.startswith("milestone[M1]") else "ai/M2"
        if branch != self._project.git("branch", "--show-current").strip():
            self._project.git("switch", "-q", "-c", branch)
        self._project.git("add", ".", ":!.wfe")
        if message:
            amend = ["--amend"] if message.startswith("amend ") else []
            self._project.git("commit", "-q", *amend, "-m", message.removeprefix("amend "))


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as made:
        yield made


def play(
    project: Playground, milestones: list[dict[str, Any]], script: Script, commits: Mapping[str, Sequence[str]]
) -> PlayedRun:
    with project.agent() as agent:
        call = Committer(project, agent.call, commits)
        return drive(
            call, project.root, "milestones", {"plan": {"milestones": milestones}}, script, person=project.approve
        )


def log(project: Playground) -> list[str]:
    return project.git("log", "--reverse", "--format=%s").splitlines()


def begun(played: PlayedRun) -> list[Envelope]:
    return [answer for tool, answer in played.steps if tool == "start_phase" and answer["ok"]]


def started(played: PlayedRun) -> list[str]:
    return [answer["phase"] for answer in begun(played)]


def diagnosis(kind: str, *, human_required: bool = False) -> Work:
    answer = {"cause": "broken.txt is there", "evidence": ["exit code 1"], "next_step": "Take it away"}
    return Work({"class": kind, "fingerprint": f"{kind}:M2:T-3", "human_required": human_required, **answer})


def reason(project: Playground, run: str) -> str:
    """Why the task waits, as the run remembers it."""
    with project.engine.store.read() as tx:
        return project.engine.load(tx, run).state.attempts[PhasePath(TASK)][-1].reason


TASK = "milestone[M2].task[T-3].implement"
RECOVERY = f"{TASK}[recovery-1]"
STUCK = [task("T-3", broken="x"), Work({"summary": "tried"}, {"a.txt": ""}), Work({"summary": "tried"}, {"b.txt": ""})]
AGAIN = ["T-3: read the list", *["amend T-3: read the list"] * 3]
"""The messages of a task that is tried four times."""

COMMIT_3: Mapping[str, Sequence[str]] = {TASK: ["T-3: read the list"]}


@pytest.mark.requirement("S3-01", "S3-16")
def test_each_milestone_becomes_a_branch_and_each_task_a_commit_in_the_order_of_the_needs(project: Playground):
    script = {
        "milestone[M1].task[T-1].implement": [task("T-1")],
        "milestone[M1].task[T-2].implement": [task("T-2")],
        "milestone[M1].accept[1].review": [PASS],
        "milestone[M1].closeout": [note("M1")],
        **one_task(),
    }
    commits = {
        "milestone[M1].task[T-1].implement": ["T-1: stream into a zip"],
        "milestone[M1].task[T-2].implement": ["T-2: list the artifacts"],
        **COMMIT_3,
    }

    played = play(project, [ARCHIVE, READER], script, commits)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["needs_human"]
    assert started(played) == list(script)
    assert log(project)[1:] == ["T-1: stream into a zip", "T-2: list the artifacts", "T-3: read the list"]
    branches = project.git("branch", "--format=%(refname:short)").split()
    assert {"ai/m1-archive", "ai/M2"} <= set(branches)
    assert project.git("log", "-1", "--format=%s", "ai/m1-archive").strip() == "T-2: list the artifacts"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-19", "S3-18")
def test_a_task_whose_check_fails_is_fixed_in_its_one_commit(project: Playground):
    work = [task("T-3", broken="x"), Work({"summary": "repaired"}, {"broken.txt": None})]
    commits = {"milestone[M2].task[T-3].implement": ["T-3: read the list", "amend T-3: read the list"]}

    played = play(project, [READER], one_task(implement=work), commits)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["gate_failed", "needs_human"]
    assert log(project)[1:] == ["T-3: read the list"]
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-22")
def test_a_task_whose_check_keeps_failing_is_tried_again_after_a_recovery(project: Playground):
    script = {
        **one_task(implement=[*STUCK, Work({"summary": "did T-3, its cause mended"})]),
        f"{RECOVERY}.diagnose": [diagnosis("failed_checks")],
        f"{RECOVERY}.mend": [Work({"summary": "nothing breaks it"}, {"broken.txt": None})],
    }

    played = play(project, [READER], script, {TASK: AGAIN})

    assert played.last["run_state"] == "completed"
    assert played.codes == [*["gate_failed"] * 3, "needs_human"]
    assert started(played)[:6] == [*[TASK] * 3, f"{RECOVERY}.diagnose", f"{RECOVERY}.mend", TASK]
    diagnose, mend, again = (answer["data"] for answer in begun(played)[3:6])
    assert "M2:T-3" in diagnose["prompt"]
    assert "Check 'test'" in diagnose["prompt"]
    assert "It is read" in diagnose["prompt"]
    assert "broken.txt is there" in mend["prompt"]
    assert "recovery-1" in str(again["feedback"])
    assert log(project)[1:] == ["T-3: read the list"]
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-22")
@pytest.mark.parametrize(
    "kind", ["credentials", "secret", "product_decision", "destructive", "branch_protection", "approval"]
)
def test_a_failure_that_is_a_persons_is_never_fixed_by_itself(project: Playground, kind: str):
    script = {
        **one_task(implement=STUCK),
        f"{RECOVERY}.diagnose": [diagnosis(kind), diagnosis(kind, human_required=True)],
    }

    played = play(project, [READER], script, {TASK: AGAIN})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert played.codes == ["gate_failed"] * 4, "the first diagnosis says that no person is needed"
    assert f"{RECOVERY}.mend" not in started(played)
    assert f"A person is needed ({kind}:M2:T-3): broken.txt is there" in reason(project, played.run)
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-22")
def test_a_recovery_that_fixes_nothing_leaves_the_task_to_a_person(project: Playground):
    script = {
        **one_task(implement=[*STUCK, Work({"summary": "did T-3"})]),
        f"{RECOVERY}.diagnose": [diagnosis("failed_checks")],
        f"{RECOVERY}.mend": [Work({"summary": "no idea"}), Work({"summary": "still none"})],
    }

    played = play(project, [READER], script, {TASK: AGAIN})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert played.codes.count("gate_failed") == 5
    assert "Its recovery failed" in reason(project, played.run)
    project.write({"check.py": CHECK.replace("assertFalse", "assertTrue")})
    control.retry(project.engine, stand_in(project.engine), played.run, TASK)
    with project.agent() as agent:
        call = Committer(project, agent.call, {TASK: ["amend T-3: read the list"]})
        over = resume(call, project.root, played.run, script, person=project.approve)
    assert over.last["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.parametrize("commit", ["read the list", ""], ids=["other message", "no commit"])
@pytest.mark.requirement("S3-22")
def test_a_task_that_is_never_committed_as_it_should_be_waits_for_a_person(project: Playground, commit: str):
    script = {
        **one_task(implement=[task("T-3", again=str(at)) for at in range(4)]),
        f"{RECOVERY}.diagnose": [diagnosis("local_git")],
        f"{RECOVERY}.tidy": [Work({"summary": "the commit is named as told"})],
    }

    played = play(project, [READER], script, {TASK: [commit] * 4})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert played.codes.count("gate_failed") == 4
    assert started(played).count(f"{RECOVERY}.diagnose") == 1, "one recovery, however often it fails"
    assert "finish" not in started(played)
    assert project.problems(played.run) == []


def test_what_the_review_finds_is_fixed_and_looked_at_again(project: Playground):
    script = one_task(review=[FAIL, PASS], mend=[Work({"summary": "repaired"}, {"empty.txt": ""})])
    commits = {**COMMIT_3, "milestone[M2].accept[2].mend": ["M2: an empty run has a list"]}

    played = play(project, [READER], script, commits)

    assert played.last["run_state"] == "completed"
    (lines,) = [answer for tool, answer in played.steps if tool == "start_phase" and answer["phase"].endswith(".mend")]
    assert "T-1: an empty run breaks" in lines["data"]["prompt"]
    assert log(project)[1:] == ["T-3: read the list", "M2: an empty run has a list"]
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-23")
def test_a_milestone_that_never_passes_its_review_waits_for_a_person_who_may_take_it_as_it_is(project: Playground):
    repairs = [Work({"summary": "repaired"}, {f"try-{at}.txt": ""}) for at in (2, 3)]
    script = one_task(review=[FAIL] * 3, mend=repairs)
    commits = {**COMMIT_3, **{f"milestone[M2].accept[{at}].mend": [f"M2: try {at}"] for at in (2, 3)}}

    played = play(project, [READER], script, commits)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    control.force_accept(
        project.engine, stand_in(project.engine), played.run, "milestone[M2].accept", "known, comes with M3"
    )
    with project.agent() as agent:
        over = resume(agent.call, project.root, played.run, script, person=project.approve)
    assert over.last["run_state"] == "completed"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-20")
def test_a_note_of_another_milestone_does_not_close_this_one(project: Playground):
    played = play(project, [READER], one_task(closeout=[note("M1"), note("M2")]), COMMIT_3)

    assert played.last["run_state"] == "completed"
    assert played.codes == ["gate_failed", "needs_human"]


@pytest.mark.requirement("S3-04")
def test_what_is_imported_from_milestones_md_can_be_started():
    from wfe_mcp.artifacts.validate import validate
    from wfe_mcp.importers.milestones import read_milestones
    from wfe_mcp.resources import shipped_folder
    from wfe_mcp.workflow.load import load_definition

    plan = (
        read_milestones(
            "# Export\n\n## M1 - Write the archive\nGoal: A run becomes one file\nTasks:\n"
            "- Stream artifacts into a zip\n  Acceptance: The archive lists every artifact\n  Conflict: archive\n"
            "- Verify the archive after writing\n  Acceptance: A torn archive is refused\n  Backlog: BLG-001\n"
        )
        .import_plan()
        .plan
    )
    inputs = load_definition(shipped_folder("templates") / "milestones")["inputs"]
    assert validate(inputs, {"plan": plan}).faults == ()


def test_a_plan_with_blocking_problems_is_refused_at_the_start(project: Playground):
    plan = {"milestones": [READER], "quality": {"score": 40, "blocking": 1}}

    with project.agent() as agent:
        no = agent.call("start_run", template="milestones", inputs={"plan": plan})

    assert no["error"]["code"] == "bad_argument"
    assert no["error"]["details"][0]["path"] == "/inputs/plan/quality/blocking"
