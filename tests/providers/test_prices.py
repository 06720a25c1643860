"""Prices of calls and sizes of texts, computed offline."""

import socket
from typing import Any

import pytest

from wfe_mcp.providers.call import Usage
from wfe_mcp.providers.prices import cost_usd, tokens_of
from wfe_mcp.workspace.config.provider_kinds import ProviderKind

USED = Usage(requests=1, input_tokens=1_000_000, output_tokens=100_000)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No price is downloaded."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("openai", "gpt-5"),
        ("gemini", "gemini-2.5-pro"),
        ("claude-code", "claude-sonnet-4-5"),
        ("codex", "gpt-5"),
    ],
)
def test_the_price_list_knows_the_models_of_each_vendor(kind: ProviderKind, model: str) -> None:
    cost = cost_usd(kind, model, USED)

    assert cost is not None
    assert 0.1 < cost < 100


def test_cached_tokens_are_cheaper() -> None:
    cached = Usage(1, 1_000_000, 0, cache_read_tokens=900_000)
    plain = Usage(1, 1_000_000, 0)

    assert (cost_usd("anthropic", "claude-sonnet-4-5", cached) or 0) < (
        cost_usd("anthropic", "claude-sonnet-4-5", plain) or 0
    )


def test_what_a_provider_says_itself_wins() -> None:
    assert cost_usd("claude-code", "no-such-model", Usage(cost_usd=0.25)) == 0.25


@pytest.mark.parametrize(
    ("kind", "model", "base_url"),
    [
        ("anthropic", "no-such-model", None),
        ("manual", "m", None),
        ("openai-compatible", "llama", None),
        ("openai-compatible", "llama", "http://127.0.0.1:11434/v1"),
    ],
)
def test_a_price_that_no_one_knows_is_none_and_not_nothing(
    kind: ProviderKind, model: str, base_url: str | None
) -> None:
    assert cost_usd(kind, model, USED, base_url=base_url) is None


def test_an_address_of_a_known_vendor_finds_its_prices() -> None:
    assert cost_usd("openai-compatible", "gpt-5", USED, base_url="https://api.openai.com/v1") == cost_usd(
        "openai", "gpt-5", USED
    )


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("漢字", 2), ("word " * 300, 500), ("\ud800", 1)]
)
def test_a_text_is_estimated_rather_too_long(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens


def test_usage_adds_up_and_an_unknown_cost_stays_unknown() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(1, 1, 1, 1, 1) == Usage(2, 3, 4, 5, 6)
    assert (Usage(cost_usd=0.5) + Usage()).cost_usd == 0.5
    assert (Usage(cost_usd=0.5) + Usage(cost_usd=0.25)).cost_usd == 0.75
