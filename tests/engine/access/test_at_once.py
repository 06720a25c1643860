"""Several processes of a team make tokens at the same time."""

from tests.engine.scene import HUMAN, Scene
from tests.store.postgres.test_writers import WRITERS, at_once
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.access import device
from wfe_mcp.engine.access.tokens import create_token, token_of


def test_of_tokens_with_one_name_one_is_made_and_the_others_are_refused(shared: Scene) -> None:
    texts: list[str] = []
    refused: list[str] = []

    def make(_: int) -> None:
        try:
            texts.append(create_token(shared.engine, HUMAN, "ci", "work")[1])
        except Refused as refusal:
            refused.append(refusal.code)

    at_once(make)

    assert [token_of(shared.engine, text) is not None for text in texts] == [True]
    assert refused == ["conflict"] * (WRITERS - 1)


def test_machines_of_one_name_that_take_their_tokens_at_once_have_one_each(shared: Scene) -> None:
    codes: list[str] = []
    for number in range(WRITERS):
        code, request = device.begin(shared.engine, "root", "box", f"192.0.2.{number}")
        device.confirm_device(shared.engine, HUMAN, request.user_code, shared.engine.project_id)
        codes.append(code)
    texts: list[str] = []

    def take(number: int) -> None:
        taken = device.take(shared.engine, codes[number])
        assert taken is not None
        texts.append(taken[1])

    at_once(take)

    assert [token_of(shared.engine, text) is not None for text in texts] == [True] * WRITERS
