"""What installed packages bring, found without loading any of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import install, on_the_path
from wfe_mcp.resources import PlugInFault, plugin_faults, plugins

LOUD = {"loud.py": "raise RuntimeError('it was loaded')\n"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(tmp_path / "site") as found:
        yield found


def test_without_packages_there_is_nothing() -> None:
    assert dict(plugins("gates")) == {}
    assert plugin_faults() == ()


def test_a_plug_in_is_found_by_its_name_and_says_who_brings_it_and_nothing_is_loaded(site: Path) -> None:
    install(site, "acme-loud", {"wfe_mcp.gates": {"acme.loud": "loud:gate", "acme.b": "loud:b"}}, LOUD, "2.1")

    found = plugins("gates")

    assert list(found) == ["acme.b", "acme.loud"]
    assert (found["acme.loud"].package, found["acme.loud"].group) == ("acme-loud 2.1", "gates")
    assert "loud" not in sys.modules
    with pytest.raises(PlugInFault, match=r"'acme.loud' of the package acme-loud 2.1 cannot .* RuntimeError: it was"):
        found["acme.loud"].load()


def test_a_package_that_only_starts_ours_is_not_read(site: Path) -> None:
    install(site, "acme-starter", {"console_scripts": {"acme": "wfe_mcp.__main__:main"}}, {})
    (metadata,) = site.glob("*.dist-info/METADATA")
    metadata.write_bytes(b"\xff")

    assert dict(plugins("gates")) == {}


@pytest.mark.parametrize("module", ["import sys\nsys.exit(3)\n", "x = 1\n", "import nothing_of_the_kind\n", "x = (\n"])
def test_whatever_the_code_of_a_package_does_is_one_fault(site: Path, module: str) -> None:
    install(site, "acme-odd", {"wfe_mcp.gates": {"acme.odd": "odd:gate"}}, {"odd.py": module})

    with pytest.raises(PlugInFault, match=r"acme-odd 1\.0 cannot be used"):
        plugins("gates")["acme.odd"].load()


@pytest.mark.parametrize(
    ("group", "name", "why"),
    [
        ("artifact_schemas", "plan@1", "names without a namespace are reserved"),
        ("artifact_schemas", "acme.plan", "looks like 'acme.ticket@1'"),
        ("gates", "command", "names without a namespace are reserved"),
        ("gates", "acme.no todo", "looks like 'acme.no_todo'"),
        ("gates", "wfe.command", "the namespace 'wfe' is ours"),
        ("step_builtins", "set", "names without a namespace are reserved"),
        ("providers", "openai", "names without a namespace are reserved"),
        ("templates", "quick_fix", "a template of this name is shipped"),
        ("templates", "acme.release", "looks like 'acme_release'"),
    ],
)
def test_a_package_never_takes_the_place_of_what_is_shipped(site: Path, group: str, name: str, why: str) -> None:
    install(site, "acme-shadow", {f"wfe_mcp.{group}": {name: "loud:x"}}, LOUD)

    (fault,) = plugin_faults()

    assert fault.startswith(f"{name!r} (wfe_mcp.{group}) of the package acme-shadow 1.0 is ignored: ")
    assert why in fault
    assert name not in plugins("gates" if group == "gates" else "templates")


def test_the_second_package_with_a_name_does_not_count(site: Path) -> None:
    entries = {"wfe_mcp.gates": {"acme.same": "loud:x"}}
    install(site, "acme-b", entries, LOUD)
    install(site, "acme-a", entries, {})

    assert plugins("gates")["acme.same"].package == "acme-a 1.0"
    assert plugin_faults() == (
        "'acme.same' (wfe_mcp.gates) of the package acme-b 1.0 is ignored: the package acme-a 1.0 provides one with this name already",
    )


def test_other_groups_are_none_of_ours(site: Path) -> None:
    install(site, "acme-other", {"pytest11": {"x": "loud:x"}, "wfe_mcp.gatez": {"acme.x": "loud:x"}}, LOUD)

    assert plugin_faults() == ()
    assert "acme.x" not in plugins("gates")


def test_a_project_cannot_lay_a_package_into_its_own_folder(tmp_path: Path) -> None:
    """``python -m wfe_mcp`` puts the folder it was started in first on the path."""
    project = install(tmp_path, "acme-loud", {"wfe_mcp.gates": {"acme.loud": "loud:gate"}}, LOUD)
    ask = "from wfe_mcp.resources import plugins; print(list(plugins('gates')))"
    root = str(Path(__file__).resolve().parents[1])
    found = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, str(project)])},
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    assert found.stdout == "[]\n"
