"""What an agent writes into the repository never counts as brought by the base of the project."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.engine.evaluation.team import KEPT, LONG, OWN, THEIRS, Team, begin, begin_with_tests, verdict
from tests.engine.scene import Scene, phase
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.objects import object_id
from wfe_mcp.workspace.system.location import user_config_file

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


@pytest.mark.attack("the address of the base is written into your own configuration, without your trust", "held", "T15")
@pytest.mark.usefixtures("home")
def test_an_address_in_untrusted_user_configuration_is_not_asked(scene: Scene, team: Team) -> None:
    config = scene.root / ".wfe" / "config.toml"
    address = next(line for line in config.read_text("utf-8").splitlines() if line.startswith("address"))
    config.write_text(config.read_text("utf-8").replace(address, ""), "utf-8")
    scene.trust_config()
    run = begin(scene)
    forged = push_weaker_test_elsewhere(scene, team)
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[delivery]\n{address.replace(str(team.remote), str(forged))}\n", "utf-8")
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


# -- what both sides changed: only the bytes that a merge of the server's own gives ------------------------------------

MERGED = LONG.replace("AT_START", OWN).replace("AT_END", THEIRS)


@pytest.mark.attack("a line is slipped into a test that merging the base changes", "held", "T15")
@pytest.mark.parametrize(
    ("old", "new"),
    [("assert 2 < 9", "assert 2 < 9 or True"), (OWN, ""), (THEIRS, THEIRS + "\n\ndef test_0():\n    pass\n")],
    ids=["weakened", "taken out", "added"],
)
def test_a_merged_file_with_another_line_is_no_merge_of_the_base(scene: Scene, team: Team, old: str, new: str) -> None:
    run = begin_with_tests(scene, team)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    scene.git("fetch", "-q")
    scene.git("merge", "-q", "--no-commit", "origin/main")
    scene.write("tests/test_app.py", MERGED.replace(old, new))
    scene.git("commit", "-qam", "merge")
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "tests/test_app.py changed since the phase started" in message


@pytest.mark.attack("a conflict with the base is resolved by the agent, in favour of a weaker test", "held", "T15")
@pytest.mark.parametrize("side", ["ours", "theirs", "union"])
def test_a_conflict_that_the_agent_resolved_counts(scene: Scene, team: Team, side: str) -> None:
    run = begin_with_tests(scene, team)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_START", THEIRS).replace("AT_END", THEIRS)})
    scene.git("fetch", "-q")
    if side == "union":
        (scene.root / ".git/info/attributes").write_text("* merge=union\n", "utf-8")
    how = () if side == "union" else ("-X", side)
    scene.git("merge", "-q", *how, "origin/main")
    assert THEIRS in (scene.root / "tests/test_app.py").read_text("utf-8")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack(
    "attributes and configuration of the repository name a merge driver that weakens a test", "held", "T4; T15"
)
@pytest.mark.parametrize("place", [".gitattributes", ".git/info/attributes"])
def test_no_merge_driver_of_the_repository_makes_or_sees_the_merge(scene: Scene, team: Team, place: str) -> None:
    run = begin_with_tests(scene, team, {"kind": "files", "within": ["app.py", ".gitattributes"]})
    (scene.root / place).write_text("* merge=weak -text diff=weak filter=weak\n", "utf-8")
    weak = scene.root.parent / "weak.txt"
    weak.write_text("def test_app():\n    pass\n", "utf-8")
    seen = scene.root.parent / "seen"
    scene.git("config", "merge.weak.driver", f"touch '{seen}' && cp '{weak}' %A")
    scene.git("config", "merge.default", "weak")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    assert (scene.root / "tests/test_app.py").read_bytes() == weak.read_bytes(), "git itself runs the driver"
    seen.unlink()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"
    scene.write("tests/test_app.py", MERGED)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass", "what the merge gives without it"
    assert not seen.exists(), "the server runs no driver"


@pytest.mark.attack("the phase changes a test that the base changed too, and merges", "held", "T15")
def test_what_the_phase_itself_changed_in_a_merged_file_counts(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team)
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN).replace("assert 2 < 9", "pass"))
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack("HEAD is moved back in an earlier phase, so that the base seems to weaken a test", "held", "T15")
@pytest.mark.parametrize("is_merge", [True, False], ids=["merged", "as the base had it"])
def test_a_start_that_was_moved_back_does_not_say_where_the_base_was(
    scene: Scene, team: Team, *, is_merge: bool
) -> None:
    weak = LONG.replace("assert 2 < 9", "pass")
    push_a_weakness_for_a_while(scene, team, weak)
    run = scene.start(phase("test", {"kind": "files", "within": ["tests/**"]}), phase("fix", KEPT))
    scene.begin(run, "test")
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN) if is_merge else LONG)
    scene.git("reset", "-q", "--soft", "origin/main~2")
    scene.submit(run, "test")
    scene.begin(run, "fix")
    scene.git("reset", "-q", "--soft", "origin/main~1")
    scene.write("tests/test_app.py", weak.replace("AT_START", OWN) if is_merge else weak)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack(
    "the commit of the start is planted with an older parent, so that the base seems to weaken a test", "held", "T15"
)
@pytest.mark.parametrize("is_merge", [True, False], ids=["merged", "as the base had it"])
def test_a_planted_start_does_not_say_where_the_base_was(scene: Scene, team: Team, *, is_merge: bool) -> None:
    weak = LONG.replace("assert 2 < 9", "pass")
    push_a_weakness_for_a_while(scene, team, weak)
    if is_merge:
        scene.write("tests/test_app.py", LONG.replace("AT_START", OWN))
    scene.git("commit", "-qam", "of the run", "--allow-empty")
    run = begin(scene)
    start, newest, oldest = (scene.git("rev-parse", name).strip() for name in ("HEAD", "origin/main", "origin/main~2"))
    body = scene.git("cat-file", "commit", start)
    plant(require_repository(scene.root).objects, start, 1, body.replace(newest, oldest).encode())
    scene.git("reset", "-q", "--soft", "origin/main~1")
    scene.write("tests/test_app.py", weak.replace("AT_START", OWN) if is_merge else weak)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.attack(
    "the file of the start is planted under its id, with a weaker test, before the base is merged", "held", "T15"
)
def test_a_planted_file_of_the_start_is_not_what_is_merged(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team)
    weak = LONG.replace("AT_START", OWN).replace("assert 2 < 9", "pass")
    start = scene.git("rev-parse", "HEAD:tests/test_app.py").strip()
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    plant(require_repository(scene.root).objects, start, 3, weak.encode())
    assert scene.git("cat-file", "blob", start) == weak, "git believes it"
    scene.write("tests/test_app.py", weak.replace("AT_END", THEIRS))
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


@pytest.mark.attack(
    "the commit of the start is planted with a newer parent, so that merging the base leaves its test out",
    "held",
    "T15",
)
def test_a_start_that_git_alone_takes_for_newer_is_not_merged_from_there(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team)
    start, oldest = (scene.git("rev-parse", name).strip() for name in ("HEAD", "HEAD~1"))
    more = LONG.replace("AT_END", THEIRS)
    team.pushes({"tests/test_app.py": more})
    team.pushes({"tests/test_app.py": more.replace("assert 1 < 9", "assert 1 < 8")})
    scene.git("commit", "-qam", "my work")
    team.pulls()
    body = scene.git("cat-file", "commit", start)
    objects = require_repository(scene.root).objects
    stored = objects / start[:2] / start[2:]
    content, newer = stored.read_bytes(), scene.git("rev-parse", "origin/main~1").strip()
    plant(objects, start, 1, body.replace(oldest, newer).encode())
    stored.write_bytes(content)
    assert scene.git("rev-list", "-1", "--skip=1", start).strip() == newer, "git reads packs first"
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN).replace("assert 1 < 9", "assert 1 < 8"))
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
