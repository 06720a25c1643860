"""The assistant over HTTP: answered whole or as a stream, stopped with the connection, refused with a code."""

import http.client
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.api.client import WAIT_S, Program, first
from tests.dashboard.api.conftest import Connect
from tests.dashboard.assistant_model import KEY, Models, home, models
from tests.engine.scene import Scene, phase
from tests.fake_models.script import Call, Turn
from wfe_mcp.workspace.system.location import user_config_file

__all__ = ["home", "models"]

pytestmark = pytest.mark.requirement("S4-34", "S1-33")


def messages(program: Program, **body: Any) -> Generator[tuple[str, Any]]:
    """What is heard; closing the generator closes the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=WAIT_S)
    headers = {
        "Host": f"localhost:{program.port}",
        "Authorization": f"Bearer {program.token}",
        "Content-Type": "application/json",
    }
    try:
        connection.request("POST", "/api/v1/assistant", json.dumps({**body, "stream": True}), headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        kind = ""
        while line := response.readline().decode():
            name, _, value = line.rstrip("\r\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)
    finally:
        connection.close()


def test_it_answers_whole_and_knows_the_conversation(program: Program, models: Models) -> None:
    server = models(Turn(text="It was `wfe-mcp status`."))
    data = program.post(
        "/assistant", question="Which command?", earlier=[{"question": "What runs?", "answer": "The blue run."}]
    ).data
    assert (data["text"], data["commands"]) == ("It was `wfe-mcp status`.", ["wfe-mcp status"])
    assert data["blocks"][0]["kind"] == "paragraph"
    assert "The blue run." in str(server.asked[0].body)


def test_a_stream_has_its_words_as_they_come_what_it_reads_and_the_answer(
    scene: Scene, program: Program, models: Models
) -> None:
    run = scene.start(phase("draft"))
    models(Turn(text="I look. ", calls=(Call("status", {"run": run}),)), Turn(text="It waits for you."))
    heard = list(messages(program, question="What waits?"))
    assert heard[-1][0] == "answer"
    assert heard[-1][1]["data"]["text"] == "It waits for you."
    assert heard[-1][1]["data"]["read"][0]["run"] == run
    assert [said["text"] for kind, said in heard if kind == "reads"] == [f"status {run}"]
    assert "".join(said["text"] for kind, said in heard if kind == "text") == "I look. It waits for you."


def test_a_secret_is_hidden_in_its_words_also_where_a_piece_ends_within_it(program: Program, models: Models) -> None:
    models(Turn(text=f"The key is {KEY}, and again {KEY}"))
    heard = list(messages(program, question="What is the key?"))
    pieces = [said["text"] for kind, said in heard if kind == "text"]
    assert len(pieces) > 1
    assert "".join(pieces) == "The key is [hidden], and again [hidden]"
    assert KEY not in str(heard)


def test_who_closes_the_stream_stops_the_model(scene: Scene, program: Program, models: Models) -> None:
    server = models(Turn(text="A long answer", stall=True))
    stream = messages(program, question="What waits?")
    assert next(stream)[0] == "text"
    stream.close()

    def is_over() -> bool:
        with scene.store.read() as tx:
            return tx.model_calls.usage().in_flight == 0

    assert first(is_over)
    assert server.count == 1


def test_a_refusal_comes_with_its_code_whole_and_in_a_stream(home: Path, program: Program) -> None:
    assert not home.exists()
    assert program.post("/assistant", question="What waits?").code == "bad_argument"
    ((kind, said),) = messages(program, question="What waits?")
    assert (kind, said["error"]["code"]) == ("refused", "bad_argument")
    assert "wfe-mcp providers role assistant" in said["error"]["hint"]


def test_a_model_that_fails_is_named_also_where_a_program_is_its_fallback(program: Program, models: Models) -> None:
    models(*[Turn(status=529)] * 9)
    file = user_config_file()
    file.write_text(f'{file.read_text()}fallback = ["claude-code"]\n')
    refusal = program.post("/assistant", question="What waits?")
    assert (refusal.code, "tools of its own" in str(refusal)) == ("unavailable", False)


def test_a_token_that_only_reads_spends_nothing(connect: Connect, models: Models) -> None:
    server = models(Turn(text="?"))
    assert connect("read").post("/assistant", question="What waits?").code == "forbidden"
    assert server.count == 0
