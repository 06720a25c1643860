"""``verify`` finds changes to the log by an attacker with a shell, by the chain or by the anchors."""

import json
import shutil
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from tests.security.forger import Forger, anchor, found, played
from wfe_mcp.cli.terminal.health import health_findings
from wfe_mcp.engine.integrity.anchoring import anchor_again, start_anchoring
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.store.driver import driver
from wfe_mcp.views.approvals.unusual import project_facts
from wfe_mcp.workspace.system.anchors import AUDIT_REF, anchor_file, commits_of
from wfe_mcp.workspace.system.temporary import remove_folder


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    return Forger(f"sqlite:///{tmp_path / 'wfe.db'}")


def codes(scene: Scene, run: str = "", anchors: str = "") -> set[str]:
    return {finding.code for finding in found(scene, run, anchors)}


@pytest.mark.attack("change or delete an event through the database", "held", "T11")
@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'eve'", "DELETE FROM event"])
def test_the_database_refuses_to_change_events(scene: Scene, forger: Forger, statement: str) -> None:
    played(scene)
    with pytest.raises(driver().IntegrityError, match="append-only"):
        forger.read(statement)
    assert found(scene) == []


@pytest.mark.attack("edit an event after dropping the triggers", "detected", "T11")
@pytest.mark.parametrize(
    "change",
    [
        "actor = 'eve'",
        "assurance = 3",
        "at = '2020-01-01 00:00:00.000000'",
        "payload = replace(payload, 'plan', 'plam')",
        "payload = 'not JSON'",
        pytest.param(f"payload = '{'[' * 100_000}'", id="nested too deeply"),
        "payload = '[]'",
        "payload = '{}'",
        "type = 'Nothing'",
    ],
)
def test_an_edited_event_is_found(scene: Scene, forger: Forger, change: str) -> None:
    run = played(scene)
    forger.do(f"UPDATE event SET {change} WHERE type = 'ApprovalGiven'")
    finding = next(one for one in found(scene) if one.code == "event_edited")
    assert (finding.run, finding.where) == (run, "event")
    assert finding.since is not None
    assert finding.since.replace(microsecond=0) == scene.clock.now  # steps of one moment are microseconds apart


@pytest.mark.attack("make a log unreadable, so that verify fails", "detected", "T11")
def test_an_unreadable_log_is_found_beside_what_else_is_wrong(scene: Scene, forger: Forger) -> None:
    first, second = played(scene), played(scene)
    forger.do(f"UPDATE event SET at = 'yesterday' WHERE run_id = '{first}' AND type = 'ApprovalGiven'")
    forger.do(f"UPDATE event SET actor = 'eve' WHERE run_id = '{second}' AND type = 'ApprovalGiven'")
    assert {(one.run, one.code) for one in found(scene)} >= {(first, "log_unreadable"), (second, "event_edited")}


@pytest.mark.attack("edit the state of a run or an attempt", "detected", "T11")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE attempt SET status = 'completed' WHERE phase = 'build'",
        "UPDATE run SET tainted = 1",
        "UPDATE attempt SET state = replace(state, '\"completed\"', '\"failed\"')",
    ],
)
def test_an_edited_state_is_found(scene: Scene, forger: Forger, change: str) -> None:
    played(scene)
    forger.do(change)
    assert codes(scene) == {"state_edited"}


@pytest.mark.attack("cut off the end of the log", "detected", "T11")
def test_a_cut_tail_is_found(scene: Scene, forger: Forger) -> None:
    played(scene)
    forger.do("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")
    assert "tail_cut" in codes(scene)


