"""No input stops a running server or exposes its internals.

``WFE_ACCEPTANCE=whole`` makes 10,000 calls; else a sample that takes seconds. ``python -m bench fuzz`` measures latency.
"""

from pathlib import Path

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import WHOLE
from tests.security.hostile import BAD_LINES, assault, field_of_play
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era

CALLS = 5_000 if WHOLE else 300


@pytest.mark.parametrize("era", [HANDSHAKE, MODERN])
@pytest.mark.attack("ten thousand fuzzed calls, and lines that are no message", "held", "T7")
def test_every_call_is_answered_with_an_envelope_and_nothing_comes_out(
    play: MakePlayground, tmp_path: Path, era: Era
) -> None:
    argv, cwd, env, known = field_of_play(tmp_path, play)

    answer = assault(argv, cwd, env, tmp_path / "serve.log", era=era, calls=CALLS, known=known)

    assert answer.faults == []
    assert answer.calls >= CALLS * 0.9
    assert {"ok", "bad_argument", "needs_human", "illegal_transition", "invalid_template"} <= set(answer.codes), (
        answer.codes
    )
    assert len(BAD_LINES) > 20
