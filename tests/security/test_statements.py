"""Statements that a pinned key signed and that differ from the log at their place.

Only a signer that errs, or is made to, writes one: each part of the place is compared alone, so that no other catches it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.security.forger import found
from wfe_mcp.core.canonical import signed_text
from wfe_mcp.core.model import Person, RunId, Signature
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.views.answers import tool_answers as answers

Facts = Mapping[str, Any]
Bend = Callable[[Facts], Facts]


def bent(person: Person, bend: Bend) -> Person:
    """The same person and key; what is signed is bent before."""

    def sign(facts: Mapping[str, object]) -> Signature | None:
        return person.sign(bend(facts))

    return replace(person, sign=sign)


def moved(name: str, **values: Any) -> Bend:
    return lambda facts: {**facts, name: {**facts[name], **values}}


def shifted(name: str, by: int) -> Bend:
    """The place of ``name`` some events later, with the hash of the right one."""
    return lambda facts: {**facts, name: {**facts[name], "seq": facts[name]["seq"] + by}}


def rewritten(person: Person, rewrite: Bend, spell: Callable[[Any], str] = signed_text) -> Person:
    """The same person and key; what is signed is another text than the program writes."""

    def sign(facts: Mapping[str, object]) -> Signature | None:
        signed = person.sign(facts)
        assert signed is not None
        values = rewrite(json.loads(signed.statement))
        return Signature(spell(values), person.sign_text(signed_text(values)))

    return replace(person, sign=sign)


def at_the_end(facts: Facts) -> Facts:
    """The request is where the decision ends, so nothing lies between them."""
    return {**facts, "request": {**facts["request"], **facts["log"]}}


@pytest.fixture
def ada(scene: Scene) -> Person:
    return pin.set_pin(scene.engine, "correct horse", HUMAN)


def approved(scene: Scene, ada: Person, by: Person) -> str:
    """A run whose plan ``by`` approves; everything else is signed by ``ada``."""
    scene.human = ada
    scene.define(phase("plan", approval()), phase("build"))
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.do(run, "plan")
    approvals.decide(scene.engine, by, run, "plan")
    return run


def reported(scene: Scene) -> set[str]:
    return {one.message for one in found(scene) if one.code == "signature_wrong"}


def test_a_statement_as_the_person_signed_it_is_no_finding(scene: Scene, ada: Person) -> None:
    approved(scene, ada, bent(ada, lambda facts: facts))
    assert found(scene) == []


@pytest.mark.attack("a statement names another run than that of its log", "detected", "T1; T11")
def test_a_statement_in_its_place_that_names_another_run_proves_nothing(scene: Scene, ada: Person) -> None:
    approved(scene, ada, bent(ada, lambda facts: {**facts, "run": RunId("20260101-0000-another")}))
    assert reported(scene) == {"its statement is about run 20260101-0000-another"}


@pytest.mark.attack("a statement names another history before its request, or another end", "detected", "T1; T11")
@pytest.mark.parametrize(
    "bend",
    [
        moved("request", hash="0" * 64),
        moved("request", seq=99),
        moved("log", hash="0" * 64),
        shifted("log", 1),
        shifted("log", -1),
        at_the_end,
    ],
    ids=[
        "hash before",
        "a request that is not there",
        "hash after",
        "an end behind it",
        "an end before it",
        "no decision",
    ],
)
def test_a_statement_whose_place_differs_in_one_part_proves_nothing(scene: Scene, ada: Person, bend: Bend) -> None:
    approved(scene, ada, bent(ada, bend))
    assert reported(scene) == {"its statement is about another place of the log"}


def without_comment(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if name != "comment"}


OTHERWISE: list[tuple[Bend, Callable[[Any], str]]] = [
    (dict[str, Any], partial(json.dumps, indent=1)),
    (without_comment, signed_text),
    (lambda facts: {**facts, "remark": ""}, signed_text),
    (lambda facts: {**facts, "comment": 1}, signed_text),
    (lambda facts: {**facts, "time": "yesterday"}, signed_text),
    (lambda facts: {**facts, "format": "wfe-decision/9"}, signed_text),
    (lambda facts: {**facts, "log": {}}, signed_text),
]


@pytest.mark.attack(
    "a statement is spelled otherwise, lacks a value, or has one that no version wrote", "detected", "T11"
)
@pytest.mark.parametrize(
    ("rewrite", "spell"),
    OTHERWISE,
)
def test_a_statement_in_a_text_that_the_program_does_not_write_proves_nothing(
    scene: Scene, ada: Person, rewrite: Bend, spell: Callable[[Any], str]
) -> None:
    approved(scene, ada, rewritten(ada, rewrite, spell))
    assert reported(scene) == {"it holds no statement"}
