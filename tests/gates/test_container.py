"""Checks in a container of an image that the person names."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.gates.conftest import Project
from tests.gates.containers import DIGEST, IMAGE, OF_CONTENT, Podman
from tests.gates.place_scene import BASE_PY, check, hashlib_of, judge, printed
from tests.house.other_system import on
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.jobs import container
from wfe_mcp.workspace.system.temporary import new_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no check runs in a container there")
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def podman(tmp_path: Path) -> Podman:
    return Podman(tmp_path / "podman")


@pytest.mark.attack("a check in a container writes elsewhere, gains rights, or sends something", "held", "#31")
def test_a_container_has_no_network_no_rights_and_the_files_of_the_check_alone(
    project: Project, podman: Podman
) -> None:
    found = judge(project, check(BASE_PY, "-c", "", sandbox=True), makes=podman.settings())
    assert found.kind is VerdictKind.PASS, found.message
    (words,) = [each["words"] for each in podman.calls("run")]
    options = words[: words.index("--entrypoint")]
    for pair in (
        *(("--network", "none"), ("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges"), ("--pull", "never")),
        *(("--log-driver", "none"), ("--tmpfs", "/tmp")),
    ):
        assert pair in [*pairwise(options)], options
    assert {"--rm", "--read-only"} <= {*options}
    (folder,) = [options[at + 1] for at, word in enumerate(options) if word == "--mount"]
    assert "wfe-checkout-" in folder and str(project.root) not in folder and "--privileged" not in options
    assert words[words.index("--entrypoint") + 2] == OF_CONTENT, (
        "the image that was looked at, whatever its name is now"
    )


def test_the_evidence_names_the_image_its_content_and_its_digest(project: Project, podman: Podman) -> None:
    found = judge(project, check(BASE_PY, "-c", "", sandbox=True), makes=podman.settings())
    made = {"path": str(podman.program), "sha256": hashlib_of(podman.program)}
    assert found.data["sandbox"] == made | {"image": IMAGE, "id": OF_CONTENT, "digests": [DIGEST]}
    assert found.data["program"] == {"path": f"{BASE_PY} in {IMAGE}", "sha256": OF_CONTENT}
    assert found.data["level"] == "sandbox"


def test_a_container_has_the_network_where_the_check_asks_for_it(project: Project, podman: Podman) -> None:
    judge(project, check(BASE_PY, "-c", "", sandbox=True, network=True), makes=podman.settings())
    assert "--network" not in podman.calls("run")[0]["words"]


@pytest.mark.attack(
    "a variable of a check changes what makes its container, or is read in the list of processes", "held", "#31"
)
def test_variables_reach_the_check_alone(project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"CONTAINERS_STORAGE_CONF": "evil.conf", "DOCKER_HOST": "tcp://evil", "NPM": "npm-canary"}
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    asking = check(BASE_PY, "-c", SHOW, sandbox=True, env=[*given])
    shown = json.loads(printed(judge(project, asking, makes=podman.settings(), environ=given)))
    assert {name: shown[name] for name in given} == given
    assert "wfe-checkout-" in shown["HOME"]
    assert not [name for name in shown if name.startswith("WFE_VARIABLE")]
    (call,) = podman.calls("run")
    assert not {*given} & {*call["variables"]}
    assert not any("evil" in word or "canary" in word for word in call["words"])


def test_a_container_is_gone_after_a_time_out(project: Project, podman: Podman) -> None:
    code = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); print(os.getpid(), flush=True); time.sleep(300)"
    hangs = check(BASE_PY, "-c", code, sandbox=True, writes=["pid"]).model_copy(update={"timeout_s": 3.0})
    found = judge(project, hangs, makes=podman.settings())
    assert "reached its timeout" in found.message
    (words,) = [each["words"] for each in podman.calls("run")]
    name = words[words.index("--name") + 1]
    assert [each["words"] for each in podman.calls("rm")] == [["rm", "--force", name]]
    pid = int((podman.folder / f"{name}.log").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_containers_of_processes_that_are_gone_are_removed(project: Project, podman: Podman, tmp_path: Path) -> None:
    mine = new_folder("checkout", tmp_path).name
    host = mine.split("-")[2]
    gone, others = (
        f"wfe-checkout-{host}-999999-1700000000000-abcdefgh",
        "wfe-checkout-00000000-999999-1700000000000-abcdefgh",
    )
    (podman.folder / "names").write_text(f"{mine}\n{gone}\n{others}\nweb\n")
    judge(project, check(BASE_PY, "-c", "", sandbox=True), makes=podman.settings())
    assert podman.calls("rm")[0]["words"] == ["rm", "--force", gone]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"down": "yes"}, "podman does not work here (Cannot connect to the daemon.): ask the user to start it"),
        ({"container": "nowhere:1"}, "`podman pull nowhere:1`"),
        ({"sha256": "0" * 64}, "names 0000"),
        ({"container_program": "/no/podman"}, "'/no/podman', which is no file"),
        ({"container_program": ""}, "Neither podman nor docker is installed: ask the user to install one"),
    ],
)
@pytest.mark.attack(
    "the program or image of a container is missing or exchanged, and a check runs without one", "held", "#31"
)
def test_a_container_that_cannot_be_had_is_an_error_and_never_less(
    project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(container, "_FOLDERS", ())
    if "down" in more:
        (podman.folder / "down").touch()
    found = judge(
        project,
        check(BASE_PY, "-c", "", sandbox=True),
        makes=podman.settings(**{key: value for key, value in more.items() if key != "down"}),
    )
    assert (found.kind, says in found.message) == (VerdictKind.ERROR, True), found.message
    assert not (podman.folder / "calls").exists() or podman.calls("run") == []


def test_a_program_that_the_image_has_not_is_no_failure_of_the_check(project: Project, podman: Podman) -> None:
    found = judge(project, check("no-such-program", sandbox=True), makes=podman.settings())
    assert found.kind is VerdictKind.ERROR
    assert "The image has no program no-such-program." in found.message


def test_windows_has_no_containers_for_checks(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = podman.settings()
    on(monkeypatch, container, "win32")
    assert container.sandbox_maker(settings) == "A check runs in a container on Linux and macOS only."
