"""Every setting change is logged, and a setting without a log entry is detected."""

import pytest

from tests.store.scene import ADA, NOW, tamper
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import ProcessRecord


def troubles(store: Store) -> list[str]:
    with store.read() as tx:
        return [problem.where for problem in tx.settings_log.problems()]


@pytest.fixture
def project(store: Store) -> str:
    """A project with a PIN that was changed once, and two trusted files."""
    with store.tx() as tx:
        project = tx.projects.id_of("/p/.git", "/p")
        tx.secrets.set("pin", "scrypt:1", ADA, NOW)
        tx.secrets.set("pin", "scrypt:2", ADA, NOW)
        tx.trust.give(project, "/p/.wfe/config.toml", "aa", ADA, NOW)
        tx.trust.give(project, "template:tiny", "bb", ADA, NOW)
    return project


def test_a_secret_is_set_changed_and_taken_away(store: Store) -> None:
    with store.tx() as tx:
        assert tx.secrets.get("pin") is None
        tx.secrets.set("pin", "one", ADA, NOW)
        tx.secrets.set("pin", "two", ADA, NOW)
        assert tx.secrets.get("pin") == "two"
        tx.secrets.set("pin", None, ADA, NOW)
        assert tx.secrets.get("pin") is None
        assert [event.type for event in tx.settings_log.events()] == ["SecretSet", "SecretSet", "SecretForgotten"]
        assert tx.settings_log.problems() == []


@pytest.mark.usefixtures("project")
def test_each_change_is_logged_with_its_time_and_without_its_value(store: Store) -> None:
    with store.read() as tx:
        first, *_ = tx.settings_log.events()
        assert tx.settings_log.problems() == []

    assert (first.name, first.at, first.actor, first.channel) == ("pin", NOW, "ada", "cli")
    assert first.value_sha256 == sha256_hex("scrypt:1")


def test_trust_is_for_exactly_these_bytes_in_this_project(store: Store, project: str) -> None:
    with store.tx() as tx:
        assert tx.trust.is_given(project, "template:tiny", "bb")
        assert not tx.trust.is_given(project, "template:tiny", "cc")
        assert not tx.trust.is_given("p-other", "template:tiny", "bb")
        assert [record.sha256 for record in tx.trust.of_project(project)] == ["aa", "bb"]


def test_trusting_again_is_not_logged_again(store: Store, project: str) -> None:
    with store.tx() as tx:
        before = len(tx.settings_log.events())
        tx.trust.give(project, "template:tiny", "bb", ADA, NOW)
        assert len(tx.settings_log.events()) == before


def test_withdrawn_trust_is_gone_and_logged(store: Store, project: str) -> None:
    with store.tx() as tx:
        tx.trust.withdraw(project, "template:tiny", ADA, NOW)
        tx.trust.withdraw(project, "template:tiny", ADA, NOW)

        assert not tx.trust.is_given(project, "template:tiny", "bb")
        assert [event.type for event in tx.settings_log.events()][-1] == "TrustWithdrawn"
        assert len(tx.settings_log.events()) == 5
        assert tx.settings_log.problems() == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE secret SET value = 'scrypt:mine'", "secret 'pin'"),
        ("INSERT INTO secret VALUES ('admin', '2026-01-01 00:00:00.000000', 'x')", "secret 'admin'"),
        ("DELETE FROM secret", "secret 'pin'"),
        ("UPDATE trust SET sha256 = 'ee' WHERE sha256 = 'aa'", "trust in '/p/.wfe/config.toml'"),
        ("UPDATE setting_event SET at = '2020-01-01 00:00:00.000000' WHERE seq = 1", "setting event"),
        ("DELETE FROM setting_event WHERE seq = 2", "setting event"),
        ("DELETE FROM setting_event WHERE seq = 4", "trust in 'template:tiny'"),
    ],
)
def test_what_no_one_set_through_us_is_found(store: Store, url: str, statement: str, where: str) -> None:
    tamper(url, statement)

    assert where in troubles(store)


def test_processes_register_once_and_are_forgotten(store: Store) -> None:
    server = ProcessRecord("host", 12, 1.5, "serve", 7, 1.0, "p-1")
    reused = ProcessRecord("host", 12, 9.5, "cli")
    with store.tx() as tx:
        tx.processes.register(server)
        tx.processes.register(server)
        tx.processes.register(reused)
        tx.processes.register(ProcessRecord("elsewhere", 12, 1.5, "worker"))
        assert tx.processes.on_host("host") == [server, reused]
        tx.processes.forget(server)
        assert tx.processes.on_host("host") == [reused]
