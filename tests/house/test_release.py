"""What a release publishes: server.json, the MCP bundle, and the workflow that does it."""

import json
import os
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from wfe_mcp.clients.table import TOOLS
from wfe_mcp.clients.trial import try_server

TEXT = {"type": "string", "minLength": 1}
SERVER_RULES: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "name", "title", "description", "version", "packages"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {"type": "string", "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "title": {**TEXT, "maxLength": 100},
        "description": {**TEXT, "maxLength": 100},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "packages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["registryType", "identifier", "version", "transport"],
                "additionalProperties": False,
                "properties": {
                    "registryType": {"enum": ["pypi"]},
                    "identifier": TEXT,
                    "version": TEXT,
                    "runtimeHint": {"const": "uvx"},
                    "transport": {"const": {"type": "stdio"}},
                    "packageArguments": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["type", "value"],
                            "additionalProperties": False,
                            "properties": {"type": {"const": "positional"}, "value": TEXT},
                        },
                    },
                    "environmentVariables": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", "description"],
                            "additionalProperties": False,
                            "properties": {
                                "name": TEXT,
                                "description": TEXT,
                                "isRequired": {"type": "boolean"},
                                "isSecret": {"type": "boolean"},
                                "format": {"enum": ["string", "number", "boolean", "filepath"]},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What the registry asks of this file, as far as we use it: its schema of 2025-12-11, in our words."""
BUNDLE_RULES: dict[str, Any] = {
    "type": "object",
    "required": ["manifest_version", "name", "version", "description", "author", "server"],
    "properties": {
        "manifest_version": {"const": "0.4"},
        "name": TEXT,
        "version": TEXT,
        "description": TEXT,
        "license": TEXT,
        "author": {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": TEXT}},
        "server": {
            "type": "object",
            "required": ["type", "entry_point", "mcp_config"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "uv"},
                "entry_point": TEXT,
                "mcp_config": {
                    "type": "object",
                    "required": ["command"],
                    "additionalProperties": False,
                    "properties": {
                        "command": TEXT,
                        "args": {"type": "array", "items": TEXT},
                        "env": {"type": "object", "additionalProperties": TEXT},
                    },
                },
            },
        },
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": TEXT, "description": TEXT},
            },
        },
        "user_config": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["type", "title", "description"]},
        },
        "compatibility": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "platforms": {"items": {"enum": ["darwin", "win32", "linux"]}},
                "runtimes": {"type": "object"},
            },
        },
    },
}
"""What programs that install bundles ask of a manifest, as far as we use it: its schema of version 0.4, in our words."""


def faults(rules: dict[str, Any], value: object) -> list[str]:
    return [str(each) for each in jsonschema_rs.validator_for(rules, offline=True).iter_errors(value)]


def none(_version: str) -> list[Path]:
    return []


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel has it, made without a build tool."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    made = tmp_path_factory.mktemp("wheel") / f"wfe_mcp-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for folder, below in (("wfe_mcp", ""), ("templates", "wfe_mcp/"), ("schemas", "wfe_mcp/")):
            for file in (root / folder).rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, below + file.relative_to(root).as_posix())
        archive.writestr(
            f"wfe_mcp-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: wfe-mcp\nVersion: {version}\n"
        )
    return made


# -- server.json --------------------------------------------------------------------------------------------------------


def test_server_json_is_what_the_registry_accepts(root: Path) -> None:
    document = json.loads((root / "server.json").read_text(encoding="utf-8"))

    assert faults(SERVER_RULES, document) == []


@pytest.mark.parametrize(
    ("key", "value"), [("name", "no-namespace"), ("description", "x" * 101), ("version", "latest"), ("extra", 1)]
)
def test_what_the_registry_refuses_is_refused_here(root: Path, key: str, value: object) -> None:
    document = json.loads((root / "server.json").read_text(encoding="utf-8"))

    assert faults(SERVER_RULES, {**document, key: value}) != []


def test_server_json_has_the_version_of_the_package(root: Path, script: Any) -> None:
    generator, text = script("generate_server_json"), (root / "pyproject.toml").read_text(encoding="utf-8")
    later = re.sub(r'(?m)^version = ".*"', 'version = "9.8.7"', text, count=1)

    assert generator.server_json(text) == (root / "server.json").read_text(encoding="utf-8")
    document = json.loads(generator.server_json(later))
    assert (document["version"], document["packages"][0]["version"]) == ("9.8.7", "9.8.7")


def test_the_readme_proves_to_the_registry_that_the_package_is_that_server(root: Path) -> None:
    document = json.loads((root / "server.json").read_text(encoding="utf-8"))

    assert f"<!-- mcp-name: {document['name']} -->" in (root / "README.md").read_text(encoding="utf-8")


# -- the bundle ---------------------------------------------------------------------------------------------------------


def test_the_bundle_starts_its_server_through_its_manifest(script: Any, wheel: Path, tmp_path: Path) -> None:
    project = tmp_path / "a project"
    project.mkdir()
    place = tmp_path / "installed"
    with zipfile.ZipFile(script("build_mcpb").bundle(wheel, tmp_path / "out")) as archive:
        archive.extractall(place)
    document = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    assert faults(BUNDLE_RULES, document) == []
    assert (place / document["server"]["entry_point"]).is_file()
    try:
        uv = script("pins").uv()
    except SystemExit as answer:
        pytest.skip(str(answer))
    with zipfile.ZipFile(next((place / "server").glob("*.whl"))) as archive:
        archive.extractall(tmp_path / "code")

    def filled(text: str) -> str:
        return text.replace("${__dirname}", str(place)).replace("${user_config.project}", str(project))

    config = document["server"]["mcp_config"]
    environment = {
        "PATH": os.pathsep.join([str(Path(uv).parent), os.defpath]),
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
        **{name: filled(text) for name, text in config["env"].items()},
        # the code of the bundle, in the environment that is here: installing one is for scripts/check_wheel.py
        "PYTHONPATH": str(tmp_path / "code"),
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "UV_NO_SYNC": "1",
        "UV_OFFLINE": "1",
    }
    found = try_server([config["command"], *map(filled, config["args"])], tmp_path, environment)

    assert (found.fault, found.tools) == ("", TOOLS)
    assert tuple(each["name"] for each in document["tools"]) == TOOLS


def test_the_bundle_installs_its_own_wheel_and_the_pinned_versions(
    root: Path, script: Any, wheel: Path, tmp_path: Path
) -> None:
    made = script("build_mcpb").bundle(wheel, tmp_path)
    with zipfile.ZipFile(made) as archive:
        needed = tomllib.loads(archive.read("pyproject.toml").decode())
        assert needed["tool"]["uv"]["sources"]["wfe-mcp"]["path"] in archive.namelist()
    assert needed["project"]["dependencies"] == ["wfe-mcp"]
    pins = script("pins").pins_in((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert needed["tool"]["uv"]["constraint-dependencies"] == pins


def test_the_same_wheel_gives_the_same_bundle(script: Any, wheel: Path, tmp_path: Path) -> None:
    first, second = (script("build_mcpb").bundle(wheel, tmp_path / name) for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()


# -- the Pythons --------------------------------------------------------------------------------------------------------


def test_the_wheel_is_tried_on_every_version_that_the_package_names(root: Path, script: Any) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]

    assert script("pythons").supported() == named
    assert project["requires-python"] == f">={named[0]}"


def test_a_python_that_is_not_here_is_named_with_the_reason(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons = script("pythons")
    monkeypatch.setattr(pythons, "of_uv", none)
    (found,) = pythons.installed(["3.99"], {"PYENV_ROOT": str(tmp_path)})
    assert (found.path, found.detail) == (None, "not installed")


@pytest.mark.skipif(sys.platform == "win32", reason="pyenv's layout of POSIX")
def test_a_python_of_pyenv_is_found_and_one_that_lacks_a_library_is_passed_over(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons, version = script("pythons"), "{}.{}".format(*sys.version_info)
    monkeypatch.setattr(pythons, "of_uv", none)
    for release, text in (("9", f'exec "{sys.executable}" "$@"'), ("10", "echo No module named _sqlite3 >&2; exit 1")):
        program = tmp_path / "versions" / f"{version}.{release}" / "bin" / f"python{version}"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    (found,) = pythons.installed([version], {"PYENV_ROOT": str(tmp_path)})
    assert found.path == tmp_path / "versions" / f"{version}.9" / "bin" / f"python{version}"
    shutil.rmtree(tmp_path / "versions" / f"{version}.9")
    (found,) = pythons.installed([version], {"PYENV_ROOT": str(tmp_path)})
    assert found.path is None and found.detail.endswith("does not work: ['No module named _sqlite3']")
