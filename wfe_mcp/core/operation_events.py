"""Events of operations: what a delivery does outside the working tree (a ref, a commit, a push), and of credentials given.

    OperationIntended ──► OperationCalled ──► OperationObserved ──► OperationObserved(undone)

Each is written before the next thing happens, so that after a crash the log says what may have had its effect.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.event import Event


class OperationIntended(Event):
    """``kind`` will be done to ``target``. ``before``: what was there; both are JSON. ``key`` names it in the run."""

    key: str
    kind: str
    target: Mapping[str, Any]
    before: Mapping[str, Any]


class OperationCalled(Event):
    """The call begins: from now on it may have had its effect."""

    key: str


class OperationObserved(Event):
    """``after`` was seen where the operation acts. ``undone``: it was reversed, and this is seen since."""

    key: str
    after: Mapping[str, Any]
    undone: bool = False


class CredentialGiven(Event):
    """``credential`` was handed to ``to``, such as ``check deploy``, of an attempt of ``phase``. Its value is nowhere here."""

    credential: str
    to: str
    phase: str = ""
    attempt: int = 0


OperationEvent = OperationIntended | OperationCalled | OperationObserved | CredentialGiven
"""What a ``RecordOperation`` records."""
