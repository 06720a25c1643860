"""Invalid lines get an answer and never end the server."""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from wfe_mcp.server import wire
from wfe_mcp.server.wire import INVALID_REQUEST, PARSE_ERROR, Malformed, Wire, frame_of

GOOD: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    {"jsonrpc": "2.0", "id": "a", "method": "ping", "params": {"text": "ü 😀", "number": 1.5}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
    {"jsonrpc": "2.0", "id": 1, "result": {}},
    {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "x"}},
]

BAD: list[tuple[bytes, int, str | int | None]] = [
    (b"hello", PARSE_ERROR, None),
    (b'{"jsonrpc": "2.0", "id": 1, "method"', PARSE_ERROR, None),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"n": NaN}}', PARSE_ERROR, 1),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"n": -Infinity}}', PARSE_ERROR, 1),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"n": 1e999}}', PARSE_ERROR, 1),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"s": "\\ud800"}}', PARSE_ERROR, 1),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"s": "\xff"}}', PARSE_ERROR, 1),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"n": ' + b"9" * 5_000 + b"}}", PARSE_ERROR, 1),
    (b"[" * 200_000, PARSE_ERROR, None),
    (b"[]", INVALID_REQUEST, None),
    (b'"text"', INVALID_REQUEST, None),
    (b"{}", INVALID_REQUEST, None),
    (b'{"jsonrpc": "1.0", "id": 7, "method": "x"}', INVALID_REQUEST, 7),
    (b'{"jsonrpc": "2.0", "id": 7}', INVALID_REQUEST, 7),
    (b'{"jsonrpc": "2.0", "id": "s", "method": 5}', INVALID_REQUEST, "s"),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "x", "params": []}', INVALID_REQUEST, 7),
    (b'{"jsonrpc": "2.0", "id": null, "method": "x"}', INVALID_REQUEST, None),
    (b'{"jsonrpc": "2.0", "id": 1.5, "method": "x"}', INVALID_REQUEST, None),
    (b'{"jsonrpc": "2.0", "id": true, "method": "x"}', INVALID_REQUEST, None),
    (b'{"jsonrpc": "2.0"}', INVALID_REQUEST, None),
    (b'{"jsonrpc": "2.0", "id": 7, "method": "x", "params": {"a": {"b": 1, "c": 2, "b": 3}}}', INVALID_REQUEST, 7),
    (b'{"jsonrpc": "2.0", "id": 7, "id": 8, "method": "x"}', INVALID_REQUEST, None),
]


@pytest.mark.parametrize("message", GOOD)
def test_a_message_is_read_as_it_was_written(message: dict[str, Any]) -> None:
    assert frame_of(json.dumps(message).encode()) == message
    assert frame_of(json.dumps(message, ensure_ascii=False).encode()) == message


@pytest.mark.parametrize(("line", "code", "request_id"), BAD, ids=[str(line[:40]) for line, _, _ in BAD])
def test_a_line_that_is_no_message_is_answered_with_its_fault(line: bytes, code: int, request_id: object) -> None:
    with pytest.raises(Malformed) as caught:
        frame_of(line)

    assert (caught.value.code, caught.value.request) == (code, request_id)


@contextmanager
def wires() -> Generator[tuple[int, Wire, int]]:
    """A wire between two pipes: where to write to it, itself, where its answers come out."""
    source, client_out = os.pipe()
    client_in, sink = os.pipe()
    try:
        yield client_out, Wire(source, sink), client_in
    finally:
        for fd in (source, client_out, client_in, sink):
            try:
                os.close(fd)
            except OSError:
                continue


