"""Who may use the API."""

import json
import shutil
from pathlib import Path

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.engine.scene import AGENT, GOOD, Scene, approval, phase, refused
from tests.store.scene import tamper
from wfe_mcp.core.limits import MESSAGE_BYTES
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access import tokens
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.store import Store
from wfe_mcp.store.layout import tables


def test_without_a_token_every_path_is_refused(page: Page) -> None:
    stranger = Program(page.port)

    found = stranger.get("/runs")

    assert (found.status, found.code) == (401, "unauthorized")
    assert found.headers["www-authenticate"] == "Bearer"
    assert "wfe-mcp token create" in found.body["error"]["hint"]


@pytest.mark.parametrize("token", ["wfe_guess", "", "Bearer", "\u00e9".encode().decode("latin-1")])
def test_an_unknown_token_opens_nothing(page: Page, program: Program, token: str) -> None:
    found = program.raw("GET", "/api/v1/runs", headers={"Authorization": f"Bearer {token}"})

    assert (found.status, found.code) == (401, "unauthorized")


def test_a_revoked_or_expired_token_opens_nothing(scene: Scene, connect: Connect) -> None:
    gone, late = connect(name="gone"), connect(name="late", expires_s=60)
    assert gone.get("/runs").status == late.get("/runs").status == 200
    tokens.revoke_token(scene.engine, AGENT, "gone")
    scene.clock.advance(seconds=60)

    assert gone.get("/runs").code == late.get("/runs").code == "unauthorized"


def test_a_scope_allows_what_is_below_it_and_nothing_above(scene: Scene, connect: Connect) -> None:
    definition = scene.define(phase("plan"), name="other")
    reader, worker, manager = connect("read", "reader"), connect("work", "worker"), connect("manage", "manager")

    assert reader.get("/runs").status == worker.get("/runs").status == 200
    answer = reader.post("/runs", template="other")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert "--scope work" in answer.body["error"]["hint"]
    assert worker.post("/templates", definition=definition | {"version": "2.0.0"}).code == "forbidden"
    kept = manager.post("/templates", definition=definition | {"name": "third"})
    assert kept.status == 200


def test_a_token_of_one_project_sees_no_other(scene: Scene, connect: Connect) -> None:
    scene.define(phase("plan"))
    run = connect(name="all").post("/runs", template="drill").body["run"]
    with scene.store.tx() as tx:
        other = tx.projects.id_of("/elsewhere", "/elsewhere")
    foreign = connect(name="foreign", project=other)

    for path in ("/runs", "/activity"):
        found = foreign.get(path, project=scene.engine.project_id)
        assert (found.status, found.code) == (403, "forbidden")
    for found in (foreign.get("/runs/{run}", {"run": run}), foreign.get("/search", query="plan", run=run)):
        assert (found.status, found.code) == (404, "unknown_run"), "as one that does not exist"
    tamper(scene.url, "UPDATE run SET state = 'damaged', last_hash = 'other'")
    found = foreign.get("/runs/{run}", {"run": run})
    assert (found.status, found.code) == (404, "unknown_run")


def test_an_unknown_project_is_refused_with_the_nearest(scene: Scene, program: Program) -> None:
    wanted = scene.engine.project_id[:-1]

    found = program.get("/templates", project=wanted)

    assert (found.status, found.code) == (400, "bad_argument")
    assert scene.engine.project_id in found.body["error"]["hint"]


def test_the_database_has_only_the_hash_of_a_token(scene: Scene, connect: Connect, tmp_path: Path) -> None:
    token = connect(name="kept").token

    scene.close()

    held = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"token:kept" in held
    assert token.encode() not in held


def test_making_and_revoking_a_token_is_in_the_settings_log(scene: Scene, connect: Connect) -> None:
    connect(name="ci")
    tokens.revoke_token(scene.engine, AGENT, "ci")

    with scene.store.read() as tx:
        logged = [(each.type, each.name) for each in tx.settings_log.events() if each.name.startswith("token:")]
        assert tx.settings_log.problems() == []
    assert logged == [("SecretSet", "token:ci"), ("SecretForgotten", "token:ci")]


