"""What another process does between two reads of a call: each read is of a moment of its own."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from wfe_mcp.store import Store, Tx


class Between:
    """``is_done``: the call came so far."""

    def __init__(self) -> None:
        self.reads, self.is_done = 0, False


@contextmanager
def after_read(number: int, act: Callable[[], object]) -> Generator[Between]:
    """Inside the block ``act`` happens once, when so many transactions that read have ended."""
    between, read = Between(), Store.read

    @contextmanager
    def read_and_act(store: Store) -> Generator[Tx]:
        with read(store) as tx:
            yield tx
        between.reads += 1
        if between.reads == number:  # its own reads are later ones
            act()
            between.is_done = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "read", read_and_act)
        yield between
