"""A provider test reports what works and what fails, with one model call at most."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from tests.providers.conftest import KEY, Connect, Heard
from wfe_mcp.providers import probing
from wfe_mcp.providers.call import Connection, ProviderFault
from wfe_mcp.workspace.config.provider_kinds import ProviderKind


@pytest.mark.requirement("S1-36")
def test_a_provider_that_works_is_asked_once_and_says_how_fast(connect: Connect) -> None:
    heard = Heard()
    with ModelServer(key=KEY, models=["m-1", "m-2"]) as server:
        tested = probing.try_connection(connect(server), heard)

    assert (tested.ok, tested.model_found, tested.models, tested.fault) == (True, True, ("m-1", "m-2"), None)
    assert tested.latency_s is not None
    assert tested.usage.requests == server.count == len(heard.after) == 1


@pytest.mark.requirement("S1-05")
@pytest.mark.parametrize(
    ("given", "fails", "says", "hint"),
    [
        ({"key": "another"}, "wrong_key", "rejected the key", "Check that the key"),
        ({"models": ["m-10", "x"]}, "wrong_model", "no model 'm-1'", "Nearest of its 2 models: m-10"),
        ({"models": ["x", "y"]}, "wrong_model", "no model 'm-1'", "Nearest of its 2 models: x, y"),
        ({"turns": [Turn(status=529)]}, "overloaded", "HTTP 529", "Wait"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said_with_the_next_step(
    connect: Connect, given: dict[str, Any], fails: str, says: str, hint: str
) -> None:
    with ModelServer(**given) as server:
        tested = probing.try_connection(connect(server))

    assert tested.fault is not None
    assert (tested.ok, tested.latency_s, tested.fault.kind) == (False, None, fails)
    assert tested.model_found is (False if fails == "wrong_model" else None)
    assert says in tested.fault.message
    assert hint in tested.fault.hint
    assert server.count == 1


@pytest.mark.requirement("S1-05")
@pytest.mark.parametrize(
    ("other", "fails"),
    [({"base_url": "http://127.0.0.1:9"}, "no_route"), ({"api_key": None, "model": ""}, "not_configured")],
)
def test_a_provider_that_is_not_there_is_not_asked_anything(
    connect: Connect, other: dict[str, Any], fails: str
) -> None:
    heard = Heard()
    with ModelServer() as server:
        tested = probing.try_connection(connect(server, **other), heard)

    assert tested.fault is not None
    assert (tested.fault.kind, tested.model_found, heard.before) == (fails, None, [])


@pytest.fixture
def garbage() -> Iterator[str]:
    """A web server that is no API: the address under which it says something, whatever is asked."""
    answers = {"/list": b'["a"]', "/page": b"<html>", "/deep": b"[" * 100_000, "/big": b" " * 5_000_000}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path.startswith("/moved") else 200)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(answers.get(self.path.removesuffix("/models"), b'{"data": [1, {"id": 2}, {"id": "m"}]}'))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/list", "unparsable"),
        ("/page", "unparsable"),
        ("/deep", "unparsable"),
        ("/big", "unparsable"),
        ("/moved", "not_configured"),
    ],
)
def test_what_lists_no_models_is_said_to_be_none(garbage: str, path: str, kind: str) -> None:
    with pytest.raises(ProviderFault) as fault:
        probing.list_models(Connection("p", "openai-compatible", base_url=garbage + path))

    assert fault.value.kind == kind


def test_of_a_list_only_what_has_a_name_is_a_model(garbage: str) -> None:
    assert probing.list_models(Connection("p", "openai-compatible", base_url=garbage)) == ("m",)


def test_models_are_listed_without_a_model_being_named(connect: Connect) -> None:
    with ModelServer(models=["m-1", "m-2"]) as server:
        assert probing.list_models(connect(server, model="")) == ("m-1", "m-2")

    assert server.count == 0


def test_gemini_lists_its_models_without_the_extra() -> None:
    with ModelServer(key=KEY, models=["gemini-x"]) as server:
        assert probing.list_models(Connection("g", "gemini", "m", KEY, server.origin)) == ("gemini-x",)


def test_a_model_that_thinks_longer_than_the_smallest_question_allows_has_answered(connect: Connect) -> None:
    with ModelServer([Turn(text="Let me see", stop="length")]) as server:
        assert probing.try_connection(connect(server)).ok


def test_a_provider_that_lists_nothing_is_tested_by_its_answer(garbage: str, kind: ProviderKind) -> None:
    tested = probing.try_connection(Connection("p", "openai-compatible", "m", base_url=f"{garbage}/page"))

    assert tested.fault is not None
    assert (tested.ok, tested.model_found, tested.models) == (False, None, ())


def test_models_on_this_machine_are_found_at_their_usual_ports(garbage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(models=["llama", "qwen"]) as one, ModelServer(models=["phi"]) as two, ModelServer(key="k") as shut:
        places = {
            "Ollama": (port(one.origin), "/v1"),
            "LM Studio": (port(shut.origin), "/v1"),
            "vLLM": (9, "/v1"),
            "Docker Model Runner": (port(two.origin), "/engines/v1"),
            "some web server": (port(garbage), "/page"),
        }
        monkeypatch.setattr(probing, "LOCAL", places)
        found = probing.find_local()

    assert [(each.name, each.models, each.needs_key) for each in found] == [
        ("Ollama", ("llama", "qwen"), False),
        ("LM Studio", (), True),
        ("Docker Model Runner", ("phi",), False),
    ]
    assert found[0].base_url == one.v1


def test_the_usual_places_are_on_this_machine_only() -> None:
    assert {name: place[0] for name, place in probing.LOCAL.items()} == {
        "Ollama": 11434,
        "LM Studio": 1234,
        "vLLM": 8000,
        "Docker Model Runner": 12434,
    }


def port(origin: str) -> int:
    return int(origin.rpartition(":")[2])
