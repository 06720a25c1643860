"""Standing grants through the API: read before they are signed, given and ended with the PIN."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG
from tests.engine.scene import Scene, approval, phase

WANTED: dict[str, Any] = {"template": "drill", "phase": "plan", "when": "${size(change.files) <= 3}", "uses": 2}


@pytest.mark.attack("a program gives or ends a standing grant through the API", "held", "T1")
def test_only_the_person_gives_a_grant_and_only_as_it_was_shown(
    scene: Scene, person: Program, connect: Connect
) -> None:
    scene.define(phase("plan", approval()))
    draft = person.post("/grants/draft", **WANTED, minutes=60).data
    assert any("up to 2 times" in line for line in draft["words"])
    assert draft["command"].endswith("--when '${size(change.files) <= 3}' --uses 2 --expires 60m")
    signed = {**WANTED, "expires_at": draft["expires_at"], "shown": draft["shown"]}
    assert connect("manage").post("/grants", pin=PIN, **signed).code == "forbidden"
    assert person.post("/grants", **signed).code == "needs_human"
    assert person.post("/grants", pin=WRONG, **signed).code == "wrong_pin"
    more: dict[str, Any] = {**signed, "uses": 3}
    assert person.post("/grants", pin=PIN, **more).code == "stale_revision"
    assert person.get("/grants").data["grants"] == []
    (given,) = person.post("/grants", pin=PIN, **signed).data["grants"]
    assert (given["id"], given["state"], given["uses"]) == ("g-1", "live", 2)
    assert connect("manage", "other").post("/grants/end", id="g-1", pin=PIN).code == "forbidden"
    (ended,) = person.post("/grants/end", id="g-1", pin=PIN).data["grants"]
    assert ended["state"] == "ended"


@pytest.mark.attack("who may only read has the server evaluate a condition that takes all its memory", "held", "T1")
def test_who_may_only_read_tries_no_condition(scene: Scene, connect: Connect) -> None:
    scene.define(phase("plan", approval()))
    assert connect("read").post("/grants/draft", **WANTED, minutes=60).code == "forbidden"


def test_a_draft_of_what_no_grant_can_approve_is_refused(scene: Scene, person: Program) -> None:
    scene.define(phase("plan", approval(people=2)))
    assert person.post("/grants/draft", **WANTED, minutes=60).code == "bad_argument"
    assert person.post("/grants/draft", **WANTED, minutes=0).code == "bad_argument"
    assert person.get("/grants").data["grants"] == []
