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
    project = tx.project_id("/p/.git", "/p")
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
        first = tx.save_template(version(tx, "1.0.0"))
        second = tx.save_template(version(tx, "1.1.0"))

        assert tx.template(first.project_id, "tiny") == second
        assert tx.template(first.project_id, "tiny", "1.0.0") == first
        assert tx.document(first.sha256)["version"] == "1.0.0"
        assert first.requires == {"checks": ["test"]}


def test_an_unknown_template_is_none(store: Store) -> None:
    with store.read() as tx:
        assert tx.template("p-1", "tiny") is None


def test_templates_are_listed_by_name_newest_first(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        for new in (
            version(tx, "1"),
            version(tx, "1", name="big"),
            version(tx, "2", source="imported"),
            version(tx, "1", source="imported"),
        ):
            clock.forward(1)
            tx.save_template(new)
        found = tx.templates(tx.project_id("/p/.git", "/p"))

    names = [(record.name, record.version, record.source) for record in found]
    assert names == [("big", "1", "saved"), ("tiny", "2", "imported"), ("tiny", "1", "saved")]


def test_keeping_the_same_content_again_changes_nothing(store: Store) -> None:
    with store.tx() as tx:
        assert tx.save_template(version(tx, "1.0.0")) == tx.save_template(version(tx, "1.0.0"))
        assert len(tx.templates(tx.project_id("/p/.git", "/p"))) == 1


@pytest.mark.requirement("S2-22")
def test_other_content_under_a_kept_version_is_refused(store: Store) -> None:
    with store.tx() as tx:
        tx.save_template(version(tx, "1.0.0"))
        with pytest.raises(Refused, match="Raise the version") as refused:
            tx.save_template(version(tx, "1.0.0", title="changed"))

    assert refused.value.code == "conflict"


def test_a_version_knows_what_it_was_made_from(store: Store) -> None:
    with store.tx() as tx:
        first = tx.save_template(version(tx, "1.0.0"))
        made = tx.save_template(replace(version(tx, "1.1.0"), parent=tx.document(first.sha256)))

        assert (first.parent_sha256, made.parent_sha256) == (None, first.sha256)
        assert tx.template_versions(first.project_id, "tiny") == [made, first]


def test_what_people_say_of_a_template_holds_until_they_take_it_back(store: Store) -> None:
    with store.tx() as tx:
        project = tx.project_id("/p/.git", "/p")
        for _ in range(2):
            tx.mark_template(project, "tiny", TemplateMark.DISABLED, ADA)
        tx.mark_template(project, "tiny", TemplateMark.DEFAULT, ADA)
        assert tx.template_marks(project) == {"tiny": {TemplateMark.DISABLED, TemplateMark.DEFAULT}}

        tx.unmark_template(project, "tiny", (TemplateMark.DISABLED, TemplateMark.ARCHIVED))
        assert tx.template_marks(project) == {"tiny": {TemplateMark.DEFAULT}}


def test_one_template_of_a_project_is_the_default(store: Store) -> None:
    with store.tx() as tx:
        project, other = tx.project_id("/p/.git", "/p"), tx.project_id("/q/.git", "/q")
        tx.mark_template(other, "tiny", TemplateMark.DEFAULT, ADA)
        tx.mark_template(project, "tiny", TemplateMark.DEFAULT, ADA)
        tx.mark_template(project, "big", TemplateMark.DEFAULT, ADA)

        assert tx.template_marks(project) == {"big": {TemplateMark.DEFAULT}}
        assert tx.template_marks(other) == {"tiny": {TemplateMark.DEFAULT}}


def test_a_project_has_one_id(store: Store) -> None:
    with store.tx() as tx:
        assert tx.find_project("/p/.git") is None
        made = tx.project_id("/p/.git", "/p")
        assert tx.project_id("/p/.git", "/p/worktree") == made == tx.find_project("/p/.git")
        assert tx.project_id("/q/.git", "/q") != made


def test_a_document_is_named_by_its_content(store: Store) -> None:
    with store.tx() as tx:
        assert tx.keep_document({"b": 1, "a": [None]}) == tx.keep_document({"a": [None], "b": 1})
        assert tx.document(sha256_of({"a": [None], "b": 1})) == {"a": [None], "b": 1}
        with pytest.raises(KeyError):
            tx.document("nothing")


def test_of_many_documents_the_last_used_stay_at_hand(store: Store) -> None:
    with store.tx() as tx:
        names = [tx.keep_document({"n": number}) for number in range(40)]
        first = tx.document(names[0])
        assert tx.document(names[0]) is first
        for name in names[1:]:
            tx.document(name)

        assert tx.document(names[0]) == first
        assert tx.document(names[0]) is not first
