"""Claims through the API: added, tested and listed by a program; judged by the person with the PIN."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.engine.scene import Scene
from tests.jobs.conftest import until

CLAIM: dict[str, Any] = {"title": "It is fast", "tests": [{"type": "script", "check": "bench"}]}


@pytest.mark.requirement("S4-35")
def test_a_program_adds_and_tests_a_claim_and_only_the_person_judges_evidence(
    scene: Scene, program: Program, person: Program, connect: Connect
) -> None:
    scene.check("bench", "pass")
    assert program.post("/items", kind="claim", item=CLAIM).data["status"] == "pending"
    assert connect("read", "reader").post("/items/{id}/test", {"id": "W-1"}).code == "forbidden"
    assert program.post("/items/{id}/test", {"id": "W-1"}).data["claim"]["job"]
    scene.work()
    until(lambda: "job" not in program.get("/items/{id}", {"id": "W-1"}).data["claim"])  # or the server works it
    claim = program.get("/items/{id}/page", {"id": "W-1"}).data
    assert (claim["status"], claim["claim"]["tests"][0]["outcome"]) == ("validated", "passed")
    assert [each["to"] for each in claim["moves"]] == ["deprecated"]
    against = {"evidence": [{"reason": "slow for me", "supports": False}]}
    assert program.post("/items/{id}", {"id": "W-1"}, item=against).code == "needs_human"
    assert person.post("/items/{id}", {"id": "W-1"}, item=against, pin=PIN).data["status"] == "falsified"
    (one,) = program.get("/claims/ledger").data["falsified"]
    assert (one["id"], one["why"], one["status"]) == ("W-1", "slow for me", "falsified")
    assert program.post("/items/{id}/test", {"id": "W-1"}).code == "illegal_transition"
    assert program.post("/items/{id}", {"id": "W-1"}, status="pending").code == "not_ready"


@pytest.mark.requirement("S4-22", "S4-35")
def test_a_form_gets_the_types_of_tests_and_a_fault_names_its_field(
    scene: Scene, program: Program, person: Program, connect: Connect
) -> None:
    scene.check("bench", "pass")
    types = connect("read", "reader").get("/claims/tests").data["types"]
    assert types["script"]["properties"]["check"]["enum"] == ["bench"]
    assert types["gold_set"]["properties"]["gold_set"]["enum"] == []
    faulty: list[tuple[dict[str, Any], str]] = [
        ({"type": "script"}, "check"),
        ({"type": "script", "check": "none"}, "check"),
        ({"type": "metric_threshold", "check": "bench", "metric": "passed", "threshold": "ten"}, "threshold"),
        ({"type": "benchmark", "check": "bench", "threshold": 1, "regex": "("}, "regex"),
    ]
    for test, field in faulty:
        refused = program.post("/items", kind="claim", item={**CLAIM, "tests": [*CLAIM["tests"], test]})
        assert (refused.code, refused.body["error"]["details"][0]["path"]) == ("bad_argument", f"/item/tests/1/{field}")
    assert program.post("/items", kind="claim", item=CLAIM).data["status"] == "pending"
    for item in ({"status": "validated"}, {"results": "passed"}):
        assert person.post("/items/{id}", {"id": "W-1"}, item=item, pin=PIN).code == "bad_argument"
    assert person.post("/items/{id}", {"id": "W-1"}, item=CLAIM, pin=PIN).code == "illegal_transition"
    for verdict in ("validated", "falsified", "inconclusive"):
        assert person.post("/items/{id}", {"id": "W-1"}, status=verdict, pin=PIN).code == "illegal_transition"
