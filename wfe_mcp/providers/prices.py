"""Costs of calls and estimates of tokens. Prices come from the installed genai-prices, without downloads.

Rules:
1. An unknown price is None, never 0.
2. A cost reported by the provider takes precedence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.providers.call import Usage
    from wfe_mcp.workspace.config.provider_kinds import ProviderKind

_VENDORS: dict[ProviderKind, str] = {
    "anthropic": "anthropic",
    "openai": "openai",
    "gemini": "google",
    "claude-code": "anthropic",
    "codex": "openai",
    "gemini-cli": "google",
}
_BYTES_PER_TOKEN = 3
IMAGE_TOKENS = 1_600
"""The estimate for an image: the most tokens that vendors count for one."""


def tokens_of(text: str) -> int:
    """An estimate of the tokens in ``text``: one per three bytes of UTF-8, rounded up.

    Tokenizers differ per model, and none is loaded for this. English prose has about four bytes per token, code three,
    CJK three (one character): the estimate errs on the high side, as a cap requires.
    """
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def cost_usd(kind: ProviderKind, model: str, usage: Usage, *, base_url: str | None = None) -> float | None:
    """The cost of ``usage`` of ``model`` in US dollars. None where neither the provider nor the price list has it.

    ``base_url`` finds the vendor behind an openai-compatible address; a model on this machine has no price.
    """
    if usage.cost_usd is not None:
        return usage.cost_usd
    from genai_prices import (
        Usage as Counted,  # 0.15 s of CPU: only where a price is asked for
        calc_price,
    )

    counted = Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    where = _price_source(kind, base_url)
    if where is None:
        return None
    try:
        return float(calc_price(counted, model, **where).total_price)
    except (LookupError, ValueError):
        return None


def _price_source(kind: ProviderKind, base_url: str | None) -> dict[str, Any] | None:
    vendor = _VENDORS.get(kind)
    if vendor is not None:
        return {"provider_id": vendor}
    return {"provider_api_url": base_url} if base_url else None