def test_bad_lines_are_answered_and_good_ones_continue() -> None:
    with wires() as (client_out, served, client_in):
        os.write(
            client_out, b'nonsense\n\n  \n{"jsonrpc":"2.0","method":"a"}\n{"id":3}\r\n{"jsonrpc":"2.0","method":"b"}'
        )
        os.close(client_out)
        methods = [frame["method"] for frame in served.frames()]
        served.flush()
        answers = [json.loads(line) for line in os.read(client_in, 10_000).splitlines()]

    assert methods == ["a", "b"]
    assert [(answer["id"], answer["error"]["code"]) for answer in answers] == [
        (None, PARSE_ERROR),
        (3, INVALID_REQUEST),
    ]


def test_a_message_in_many_pieces_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CHUNK_BYTES", 3)
    with wires() as (client_out, served, _):
        os.write(client_out, b'{"jsonrpc":"2.0","method":"a"}\n{"jsonrpc":"2.0","method":"b"}\n')
        os.close(client_out)

        assert [frame["method"] for frame in served.frames()] == ["a", "b"]


def test_a_message_that_is_too_long_is_dropped_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CHUNK_BYTES", 16)
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 64)
    with wires() as (client_out, served, client_in):
        os.write(client_out, b"x" * 500 + b'\n{"jsonrpc":"2.0","method":"a"}\n')
        os.close(client_out)
        methods = [frame["method"] for frame in served.frames()]
        answer = json.loads(os.read(client_in, 10_000))

    assert methods == ["a"]
    assert answer["error"]["code"] == INVALID_REQUEST


def test_a_client_that_is_gone_is_noticed_and_raises_nothing() -> None:
    with wires() as (_, served, client_in):
        os.close(client_in)
        served.send({"jsonrpc": "2.0", "id": 1, "result": {}})
        served.flush()

        assert served.broken


LONG = b"[" + b"[]," * 300_000 + b"[]]"


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":' + LONG + b"}}", 7),
        (b'{"method":"x","params":{"id":1,"a":' + LONG + b'},"jsonrpc":"2.0","id":"seven"}', "seven"),
        (b'{"params":{"a":' + LONG + b'},"method":"x","id":7,"more":1}', None),
        (b'{"jsonrpc":"2.0","id":007,"method":"x","params":{"a":' + LONG + b"}}", None),
        (b'{"jsonrpc":"2.0","id":"a\tb","method":"x","params":{"a":' + LONG + b"}}", None),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"x","params":{"a":' + LONG + b"}}", None),
    ],
    ids=["first", "last", "hidden", "no number", "no text", "no UTF-8"],
)
def test_a_message_with_too_many_parts_is_refused_unparsed_with_its_id(line: bytes, request_id: object) -> None:
    with pytest.raises(Malformed) as caught:
        frame_of(line)

    assert (caught.value.code, caught.value.request) == (INVALID_REQUEST, request_id)
    assert "parts; at most 250,000 are allowed. Make it smaller" in caught.value.message


def test_commas_in_texts_are_no_parts() -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"text": 'a,"[{' * 300_000}}

    assert frame_of(json.dumps(message).encode()) == message


def test_a_message_that_is_too_long_is_answered_with_its_id_and_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CHUNK_BYTES", 512)
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 8_192)
    line = b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"' + b"x" * 20_000 + b'"}}'
    with wires() as (client_out, served, client_in):
        os.write(client_out, line + b'\n{"jsonrpc":"2.0","method":"a"}\n')
        os.close(client_out)
        methods = [frame["method"] for frame in served.frames()]
        served.flush()
        answer = json.loads(os.read(client_in, 10_000))

    assert methods == ["a"]
    assert answer["id"] == 7
    assert f"has {len(line):,} bytes; at most 8,192 are allowed" in answer["error"]["message"]


def test_a_client_that_reads_nothing_blocks_no_caller_and_counts_as_gone_beyond_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "UNREAD_BYTES", wire.UNREAD_BYTES.with_most(300_000))
    with wires() as (_, served, client_in):
        served.write("x" * 200_000)
        served.flush(0.01)
        assert not served.broken
        served.write("x" * 200_000)
        assert served.broken
        os.read(client_in, 1_000_000)  # the writer ends
