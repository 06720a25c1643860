"""The OpenAPI document of the API."""

import json

from openapi_spec_validator import validate

from tests.dashboard.api.client import DOCUMENT, Program
from wfe_mcp.core.errors import CODES
from wfe_mcp.dashboard.api.app import OPEN, ROOT, document
from wfe_mcp.dashboard.api.replies import STATUS, status_of


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_the_document_in_the_docs_is_that_of_the_routes() -> None:
    assert json.loads(DOCUMENT.read_text(encoding="utf-8")) == document(), "run scripts/generate.py"


def test_the_page_serves_its_document_without_a_token(program: Program) -> None:
    served = Program(program.port).raw("GET", f"{ROOT}/openapi.json")

    assert (served.status, served.body) == (200, document())


def test_every_operation_says_what_it_does_and_needs_a_token() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            is_open = (method.upper(), path) in OPEN
            assert operation["security"] == ([] if is_open else [{"HTTPBearer": []}]), (method, path)


def test_every_code_has_one_http_status() -> None:
    assert set(STATUS) <= set(CODES)
    assert all(400 <= status_of(code) < 600 for code in CODES)


def test_a_question_with_a_parameter_that_its_operation_lacks_is_refused_with_the_nearest_one(program: Program) -> None:
    refused = program.get("/runs", stauts="running")
    assert (refused.status, refused.code) == (400, "bad_argument")
    error = refused.body["error"]
    assert error["message"] == "GET /api/v1/runs has no parameter 'stauts'."
    assert error["hint"] == "Did you mean 'status'?"
    assert [fault["path"] for fault in error["details"]] == ["/query/stauts"]
    assert program.get("/runs", status="running").status == 200
    none = program.get("/session", utm_source="mail")
    assert none.body["error"]["hint"] == "It has none."
