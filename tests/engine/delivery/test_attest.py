"""What a run's record says about a commit is in the repository's ref, whole or not at all, and goes along with a push."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, PUSH, approved, delivered, results
from tests.engine.scene import HUMAN, Scene, approval, command, phase
from tests.engine.step_scene import steps
from wfe_mcp.delivery.attestations import ref
from wfe_mcp.delivery.attestations.envelope import DECISION, TEST_RESULT, VERIFIED, OpenedEnvelope, open_envelope
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.engine.delivery.attest import attest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PIN = "correct horse"

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.delivery.attestations import ref
from wfe_mcp.workspace.git import own_refs

def die(*_args, **_keys):
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)

root, stage = Path(sys.argv[1]), sys.argv[2]
send, create = ref.Outbox.send, own_refs.create
if stage == "before the objects":
    ref.Outbox.send = die
elif stage == "before the ref":
    ref.Outbox.send = lambda self: (send(self), die())
else:
    own_refs.create = lambda *words: create(*words) and die()
ref.add(root, [("4" * 40, b"killed\\n")], datetime(2026, 3, 1, tzinfo=UTC))
"""


def read(root: Path, commit: str = "HEAD") -> list[OpenedEnvelope]:
    """The statements about the files of a commit; the signature of each holds."""
    ((tree, _),) = files_tree(root, [f"{commit}:"], "sha1")
    found = [open_envelope(raw) for raw in (ref.bundles(root) or {}).get(tree, [])]
    return [one for one in found if one is not None]


def checked(scene: Scene) -> str:
    """A run whose check passed and whose person approved; its files are committed."""
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    scene.check("test", "print('ok')")
    run = scene.start(phase("build", command("test"), approval()))
    scene.write("app.py", "VALUE = 2\n")
    scene.do(run, "build")
    scene.work()
    approvals.ask(scene.engine, scene.human, run, "build")
    approvals.decide(scene.engine, scene.human, run, "build")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "change")
    return run


def test_a_commit_has_the_decision_the_check_and_the_gates_of_its_run(scene: Scene) -> None:
    run = checked(scene)
    made = attest(scene.engine, run, "HEAD")
    found = {one.predicate_type: one for one in read(scene.root)}
    assert found.keys() == {DECISION, TEST_RESULT, VERIFIED}
    assert (made.decisions, made.results, made.statements) == (1, 1, 3)
    assert all(
        ("gitCommit", made.commit) in one.digests and ("gitTree", made.tree) in one.digests for one in found.values()
    )
    assert json.loads(found[DECISION].predicate["statement"])["run"] == run
    result = found[TEST_RESULT].predicate
    assert (result["result"], result["configuration"][0]["name"]) == ("PASSED", "check test")
    verdict = found[VERIFIED].predicate
    assert verdict.keys() == {"verifier", "timeCreated", "properties"}
    assert verdict["verifier"]["policies"][0]["name"] == "drill@1.0.0"
    assert verdict["properties"] == ["WFE_GATE_PASSED build after 0 command"]


def test_a_change_beside_submodules_and_converted_line_ends_is_proven_as_git_stores_it(
    scene: Scene, tmp_path: Path
) -> None:
    scene.git("init", "-q", str(tmp_path / "other"))
    (tmp_path / "other" / "inner.txt").write_text("1\n")
    scene.git("-C", str(tmp_path / "other"), "add", "-A")
    scene.git("-C", str(tmp_path / "other"), "commit", "-qm", "first")
    scene.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "other"), "lib")
    scene.write(".gitattributes", "*.bat text eol=crlf\n")
    (scene.root / "run.bat").write_bytes(b"@echo off\r\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a submodule, and a file for Windows")
    delivered(scene)
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    scene.check("test", "print('ok')")
    run = scene.start(phase("build", command("test"), approval()), steps(BRANCH, COMMIT, PUSH, MERGE, name="ship"))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    (scene.root / "new.bat").write_bytes(b"app\r\n")
    scene.submit(run, "build")
    scene.work()
    approvals.ask(scene.engine, scene.human, run, "build")
    approvals.decide(scene.engine, scene.human, run, "build")
    scene.work()
    assert scene.state(run).status == "completed", results(scene, run)
    assert {one.predicate_type for one in read(scene.root, "main")} == {DECISION, TEST_RESULT, VERIFIED}


