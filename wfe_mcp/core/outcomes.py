"""What a gate found, and how the run goes on after it."""

from enum import StrEnum


class VerdictKind(StrEnum):
    """How a run goes on after a gate. ``awaiting``: the user must decide."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    AWAITING = "awaiting"
    ERROR = "error"


class GateOutcome(StrEnum):
    """What a gate found. The sentence beside it is for people; only the outcome decides anything.

    ``skipped``: let through without being judged. ``warning``: let through, although something was not judged.
    ``overruled``: a person let it through. ``granted``: a standing grant of a person did.
    ``needs_trust``: the configuration it needs is not trusted yet.
    ``needs_credential``: a credential that its check names is not stored, or has expired.
    """

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    WARNING = "warning"
    OVERRULED = "overruled"
    GRANTED = "granted"
    NEEDS_TRUST = "needs_trust"
    NEEDS_CREDENTIAL = "needs_credential"

    @property
    def kind(self) -> VerdictKind:
        """How the run goes on after it."""
        return _KINDS.get(self, VerdictKind.PASS)


_KINDS = {
    GateOutcome.FAIL: VerdictKind.FAIL,
    GateOutcome.ERROR: VerdictKind.ERROR,
    GateOutcome.NEEDS_TRUST: VerdictKind.AWAITING,
    GateOutcome.NEEDS_CREDENTIAL: VerdictKind.AWAITING,
}
