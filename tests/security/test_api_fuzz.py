"""No request, any caller sends it, is answered with an error of ours.

``WFE_ACCEPTANCE=whole`` makes 40 requests of every operation by each caller; else a sample.
"""

import json

import pytest

from tests.acceptance.scene import WHOLE
from tests.dashboard.api.client import Program
from tests.dashboard.conftest import page
from tests.engine.scene import AGENT, Scene, approval, phase
from tests.security.hostile_api import assault, operations, properties_of
from wfe_mcp.dashboard.api.app import ROOT
from wfe_mcp.dashboard.serving import Page, served
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.approvals.decision_page import link

__all__ = ["page"]
EACH = 40 if WHOLE else 4


@pytest.mark.attack("fuzzed requests of every operation of the API, by five callers", "held", "T7")
def test_every_request_is_answered_and_none_with_500(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    with served(scene.engine, 0) as page:
        assert isinstance(page, Page)
        code = link(scene.engine, page.port).partition("#code=")[2]
        callers = {
            "nobody": "",
            "a false token": "wfe_" + "a" * 43,
            "a reader": create_token(scene.engine, AGENT, "reader", "read")[1],
            "a program": create_token(scene.engine, AGENT, "ci", "work")[1],
            "the page": Program(page.port).post("/session", code=code).data["token"],
        }
        known = {"run": [run], "phase": ["plan"], "name": ["drill"], "template": ["drill", "quick_fix"]}
        answers = assault(page.port, callers, known, EACH)
    assert answers.faults == []
    assert {200, 400, 401, 403, 404} <= set(answers.statuses), answers.statuses
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.attack("an empty phase, and text that is no Unicode, make the API fail", "held", "T7")
def test_an_empty_phase_and_a_lone_surrogate_are_refused_by_name(scene: Scene, page: Page) -> None:
    run = scene.start(phase("plan", approval()))
    program = Program(page.port, create_token(scene.engine, AGENT, "ci", "work")[1])
    with_phase = [
        path
        for method, path, operation in operations()
        if method == "POST" and "phase" in properties_of(operation) and "{" not in path.replace("{run}", "")
    ]
    assert len(with_phase) > 6
    for path in with_phase:
        for value, said in (("", "/body"), ("\ud800", "lone surrogate")):
            sent = json.dumps({"phase": value, "feedback": "x", "artifact": {}, "reason": "x"})
            answer = program.raw("POST", ROOT + path.format(run=run), sent, {"Content-Type": "application/json"})
            assert answer.status in (400, 403, 404, 409), (path, answer)
            assert answer.status != 400 or said in json.dumps(answer.body), (path, answer.body)
