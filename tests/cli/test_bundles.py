"""A run leaves one machine as one file and comes in at another: whole, checked, as history."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal, phase, template
from tests.forged import Bundle, chained, signed
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.engine.transfer.form import PARTS as SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACES = ("worktree", "imported", "summary", "archived", "warnings")


@dataclass
class Machines:
    """Two machines: each a project and a database of its own. One of them is sat at."""

    here: Terminal
    there: Terminal
    patch: pytest.MonkeyPatch

    def go(self, terminal: Terminal) -> Terminal:
        """Sit down at it."""
        self.patch.setenv("WFE_DATABASE_URL", f"sqlite:///{terminal.database.as_posix()}")
        self.patch.chdir(terminal.root)
        return terminal


@pytest.fixture
def machines(cli: Terminal, set_up_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    root, database = tmp_path / "other" / "project", tmp_path / "other" / "wfe.db"
    root.mkdir(parents=True)
    shutil.copy(set_up_database, database)
    shutil.copytree(set_up_database.parent / "keys", database.parent / "keys")
    return Machines(cli, replace(cli, root=root.resolve(), database=database), monkeypatch)


@scene
def finished(cli: Terminal) -> str:
    """A run with everything in it: a refused draft, a check that failed and passed, a person's no and yes."""
    run = cli.start("deed")
    (cli.root / "draft.json").write_text('{"txt": 1}')
    assert cli.json("submit", run, "sign", "--path", "draft.json").refusal == "invalid_artifact"
    assert cli.hand_in(run, "sign", "too early").refusal == "gate_failed"
    (cli.root / "ok").write_text("")
    assert cli.hand_in(run, "sign", "I sign").code == 0
    assert cli("reject", run, "sign", "--feedback", "In ink, please.", pin=PIN).code == 0
    assert cli.hand_in(run, "sign", "I sign in ink").code == 0
    assert cli("approve", run, "sign", pin=PIN).code == 0
    assert cli.state(run) == "completed"
    return run


def exported(cli: Terminal, run: str, name: str = "run.json") -> Path:
    said = cli.json("export", run, name)
    assert said.code == 0, said.out
    return cli.root / name


def shown(cli: Terminal, run: str) -> dict[str, Any]:
    said = cli.json("show", run)
    assert said.code == 0, said.out
    data = {key: value for key, value in said.data.items() if key not in PLACES}
    text = json.dumps(data).replace(str(cli.root), "")
    return json.loads(text)


def test_a_run_moves_to_another_machine_with_all_that_was_said_and_seen(machines: Machines) -> None:
    here = machines.here
    run = finished(here)
    before, file = shown(here, run), exported(here, run)

    there = machines.go(machines.there)
    said = there.json("import", str(file))

    assert said.code == 0, said.out
    assert said.document["run"] == run
    assert there.json("verify", run).code == 0
    assert shown(there, run) == before
    origin = there.json("show", run).data["imported"]
    assert (origin["from"], origin["by"], origin["project"]) == ("bundle", "ada", str(here.root))


def test_export_import_and_export_again_give_the_same_bytes(machines: Machines) -> None:
    run = finished(machines.here)
    first = exported(machines.here, run)

    there = machines.go(machines.there)
    assert there.json("import", str(first)).code == 0

    assert exported(there, run).read_bytes() == first.read_bytes()


@pytest.mark.requirement("E-13")
def test_nothing_is_forked_from_a_run_that_was_worked_elsewhere(machines: Machines) -> None:
    run = finished(machines.here)
    file = exported(machines.here, run)
    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0
    said = there.json("start", "--from", run, pin=PIN)
    assert said.refusal == "illegal_transition"
    assert "wfe-mcp templates list (template 'deed' is not in this project)" in said.document["error"]["hint"]
    (there.root / ".wfe" / "templates").mkdir()
    there.save(template("deed", phase("sign")))
    again = there.json("start", "--from", run, pin=PIN)
    assert "wfe-mcp start deed --inputs JSON" in again.document["error"]["hint"]


# -- what is refused ---------------------------------------------------------------------------------------------------


def signed_again(file: Path, change: Callable[[Bundle], object]) -> Path:
    """The bundle as a forger leaves it: changed, with checksums that fit."""
    forged = file.with_name("forged.json")
    forged.write_bytes(signed(file.read_bytes(), change))
    return forged


def index_of(bundle: Bundle, type_: str) -> int:
    return next(index for index, event in enumerate(bundle["events"]) if event["type"] == type_)


