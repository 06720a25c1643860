"""A template version never changes; a project and a document are kept once."""

from dataclasses import replace

import pytest

from tests.store.scene import ADA, Clock
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.templates import NewTemplate, TemplateMark


def version(tx: Tx, version: str, *, name: str = "tiny", title: str = "", source: str = "saved") -> NewTemplate:
    definition = {"format": "wfe/1", "name": name, "version": version, "title": title}
    project = tx.projects.id_of("/p/.git", "/p")
    return NewTemplate(
        project,
        source,
        name,
        version,
        sha256_of(definition),
        title,
        requires={"checks": ["test"]},
        definition=definition,
    )


@pytest.mark.requirement("S2-22")
def test_a_kept_version_is_found_by_name_and_by_content(store: Store) -> None:
    with store.tx() as tx:
        first = tx.templates.save(version(tx, "1.0.0"))
        second = tx.templates.save(version(tx, "1.1.0"))

        assert tx.templates.get(first.project_id, "tiny") == second
        assert tx.templates.get(first.project_id, "tiny", "1.0.0") == first
        assert tx.documents.load(first.sha256)["version"] == "1.0.0"
        assert first.requires == {"checks": ["test"]}


def test_an_unknown_template_is_none(store: Store) -> None:
    with store.read() as tx:
        assert tx.templates.get("p-1", "tiny") is None


def test_templates_are_listed_by_name_newest_first(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        for new in (
            version(tx, "1"),
            version(tx, "1", name="big"),
            version(tx, "2", source="imported"),
            version(tx, "1", source="imported"),
        ):
            clock.forward(1)
            tx.templates.save(new)
        found = tx.templates.of_project(tx.projects.id_of("/p/.git", "/p"))

    names = [(record.name, record.version, record.source) for record in found]
    assert names == [("big", "1", "saved"), ("tiny", "2", "imported"), ("tiny", "1", "saved")]


def test_keeping_the_same_content_again_changes_nothing(store: Store) -> None:
    with store.tx() as tx:
        assert tx.templates.save(version(tx, "1.0.0")) == tx.templates.save(version(tx, "1.0.0"))
        assert len(tx.templates.of_project(tx.projects.id_of("/p/.git", "/p"))) == 1


@pytest.mark.requirement("S2-22")
def test_other_content_under_a_kept_version_is_refused(store: Store) -> None:
    with store.tx() as tx:
        tx.templates.save(version(tx, "1.0.0"))
        with pytest.raises(Refused, match="Raise the version") as refused:
            tx.templates.save(version(tx, "1.0.0", title="changed"))

    assert refused.value.code == "conflict"


def test_a_version_knows_what_it_was_made_from(store: Store) -> None:
    with store.tx() as tx:
        first = tx.templates.save(version(tx, "1.0.0"))
        made = tx.templates.save(replace(version(tx, "1.1.0"), parent=tx.documents.load(first.sha256)))

        assert (first.parent_sha256, made.parent_sha256) == (None, first.sha256)
        assert tx.templates.versions(first.project_id, "tiny") == [made, first]


def test_what_people_say_of_a_template_holds_until_they_take_it_back(store: Store) -> None:
    with store.tx() as tx:
        project = tx.projects.id_of("/p/.git", "/p")
        for _ in range(2):
            tx.templates.mark(project, "tiny", TemplateMark.DISABLED, ADA)
        tx.templates.mark(project, "tiny", TemplateMark.DEFAULT, ADA)
        assert tx.templates.marks(project) == {"tiny": {TemplateMark.DISABLED, TemplateMark.DEFAULT}}

        tx.templates.unmark(project, "tiny", (TemplateMark.DISABLED, TemplateMark.ARCHIVED))
        assert tx.templates.marks(project) == {"tiny": {TemplateMark.DEFAULT}}


def test_one_template_of_a_project_is_the_default(store: Store) -> None:
    with store.tx() as tx:
        project, other = tx.projects.id_of("/p/.git", "/p"), tx.projects.id_of("/q/.git", "/q")
        tx.templates.mark(other, "tiny", TemplateMark.DEFAULT, ADA)
        tx.templates.mark(project, "tiny", TemplateMark.DEFAULT, ADA)
        tx.templates.mark(project, "big", TemplateMark.DEFAULT, ADA)

        assert tx.templates.marks(project) == {"big": {TemplateMark.DEFAULT}}
        assert tx.templates.marks(other) == {"tiny": {TemplateMark.DEFAULT}}


def test_a_project_has_one_id(store: Store) -> None:
    with store.tx() as tx:
        assert tx.projects.find("/p/.git") is None
        made = tx.projects.id_of("/p/.git", "/p")
        assert tx.projects.id_of("/p/.git", "/p/worktree") == made == tx.projects.find("/p/.git")
        assert tx.projects.id_of("/q/.git", "/q") != made


def test_a_document_is_named_by_its_content(store: Store) -> None:
    with store.tx() as tx:
        assert tx.documents.keep({"b": 1, "a": [None]}) == tx.documents.keep({"a": [None], "b": 1})
        assert tx.documents.load(sha256_of({"a": [None], "b": 1})) == {"a": [None], "b": 1}
        with pytest.raises(Refused, match="is not stored"):
            tx.documents.load("nothing")


def test_of_many_documents_the_last_used_stay_at_hand(store: Store) -> None:
    with store.tx() as tx:
        names = [tx.documents.keep({"n": number}) for number in range(40)]
        first = tx.documents.load(names[0])
        assert tx.documents.load(names[0]) is first
        for name in names[1:]:
            tx.documents.load(name)

        assert tx.documents.load(names[0]) == first
        assert tx.documents.load(names[0]) is not first