def test_a_filter_of_the_user_that_fails_keeps_no_one_from_deciding(scene: Scene, home: Path) -> None:
    home.mkdir()
    scene.git("config", "--global", "filter.gone.clean", "false")
    scene.git("config", "--global", "filter.gone.required", "true")
    scene.write("a.bin", "1\n")
    scene.write(".gitattributes", "")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a file")
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    run = scene.start(phase("build", approval()))
    scene.begin(run, "build")
    scene.write("a.bin", "2\n")
    scene.write(".gitattributes", "*.bin filter=gone\n")
    scene.submit(run, "build")
    approvals.ask(scene.engine, scene.human, run, "build")
    approvals.decide(scene.engine, scene.human, run, "build")
    assert scene.state(run).status == "completed"


def test_the_same_record_adds_nothing_the_second_time(scene: Scene) -> None:
    run = checked(scene)
    first = attest(scene.engine, run, "HEAD")
    scene.clock.advance(days=1)
    assert attest(scene.engine, run, "HEAD") == first


def test_a_commit_of_other_files_has_no_statement_of_the_run(scene: Scene) -> None:
    run = checked(scene)
    scene.write("app.py", "VALUE = 3\n")
    scene.git("commit", "-q", "-a", "-m", "more")
    made = attest(scene.engine, run, "HEAD")
    assert (made.decisions, made.results, read(scene.root)) == (0, 0, [])
    assert [one.predicate_type for one in read(scene.root, "HEAD~1")] == [DECISION]


@pytest.mark.parametrize(("stage", "kept"), [("before the objects", 1), ("before the ref", 1), ("after the ref", 2)])
def test_a_process_that_is_killed_leaves_all_of_an_addition_or_none(scene: Scene, stage: str, kept: int) -> None:
    ref.add(scene.root, [("5" * 40, b"before\n")], NOW)
    done = subprocess.run([sys.executable, "-c", KILLED, str(scene.root), stage], env=os.environ, check=False)
    assert done.returncode != 0, done
    assert sum(map(len, (ref.bundles(scene.root) or {}).values())) == kept
    ref.add(scene.root, [("4" * 40, b"killed\n")], NOW)
    assert (ref.bundles(scene.root) or {}).keys() == {"4" * 40, "5" * 40}
    scene.git("fsck", "--strict")


def test_additions_at_the_same_time_are_all_kept(scene: Scene) -> None:
    with ThreadPoolExecutor(4) as pool:
        each = [pool.submit(ref.add, scene.root, [(f"{at}" * 40, b"one\n")], NOW) for at in range(8)]
        assert all(one.result() for one in each)
    assert len(ref.bundles(scene.root) or {}) == 8


def test_two_histories_of_the_ref_become_one_with_all_files(scene: Scene) -> None:
    first = ref.add(scene.root, [("1" * 40, b"one\n")], NOW)
    other = ref.add(scene.root, [("2" * 40, b"two\n")], NOW)
    scene.git("update-ref", ref.REF, first)
    assert ref.merge(scene.root, other, NOW) == other
    scene.git("update-ref", ref.REF, first)
    third = ref.add(scene.root, [("3" * 40, b"three\n")], NOW)
    both = ref.merge(scene.root, other, NOW)
    assert scene.git("rev-list", "--parents", "-1", ref.REF).split() == [both, third, other]
    assert (ref.bundles(scene.root) or {}).keys() == {"1" * 40, "2" * 40, "3" * 40}
    assert ref.merge(scene.root, first, NOW) == both


def test_a_file_whose_name_is_not_its_sha256_is_not_read(scene: Scene) -> None:
    blob = scene.git("hash-object", "-w", "app.py").strip()
    index = {**os.environ, "GIT_INDEX_FILE": str(scene.root / ".git" / "other")}
    name = f"44/{'4' * 38}/{'0' * 64}.json"
    for words in (("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}"), ("write-tree",)):
        done = subprocess.run(["git", *words], cwd=scene.root, env=index, check=True, capture_output=True, text=True)
    scene.git("update-ref", ref.REF, scene.git("commit-tree", "-m", "x", done.stdout.strip()).strip())
    assert ref.bundles(scene.root) == {}


def test_a_push_brings_the_attestations_of_here_and_of_there(scene: Scene) -> None:
    remote = delivered(scene)
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    ref.add(scene.root, [("5" * 40, b"of another clone\n")], NOW)
    scene.git("push", "-q", "origin", f"{ref.REF}:{ref.REF}")
    scene.git("update-ref", "-d", ref.REF)
    run = approved(scene, BRANCH, COMMIT, PUSH, MERGE)
    scene.work()
    assert results(scene, run)["merge"]["base"] == "main"
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", ref.REF], cwd=remote, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert f"55/{'5' * 38}" in {name.rpartition("/")[0] for name in listed}
    assert scene.git("rev-parse", ref.REF)
