"""What an agent writes into the repository never counts as brought by the base of the project."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.engine.evaluation.team import KEPT, LONG, THEIRS, Team, begin, verdict
from tests.engine.scene import Scene, phase
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.objects import object_id

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def team(scene: Scene) -> Team:
    return Team(scene)


def push_weaker_test_elsewhere(scene: Scene, team: Team) -> Path:
    """The remote leads to a repository of the agent, whose base has a weaker test; its place."""
    forged = scene.root.parent / "forged.git"
    team.git(scene.root.parent, "clone", "-q", "--bare", str(team.remote), str(forged))
    scene.write("tests/test_app.py", "def test_app():\n    pass\n")
    scene.git("commit", "-qam", "weaker")
    scene.git("remote", "set-url", "origin", str(forged))
    scene.git("push", "-q", "origin", "main")
    return forged


@pytest.mark.attack("the base is moved in the repository, to pass off a weakened test as its own", "held", "T15")
@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/remotes/origin/main"])
def test_a_local_name_of_the_base_proves_nothing(scene: Scene, team: Team, ref: str) -> None:
    scene.git("switch", "-q", "-c", "work")
    run = begin(scene)
    scene.write("tests/test_app.py", "def test_app():\n    pass\n")
    scene.git("commit", "-qam", "weaker")
    scene.git("update-ref", ref, "HEAD")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("the remote's address is changed to a repository with a weakened test", "held", "T15")
def test_another_address_of_the_remote_is_not_asked(scene: Scene, team: Team) -> None:
    run = begin(scene)
    push_weaker_test_elsewhere(scene, team)
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "nothing is sent to another place" in message


@pytest.mark.attack("a configuration with another address is written, without a person's trust", "held", "T4; T15")
def test_an_address_that_no_person_trusts_is_not_asked(scene: Scene, team: Team) -> None:
    run = begin(scene)
    forged = push_weaker_test_elsewhere(scene, team)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text("utf-8").replace(str(team.remote), str(forged)), "utf-8")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("the base is merged with the files of the agent, to undo a colleague's test unseen", "held", "T15")
def test_a_merge_that_keeps_other_files_brings_nothing(scene: Scene, team: Team) -> None:
    run = begin(scene)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": THEIRS})
    scene.git("fetch", "-q")
    scene.git("merge", "-q", "-s", "ours", "origin/main")
    scene.write("tests/test_app.py", "def test_app():\n    pass\n")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("a weaker state of a test that was on a branch merged into the base is brought in", "held", "T15")
def test_a_commit_beside_the_line_of_the_base_is_none_of_its_states(scene: Scene, team: Team) -> None:
    run = begin(scene)
    colleague = scene.root.parent / "colleague"
    team.pushes({"other.py": "OTHER = 1\n"})
    team.git(colleague, "switch", "-q", "-c", "topic")
    (colleague / "tests/test_app.py").write_text("def test_app():\n    pass\n", "utf-8")
    team.git(colleague, "commit", "-qam", "weaker")
    weaker = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=colleague, check=True, capture_output=True, text=True
    ).stdout.strip()
    (colleague / "tests/test_app.py").write_text(THEIRS, "utf-8")
    team.git(colleague, "commit", "-qam", "stronger")
    team.git(colleague, "switch", "-q", "main")
    team.git(colleague, "merge", "-q", "--no-ff", "-m", "topic", "topic")
    team.git(colleague, "push", "-q")
    scene.git("fetch", "-q")
    scene.git("merge", "-q", weaker)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("objects of the base are planted in the repository under its ids, with other bytes", "held", "T15")
@pytest.mark.parametrize("kind", ["tree", "commit"])
def test_an_object_whose_bytes_do_not_have_its_id_counts_for_nothing(scene: Scene, team: Team, kind: str) -> None:
    run = begin(scene)
    scene.git("commit", "-qam", "my work")
    team.pushes({"other.py": "OTHER = 1\n"})
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    team.pushes({"other.py": "OTHER = 2\n"})
    scene.git("fetch", "-q")
    weak = "def test_app():\n    pass\n"
    scene.write("tests/test_app.py", weak)
    repo = require_repository(scene.root)
    tree, commit = (scene.git("rev-parse", name).strip() for name in ("origin/main~1:tests", "origin/main~1"))
    scene.git("hash-object", "-w", "tests/test_app.py")
    if kind == "tree":
        plant(repo.objects, tree, 2, b"100644 test_app.py\0" + bytes.fromhex(blob_id(weak)))
    else:
        body = scene.git("cat-file", "commit", commit)
        scene.git("add", "-A")
        other = f"tree {scene.git('write-tree').strip()}"
        plant(repo.objects, commit, 1, f"{other}{body[len(other) :]}".encode())
    assert weak in scene.git("cat-file", "-p", "origin/main~1:tests/test_app.py"), "git believes it"
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("HEAD is moved back in an earlier phase, so that the base seems to weaken a test", "held", "T15")
def test_a_start_that_was_moved_back_does_not_say_where_the_base_was(scene: Scene, team: Team) -> None:
    weak = LONG.replace("assert 2 < 9", "pass")
    push_a_weakness_for_a_while(scene, team, weak)
    run = scene.start(phase("test", {"kind": "files", "within": ["tests/**"]}), phase("fix", KEPT))
    scene.begin(run, "test")
    scene.write("tests/test_app.py", LONG)
    scene.git("reset", "-q", "--soft", "origin/main~2")
    scene.submit(run, "test")
    scene.begin(run, "fix")
    scene.git("reset", "-q", "--soft", "origin/main~1")
    scene.write("tests/test_app.py", weak)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack(
    "the commit of the start is planted with an older parent, so that the base seems to weaken a test", "held", "T15"
)
def test_a_planted_start_does_not_say_where_the_base_was(scene: Scene, team: Team) -> None:
    weak = LONG.replace("assert 2 < 9", "pass")
    push_a_weakness_for_a_while(scene, team, weak)
    scene.git("commit", "-qam", "of the run", "--allow-empty")
    run = begin(scene)
    start, newest, oldest = (scene.git("rev-parse", name).strip() for name in ("HEAD", "origin/main", "origin/main~2"))
    body = scene.git("cat-file", "commit", start)
    plant(require_repository(scene.root).objects, start, 1, body.replace(newest, oldest).encode())
    scene.git("reset", "-q", "--soft", "origin/main~1")
    scene.write("tests/test_app.py", weak)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("a side of the merge at the start is planted, to hide what of the base it had", "held", "T15")
def test_a_planted_side_of_the_start_does_not_say_where_the_base_was(scene: Scene, team: Team) -> None:
    weak = LONG.replace("assert 2 < 9", "pass")
    push_a_weakness_for_a_while(scene, team, weak)
    newest, oldest = (scene.git("rev-parse", name).strip() for name in ("origin/main", "origin/main~2"))
    tree = scene.git("rev-parse", "HEAD^{tree}").strip()
    side = scene.git("commit-tree", tree, "-p", newest, "-m", "a side").strip()
    merge = scene.git("commit-tree", tree, "-p", oldest, "-p", side, "-m", "a merge").strip()
    scene.git("reset", "-q", "--soft", merge)
    run = begin(scene)
    body = scene.git("cat-file", "commit", side)
    plant(require_repository(scene.root).objects, side, 1, body.replace(newest, oldest).encode())
    scene.git("reset", "-q", "--soft", "origin/main~1")
    scene.write("tests/test_app.py", weak)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


def push_a_weakness_for_a_while(scene: Scene, team: Team, weak: str) -> None:
    """The base has a test, then a weaker one, then the test again; all of it is pulled."""
    for text in (LONG, weak, LONG):
        team.pushes({"tests/test_app.py": text})
    team.pulls()


def blob_id(text: str) -> str:
    return object_id("blob", text.encode(), "sha1")


def plant(objects: Path, oid: str, kind: int, content: bytes) -> None:
    """Pack ``content`` under the id of another object: git reads packs first, and does not hash what it reads of them."""
    size, head = len(content) >> 4, bytearray([kind << 4 | len(content) & 15])
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    body = bytes(head) + zlib.compress(content)
    pack = b"PACK" + struct.pack(">II", 2, 1) + body
    pack += hashlib.sha1(pack).digest()
    fanout = b"".join(struct.pack(">I", byte >= int(oid[:2], 16)) for byte in range(256))
    index = b"\xfftOc" + struct.pack(">I", 2) + fanout + bytes.fromhex(oid)
    index += struct.pack(">II", zlib.crc32(body), 12) + pack[-20:]
    index += hashlib.sha1(index).digest()
    (objects / oid[:2] / oid[2:]).unlink(missing_ok=True)
    (objects / "pack").mkdir(exist_ok=True)
    (objects / "pack/pack-planted.pack").write_bytes(pack)
    (objects / "pack/pack-planted.idx").write_bytes(index)
