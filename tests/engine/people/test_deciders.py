"""Whose a request is: those who can decide and are there, or who got it, or their deputy."""

from datetime import date

from wfe_mcp.engine.people.absence import Absence
from wfe_mcp.engine.people.deciders import Deciders

DAY = date(2026, 12, 1)


def team(**away: str) -> Deciders:
    roles = dict.fromkeys(("ada", "bob", "Cleo"), "approver") | {"ron": "reader", "max": "admin"}
    absent = {name: Absence(name, DAY, to) for name, to in away.items()}
    return Deciders(roles, frozenset({"ada", "bob", "Cleo", "ron"}), absent)  # pyright: ignore[reportArgumentType] - roles


def test_who_can_decide_has_the_role_and_a_key_and_has_not_approved() -> None:
    assert team().able() == ("ada", "bob", "Cleo")
    assert team().able(("cleo", "ada")) == ("bob",)
    assert team().having("author") == ("ada", "bob", "Cleo", "max")


def test_a_request_is_of_those_who_are_there() -> None:
    assert team().whose(()) == ("ada", "bob", "Cleo")
    assert team(ada="").whose(()) == ("bob", "Cleo")
    assert team(ada="", bob="", Cleo="").whose(()) == ("ada", "bob", "Cleo"), "rather all than no one"
    assert team(ada="").whose((), present="ada") == ("ada", "bob", "Cleo")


def test_a_request_that_was_handed_on_is_of_who_got_it_or_their_deputy() -> None:
    assert team().whose((), "bob") == ("bob",)
    assert team(bob="ada").whose((), "bob") == ("ada",)
    assert team(bob="ada", ada="Cleo").whose((), "bob") == ("Cleo",), "one deputy after the other"
    assert team(bob="ada", ada="bob").whose((), "bob") == ("Cleo",), "two who are deputies of each other"
    assert team(bob="ron").whose((), "bob") == ("ada", "Cleo"), "a deputy who cannot decide"
    assert team().whose(("bob",), "bob") == ("ada", "Cleo"), "they approved it"