def rewrites_an_artifact(bundle: Bundle) -> None:
    bundle["revisions"][0]["content"] = {"text": "I never said so"}


def rewrites_an_artifact_and_its_sha256(bundle: Bundle) -> None:
    text = canonical_json({"text": "I never said so"})
    bundle["revisions"][0] |= {
        "content": json.loads(text), "sha256": hashlib.sha256(text.encode()).hexdigest(), "size_bytes": len(text),
    }  # fmt: skip


def turns_a_no_into_a_yes(bundle: Bundle) -> None:
    event = next(one for one in bundle["events"] if one["type"] == "AttemptFailed" and one["channel"] == "cli")
    event["payload"]["reason"] = "Fine as it is."


def leaves_an_event_out(bundle: Bundle) -> None:
    del bundle["events"][4]


def cuts_the_end_off(bundle: Bundle) -> None:
    bundle["events"].pop()


def cuts_the_end_off_and_chains_anew(bundle: Bundle) -> None:
    while bundle["events"].pop()["type"] == "DecisionSigned":
        pass
    chained(bundle)


def brings_an_event_of_its_own(bundle: Bundle) -> None:
    bundle["events"][-1]["type"] = "RunBlessed"
    chained(bundle)


def replaces_the_specification(bundle: Bundle) -> None:
    bundle["events"][0]["payload"]["spec"]["phases"][0]["gates"] = []
    chained(bundle)


def leaves_the_evidence_out(bundle: Bundle) -> None:
    bundle["evidence"].clear()
    bundle["logs"].clear()


def leaves_a_request_out(bundle: Bundle) -> None:
    bundle["requests"].clear()


def leaves_a_document_out(bundle: Bundle) -> None:
    bundle["documents"] = [one for one in bundle["documents"] if one["sha256"] != bundle["run"]["inputs_sha256"]]


def names_a_phase_that_is_none(bundle: Bundle) -> None:
    bundle["evidence"][0]["phase"] = "../../etc"


def leads_a_log_elsewhere(bundle: Bundle) -> None:
    bundle["evidence"][0]["log_path"] = ".wfe/runs/../../../.ssh/id_rsa"


def leads_a_log_to_the_root(bundle: Bundle) -> None:
    bundle["evidence"][0]["log_path"] = "/etc/passwd"


CORRUPTED: tuple[tuple[Callable[[Bundle], object], str], ...] = (
    (rewrites_an_artifact, "/revisions/0/sha256"),
    (rewrites_an_artifact_and_its_sha256, "/revisions/0/sha256"),
    (turns_a_no_into_a_yes, "/events/{AttemptFailed}/hash"),
    (leaves_an_event_out, "/events/4/seq"),
    (cuts_the_end_off, "/run/last_hash"),
    (cuts_the_end_off_and_chains_anew, "/run/status"),
    (brings_an_event_of_its_own, "/events/{last}"),
    (replaces_the_specification, "/run/spec_sha256"),
    (leaves_the_evidence_out, "/events/{GateJudged}/payload/verdict/evidence"),
    (leaves_a_request_out, "/decisions/0/request_id"),
    (leaves_a_document_out, "/run/inputs_sha256"),
    (names_a_phase_that_is_none, "/evidence/0/phase"),
    (leads_a_log_elsewhere, "/evidence/0/log_path"),
    (leads_a_log_to_the_root, "/evidence/0/log_path"),
    (lambda bundle: bundle["run"].update(status="running"), "/run/status"),
    (lambda bundle: bundle["run"].update(id="../../x"), "/run/id"),
    (lambda bundle: bundle["run"].update(template="quick_fix"), "/run/template"),
    (lambda bundle: bundle["run"].update(artifact_count=99), "/run/artifact_count"),
    (lambda bundle: bundle["run"].update(project_id="p-0"), "/run/project_id"),
    (lambda bundle: bundle["place"].pop("root"), "/place/root"),
    (lambda bundle: bundle["revisions"][0].update(attempt="1"), "/revisions/0/attempt"),
    (lambda bundle: bundle["revisions"][1].update(revision=1), "/revisions/1/revision"),
    (lambda bundle: bundle["requests"][0].update(trusted=True), "/requests/0/trusted"),
    (lambda bundle: bundle["requests"].append(bundle["requests"][0]), "/requests/{requests}/id"),
    (lambda bundle: bundle["events"][1].update(at="2026-11-20T09:00:00+01:00"), "/events/1/at"),
    (lambda bundle: bundle["events"][1].update(assurance=9), "/events/1/assurance"),
    (lambda bundle: bundle["logs"].append({"path": "AGENTS.md", "text": "obey"}), "/logs/{logs}/path"),
    (lambda bundle: bundle["refused"][0].update(raw="?"), "/refused/0/raw"),
    (lambda bundle: bundle["evidence"][0]["data"].update(exit_code=77), "/evidence/0"),
    (lambda bundle: bundle["decisions"][0].update(comment="I was drunk"), "/decisions/0"),
    (lambda bundle: bundle["refused"].clear(), "/refused"),
    (lambda bundle: bundle["logs"][0].update(text="1000 passed"), "/logs/0/text"),
    (lambda bundle: bundle["documents"].append(bundle["documents"][0]), "/documents/{documents}/sha256"),
)


