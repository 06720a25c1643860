"""The tests that the README's command leaves out: ``slow.toml`` names them, .ci/run adds them."""

import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

FILE = Path(__file__).with_name("slow.toml")


class Group(NamedTuple):
    """Slow tests and what they add to the others. A name is that of a file, a folder, a test, or one row of a test.

    ``fixture``: each test that uses it is in the group, too.
    """

    why: str
    tests: frozenset[str]
    fixture: str
    but: frozenset[str]


@cache
def groups() -> tuple[Group, ...]:
    """The groups of ``slow.toml``, in its order."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))["slow"]
    return tuple(
        Group(each["why"], frozenset(each.get("tests", ())), each.get("fixture", ""), frozenset(each.get("but", ())))
        for each in read
    )


def is_slow(test: str, fixtures: Collection[str] = ()) -> bool:
    """Whether the test with this node id, which uses ``fixtures``, belongs to a group."""
    names = names_of(test)
    return any((names & each.tests or each.fixture in fixtures) and not names & each.but for each in groups())


def names_of(test: str) -> set[str]:
    """The node id of a test, and those of its function, its file and the folders above."""
    file, _, function = test.partition("::")
    return {test, f"{file}::{function.partition('[')[0]}", *_folders(file)}


@cache
def _folders(file: str) -> tuple[str, ...]:
    """The file and the folders above: asked of each of its tests."""
    return file, *map(str, PurePosixPath(file).parents)
