"""Dataclasses whose methods are written at their first use behave as those of the standard library."""

import copy
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.events import PhaseReady
from wfe_mcp.core.paths import PhasePath


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is."""

    file: str
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Place):
    name: str
    notes: list[str] = field(default_factory=list[str], compare=False)
    seen: int = field(init=False, default=0, repr=False)


@dataclass(slots=True)
class Counter:
    count: int = 0


@dataclass
class Open:
    doubled: int

    def __post_init__(self) -> None:
        self.doubled *= 2

    def __repr__(self) -> str:
        return "mine"


def test_an_object_has_its_values_and_defaults() -> None:
    assert (Place("a").file, Place("a").line, Place(file="b", line=2).line) == ("a", 1, 2)
    named = Named("a", 3, name="n")
    assert (named.line, named.name, named.notes, named.seen) == (3, "n", [], 0)
    assert Named("a", name="n").notes is not named.notes
    assert Open(2).doubled == 4


def test_a_wrong_call_is_refused_each_time() -> None:
    kind: Any = Named
    for values, named in (((), {}), (("a", 1), {}), (("a", 1, "n"), {}), (("a",), {"name": "n", "unknown": 1})):
        for _ in range(2):
            with pytest.raises(TypeError, match=r"__init__\(\)"):
                kind(*values, **named)


def test_objects_of_one_class_with_the_same_values_are_equal() -> None:
    assert (Place("a"), hash(Place("a"))) == (Place("a"), hash(Place("a")))
    assert Place("a") != Place("a", 2)
    assert Named("a", name="n", notes=["x"]) == Named("a", name="n")
    assert Place("a") != Named("a", name="n")
    assert Place("a") != "a"
    assert Counter(1) == Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counter(1))


def test_a_class_without_fields_has_equal_objects() -> None:
    @dataclass(frozen=True, slots=True)
    class Nothing: ...

    assert (Nothing(), hash(Nothing()), repr(Nothing()).endswith("Nothing()")) == (Nothing(), hash(Nothing()), True)


def test_a_frozen_object_does_not_change() -> None:
    place: Any = Place("a")
    with pytest.raises(FrozenInstanceError, match="'file'"):
        place.file = "b"
    with pytest.raises(FrozenInstanceError, match="'file'"):
        del place.file
    counter = Counter()
    counter.count += 1
    assert (place.file, counter.count) == ("a", 1)


def test_a_subclass_that_is_no_dataclass_has_attributes_of_its_own() -> None:
    class Noted(Named):
        note: str

    noted = Noted("a", name="n")
    noted.note = "x"
    assert (noted.note, noted.name) == ("x", "n")
    del noted.note
    with pytest.raises(FrozenInstanceError):
        noted.name = "m"  # pyright: ignore[reportAttributeAccessIssue]


def test_its_text_names_the_values() -> None:
    assert repr(Place("a")) == "Place(file='a', line=1)"
    assert repr(Named("a", name="n")) == "Named(file='a', line=1, name='n', notes=[])"
    assert repr(Open(1)) == "mine"


def test_the_standard_library_and_pydantic_see_a_dataclass() -> None:
    named = Named("a", name="n")
    assert [each.name for each in fields(Named)] == ["file", "line", "name", "notes", "seen"]
    assert replace(named, line=7) == Named("a", 7, name="n")
    assert asdict(Place("a")) == {"file": "a", "line": 1}
    assert copy.deepcopy(named) == copy.copy(named) == pickle.loads(pickle.dumps(named)) == named
    assert TypeAdapter(Place).validate_json('{"file": "a"}') == Place("a")
    assert Place.__match_args__ == ("file", "line")


def test_a_method_of_its_own_stays() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Odd)

        def __init__(self, value: int) -> None:
            object.__setattr__(self, "value", value + 1)

    assert (Odd(1) == Odd(2), Odd(1).value) == (True, 2)


def test_no_method_is_compiled_before_it_is_used() -> None:
    code = (
        "import dataclasses, sys; made = []; real = dataclasses.make_dataclass\n"
        "dataclasses.make_dataclass = lambda name, *a, **k: (made.append(name), real(name, *a, **k))[1]\n"
        "assert 'wfe_mcp' not in sys.modules\n"
        "from wfe_mcp.core.commands import Retry, Skip; loaded = set(made)\n"
        "from datetime import UTC, datetime\n"
        "skips = [Skip(phase=each, reason='', at=datetime.now(UTC)) for each in 'ab']\n"
        "print(len(loaded) < 5, loaded & {'Skip', 'Retry'}, [each for each in made if each not in loaded])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True set() ['Skip', 'By']", "")


def test_an_event_is_frozen_and_takes_its_values_by_name_without_a_decorator() -> None:
    class Moved(PhaseReady):
        to: str = "here"

    kind: Any = Moved
    moved: Any = kind(phase="build", attempt=1)
    assert repr(moved).endswith("Moved(phase='build', attempt=1, to='here')")
    assert moved == kind(phase="build", attempt=1, to="here") != PhaseReady(phase=PhasePath("build"), attempt=1)
    assert (replace(moved, to="there").to, moved.__slots__, hasattr(moved, "__dict__")) == ("there", ("to",), False)
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        kind("build", 1)
    with pytest.raises(FrozenInstanceError, match="'to'"):
        moved.to = "there"


def test_every_module_takes_this_decorator() -> None:
    root = Path(__file__).parents[2]
    others = {
        path.relative_to(root).as_posix()
        for path in (root / "wfe_mcp").rglob("*.py")
        if re.search(r"^\s*from dataclasses import .*\bdataclass\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    # The first defines it, the second is below ``core``, the third needs ``order``.
    assert others == {"wfe_mcp/core/dataclass.py", "wfe_mcp/resources.py", "wfe_mcp/store/search/find.py"}
