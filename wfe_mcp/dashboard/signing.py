"""How does a person decide with a passkey instead of the PIN?

    the form, as filled in ──► statement, asked of the browser ──► the form again, with the signature ──► a proven decision

Rules:
1. What is signed was made here, from the stored request; of the form it takes the person's own words only.
2. The answer must be to what this browser was asked for this form, and counts once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals.passkeys import Assertion, asking_for_signature
from wfe_mcp.engine.approvals.proofs import Statement, prove, statement_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.dashboard.challenges import Ceremonies
    from wfe_mcp.engine.approvals.proofs import Given
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.approvals import RequestRecord

__all__ = ["Signing", "read_json"]

Answer = Literal["approve", "reject"]


class Signing:
    """Signatures for decisions, at the page at ``port``."""

    def __init__(self, ceremonies: Ceremonies, port: int) -> None:
        self._ceremonies, self._port = ceremonies, port

    def ask(
        self, engine: Engine, request: RequestRecord, answer: Answer, form: Mapping[str, str], session: str
    ) -> dict[str, Any]:
        """What the browser is told to have signed."""
        said = form.get("comment", "") if answer == "approve" else form.get("feedback", "").strip()
        statement, keys = statement_of(engine, request, answer, comment=said, to=form.get("to", ""))
        options = asking_for_signature(statement.model_dump(), [key.id for key in keys])
        return {"ceremony": self._ceremonies.begin(session, f"{answer} {request.id}", statement), "options": options}

    def given(
        self, engine: Engine, request: RequestRecord, answer: Answer, form: Mapping[str, str], session: str
    ) -> Given:
        """The decision that the form brings, proven. Refuses ``stale_revision``, ``needs_human``, ``bad_argument``."""
        form_name = f"{answer} {request.id}"
        statement = self._ceremonies.take(session, form_name, form.get("ceremony", ""), Statement)
        return prove(engine, statement, Assertion.of_browser(read_json(form.get("assertion", ""))), self._port)


def read_json(text: str) -> Any:
    """What a script of ours put into a field. Refuses ``bad_argument`` what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("bad_argument", "The browser sent no passkey.", "Load the page and try again.") from error
