"""A provider that a package brings fills roles like every other: gates, steps, phases, tests of it, budgets."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.model_scene import ROLES, gate, trust_own
from tests.engine.scene import AGENT, GOOD, Scene, phase, refused
from tests.packages import install, install_sample, on_the_path
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.models import discovery, providers
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import user_config_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wfe_mcp.store.records.calls import CallRecord

pytestmark = pytest.mark.usefixtures("home")

STOP = [{"do": "wait_human"}]
ROLE = '[providers.mine]\nkind = "acme.models"\n[roles.first]\nprovider = "mine"\n'
KEY = "sk-canary-0123456789"

READS = """
from wfe_mcp.providers.call import Answer, Usage, Worked

needs_key = True

def ask(connection, question, listener, should_stop):
    raise RuntimeError(f"no route for {connection.api_key}")

def work(connection, task, listener, should_stop):
    read = next(tool for tool in task.tools if tool.name == "read").run({"path": "app.py"})
    return Worked("done", {"title": read.text.strip()[:40]}, "", Usage(1, 100, 5), "reads-1")
"""


def configure(text: str = ROLE) -> None:
    user_config_file().parent.mkdir(parents=True, exist_ok=True)
    user_config_file().write_text(text, encoding="utf-8")


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(install_sample(tmp_path, tmp_path / "site")) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(tmp_path / "site") as found:
        yield install(
            found, "acme-reads", {"wfe_mcp.providers": {"acme.reads": "acme_reads"}}, {"acme_reads.py": READS}
        )


def calls(scene: Scene, run: str) -> list[CallRecord]:
    with scene.store.read() as tx:
        return list(tx.model_calls.filter(scene.engine.load(tx, run).record.id))


@pytest.mark.usefixtures("sample")
def test_it_reviews_answers_steps_and_works_phases_and_every_call_is_on_record(scene: Scene) -> None:
    configure()
    trust_own(scene)
    label = {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["bug", "wish"]}}}
    step = {"id": "ask", "llm": {"role": "one", "prompt": "Label it"}, "output": {"schema": label}, "assign": "found"}
    run = scene.start(
        phase("plan", gate()),
        {"id": "triage", "kind": "steps", "steps": [step]},
        phase("sum", kind="llm", role="one"),
        roles=ROLES,
    )
    scene.do(run, "plan")
    scene.work()

    assert scene.state(run).status is RunStatus.COMPLETED
    assert {(str(each.purpose), each.provider, str(each.status)) for each in calls(scene, run)} == {
        ("opinion", "mine", "done"),
        ("step", "mine", "done"),
        ("work", "mine", "done"),
    }
    with scene.store.read() as tx:
        (row,) = tx.steps.of_run(scene.engine.load(tx, run).record.id)
    assert row.output == {"label": "bug"}


@pytest.mark.usefixtures("site")
def test_one_that_works_reads_the_project_with_our_tools(scene: Scene) -> None:
    configure('[providers.mine]\nkind = "acme.reads"\nkey = "env:MINE"\n[roles.first]\nprovider = "mine"\n')
    scene.engine.environment["MINE"] = KEY

    run = scene.start(phase("plan", kind="llm", role="one", tools_allowed=["read"]), roles=ROLES)
    scene.work()

    assert scene.state(run).status is RunStatus.COMPLETED
    with scene.store.read() as tx:
        (used,) = tx.tool_calls.filter(scene.engine.load(tx, run).record.id)
    assert (used.name, used.ok, used.input) == ("read", True, {"path": "app.py"})
    (call,) = calls(scene, run)
    assert (call.input_tokens, call.cost_usd) == (100, None)


@pytest.mark.usefixtures("site")
def test_what_its_code_raises_fails_the_step_without_the_key(scene: Scene) -> None:
    configure('[providers.mine]\nkind = "acme.reads"\nkey = "env:MINE"\n[roles.first]\nprovider = "mine"\n')
    scene.engine.environment["MINE"] = KEY
    step = {"id": "ask", "llm": {"role": "one", "prompt": "Say it"}}

    run = scene.start({"id": "say", "kind": "steps", "steps": [step], "on_fail": STOP}, roles=ROLES)
    scene.work()

    reason = scene.attempt(run, "say").reason
    assert ("RuntimeError: no route for" in reason, KEY in reason) == (True, False), reason
    (call,) = calls(scene, run)
    assert (str(call.status), KEY in str(call)) == ("failed", False)


@pytest.mark.usefixtures("site")
def test_a_cap_on_tokens_stops_it_before_its_code_runs(scene: Scene) -> None:
    limits = "[budget]\ntokens_per_run = 10\n"
    configure(f'[providers.mine]\nkind = "acme.reads"\nkey = "env:MINE"\n[roles.first]\nprovider = "mine"\n{limits}')
    scene.engine.environment["MINE"] = KEY

    run = scene.start(phase("plan", kind="llm", role="one", tools_allowed=["read"]), roles=ROLES)
    scene.work()

    assert scene.state(run).status is RunStatus.PAUSED
    assert calls(scene, run) == []


def test_without_the_package_a_run_that_began_with_it_waits_for_a_person(scene: Scene, tmp_path: Path) -> None:
    configure()
    with on_the_path(install_sample(tmp_path, tmp_path / "site")):
        run = scene.start(phase("plan", kind="llm", role="one", on_fail=STOP), roles=ROLES)
    scene.work()

    tried = scene.attempt(run, "plan")
    assert (tried.status, tried.human_only) == ("failed", True)
    assert "no installed package provides kind 'acme.models'" in tried.reason
    assert "wfe-mcp doctor" in tried.reason


def test_a_kind_that_no_package_brings_is_a_problem_with_the_nearest_and_counts_nowhere(
    scene: Scene, sample: Path
) -> None:
    assert sample
    configure(ROLE.replace("acme.models", "acme.model"))

    loaded = scene.engine.settings()

    (problem,) = loaded.problems
    assert (problem.path, "provides kind 'acme.model'; the nearest is 'acme.models'" in problem.message) == (
        "/providers/mine",
        True,
    )
    assert "mine" not in loaded.settings.providers
    assert refused(providers.connection_of, scene.engine, "first").code == "unavailable"


def test_a_kind_that_is_none_is_a_problem_that_names_the_nearest(scene: Scene) -> None:
    configure('[providers.mine]\nkind = "antropic"\n')
    problem = scene.engine.settings().problems[0]
    assert ("the nearest is 'anthropic'" in problem.message, 'as in "acme.models"' in problem.message) == (True, True)


def test_a_project_never_says_the_address_of_one(scene: Scene, sample: Path) -> None:
    """It may have a key that we do not know of."""
    assert sample
    config = scene.root / ".wfe" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text('[providers.mine]\nkind = "acme.models"\nbase_url = "https://evil.example"\n', encoding="utf-8")
    scene.trust_config()

    loaded = scene.engine.settings()

    assert loaded.settings.providers["mine"].base_url is None
    assert [each.path for each in loaded.problems] == ["/providers/mine/base_url"]


@pytest.mark.usefixtures("sample")
def test_it_is_listed_with_its_package_and_tried_like_every_other(scene: Scene) -> None:
    configure()

    line = providers.line_of(scene.engine, "mine")
    tried = discovery.try_out(scene.engine, "first")

    assert (line.kind, line.where, line.is_usable) == ("acme.models", "acme-wfe 1.0.0", True)
    assert (tried.ok, tried.models, tried.message.startswith("It answered in ")) == (True, ("least",), True)


@pytest.mark.usefixtures("sample")
def test_nothing_of_the_package_is_loaded_before_it_is_asked(scene: Scene) -> None:
    configure()
    trust_own(scene)
    scene.define(phase("plan", gate()), name="own", roles=ROLES)
    run = answers.start_run(scene.engine, AGENT, "own").run or ""
    scene.begin(run, "plan")
    assert providers.list_providers(scene.engine)
    assert providers.roles(scene.engine)[0].fault == ""
    assert "acme_wfe.models" not in sys.modules

    assert scene.submit(run, "plan", GOOD).state == "completed"
    assert "acme_wfe.models" in sys.modules


def cli(site: Path, project: Path, *words: str) -> dict[str, Any]:
    """A command, in a process of its own as a person starts it."""
    import json
    import os
    from pathlib import Path

    root = Path(__file__).resolve().parents[3]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), str(site)]),
        "WFE_DATABASE_URL": f"sqlite:///{project.parent / 'wfe.db'}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", "--json", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return json.loads(done.stdout)


def test_it_is_added_given_a_role_tried_and_looked_at_by_doctor_at_a_terminal(scene: Scene, sample: Path) -> None:
    near = cli(sample, scene.root, "providers", "add", "mine", "--kind", "acme.modls")
    added = cli(sample, scene.root, "providers", "add", "mine", "--kind", "acme.models")
    role = cli(sample, scene.root, "providers", "role", "reviewer", "mine")
    tried = cli(sample, scene.root, "providers", "test", "reviewer")
    findings = {each["topic"]: each["level"] for each in cli(sample, scene.root, "doctor")["data"]["findings"]}

    assert "the nearest is 'acme.models'" in near["error"]["message"]
    assert (added["ok"], added["data"]["models"]) == (True, ["least"])
    assert (role["ok"], tried["ok"], tried["data"]["tried"]["kind"]) == (True, True, "acme.models")
    assert {findings[topic] for topic in ("provider mine", "role reviewer", "provider acme.models")} == {"ok"}


def test_one_that_needs_a_key_asks_for_it_where_it_is_added(scene: Scene, site: Path) -> None:
    no = cli(site, scene.root, "providers", "add", "mine", "--kind", "acme.reads")
    yes = cli(site, scene.root, "providers", "add", "mine", "--kind", "acme.reads", "--key", "env:MINE")

    assert (no["error"]["code"], yes["data"]["provider"]["key"]) == ("needs_human", "env:MINE")
