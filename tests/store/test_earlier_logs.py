"""Logs of real runs that earlier versions wrote: the rules of now cause each of their events.

One that fails here is one that ``verify`` would name in the record of an honest user. A change of the rules that cannot do
without takes the next number of ``RULES_BEGAN`` (ADR 0091), and brings logs of its own.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.course import course_of
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.undo import LogEntry
from wfe_mcp.store.serialization import event_of

LOGS: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("earlier_logs.jsonl").read_text("utf-8").splitlines()
]


def entries(log: dict[str, Any]) -> Iterator[LogEntry]:
    for seq, row in enumerate(log["events"], 1):
        by = By(row["by"], Channel(row["channel"]), Assurance(row["assurance"]))
        at = datetime.fromisoformat(row["at"]).replace(tzinfo=UTC)
        yield LogEntry(seq, event_of(row["type"], json.dumps(row["payload"])), by, at)


@pytest.mark.parametrize("log", LOGS, ids=[f"{log['template']} of {len(log['events'])} events" for log in LOGS])
def test_each_event_of_an_earlier_version_is_caused_by_the_rules_of_now(log: dict[str, Any]) -> None:
    assert [(entry.seq, type(entry.event).__name__) for entry in course_of([*entries(log)]).uncaused] == []
