"""What people sign at a server: open challenges for any process, and the moves of the application in a run.

    POST …             ──► needs_human: only a person does this
    POST … Wfe-Sign: ask                     ──► rolled back: needs_human, with ``sign``: the ceremony, and what a passkey must sign
    POST … Wfe-Sign: <ceremony> <assertion>  ──► done, with the signature in the log

Rules:
1. The change is made twice, and recorded once: what was signed is compared with what is recorded.
2. A challenge belongs to one session and one address, and is used once.
"""

from __future__ import annotations

import json
import logging
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.dashboard.sessions import Challenges
from wfe_mcp.engine.access.people import People, Waiting
from wfe_mcp.engine.approvals.approvers import Signer
from wfe_mcp.engine.approvals.passkey_decisions import Unsigned, person_by_passkey, person_to_ask
from wfe_mcp.engine.approvals.passkeys import Assertion, Site, asking_for_signature
from wfe_mcp.engine.approvals.statements import Statement
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.system.ed25519 import decode_unpadded

log = logging.getLogger("wfe_mcp.dashboard")

T = TypeVar("T")

HEADER = "wfe-sign"
ASK = "ask"
"""The header of who has not signed yet."""


class StoredChallenges(Challenges):
    """Open challenges in the database, for any process of the server."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__()
        self._waits = waiting

    def begin(self, session: str, form: str, about: object) -> str:
        """Open a challenge."""
        text = TypeAdapter(type(about)).dump_json(about, exclude_none=True).decode()
        return self._waits.keep("challenge", f"{session}\n{form}", {"about": text})

    def take(self, session: str, form: str, name: str, kind: type[T]) -> T:
        """Close it. Refuses ``stale_revision``."""
        kept = self._waits.take("challenge", f"{session}\n{form}", name)
        try:
            if kept is not None:
                return TypeAdapter(kind).validate_json(kept["about"])
        except ValidationError:
            log.warning("a challenge of another form was answered")
        raise Refused(
            "stale_revision", "This signature belongs to no open challenge.", "Reload the page and sign again."
        )


@dataclass(frozen=True, slots=True)
class Signing:
    """How a person who is logged in signs a move. ``session``: their cookie; ``place``: what is asked, such as a path."""

    people: People
    session: str
    place: str

    def require_signature(self, engine: Engine, run: str, name: str) -> Person:
        """``name``, who wants to change ``run`` and has signed nothing yet: the change ends with ``Unsigned``."""
        return person_to_ask(engine, run, self._signer(name))

    def asking(self, unsigned: Unsigned) -> dict[str, object]:
        """What the browser has signed: ``ceremony``, which the answer must name, and ``options``."""
        statement = unsigned.statement
        options = asking_for_signature(Site(self.people.origin), statement.values, unsigned.keys)
        return {"ceremony": self._challenges.begin(self.session, self.place, statement), "options": options}

    def person(self, engine: Engine, name: str, ceremony: str, credential: object) -> Person:
        """``name``, who signed what was asked. Refuses what ``person_by_passkey`` refuses, and an answer to no open challenge."""
        statement = self._challenges.take(self.session, self.place, ceremony, Statement)
        return person_by_passkey(engine, statement, Assertion.of_browser(credential), self._signer(name))

    def _signer(self, name: str) -> Signer:
        return Signer(Site(self.people.origin), name)

    @property
    def _challenges(self) -> StoredChallenges:
        return StoredChallenges(Waiting(self.people.engine))


def read_header(given: str) -> tuple[str, object]:
    """The ceremony and the credential in the header. Refuses ``bad_argument``."""
    ceremony, _, text = given.partition(" ")
    try:
        return ceremony, json.loads(decode_unpadded(text))
    except (ValueError, RecursionError) as error:
        raise Refused("bad_argument", "The browser sent no passkey.", "Reload the page and try again.") from error