@pytest.mark.attack("cut off the end of the log, with a run row and states that fit", "detected", "T11")
def test_a_cut_tail_with_fitting_rows_is_found_by_an_anchor(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    before = forger.read("SELECT * FROM run") + forger.read("SELECT phase, attempt, status, state FROM attempt")
    (kept,) = forger.read("SELECT max(seq) FROM event")[0]
    scene.begin(run, "build")
    anchor(scene)
    (seq,) = forger.read("SELECT max(seq) FROM event")[0]
    columns = [name for _, name, *_ in forger.read("PRAGMA table_info(run)")]
    old = dict(zip(columns, before[0], strict=True))
    forger.rewrite(run, f"DELETE FROM event WHERE seq > {kept}")
    forger.do(f"UPDATE run SET state = '{old['state']}', status = '{old['status']}'")
    for name, attempt, status, state in before[1:]:
        where = f"phase = '{name}' AND attempt = {attempt}"
        forger.do(
            f"UPDATE attempt SET status = '{status}', state = '{state}', holder = NULL, lease_until = NULL WHERE {where}"
        )
    (finding,) = found(scene)
    assert (finding.code, finding.where, finding.seq, finding.since) == ("tail_cut", "anchor", seq, scene.clock.now)


@pytest.mark.attack("rewrite the whole chain of a run", "detected", "T11")
def test_a_rewritten_chain_is_found_by_an_anchor(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    at = scene.clock.now
    scene.clock.advance(days=1)
    forger.rewrite(run, "UPDATE event SET actor = 'eve' WHERE type = 'ApprovalGiven'")
    (finding,) = found(scene)
    assert (finding.code, finding.run, finding.since) == ("chain_rewritten", run, at)


@pytest.mark.attack("rewrite the chain of a run that has made a commit", "detected", "T11")
def test_a_commit_that_a_run_made_finds_a_rewritten_chain(scene: Scene, forger: Forger) -> None:
    run = scene.start(phase("plan"))
    with scene.store.read() as tx:
        _, hash_ = tx.events.tails([run])[run]
    scene.git("commit", "-q", "--allow-empty", "-m", f"Work\n\nWfe-Run: {run} {hash_[:16]}")
    scene.git("commit", "-q", "--allow-empty", "-m", "Other work\n\nWfe-Run: somebodys 0123456789abcdef")
    assert found(scene) == []
    forger.rewrite(run, "UPDATE event SET actor = 'eve'")
    (finding,) = found(scene)
    assert (finding.code, finding.where) == ("commit_disagrees", f"commit {scene.git('rev-parse', 'HEAD~1')[:12]}")


@pytest.mark.attack("put events into another order", "detected", "T11")
def test_reordered_events_are_found(scene: Scene, forger: Forger) -> None:
    played(scene)
    forger.do(
        "UPDATE event SET seq = 900 WHERE seq = 2",
        "UPDATE event SET seq = 2 WHERE seq = 3",
        "UPDATE event SET seq = 3 WHERE seq = 900",
    )
    assert {"chain_broken", "event_edited"} <= codes(scene)


@pytest.mark.attack("reorder events, and recompute the hashes", "detected", "T11")
def test_reordered_events_with_fitting_hashes_are_found(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    swap = "UPDATE event SET seq = CASE seq WHEN 2 THEN 903 ELSE 902 END WHERE seq IN (2, 3)"
    forger.do(swap)
    forger.rewrite(run, "UPDATE event SET seq = seq - 900 WHERE seq > 900")
    assert "chain_rewritten" in codes(scene)


@pytest.mark.attack("put the events of another run into a log", "detected", "T11")
def test_a_spliced_chain_is_found(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    other = scene.start(phase("plan"), name="other")
    forger.do(
        f"DELETE FROM event WHERE run_id = '{other}'",
        f"INSERT INTO event SELECT '{other}', seq, type, at, actor, channel, assurance, prev_hash, hash, payload FROM event WHERE run_id = '{run}'",
    )
    assert {"event_edited", "tail_cut"} <= {one.code for one in found(scene) if one.run == other}


@pytest.mark.attack("delete a run", "detected", "T11")
def test_a_deleted_run_is_found_by_an_anchor(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    tables = ("decision", "request", "evidence", "revision", "event", "attempt", "job")
    of_run = f"run_id = '{run}'"
    forger.do(
        f"DELETE FROM decision WHERE request_id IN (SELECT id FROM request WHERE {of_run})",
        *(f"DELETE FROM {table} WHERE {of_run}" for table in tables if table != "decision"),
        f"DELETE FROM run WHERE id = '{run}'",
    )
    (finding,) = found(scene)
    assert (finding.code, finding.run, finding.since) == ("run_deleted", run, scene.clock.now)
    assert codes(scene, run[:4]) == {"run_deleted"}


@pytest.mark.attack("replace the PIN in the database", "detected", "T11")
def test_a_replaced_pin_is_found(scene: Scene, forger: Forger) -> None:
    played(scene)
    with scene.store.tx() as tx:
        tx.secrets.set("pin", "scrypt:the person's", HUMAN, scene.clock())
    anchor(scene)
    forger.do("UPDATE secret SET value = 'scrypt:the agent''s' WHERE name = 'pin'")
    (finding,) = found(scene)
    assert (finding.code, finding.where, finding.since) == ("pin_replaced", "secret 'pin'", scene.clock.now)


@pytest.mark.attack("replace the PIN and take its change out of the settings' log", "detected", "T11")
def test_a_settings_log_that_was_cut_is_found_by_an_anchor(scene: Scene, forger: Forger) -> None:
    played(scene)
    with scene.store.tx() as tx:
        tx.secrets.set("pin", "scrypt:the person's", HUMAN, scene.clock())
    anchor(scene)
    forger.do("DELETE FROM setting_event WHERE name = 'pin'", "DELETE FROM secret WHERE name = 'pin'")
    assert codes(scene) == {"tail_cut"}


@pytest.mark.attack("delete the anchors", "detected", "T11")
@pytest.mark.parametrize("what", ["ref", "file"])
def test_deleted_anchors_are_a_finding_of_their_own(scene: Scene, what: str) -> None:
    played(scene)
    if what == "ref":
        scene.git("update-ref", "-d", AUDIT_REF)
    else:
        shutil.rmtree(scene.store.path.parent / "anchors")
    assert codes(scene) == {"anchors_deleted"}


@pytest.mark.attack(
    "the file of the anchors is deleted, so that a run of here can be marked as imported", "detected", "T11"
)
def test_a_lost_file_of_anchors_is_said_wherever_it_is_relied_on(scene: Scene) -> None:
    played(scene)
    shutil.rmtree(scene.store.path.parent / "anchors")
    (finding,) = found(scene)
    assert "it no longer shows whether a run was rewritten, cut or marked as imported before now" in finding.message
    said = [each.text for each in project_facts(scene.engine).configuration]
    assert [each for each in said if "wfe-mcp verify --anchor" in each]
    assert [each.level for each in health_findings(scene.engine) if each.topic == "anchors"] == ["problem"]
    anchor_again(scene.engine)
    verified = verify(scene.engine)
    assert (verified.findings, verified.behind) == ((), ())
    assert [note for note in verified.notes if "was begun again" in note], "what was lost stays said"
    anchor_again(scene.engine)
    assert sum("was begun again" in note for note in verify(scene.engine).notes) == 1


@pytest.mark.parametrize("anchored_since", [False, True])
def test_a_lost_ref_of_anchors_is_brought_back_with_all_that_it_held(scene: Scene, anchored_since: bool) -> None:
    played(scene)
    held = [each.commit for each in commits_of(scene.root) or ()]
    scene.git("update-ref", "-d", AUDIT_REF)
    if anchored_since:
        scene.start(phase("plan"), name="other")
        anchor(scene)
    (finding,) = found(scene)
    assert "wfe-mcp verify --anchor" in finding.message
    anchor_again(scene.engine)
    assert {*held} < {each.commit for each in commits_of(scene.root) or ()}
    assert codes(scene) == set()


@pytest.mark.attack("bring anchors back that a rewritten log contradicts", "detected", "T11")
def test_anchors_that_are_brought_back_are_compared_with_the_log(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    forger.rewrite(run, "UPDATE event SET actor = 'eve' WHERE type = 'ApprovalGiven'")
    scene.git("update-ref", "-d", AUDIT_REF)
    anchor_again(scene.engine)
    assert "chain_rewritten" in codes(scene)


@pytest.mark.attack("delete all anchors and rewrite the chain", "detected", "T11")
def test_anchors_that_are_all_gone_are_found_by_the_settings_log(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    forger.rewrite(run, "UPDATE event SET actor = 'eve' WHERE type = 'ApprovalGiven'")
    scene.git("update-ref", "-d", AUDIT_REF)
    shutil.rmtree(scene.store.path.parent / "anchors")
    assert codes(scene) == {"anchors_deleted"}


@pytest.mark.attack("move the anchors' ref back", "detected", "T11")
def test_a_ref_that_was_moved_back_is_found(scene: Scene) -> None:
    run = played(scene)
    first = scene.git("rev-parse", AUDIT_REF).strip()
    scene.begin(run, "build")
    anchor(scene)
    scene.git("update-ref", AUDIT_REF, first)
    assert codes(scene) == {"anchors_moved"}


@pytest.mark.attack("rewrite database, file and ref together", "detected", "T11")
def test_a_pushed_copy_finds_what_was_rewritten_everywhere_here(scene: Scene, forger: Forger) -> None:
    run = played(scene)
    scene.git("update-ref", "refs/wfe/pushed", AUDIT_REF)
    forger.rewrite(run, "UPDATE event SET actor = 'eve' WHERE type = 'ApprovalGiven'")
    scene.git("update-ref", "-d", AUDIT_REF)
    anchor_file(scene.store.path, scene.engine.project_id).unlink()
    scene.engine.has_changed([run])
    anchor(scene)
    assert found(scene) == []
    assert codes(scene, anchors="refs/wfe/pushed") == {"chain_rewritten"}


@pytest.mark.attack("edit a revision in the database", "detected", "T11")
def test_an_edited_revision_is_found(scene: Scene, forger: Forger) -> None:
    played(scene)
    forger.do('UPDATE revision SET content = \'{"title":"A bad title"}\'')
    (finding,) = found(scene)
    assert (finding.code, finding.where) == ("content_edited", "revision 1 of 'plan'")


@pytest.mark.attack("edit a revision in the database, with a sha256 that fits", "detected", "T11")
def test_an_edited_revision_with_a_fitting_sha256_is_found(scene: Scene, forger: Forger) -> None:
    from wfe_mcp.core.canonical import sha256_hex

    played(scene)
    content = json.dumps({"title": "A bad title"}, separators=(",", ":"))
    forger.do(f"UPDATE revision SET content = '{content}', sha256 = '{sha256_hex(content)}'")
    (finding,) = found(scene)
    assert (finding.code, finding.message[:40]) == ("content_edited", "it has another sha256 than the log says:")


@pytest.mark.attack("take a revision out of the database", "detected", "T11")
def test_a_missing_revision_is_found(scene: Scene, forger: Forger) -> None:
    played(scene)
    forger.do("DELETE FROM revision")
    assert codes(scene) == {"content_edited"}


@pytest.mark.attack("without git: rewrite the whole chain of a run", "detected", "T11")
def test_without_git_the_file_beside_the_database_still_finds_it(scene: Scene, forger: Forger) -> None:
    remove_folder(scene.root / ".git")
    scene.engine = scene.process()
    assert scene.engine.project_id
    run = played(scene)
    forger.rewrite(run, "UPDATE event SET actor = 'eve' WHERE type = 'ApprovalGiven'")
    assert codes(scene) == {"chain_rewritten"}


def test_a_run_that_no_one_touched_is_intact_and_its_newest_events_may_wait_for_an_anchor(scene: Scene) -> None:
    from wfe_mcp.engine.integrity.verification import verify

    run = played(scene)
    scene.begin(run, "build")
    checked = verify(scene.engine)
    assert (checked.findings, checked.behind) == ((), (run,))
    start_anchoring(scene.engine, catch_up=True)
    anchor(scene)
    assert verify(scene.engine).behind == ()


@pytest.mark.attack(
    "a run of here is marked as imported, so that its decisions are judged elsewhere", "detected", "T11"
)
def test_a_run_of_here_does_not_become_an_imported_one(scene: Scene, forger: Forger) -> None:
    from wfe_mcp.engine.kernel.transaction import IMPORTED, imported_name

    run = played(scene)
    ((document,),) = forger.read(f"SELECT frozen_sha256 FROM run WHERE id = '{run}'")
    forger.do(f"UPDATE run SET origin_sha256 = '{document}' WHERE id = '{run}'")
    scene.clock.advance(hours=1)
    with scene.store.tx() as tx:
        tx.settings_log.note(IMPORTED, imported_name(run, document), AGENT, scene.clock.now)
    anchor(scene)
    assert [(one.code, one.run) for one in found(scene)] == [("origin_edited", run)]
