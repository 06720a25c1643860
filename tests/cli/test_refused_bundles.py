"""A bundle that was changed, damaged or made to break its reader is refused, and nothing is kept."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.machines import Machines, signed_again
from tests.forged import Bundle, chained
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.engine.transfer.form import PARTS as SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def index_of(bundle: Bundle, type_: str) -> int:
    return next(index for index, event in enumerate(bundle["events"]) if event["type"] == type_)


def rewrites_an_artifact(bundle: Bundle) -> None:
    bundle["revisions"][0]["content"] = {"text": "I never said so"}


def rewrites_an_artifact_and_its_sha256(bundle: Bundle) -> None:
    text = canonical_json({"text": "I never said so"})
    bundle["revisions"][0] |= {
        "content": json.loads(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "size_bytes": len(text),
    }


def turns_a_rejection_into_an_approval(bundle: Bundle) -> None:
    event = next(one for one in bundle["events"] if one["type"] == "AttemptFailed" and one["channel"] == "cli")
    event["payload"]["reason"] = "Fine as it is."


def leaves_an_event_out(bundle: Bundle) -> None:
    del bundle["events"][4]


def cuts_the_end_off(bundle: Bundle) -> None:
    bundle["events"].pop()


def cuts_the_end_off_and_chains_again(bundle: Bundle) -> None:
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
    (turns_a_rejection_into_an_approval, "/events/{AttemptFailed}/hash"),
    (leaves_an_event_out, "/events/4/seq"),
    (cuts_the_end_off, "/run/last_hash"),
    (cuts_the_end_off_and_chains_again, "/run/status"),
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
    rejected = next(
        index
        for index, one in enumerate(bundle["events"])
        if one["type"] == "AttemptFailed" and one["channel"] == "cli"
    )
    evidenced = next(
        index
        for index, one in enumerate(bundle["events"])
        if one["type"] == "GateJudged" and one["payload"]["verdict"].get("evidence")
    )
    places |= {"AttemptFailed": rejected, "GateJudged": evidenced, "last": len(bundle["events"]) - 1}
    places |= {name: len(bundle.get(name, ())) for name in SECTIONS}

    there = machines.go(machines.there)
    message = there.json("import", str(signed_again(whole, change)))

    assert message.code == 1
    error = message.document["error"]
    assert error["code"] == "invalid_artifact"
    assert error["details"][0]["path"] == place.format(**places)
    assert {"expected", "got"} <= set(error["details"][0])
    assert there.json("list").data["runs"] == []


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return change


TORN: tuple[tuple[str, Callable[[bytes], bytes], str, str], ...] = (
    (
        "a word",
        replaced('"schema_name":"inline"', '"schema_name":"inlined"'),
        "invalid_artifact",
        "/checksums/sections/revisions",
    ),
    ("the title", replaced('"title":"A deed"', '"title":"A dead"'), "invalid_artifact", "/checksums/sha256"),
    ("its end", lambda content: content[:-200], "invalid_artifact", "/checksums"),
    ("its middle", lambda content: content[: len(content) // 2], "invalid_artifact", "/"),
    ("everything", lambda content: b"", "invalid_artifact", "/format"),
    ("another format", lambda content: b'{"format":"wfe/1","phases":[]}\n', "invalid_artifact", "/format"),
    ("its layout", lambda content: json.dumps(json.loads(content), indent=1).encode(), "invalid_artifact", "/format"),
    ("more after it", lambda content: content + b"{}\n", "invalid_artifact", ""),
    ("a later version", replaced("wfe-run/1", "wfe-run/2"), "invalid_artifact", "/format"),
    ("no line feeds", lambda content: b"[" * 20_000_000, "too_large", "/format"),
)


@pytest.mark.parametrize(("what", "change", "code", "place"), TORN, ids=[each[0] for each in TORN])
@pytest.mark.attack("a bundle that is damaged, cut or a bomb", "held", "T7")
def test_a_damaged_bundle_is_refused_before_anything_is_kept(
    machines: Machines, whole: Path, what: str, change: Callable[[bytes], bytes], code: str, place: str
) -> None:
    del what
    whole.write_bytes(change(whole.read_bytes()))

    there = machines.go(machines.there)
    message = there.json("import", str(whole))

    assert (message.code, message.refusal) == (1, code)
    assert message.document["error"]["details"][0]["path"].startswith(place)
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

    message = machines.go(machines.there).json("import", str(whole))

    assert (message.code, message.refusal) == (1, code)
    assert message.document["error"]["details"][0]["path"].startswith("/run")
