"""Tokens of a text, as a model counts them: the o200k vocabulary, offline."""

from typing import cast

import pytest


def tokens(text: str) -> int:
    """How many tokens ``text`` has. The test is skipped where the vocabulary is built for no such Python (3.14)."""
    # importorskip: the package is compiled and has no types.
    o200k = pytest.importorskip("rs_bpe.bpe", reason="rs-bpe has no wheel for this Python").openai.o200k_base()
    return cast("int", o200k.count(text))
