"""Trust is in the bytes trusted last: a file that is put back to looser bytes, trusted before, is asked about again."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates import trust
from wfe_mcp.engine.templates.config_drift import own_configuration
from wfe_mcp.engine.templates.versions import keep_version
from wfe_mcp.views.approvals.trust import trust_view
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"
AT = "[templates.drill.phases.plan]\n"
SKIP = AT + 'approver = "skip"\n'
TEST = '[checks.test]\nargv = ["pytest"]\n'
SERVER = '[mcp_servers.files]\ncommand = "sh"\n'

LOOSER = [
    pytest.param(SKIP, "# nothing\n", id="a gate that it removes"),
    pytest.param("# nothing\n", AT + 'approver = "human"\n', id="an approval that it lacks"),
    pytest.param('[checks.test]\nargv = ["true"]\n', TEST, id="another program of a check"),
    pytest.param(TEST + "sandbox = false\n", TEST + "sandbox = true\n", id="no sandbox"),
    pytest.param(TEST + 'writes = ["src/**"]\n', TEST, id="files that a check may change"),
    pytest.param(SERVER, "# nothing\n", id="a server that it starts"),
    pytest.param('[http]\nallow = ["http://10.0.0.5"]\n', "# nothing\n", id="an address"),
    pytest.param("[tools]\nbash = true\n", "[tools]\nbash = false\n", id="a shell for models"),
    pytest.param('[policy]\ntemplates = ["drill"]\n', "[policy]\ntemplates = []\n", id="templates for agents"),
    pytest.param(
        '[policy]\nevidence = "worktree"\n', '[policy]\nevidence = "checkout"\n', id="a lower level of evidence"
    ),
    pytest.param("# nothing\n", "[budget]\ncost_per_run = 1.0\n", id="no budget"),
    pytest.param(
        '[roles.second]\nprovider = "openai"\nmodel = "small"\n[providers.openai]\n',
        '[roles.second]\nprovider = "openai"\nmodel = "large"\n[providers.openai]\n',
        id="another reviewer",
    ),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def configure(scene: Scene, text: str) -> None:
    """A person trusts a configuration."""
    scene.write(CONFIG, text)
    trust.give_trust(scene.engine, HUMAN, [])
    scene.clock.advance(minutes=1)


def gates(scene: Scene) -> list[str]:
    loaded = start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    return [gate.kind for gate in overview_of(scene.engine, loaded.record.id).plan.phases["plan"].gates]


def waiting(scene: Scene) -> list[str]:
    return [one.name for one in trust.pending_trust(scene.engine)]


@pytest.mark.attack("configuration that was trusted once is put back in place of a stricter one", "held", "design §7")
@pytest.mark.parametrize(("looser", "last"), LOOSER)
def test_looser_configuration_that_was_trusted_before_is_asked_about_again(
    scene: Scene, looser: str, last: str
) -> None:
    configure(scene, looser)
    assert waiting(scene) == []
    configure(scene, last)
    scene.write(CONFIG, looser)
    assert waiting(scene) == ["config"]
    assert scene.engine.settings().untrusted
    trust.give_trust(scene.engine, HUMAN, [])
    assert waiting(scene) == [], "a person may go back"
    scene.write(CONFIG, last)


@pytest.mark.parametrize(
    ("stricter", "last"),
    [
        pytest.param("# nothing\n", SERVER, id="it starts less"),
        pytest.param(TEST, TEST + 'writes = ["src/**"]\n', id="its check may change less"),
        pytest.param(AT + 'approver = "human"\n', "# nothing\n", id="it asks for an approval more"),
        pytest.param("# nothing\n", SKIP, id="it removes no gate"),
        pytest.param(TEST, "# nothing\n", id="it has a check more"),
        pytest.param(TEST + "# in other words\n", TEST, id="it says the same"),
    ],
)
def test_configuration_trusted_before_that_is_no_looser_still_counts(scene: Scene, stricter: str, last: str) -> None:
    configure(scene, stricter)
    configure(scene, last)
    scene.write(CONFIG, stricter)
    assert waiting(scene) == []
    assert scene.engine.settings().untrusted == []


def test_who_moves_between_two_branches_is_asked_once_where_one_is_stricter(scene: Scene) -> None:
    main, feature = TEST, TEST + '[checks.lint]\nargv = ["ruff"]\n'
    configure(scene, main)
    configure(scene, feature)
    scene.write(CONFIG, main)
    assert waiting(scene) == ["config"], "main asks for less than the branch"
    configure(scene, main)
    for text in (feature, main, feature, main):
        scene.write(CONFIG, text)
        assert waiting(scene) == []


def test_a_gate_that_was_skipped_before_is_there_again_when_its_file_comes_back(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    configure(scene, SKIP)
    assert gates(scene) == []
    configure(scene, "# nothing\n")
    scene.write(CONFIG, SKIP)
    assert gates(scene) == ["approval"]


def test_ones_own_configuration_of_before_weakens_no_gate_when_it_comes_back(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SKIP, encoding="utf-8")
    trust.give_trust(scene.engine, HUMAN, [])
    assert gates(scene) == []
    file.write_text("# stricter\n", encoding="utf-8")
    trust.give_trust(scene.engine, HUMAN, [])
    file.write_text(SKIP, encoding="utf-8")
    assert gates(scene) == ["approval"]
    assert (own_configuration(scene.engine).changed, waiting(scene)) == (True, ["own"])


@pytest.mark.attack("a template that was trusted once is put back in place of a stricter one", "held", "design §7")
def test_a_template_trusted_before_does_not_start_once_another_is_trusted(scene: Scene) -> None:
    path = ".wfe/templates/drill/template.json"
    loose = scene.define(phase("plan"), trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    assert gates(scene) == []
    strict = scene.define(phase("plan", approval()), trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    scene.write(path, json.dumps(loose))
    no = refused(start_run, scene.engine, AGENT, "drill", {"goal": "x"})
    assert (no.code, waiting(scene)) == ("needs_trust", ["drill"])
    keep_version(scene.engine, loose, "saved")
    scene.write(path, json.dumps(strict))
    no = refused(start_run, scene.engine, AGENT, f"drill@{loose['version']}", {"goal": "x"})
    assert no.code == "needs_trust", "saved by an agent it is no more trusted than in its file"
    assert gates(scene) == ["approval"]


def test_kept_versions_of_a_template_are_trusted_each_for_itself(scene: Scene) -> None:
    made = scene.define(phase("plan", approval()), trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    for version in ("2.0.0", "3.0.0"):
        keep_version(scene.engine, made | {"version": version}, "edited")
        trust.give_trust(scene.engine, HUMAN, [f"drill@{version}"])
    for name in ("drill", "drill@2.0.0", "drill@3.0.0"):
        assert start_run(scene.engine, AGENT, name, {"goal": "x"})


@pytest.mark.attack(
    "a run whose gates were weaker is forked after stricter configuration was trusted", "held", "design §7"
)
def test_only_a_person_forks_a_run_that_has_weaker_gates_than_are_trusted_now(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    configure(scene, SKIP)
    run = start_run(scene.engine, AGENT, "drill", {"goal": "x"}).record.id
    assert fork_run(scene.engine, AGENT, run)
    scene.clock.advance(minutes=1)
    configure(scene, "# nothing\n")
    no = refused(fork_run, scene.engine, AGENT, run)
    assert (no.code, f"wfe-mcp start --from {run}" in no.hint) == ("needs_human", True)
    assert refused(fork_run, scene.engine, AGENT, run, "1").hint.endswith(f"--from {run}@1")
    assert fork_run(scene.engine, HUMAN, run)
    assert verify(scene.engine).findings == ()


def test_only_a_person_forks_a_run_of_a_template_that_was_replaced(scene: Scene) -> None:
    scene.define(phase("plan"), trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    run = start_run(scene.engine, AGENT, "drill", {"goal": "x"}).record.id
    scene.clock.advance(minutes=1)
    scene.define(phase("plan", approval()), trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    assert refused(fork_run, scene.engine, AGENT, run).code == "needs_trust"
    assert fork_run(scene.engine, HUMAN, run)
    assert verify(scene.engine).findings == ()


@pytest.mark.attack(
    "a run is started with weaker gates by configuration that was trusted once", "detected", "design §7"
)
def test_verify_finds_a_run_whose_weaker_gates_came_from_bytes_that_were_trusted_no_more(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    configure(scene, SKIP)
    with scene.store.read() as tx:
        (kept,) = [
            one for one in tx.trust.of_project(scene.engine.project_id) if one.path_key.startswith(str(scene.root))
        ]
    start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    scene.clock.advance(minutes=1)
    configure(scene, "# nothing\n")
    assert verify(scene.engine).findings == (), "it was trusted when the run started"
    scene.write(CONFIG, SKIP)
    record: Any = (kept.project_id, kept.path_key, kept.sha256, AGENT, scene.clock())
    with scene.store.tx() as tx:
        tx.trust.give(*record)
    start_run(scene.engine, AGENT, "drill", {"goal": "x"})
    assert "gates_weakened" in {one.code for one in verify(scene.engine).findings}


def test_a_person_who_goes_back_to_stricter_configuration_can_end_the_trust_in_the_looser_one(scene: Scene) -> None:
    configure(scene, "# strict\n")
    configure(scene, SKIP)
    scene.write(CONFIG, "# strict\n")
    assert waiting(scene) == [], "it counts without a question"
    (listed,) = trust_view(scene.engine).listings
    assert (listed.pending.name, [one.mark for one in listed.changes]) == ("config", ["gone"])
    assert any("trust this" in problem for problem in listed.problems)
    assert [one.name for one in trust.give_trust(scene.engine, HUMAN, [])] == ["config"]
    assert trust_view(scene.engine).is_empty
    scene.write(CONFIG, SKIP)
    assert waiting(scene) == ["config"]


def test_ones_own_configuration_is_one_file_for_all_projects(scene: Scene) -> None:
    scene.define(phase("plan", approval()))
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    for text in ("# strict\n", SKIP, "# strict\n"):
        file.write_text(text, encoding="utf-8")
        trust.give_trust(scene.engine, HUMAN, ["own"])
    with scene.store.read() as tx:
        assert not tx.trust.is_given_anywhere(f"own:{file}", sha256_hex(SKIP.encode()))
    assert trust_view(scene.engine).is_empty
