"""``wfe-mcp audit``: who changed tokens, secrets, trust and roles, and who logged in; an export can be checked by itself."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.cli.scene import Terminal
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.store.integrity.chained_log import BEGIN, event_hash
from wfe_mcp.store.records.runs import SettingEvent


def entries(terminal: Terminal, *options: str) -> list[dict[str, Any]]:
    return list(terminal.json("audit", *options).data["entries"])


def test_it_lists_who_changed_what_the_newest_last(empty: Terminal) -> None:
    empty("token", "create", "ci")
    empty("token", "revoke", "ci")

    lines = [" ".join(line.split()[3:]) for line in empty("audit").out.splitlines()]

    assert [line for line in lines if line.endswith(" ci")] == ["ada cli token made ci", "ada cli token ended ci"]
    assert empty.json("audit", "--limit", "1").data["left"] == len(entries(empty)) - 1
    seqs = [row["seq"] for row in entries(empty)]
    for options, shown in (((), seqs[-2:]), (("--after", "0"), seqs[:2]), (("--after", "1"), seqs[1:3])):
        assert [row["seq"] for row in entries(empty, "--limit", "2", *options)] == shown
    assert entries(empty, "--since", "1h") == entries(empty)
    assert "is not a duration" in empty("audit", "--since", "soon").err


def test_an_export_can_be_checked_without_the_database(empty: Terminal) -> None:
    for name in ("one", "two", "three"):
        empty("token", "create", name)

    before = BEGIN
    for row in entries(empty):
        typed: dict[str, Any] = {"at": datetime.fromisoformat(row["at"]), "channel": Channel(row["channel"])}
        values: dict[str, Any] = row | typed | {"assurance": Assurance(row["assurance"])}
        event = SettingEvent(**values)
        payload = canonical_json({"name": event.name, "value_sha256": event.value_sha256})
        assert (event.seq - 1, event.prev_hash) == before
        assert event.hash == event_hash("settings", event, payload)
        assert event.hash != event_hash("settings", replace(event, actor="another"), payload)
        before = (event.seq, event.hash)
    assert before != BEGIN


def test_no_secret_is_in_it(empty: Terminal) -> None:
    made = empty.json("token", "create", "ci").data["token"]

    assert made not in empty("audit", "--json").out