@pytest.mark.parametrize(("change", "place"), CORRUPTED, ids=[f"{each[0].__name__}-{each[1]}" for each in CORRUPTED])
@pytest.mark.attack("a bundle that was changed, with checksums that fit", "held", "T7")
def test_a_changed_bundle_is_refused_where_it_was_changed(
    machines: Machines, whole: Path, change: Callable[[Bundle], object], place: str
) -> None:
    bundle: Bundle = json.loads(whole.read_bytes())
    places = {name: index_of(bundle, name) for name in ("AttemptFailed", "GateJudged")}
    rejected = next(index for index, one in enumerate(bundle["events"]) if one["type"] == "AttemptFailed" and one["channel"] == "cli")  # fmt: skip
    evidenced = next(index for index, one in enumerate(bundle["events"]) if one["type"] == "GateJudged" and one["payload"]["verdict"].get("evidence"))  # fmt: skip
    places |= {"AttemptFailed": rejected, "GateJudged": evidenced, "last": len(bundle["events"]) - 1}
    places |= {name: len(bundle.get(name, ())) for name in SECTIONS}

    there = machines.go(machines.there)
    said = there.json("import", str(signed_again(whole, change)))

    assert said.code == 1
    error = said.document["error"]
    assert error["code"] == "invalid_artifact"
    assert error["details"][0]["path"] == place.format(**places)
    assert {"expected", "got"} <= set(error["details"][0])
    assert there.json("list").data["runs"] == []


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bundle of a finished run, made once."""
    return {}


@pytest.fixture
def whole(machines: Machines, kept: dict[str, bytes], tmp_path: Path) -> Path:
    if not kept:
        kept["bundle"] = exported(machines.here, finished(machines.here)).read_bytes()
    file = tmp_path / "whole.json"
    file.write_bytes(kept["bundle"])
    return file


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return change


TORN: tuple[tuple[str, Callable[[bytes], bytes], str, str], ...] = (
    ("a word", replaced('"schema_name":"inline"', '"schema_name":"inlined"'), "invalid_artifact", "/checksums/sections/revisions"),
    ("the title", replaced('"title":"A deed"', '"title":"A dead"'), "invalid_artifact", "/checksums/sha256"),
    ("its end", lambda content: content[:-200], "invalid_artifact", "/checksums"),
    ("its middle", lambda content: content[: len(content) // 2], "invalid_artifact", "/"),
    ("everything", lambda content: b"", "invalid_artifact", "/format"),
    ("another format", lambda content: b'{"format":"wfe/1","phases":[]}\n', "invalid_artifact", "/format"),
    ("its layout", lambda content: json.dumps(json.loads(content), indent=1).encode(), "invalid_artifact", "/format"),
    ("more after it", lambda content: content + b"{}\n", "invalid_artifact", ""),
    ("a later version", replaced("wfe-run/1", "wfe-run/2"), "invalid_artifact", "/format"),
    ("no line feeds", lambda content: b"[" * 20_000_000, "too_large", "/format"),
)  # fmt: skip


@pytest.mark.parametrize(("what", "change", "code", "place"), TORN, ids=[each[0] for each in TORN])
@pytest.mark.attack("a bundle that is damaged, cut or a bomb", "held", "T7")
def test_a_damaged_bundle_is_refused_before_anything_is_kept(
    machines: Machines, whole: Path, what: str, change: Callable[[bytes], bytes], code: str, place: str
) -> None:
    del what
    whole.write_bytes(change(whole.read_bytes()))

    there = machines.go(machines.there)
    said = there.json("import", str(whole))

    assert (said.code, said.refusal) == (1, code)
    assert said.document["error"]["details"][0]["path"].startswith(place)
    assert there.json("list").data["runs"] == []


BOMBS = (
    ("nested", '"title":' + "[" * 500 + "]" * 500, "too_large"),
    ("a key twice", '"title":"A deed","title":"A deed"', "invalid_artifact"),
    ("no number", '"title":NaN', "invalid_artifact"),
    ("a NUL", '"title":"\\u0000"', "invalid_artifact"),
    ("half a character", '"title":"\\ud800"', "invalid_artifact"),
)


@pytest.mark.parametrize(("what", "text", "code"), BOMBS, ids=[each[0] for each in BOMBS])
@pytest.mark.attack("a bundle whose rows break a reader", "held", "T7")
def test_a_row_that_nothing_could_keep_is_refused(
    machines: Machines, whole: Path, what: str, text: str, code: str
) -> None:
    del what
    lines = replaced('"title":"A deed"', text)(whole.read_bytes()).split(b"\n")
    before = b"\n".join(lines[:-2]) + b"\n"
    sums = json.loads(b"{" + lines[-2])["checksums"] | {"sha256": hashlib.sha256(before).hexdigest()}
    whole.write_bytes(before + b'"checksums":' + canonical_json(sums).encode() + b"}\n")

    said = machines.go(machines.there).json("import", str(whole))

    assert (said.code, said.refusal) == (1, code)
    assert said.document["error"]["details"][0]["path"].startswith("/run")


# -- what an imported run is ---------------------------------------------------------------------------------------------


@pytest.fixture
def arrived(machines: Machines) -> tuple[Terminal, str]:
    """A run that waits for a person's yes, imported elsewhere."""
    here = machines.here
    run = here.start("letter")
    assert here.hand_in(run, "draft").code == 0
    assert here.hand_in(run, "send").code == 0
    assert here.state(run) == "waiting"
    file = exported(here, run)
    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0
    return there, run


