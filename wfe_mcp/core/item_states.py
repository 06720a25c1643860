"""Kinds and statuses of work items, and the table of all moves between statuses."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal


class ItemKind(StrEnum):
    """What an item is. ``decision``: one about the architecture, which prompts repeat once it is accepted. ``claim``: a
    statement with tests.
    """

    MILESTONE = "milestone"
    TASK = "task"
    BUG = "bug"
    FINDING = "finding"
    REQUIREMENT = "requirement"
    IDEA = "idea"
    THREAT = "threat"
    DECISION = "decision"
    CLAIM = "claim"


class ItemStatus(StrEnum):
    """The status of an item; the last eight are those of a decision and of a claim."""

    IDEA = "idea"
    PLANNED = "planned"
    READY = "ready"
    ACTIVE = "active"
    BLOCKED = "blocked"
    DONE = "done"
    DROPPED = "dropped"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DEPRECATED = "deprecated"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    VALIDATED = "validated"
    FALSIFIED = "falsified"
    INCONCLUSIVE = "inconclusive"


Mover = Literal["agent", "run", "person", "test"]

VERDICTS = frozenset({ItemStatus.VALIDATED, ItemStatus.FALSIFIED, ItemStatus.INCONCLUSIVE})
OVER = frozenset(
    {ItemStatus.DONE, ItemStatus.DROPPED, ItemStatus.DEPRECATED, ItemStatus.SUPERSEDED, ItemStatus.VALIDATED}
)
"""The statuses in which nothing is left to do: what needs such an item may start."""

MOVES: Mapping[ItemStatus, Mapping[ItemStatus, Mover]] = {
    ItemStatus.IDEA: {
        ItemStatus.PLANNED: "agent",
        ItemStatus.READY: "agent",
        ItemStatus.DONE: "run",
        ItemStatus.DROPPED: "person",
    },
    ItemStatus.PLANNED: {
        ItemStatus.READY: "agent",
        ItemStatus.BLOCKED: "agent",
        ItemStatus.IDEA: "agent",
        ItemStatus.DONE: "run",
        ItemStatus.DROPPED: "person",
    },
    ItemStatus.READY: {
        ItemStatus.PLANNED: "agent",
        ItemStatus.ACTIVE: "run",
        ItemStatus.BLOCKED: "agent",
        ItemStatus.DONE: "run",
        ItemStatus.DROPPED: "person",
    },
    ItemStatus.ACTIVE: {
        ItemStatus.READY: "run",
        ItemStatus.BLOCKED: "agent",
        ItemStatus.DONE: "run",
        ItemStatus.DROPPED: "person",
    },
    ItemStatus.BLOCKED: {
        ItemStatus.ACTIVE: "run",
        ItemStatus.PLANNED: "agent",
        ItemStatus.READY: "person",
        ItemStatus.DONE: "run",
        ItemStatus.DROPPED: "person",
    },
    ItemStatus.DONE: {ItemStatus.ACTIVE: "run", ItemStatus.PLANNED: "run"},
    ItemStatus.DROPPED: {ItemStatus.PLANNED: "person"},
    ItemStatus.PROPOSED: {ItemStatus.ACCEPTED: "person", ItemStatus.DEPRECATED: "person"},
    ItemStatus.ACCEPTED: {ItemStatus.DEPRECATED: "person", ItemStatus.SUPERSEDED: "person"},
    ItemStatus.DEPRECATED: {},
    ItemStatus.SUPERSEDED: {},
    ItemStatus.PENDING: {**dict.fromkeys(sorted(VERDICTS), "test"), ItemStatus.DEPRECATED: "person"},
    ItemStatus.VALIDATED: {**dict.fromkeys(sorted(VERDICTS), "test"), ItemStatus.DEPRECATED: "person"},
    ItemStatus.INCONCLUSIVE: {**dict.fromkeys(sorted(VERDICTS), "test"), ItemStatus.DEPRECATED: "person"},
    ItemStatus.FALSIFIED: {ItemStatus.PENDING: "agent", ItemStatus.DEPRECATED: "person"},
}
"""Every legal move, and the least who may make it. What a test moves, only its result does."""
