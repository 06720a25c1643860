"""Plain values are read as the types that describe them, by several threads at once."""

import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wfe_mcp.artifacts.typed import as_text, from_text


@dataclass
class Stay:
    """Something with a time and a set."""

    guest: str
    until: datetime
    labels: frozenset[str] = frozenset()


TWO_THREADS = """
import threading
from dataclasses import dataclass
from wfe_mcp.artifacts.typed import value_of

@dataclass
class Inner:
    depth: "meet() or int"

@dataclass
class Outer:
    inner: Inner
    name: str = ""

def meet():  # called when the type of Inner is read, while that of Outer is being read
    if not second.ident:
        second.start()
        second.join(0.5)

read = []
second = threading.Thread(target=lambda: read.append(value_of({"inner": {"depth": 2}, "name": "b"}, Outer)))
read.append(value_of({"inner": {"depth": 1}, "name": "a"}, Outer))
second.join()
print(read)
"""


def test_two_threads_that_read_the_first_values_of_a_type_both_get_theirs() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(re.findall(r"Outer\(inner=Inner\(depth=(\d)\), name='(\w)'\)", done.stdout)) == [
        ("1", "a"),
        ("2", "b"),
    ]


def test_a_type_is_read_in_one_place() -> None:
    root = Path(__file__).parents[2]
    readers = {
        path.relative_to(root).as_posix()
        for path in (root / "wfe_mcp").rglob("*.py")
        if re.search(
            r"from msgspec(\.json)? import .*\b(convert|decode)\b|\bdecode\(.*\btype=", path.read_text(encoding="utf-8")
        )
    }
    assert readers == {"wfe_mcp/artifacts/typed.py"}


def test_a_value_is_read_from_the_text_that_was_made_of_it_and_from_what_is_stored_apart() -> None:
    made = Stay("ada", datetime(2026, 11, 30, 1, 2, tzinfo=UTC), frozenset({"gpu"}))

    text = as_text(made, "guest")

    assert text == '{"labels":["gpu"],"until":"2026-11-30T01:02:00Z"}'
    assert from_text(text, Stay, guest="ada") == made
