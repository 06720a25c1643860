"""What strengthens a gate counts from bytes that no one trusts, and outlives the bytes that were trusted last."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates import trust
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"
AT = "[templates.drill.phases.plan]\n"
OPINION: dict[str, Any] = {"kind": "opinion", "reviewers": ["second"], "if_missing": "note"}
LAXER = OPINION | {"allow_rewrite": True}
ROLES = {"second": {"provider": "second"}}

KINDS = [
    pytest.param([], 'approver = "human"\n', ["approval human"], id="a person's approval is required too"),
    pytest.param(
        [approval("client")], 'approver = "human"\n', ["approval human"], id="a higher assurance than the template's"
    ),
    pytest.param([approval()], "people = 2\n", ["approval human of 2"], id="more people"),
    pytest.param([approval("agent")], "people = 3\n", ["approval human of 3"], id="more people than an agent"),
    pytest.param([approval()], "[policy]\npeople = 2\n", ["approval human of 2"], id="more people at every gate"),
    pytest.param([LAXER], "allow_rewrite = false\n", ["opinion no rewrite"], id="no reviewer changes the artifact"),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def own(text: str) -> Path:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def gates(scene: Scene) -> list[str]:
    """The approvals and opinions of a new run."""
    loaded = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    found: list[str] = []
    for gate in overview_of(scene.engine, loaded.record.id).plan.phases["plan"].gates:
        if gate.kind == "approval":
            found.append(f"approval {gate.assurance}{f' of {gate.people}' if gate.people > 1 else ''}")
        if gate.kind == "opinion":
            found.append(f"opinion {'rewrite' if gate.allow_rewrite else 'no rewrite'}")
    return found


@pytest.mark.parametrize(("before", "key", "after"), KINDS)
def test_what_strengthens_a_gate_counts_although_the_file_was_never_trusted(
    scene: Scene, before: list[dict[str, Any]], key: str, after: list[str]
) -> None:
    scene.define(phase("plan", *before), roles=ROLES if before == [LAXER] else {})
    assert gates(scene) != after, "what is tried must be something that changes the gates"
    scene.write(CONFIG, AT + key)
    assert scene.engine.settings().untrusted
    assert gates(scene) == after


@pytest.mark.attack("a line that strengthens a gate is taken out of trusted configuration", "held", "design §7")
@pytest.mark.parametrize("left", ["# nothing\n", AT + 'approver = "skip"\n', "not toml [", None])
@pytest.mark.parametrize(("before", "key", "after"), KINDS)
def test_what_strengthened_a_gate_outlives_the_bytes_that_were_trusted(
    scene: Scene, before: list[dict[str, Any]], key: str, after: list[str], left: str | None
) -> None:
    scene.define(phase("plan", *before), roles=ROLES if before == [LAXER] else {})
    scene.write(CONFIG, AT + key)
    trust.give_trust(scene.engine, HUMAN, [])
    if left is None:
        (scene.root / CONFIG).unlink()
    else:
        scene.write(CONFIG, left)
    assert gates(scene) == after
    scene.write(CONFIG, "# a person took it out\n")
    trust.give_trust(scene.engine, HUMAN, ["config"])
    assert gates(scene) != after


def test_older_trusted_bytes_loosen_nothing_that_newer_ones_strengthened(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    loose, strict = AT + 'approver = "skip"\n', AT + 'approver = "human"\n'
    scene.write(CONFIG, loose)
    trust.give_trust(scene.engine, HUMAN, [])
    assert gates(scene) == []
    scene.write(CONFIG, strict)
    trust.give_trust(scene.engine, HUMAN, [])
    scene.write(CONFIG, loose)
    assert gates(scene) == ["approval human"]


@pytest.mark.attack("your own stricter configuration is edited, removed or looked for elsewhere", "held", "design §7")
@pytest.mark.parametrize("how", ["edited", "removed", "elsewhere"])
def test_ones_own_strict_override_outlives_its_file(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    scene.define(phase("plan"))
    file = own(AT + 'approver = "human"\n')
    trust.give_trust(scene.engine, HUMAN, [])
    if how == "edited":
        own("# nothing\n")
    elif how == "removed":
        file.unlink()
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    assert gates(scene) == ["approval human"]


def test_an_opinion_that_trusted_configuration_added_outlives_it_and_replaces_no_person(scene: Scene) -> None:
    scene.define(phase("plan"), phase("ship", approval()))
    roles = '[roles.second]\nprovider = "openai"\nmodel = "m"\n[providers.openai]\n'
    text = AT + 'approver = "second"\n[templates.drill.phases.ship]\napprover = "second"\n'
    own(roles)
    scene.write(CONFIG, text)
    trust.give_trust(scene.engine, HUMAN, [])
    scene.write(CONFIG, "# nothing\n")
    loaded = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    plan = overview_of(scene.engine, loaded.record.id).plan
    assert [gate.kind for gate in plan.phases["plan"].gates] == ["opinion"]
    assert [gate.kind for gate in plan.phases["ship"].gates] == ["approval"]
    scene.write(CONFIG, text)
    (scene.root / CONFIG).write_text(text + "# more\n", encoding="utf-8")
    scene.define(phase("plan"), phase("ship", approval()), name="drill")
    assert [gate.kind for gate in _plan(scene).phases["ship"].gates] == ["approval"], "nobody trusted these bytes"


def _plan(scene: Scene) -> Any:
    loaded = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    return overview_of(scene.engine, loaded.record.id).plan


@pytest.mark.parametrize(
    "text",
    [
        '[templates.drill.phases.nothing]\napprover = "human"\n',
        AT + "allow_rewrite = false\n",
        AT + 'approver = "second"\n',
        '[templates.other.phases.plan]\napprover = "human"\n',
    ],
)
def test_a_key_of_untrusted_bytes_that_strengthens_nothing_changes_nothing(scene: Scene, text: str) -> None:
    scene.define(phase("plan"))
    scene.write(CONFIG, text)
    assert gates(scene) == []


def test_a_run_names_the_file_of_a_key_that_strengthens(scene: Scene) -> None:
    scene.define(phase("plan"))
    scene.write(CONFIG, AT + 'approver = "human"\n')
    run = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    assert run.state.gates is not None
    (one,) = run.state.gates
    assert (one.weakens, one.key, one.source) == (
        False,
        "templates.drill.phases.plan.approver",
        str(scene.root / CONFIG),
    )


@pytest.mark.parametrize("table", ["artifacts", "templates.drill"])
def test_a_changed_file_blocks_although_the_configuration_that_said_so_is_gone(scene: Scene, table: str) -> None:
    own('[artifacts]\non_mismatch = "warn"\n[templates.drill]\non_mismatch = "warn"\n')
    scene.write(CONFIG, f'[{table}]\non_mismatch = "block"\n')
    trust.give_trust(scene.engine, HUMAN, [])
    scene.write(CONFIG, "# nothing\n")
    assert scene.engine.settings().settings.on_mismatch("drill") == "block"
    trust.give_trust(scene.engine, HUMAN, [])
    assert scene.engine.settings().settings.on_mismatch("drill") == "warn"


def test_a_kept_row_that_is_not_ours_is_left_out(scene: Scene) -> None:
    scene.define(phase("plan"))
    for value in ("[]", "{", '{"sha256": 1}', '{"sha256": "x", "values": []}'):
        with scene.store.tx() as tx:
            tx.secrets.set(f"strict:project:{scene.engine.project_id}", value, HUMAN, scene.clock())
        assert gates(scene) == []


def test_an_agent_cannot_loosen_what_is_kept(scene: Scene) -> None:
    assert refused(trust.give_trust, scene.engine, AGENT, []).code == "needs_human"


def test_configuration_raises_how_many_people_approve_and_never_lowers_it(scene: Scene) -> None:
    scene.define(phase("plan", approval(people=3), approval("agent")))
    scene.write(CONFIG, AT + "people = 2\n[policy]\npeople = 1\n")
    trust.give_trust(scene.engine, HUMAN, [])
    assert gates(scene) == ["approval human of 3", "approval human of 2"]
    scene.write(CONFIG, "[policy]\npeople = 4\n")
    trust.give_trust(scene.engine, HUMAN, [])
    assert gates(scene) == ["approval human of 4", "approval agent"], "an agent's approval is no person's"


def test_a_run_records_where_more_people_come_from(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    scene.write(CONFIG, AT + "people = 2\n")
    trust.give_trust(scene.engine, HUMAN, [])
    loaded = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    (one,) = list(loaded.state.gates or ())
    assert (one.what, one.weakens, one.was, one.now) == ("2 people must approve instead of 1", False, "1", "2")
    assert one.key == "templates.drill.phases.plan.people"


def test_people_for_a_phase_that_asks_no_one_is_an_error(scene: Scene) -> None:
    scene.define(phase("plan"))
    scene.write(CONFIG, AT + "people = 2\n")
    trust.give_trust(scene.engine, HUMAN, [])
    no = refused(start_run, scene.engine, AGENT, "drill", {"goal": "x"})
    assert (no.code, no.details[0].path) == ("invalid_template", "/templates/drill/phases/plan/people")
