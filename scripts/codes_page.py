"""The reference page of the error codes: whose turn it is, and what each means."""

from collections.abc import Iterator
from typing import Literal

from scripts import markdown as md
from wfe_mcp.core.errors import Code

Turn = Literal["agent", "human", "setup", "bug"]
TURN: dict[Code, tuple[Turn, str]] = {
    "invalid_artifact": ("agent", "The artifact does not match its schema; details name each fault."),
    "unknown_run": ("agent", "No run has this id in this project."),
    "unknown_phase": ("agent", "The template of the run has no such phase."),
    "unknown_template": ("agent", "No template has this name."),
    "invalid_template": ("agent", "The template definition is invalid; details name each fault."),
    "illegal_transition": ("agent", "The call is not possible in the current state of the run or phase."),
    "not_ready": ("agent", "The phase waits for other phases, or the run has no free place."),
    "leased": ("agent", "Another worker has the phase, or another run is using the working tree."),
    "needs_human": ("human", "The user must decide; the request is stored. This is expected, not an error."),
    "needs_trust": ("human", "Configuration that names programs, addresses or policies is not trusted yet."),
    "gate_failed": ("agent", "The revision is stored, but a gate failed; the message holds the evidence."),
    "stale_revision": (
        "agent",
        "The answer or artifact belongs to an attempt or revision that is closed, or what was shown has changed since.",
    ),
    "path_outside_project": ("agent", "The path leaves the project or passes a link."),
    "too_large": ("agent", "The value is larger than the stated limit."),
    "conflict": ("agent", "Something with this name or key exists with other content."),
    "bad_argument": ("agent", "An argument is unknown, missing or of the wrong type."),
    "unavailable": ("setup", "The feature is not available: not built yet, not installed, or not reachable."),
    "internal": ("bug", "A bug in wfe-mcp. The traceback is in the log; please report it."),
    "unknown_artifact": ("agent", "The run has no such artifact or revision yet."),
    "wrong_pin": ("human", "The PIN is wrong, or refused for a while after several wrong ones."),
    "unauthorized": ("setup", "The HTTP request has no valid access token."),
    "forbidden": ("setup", "The access token does not allow this: its scope or its project."),
    "other_folder": ("agent", "The run works in another folder of the project: another worktree, or one that is gone."),
    "limit_reached": (
        "setup",
        "A limit of the server is reached: the message has its name, its value, and when it frees.",
    ),
}


def page() -> Iterator[str]:
    """docs/reference/error-codes.md."""
    yield "# Error codes"
    yield ""
    yield "Every refusal carries one of these codes, a message (what happened, why) and mostly a hint (what to do next);"
    yield "`details` name each fault by its JSON pointer. The list only grows: a code never changes its meaning."
    yield ""
    yield "The turn says who can fix it: the *agent* by another call, a *human* by a decision, the author of the *setup*,"
    yield "or we, because it is a *bug*."
    yield ""
    yield from md.table(("code", "turn", "meaning"), [(md.code(code), *meaning) for code, meaning in TURN.items()])
