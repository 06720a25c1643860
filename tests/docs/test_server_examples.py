"""The files that start a server and runners elsewhere say what this version understands."""

import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.postgres import missing, running_cluster
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.store import Store

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "server"
PROGRAM = Path(sys.executable).parent / "wfe-mcp"


def words_of_units() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for unit in EXAMPLES.glob("*.service"):
        (line,) = (each for each in unit.read_text(encoding="utf-8").splitlines() if each.startswith("ExecStart="))
        found[unit.name] = shlex.split(line.removeprefix("ExecStart="))
    return found


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load((EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))["services"])


def test_each_command_and_option_is_one_of_this_version() -> None:
    composed = {name: each["command"] for name, each in services().items() if each.get("build")}
    assert set(composed) == {"server", "runner"}
    for name, words in (composed | words_of_units()).items():
        assert Path(words[0]).name == "wfe-mcp", name
        shown = subprocess.run([PROGRAM, words[1], "--help"], capture_output=True, text=True, check=True).stdout
        options = [word for word in words if word.startswith("--")]
        assert options, name
        assert [each for each in options if each not in shown] == [], name


def test_what_must_survive_a_container_is_in_a_volume() -> None:
    made = yaml.safe_load((EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))
    home = "/var/lib/wfe"
    assert f"--home-dir {home}" in (EXAMPLES / "Dockerfile").read_text(encoding="utf-8")
    kept = [volume for each in made["services"].values() for volume in each["volumes"]]
    assert [each for each in kept if each.partition(":")[0] not in {*made["volumes"], "./projects"}] == []
    assert {f"server:{home}", f"runner:{home}"} <= set(kept)


@pytest.mark.postgres
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_database_of_the_containers_is_one_that_the_store_takes() -> None:
    given = services()["database"]["environment"]["POSTGRES_INITDB_ARGS"]
    with (
        running_cluster(form=given.split()) as cluster,
        closing(Store.open(cluster.url("postgres"), clock=utc_now)) as store,
    ):
        assert store.data_version()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name, words in words_of_units().items():
        unit = tmp_path / name.replace("@", "@8766")
        unit.write_text(
            (EXAMPLES / name).read_text(encoding="utf-8").replace(words[0], shlex.quote(shutil.which("true") or ""))
        )
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
