"""Views and their JSON."""

import json
from dataclasses import FrozenInstanceError, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from wfe_mcp.core.model import RunStatus
from wfe_mcp.views.values.model import INLINE, JsonObject, plain, view_model, view_of


@view_model
class Inner:
    """A view in a view."""

    a: int
    b: str = "usual"


@view_model
class Outer:
    """Every rule in one view."""

    name: str = ""
    always: str
    from_: int | None = None
    ok: bool | None = None
    inner: Inner = field(metadata=INLINE)
    items: tuple[Inner, ...] = ()
    given: JsonObject = field(default_factory=dict[str, object])
    a: int = 0


def test_keys_come_in_the_order_of_the_fields_and_defaults_are_left_out() -> None:
    assert plain(Outer(always="", inner=Inner(a=0))) == {"always": "", "a": 0}
    full = Outer(
        name="n", always="x", from_=0, ok=False, inner=Inner(a=1, b="c"), items=(Inner(a=2),), given={"k": None}
    )
    wanted = '{"name": "n", "always": "x", "from": 0, "ok": false, "a": 1, "b": "c", "items": [{"a": 2}], "given": {"k": null}}'
    assert json.dumps(plain(full)) == wanted


def test_a_later_field_of_the_same_key_replaces_the_value_of_an_inline_one_in_its_place() -> None:
    assert list(plain(Outer(always="x", inner=Inner(a=1), given={"k": 1}, a=3)).items())[1] == ("a", 3)


def test_what_is_json_already_is_copied() -> None:
    given = {"list": [{"deep": 1}]}
    found = plain(given)
    found["list"][0]["deep"] = 2
    assert given == {"list": [{"deep": 1}]}


def test_a_view_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Inner(a=1).a = 2  # pyright: ignore[reportAttributeAccessIssue] - that is what is tested


@view_model
class Line:
    """A view of a record."""

    name: str
    state: str
    at: str
    ended_at: str = ""
    tokens: int | None = None
    gone: str | None


def test_a_view_takes_what_a_record_has_by_the_same_names_as_text() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    record = SimpleNamespace(id="r", state=RunStatus.RUNNING, at=at, ended_at=None, tokens=7, gone=None)
    found = view_of(Line, record, name=record.id)
    assert found == Line(name="r", state="running", at="2026-01-02T03:04:05+00:00", tokens=7, gone=None)
    assert type(found.state) is str


def test_a_name_that_a_record_has_not_is_never_left_out() -> None:
    with pytest.raises(AttributeError, match="tokens"):
        view_of(Line, SimpleNamespace(name="n", state="s", at="", ended_at="", gone=""))
