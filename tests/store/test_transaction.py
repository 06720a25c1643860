"""A transaction has a repository for each noun, and one of each."""

from tests.store.scene import AGENT, Clock, create
from wfe_mcp.store import Store


def test_a_transaction_has_one_repository_of_each_noun(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        assert tx.runs is tx.runs
        create(tx, "R-1")
        # the run was written through the transaction's own log and search notes, not through copies of them
        assert tx.events.tails(["R-1"])["R-1"][0] == 2
        assert (tx.settings_log.has_changed, tx.settings_log.tail()[0]) == (False, 0)
        tx.secrets.set("pin", "1234", AGENT, clock())
        assert (tx.settings_log.has_changed, tx.settings_log.tail()[0]) == (True, 1)
