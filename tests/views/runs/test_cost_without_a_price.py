"""The cost of calls without a known price is missing, not 0."""

from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.views.runs.usage import tokens_and_cost


def test_calls_without_a_known_price_have_tokens_and_no_cost() -> None:
    assert tokens_and_cost(UsageRecord(calls=2, unpriced=1, input_tokens=100, output_tokens=20)) == (120, None)
    assert tokens_and_cost(UsageRecord(calls=2, unpriced=1, input_tokens=100, cost_usd=0.25)) == (100, 0.25)
    assert tokens_and_cost(UsageRecord(calls=1, input_tokens=100)) == (100, 0.0), "a price of 0 is known"