MOVES: tuple[tuple[str, ...], ...] = (
    ("approve", "RUN", "send"), ("reject", "RUN", "send", "--feedback", "no"), ("skip", "RUN", "send", "--reason", "x"),
    ("retry", "RUN", "send"), ("force-accept", "RUN", "send", "--reason", "x"), ("pause", "RUN"), ("resume", "RUN"),
    ("cancel", "RUN"), ("auto", "RUN", "off"), ("proceed", "RUN"), ("submit", "RUN", "send", "--path", "draft.json"),
    ("rollback", "RUN", "draft"), ("rollback", "RUN", "1", "--no-files"), ("undo", "RUN"), ("checkpoint", "RUN"),
)  # fmt: skip


@pytest.mark.parametrize("words", MOVES, ids=[each[0] for each in MOVES])
@pytest.mark.attack("a decision brought along in a bundle", "held", "T1")
def test_nobody_goes_on_with_an_imported_run_not_even_with_the_pin(
    arrived: tuple[Terminal, str], words: tuple[str, ...]
) -> None:
    there, run = arrived
    (there.root / "draft.json").write_text('{"text": "x"}')
    before = shown(there, run)

    asks = {"approve", "reject", "skip", "retry", "force-accept", "resume", "proceed"}
    given = [run if word == "RUN" else word for word in words]
    said = there.json(*given, pin=PIN if words[0] in asks else None)

    assert (said.code, said.refusal) == (1, "illegal_transition")
    assert "was imported" in said.document["error"]["message"]
    assert "wfe-mcp templates list (template 'letter' is not" in said.document["error"]["hint"]
    assert shown(there, run) == before


