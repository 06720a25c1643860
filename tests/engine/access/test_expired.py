"""Tokens that have expired keep no one from making another."""

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.access import device, tokens
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.integrity.verification import verify


def test_a_machine_logs_in_where_as_many_tokens_as_may_be_have_expired(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MOST", 3)
    create_token(scene.engine, HUMAN, "for-ever")
    for name in ("ci", "bot"):
        create_token(scene.engine, HUMAN, name, expires_s=60)
    code, request = device.begin(scene.engine, "ada", "laptop", "192.0.2.1")
    device.confirm_device(scene.engine, HUMAN, request.user_code, scene.engine.project_id)
    assert "There are 3 tokens already" in refused(lambda: device.take(scene.engine, code)).message

    scene.clock.advance(seconds=60)
    assert device.take(scene.engine, code) is not None

    assert [token.name for token in tokens.tokens(scene.engine)] == ["ada-laptop", "for-ever"]
    assert verify(scene.engine).findings == ()
