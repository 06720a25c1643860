"""The fault of a delivery, with what prevents it."""

from subprocess import CompletedProcess
from typing import Literal

from wfe_mcp.core.texts import clean

Blocker = Literal[
    "credentials",
    "protected",
    "conflict",
    "no_remote",
    "no_branch",
    "scopes",
    "differs",
    "unfaithful",
    "configuration",
    "review",
    "audit",
    "recovery",
    "checks",
    "forge",
    "deployment",
]
"""What only a person can clear: the step waits for one, and a retry of its phase goes on there."""


RETRY = "retry the phase"
"""How the next step ends in the words of a fault, which a step has; ``in_undo`` is for who reverses one."""


class DeliveryFault(Exception):
    """A delivery cannot continue; the text says what happened, why, and what to do next.

    ``blocker``: what a person must clear; empty where a retry may do. ``may_have_happened``: it may have had its effect.
    """

    def __init__(self, message: str, blocker: Blocker | None = None, *, may_have_happened: bool = False) -> None:
        super().__init__(clean(message))  # it may quote what git, a check or a forge says, and rows keep it
        self.blocker = blocker
        self.may_have_happened = may_have_happened


def in_undo(fault: DeliveryFault, run: str) -> str:
    """The words of ``fault`` for who undoes what ``run`` delivered: no phase of it is retried."""
    return str(fault).replace(RETRY, f"undo it again: wfe-mcp undo {run} --delivery")


def reason_of(process: CompletedProcess[bytes] | None) -> str:
    """Why git failed; None: there is no git."""
    return in_one_line(process.stderr) if process else "git is not installed"


def in_one_line(stderr: bytes) -> str:
    """The end of what git wrote to standard error, in one line: the next step follows it, and summaries show one line."""
    return " ".join(stderr.decode(errors="replace").split())[-300:]