def test_an_imported_run_waits_for_nobody_and_is_in_nobodys_way(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived

    said = there.json("status", run)
    assert said.document["run_state"] == "waiting"
    assert said.document["waiting_on"] == "none"
    assert "next" not in said.document
    assert "IMPORTED" in said.document["summary"]
    assert "it cannot continue here" in said.data["blockers"][0]
    assert "template 'letter' is not in this project" in said.data["blockers"][0]
    assert there.json("status").document["summary"] == "No run is open in this project."
    there.clock.forward(days=400)
    assert there.json("list", "--stale").data["runs"] == []
    assert there.json("cancel", "--stale").code == 0
    listed = there("list")
    assert "waiting (imported)" in listed.out


def test_what_was_accepted_elsewhere_is_written_where_people_look(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    artifact = there.root / ".wfe" / "runs" / run / "draft" / "1" / "artifact.json"
    assert json.loads(artifact.read_text()) == {"text": "hello"}

    artifact.write_text('{"text": "forged"}')
    assert there.json("verify", run).refusal == "conflict"

    assert there.json("artifact", "restore", run).code == 0
    assert there.json("verify", run).code == 0


def test_the_same_run_again_is_no_fault_and_mends_missing_files(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    run = there.json("import", str(whole)).document["run"]
    shutil.rmtree(there.root / ".wfe" / "runs" / run)

    again = there.json("import", str(whole))

    assert again.code == 0
    assert again.data["was_here"] is True
    assert again.data["files"] > 0
    assert there.json("verify", run).code == 0
    assert len(there.json("list").data["runs"]) == 1


def test_a_fork_moves_too_and_nobody_forks_what_was_imported(machines: Machines) -> None:
    here = machines.here
    run = here.start("letter")
    assert here.hand_in(run, "draft").code == 0
    fork = here.json("start", "--from", run).document["run"]
    assert here.hand_in(fork, "send").code == 0
    before, file = shown(here, fork), exported(here, fork)

    there = machines.go(machines.there)
    assert there.json("import", str(file)).code == 0

    assert there.json("verify", fork).code == 0
    assert shown(there, fork)["forked_from"] == before["forked_from"]
    assert exported(there, fork).read_bytes() == file.read_bytes()
    assert there.json("start", "--from", fork).refusal == "illegal_transition"


def test_a_run_comes_back_where_it_was_worked_without_becoming_history(cli: Terminal) -> None:
    run = finished(cli)

    said = cli.json("import", str(exported(cli, run)))

    assert (said.code, said.data["was_here"]) == (0, True)
    assert "IMPORTED" not in cli.json("status", run).document["summary"]


def test_another_history_of_the_same_run_is_a_conflict(cli: Terminal) -> None:
    run = cli.start("letter")
    older = exported(cli, run)
    assert cli.hand_in(run, "draft").code == 0

    said = cli.json("import", str(older))

    assert (said.code, said.refusal) == (1, "conflict")
    assert "another history" in said.document["error"]["message"]


def test_other_rows_in_the_same_history_are_a_conflict(machines: Machines, whole: Path) -> None:
    def change(bundle: Bundle) -> None:
        revision = bundle["revisions"][-1]
        bundle["revisions"].append(revision | {"revision": revision["revision"] + 1})
        bundle["run"]["artifact_count"] += 1

    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    said = there.json("import", str(signed_again(whole, change)))

    assert (said.code, said.refusal) == (1, "conflict")
    assert "/revisions" in said.document["error"]["message"]


def test_a_run_of_another_project_of_this_database_is_a_conflict(
    cli: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = exported(cli, cli.start("letter"))
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "second")

    said = cli.json("import", str(file))

    assert (said.code, said.refusal) == (1, "conflict")
    assert "another project" in said.document["error"]["message"]


def test_an_id_that_another_run_has_is_a_conflict_and_leaves_nothing(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    def change(bundle: Bundle) -> None:
        bundle["run"]["id"] = "another"
        for one in bundle["evidence"]:
            one.pop("log_path", None)
        bundle["logs"].clear()
        chained(bundle)

    said = there.json("import", str(signed_again(whole, change)))

    assert (said.code, said.refusal) == (1, "conflict")
    assert said.document["error"]["details"][0]["path"] == "/evidence"
    assert len(there.json("list").data["runs"]) == 1


def test_a_dry_run_checks_and_stores_nothing(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)

    said = there.json("import", str(whole), "--dry-run")

    assert said.code == 0
    assert (said.data["dry_run"], said.data["was_here"]) == (True, False)
    assert there.json("list").data["runs"] == []


def test_verify_finds_an_imported_run_that_no_longer_says_so(arrived: tuple[Terminal, str]) -> None:
    there, run = arrived
    with sqlite3.connect(there.database) as database:
        database.execute("UPDATE run SET origin_sha256 = NULL WHERE id = ?", (run,))
    database.close()

    said = there.json("verify", run)

    assert said.code == 1
    codes = [one["code"] for one in said.data["problems"]]
    assert codes == ["origin_edited", "gates_weakened"], "its template was never trusted here"


def test_a_bundle_trusts_no_template(machines: Machines, whole: Path) -> None:
    there = machines.go(machines.there)
    assert there.json("import", str(whole)).code == 0

    assert "deed" not in {each["name"] for each in there.json("templates", "list").data["templates"]}
    assert there.json("start", "deed").refusal == "unknown_template"


# -- export ------------------------------------------------------------------------------------------------------------


def test_an_export_goes_to_standard_output_as_it_goes_into_a_file(cli: Terminal) -> None:
    run = finished(cli)
    file = exported(cli, run)

    assert cli("export", run, "-").out == file.read_text()
    assert cli.json("export", run, "-").document["format"] == "wfe-run/1"


def test_an_export_without_a_name_is_called_like_the_run(cli: Terminal) -> None:
    run = cli.start("note")

    said = cli("export", run)
    assert len(said.out.splitlines()) == 1, "it says nothing of where the run stands"

    assert said.code == 0
    assert f"to {run}.wfe.json" in said.out
    assert (cli.root / f"{run}.wfe.json").is_file()


def test_an_export_never_writes_over_a_file(cli: Terminal) -> None:
    run = cli.start("note")
    (cli.root / "mine.txt").write_text("mine")

    assert cli.json("export", run, "mine.txt").refusal == "conflict"
    assert cli.json("export", run, "nowhere/run.json").refusal == "bad_argument"
    assert (cli.root / "mine.txt").read_text() == "mine"
    assert not list(cli.root.glob(".*.part"))


def test_a_file_that_cannot_be_read_is_named(cli: Terminal) -> None:
    said = cli.json("import", "nowhere.json")

    assert said.refusal == "bad_argument"
    assert "nowhere.json" in said.document["error"]["message"]


def test_a_run_that_is_not_intact_does_not_leave(cli: Terminal) -> None:
    run = finished(cli)
    with sqlite3.connect(cli.database) as database:
        database.execute(
            'UPDATE revision SET content = \'{"text":"forged"}\' WHERE run_id = ? AND revision = 1', (run,)
        )
    database.close()

    said = cli.json("export", run)

    assert said.refusal == "conflict"
    assert f"wfe-mcp verify {run}" in said.document["error"]["hint"]


CANARY = "sk-canary-4711-abcdefgh"
KEYED = '[providers.second]\nkind = "openai"\nkey = "env:CANARY_KEY"\n'


@pytest.fixture
def keyed(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A project that names a provider whose key is in a variable."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + KEYED)
    assert cli("trust", "--yes", pin=PIN).code == 0
    return cli


@pytest.mark.attack("a key in an exported run", "held", "T12")
def test_no_key_leaves_with_a_run(keyed: Terminal) -> None:
    lines = "\n".join(["print('and so on')"] * 400)
    (keyed.root / "check.py").write_text(f"print('the key is {CANARY}')\n{lines}\n")
    config = keyed.root / ".wfe" / "config.toml"
    config.write_text(f"[checks.test]\nargv = {json.dumps([sys.executable, 'check.py'])}\n{KEYED}")
    assert keyed("trust", "--yes", pin=PIN).code == 0
    run = keyed.start("code")
    assert keyed.hand_in(run, "build").code == 0
    assert CANARY in next((keyed.root / ".wfe" / "runs" / run).rglob("*.log")).read_text()

    file = exported(keyed, run)

    assert CANARY not in file.read_text()
    assert "the key is [hidden]" in file.read_text()
    assert keyed.json("import", str(file)).data["was_here"] is True


@pytest.mark.attack("a key in an artifact of an exported run", "held", "T12")
def test_a_run_whose_artifact_holds_a_key_does_not_leave(keyed: Terminal) -> None:
    run = keyed.start("note")
    assert keyed.hand_in(run, "draft", f"the key is {CANARY}").code == 0

    said = keyed.json("export", run)

    assert said.refusal == "needs_human"
    assert said.document["error"]["details"][0]["path"] == "/revisions/0"
    assert CANARY not in said.out
    assert not list(keyed.root.glob("*.wfe.json"))


@pytest.mark.requirement("S4-26")
@pytest.mark.attack("a key in a file attached to an exported run", "held", "T12")
def test_a_run_with_a_key_in_an_attached_file_does_not_leave(keyed: Terminal) -> None:
    run = keyed.start("note")
    (keyed.root / "said.txt").write_text(f"the key is {CANARY}")
    assert keyed.json("attach", run, "draft", "said.txt").code == 0

    said = keyed.json("export", run)

    assert said.refusal == "needs_human"
    assert said.document["error"]["details"][0]["path"] == "/attachments/0"