def test_a_token_planted_in_the_database_is_found_by_verify(scene: Scene) -> None:
    with scene.store.tx() as tx:
        tx.secrets.set("token:ci", "{}", AGENT, scene.clock())
        tx._run(tables.SECRET.update().where(tables.SECRET.c.name == "token:ci").values(value='{"x":1}'))  # pyright: ignore[reportPrivateUsage]

    with scene.store.read() as tx:
        assert [problem.code for problem in tx.settings_log.problems()] == ["secret_replaced"]


def test_no_scope_approves_for_a_person(scene: Scene, connect: Connect) -> None:
    scene.define(phase("plan", approval()))
    manager = connect("manage")
    run = manager.post("/runs", template="drill").body["run"]
    manager.post("/runs/{run}/start_phase", {"run": run})
    manager.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)

    asked = manager.post("/runs/{run}/approve", {"run": run}, phase="plan", comment="yes")

    assert asked.code == "needs_human"
    extra = manager.post("/runs/{run}/approve", {"run": run}, phase="plan", pin=PIN)
    assert extra.code == "bad_argument", "no key of the API takes a PIN"
    assert scene.attempt(run, "plan").status == "awaiting"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_page_cannot_use_the_api(program: Program, headers: dict[str, str], status: int) -> None:
    sent = {"Content-Type": "application/json", **headers}

    found = program.raw("POST", "/api/v1/runs", "{}", sent)
    assert (found.status, found.code) == (status, "bad_argument" if status == 415 else "forbidden")


def test_a_type_may_name_its_character_set(program: Program) -> None:
    sent = {"Content-Type": "application/json; charset=utf-8"}
    assert program.raw("POST", "/api/v1/runs", "{}", sent).body["error"]["details"][0]["path"] == "/inputs/goal"


def test_a_form_page_takes_no_json(page: Page) -> None:
    assert Program(page.port).raw("POST", "/", "{}", {"Content-Type": "application/json"}).status == 415


def test_no_answer_lets_another_origin_read_it(program: Program) -> None:
    headers = program.get("/runs").headers

    assert not any(name.startswith("access-control") for name in headers)
    assert headers["cache-control"] == "no-store"


def test_what_is_no_json_or_no_operation_is_refused_in_the_same_form(program: Program) -> None:
    json_type = {"Content-Type": "application/json"}
    for method, path, body in (
        ("GET", "/api/v1/nothing", None),
        ("PUT", "/api/v1/runs", "{}"),
        ("POST", "/api/v1/runs", "{not json"),
        ("POST", "/api/v1/runs", "[" * 100_000),
        ("POST", "/api/v1/runs", '{"inputs": {"a": NaN}}'),
    ):
        found = program.raw(method, path, body, json_type)
        assert 400 <= found.status < 500, (method, path, found)
        assert found.code == "bad_argument"


def test_a_body_above_the_limit_is_not_read_to_its_end(program: Program) -> None:
    body = json.dumps({"title": "x" * MESSAGE_BYTES.most})

    found = program.raw("POST", "/api/v1/runs", body, {"Content-Type": "application/json"})

    assert (found.status, found.code) == (413, "too_large")


def test_a_token_has_a_name_of_its_own(scene: Scene) -> None:
    tokens.create_token(scene.engine, AGENT, "release-bot")

    assert refused(tokens.create_token, scene.engine, AGENT, "release-bot").code == "conflict"
    for name in ("", "CI", "a b", "x" * 41, "-a"):
        assert refused(tokens.create_token, scene.engine, AGENT, name).code == "bad_argument"
    unknown = refused(tokens.revoke_token, scene.engine, AGENT, "release-bat")
    assert (unknown.code, unknown.hint) == ("bad_argument", "Did you mean 'release-bot'?")


def test_two_pages_of_one_process_answer_each_for_its_own_database(
    program: Program, scene: Scene, blank: Path, tmp_path: Path
) -> None:
    scene.start(phase("plan"))
    shutil.copytree(blank, tmp_path / "other")
    store = Store.open(f"sqlite:///{tmp_path / 'other' / 'wfe.db'}", clock=scene.clock)
    other = Scene(tmp_path / "other" / "project", store, scene.clock, scene.environment)
    try:
        with serve_page(other.engine, 0) as page:
            assert isinstance(page, Page)
            _, own = create_token(other.engine, AGENT, "ci", "work")
            counts = [len(each.get("/runs").data["runs"]) for each in (program, Program(page.port, own), program)]
            assert Program(page.port, program.token).get("/runs").code == "unauthorized"
    finally:
        other.close()
    assert counts == [1, 0, 1]
