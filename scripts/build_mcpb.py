"""Builds the MCP bundle: one file that Claude Desktop and other programs install by a double click.

    python scripts/build_mcpb.py                 build the wheel, then dist/wfe-mcp-VERSION.mcpb
    python scripts/build_mcpb.py --wheel FILE    with this wheel
    python scripts/build_mcpb.py --out FOLDER    instead of dist
    python scripts/build_mcpb.py --try           unpack it and start the server as a program that installs bundles does

A bundle is a zip archive: manifest.json says how to start the server, pyproject.toml what it needs (our wheel, which is inside,
and the pinned versions of its dependencies, which uv installs at the first start). The same wheel gives the same bytes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from pins import ROOT, pins_in, uv

FORMAT = "0.4"
FRONT = ROOT / "wfe_mcp" / "server" / "front.json"
ABOUT = (
    "The agent does the work, and the server is the referee: it gives out one phase at a time, validates each result, runs your "
    "tests itself, and waits for your approval where the workflow requires it. Decisions need your PIN and a terminal: run "
    "wfe-mcp init in the project first."
)
MAIN = '''"""Starts the server of the bundle."""

import sys

from wfe_mcp.__main__ import main

sys.argv[1:] = ["serve"]
sys.exit(main())
'''
_TIME = (1980, 1, 1, 0, 0, 0)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Build the MCP bundle.")
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for the bundle")
    parser.add_argument("--try", dest="tries", action="store_true", help="build it elsewhere, and start it")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="wfe-bundle-") as folder:
        wheel: Path | None = options.wheel
        if wheel is None:
            subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", folder, str(ROOT)], check=True)
            wheel = next(Path(folder).glob("*.whl"))
        made = bundle(wheel, Path(folder) if options.tries else options.out)
        print(f"{made.name if options.tries else made} ({made.stat().st_size / 1e6:.1f} MB)", flush=True)
        return 0 if not options.tries or starts(made, Path(folder).resolve()) else 1


def bundle(wheel: Path, folder: Path) -> Path:
    """Write the bundle around ``wheel`` into ``folder``; its path."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(pyproject)["project"]
    texts = {
        "manifest.json": f"{json.dumps(manifest(project), indent=2)}\n",
        "pyproject.toml": environment(project, wheel.name, pins_in(pyproject)),
        "server/main.py": MAIN,
        "LICENSE": (ROOT / "LICENSE").read_text(encoding="utf-8"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{project['name']}-{project['version']}.mcpb"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {
            **{name: text.encode() for name, text in texts.items()},
            f"server/{wheel.name}": wheel.read_bytes(),
        }.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return made


def starts(made: Path, folder: Path) -> bool:
    """Whether the unpacked bundle starts through its manifest; uv installs what it needs into it, at most ten minutes."""
    from wfe_mcp.clients.trial import try_server

    place, project = folder / "installed", folder / "project"
    project.mkdir()
    with zipfile.ZipFile(made) as archive:
        archive.extractall(place)
    config = json.loads((place / "manifest.json").read_text(encoding="utf-8"))["server"]["mcp_config"]
    filled = {"${__dirname}": str(place), "${user_config.project}": str(project)}
    words = [_filled(each, filled) for each in (config["command"], *config["args"])]
    environment = {
        **os.environ,
        "HOME": str(folder),
        "UV_CACHE_DIR": _cache(),
        "PATH": os.pathsep.join([str(Path(uv()).parent), os.environ["PATH"]]),
        **{name: _filled(text, filled) for name, text in config["env"].items()},
    }
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "WFE_DATABASE_URL"):
        environment.pop(name, None)
    for number in ("first", "second"):
        found = try_server(words, folder, environment, 600)
        print(f"  {number} start: {found.fault or f'{len(found.tools)} tools, {found.seconds:.1f} s'}", flush=True)
        if found.fault:
            return False
    return True


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _cache() -> str:
    """uv's cache, which another home folder would hide."""
    return subprocess.run([uv(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()


def manifest(project: dict[str, Any]) -> dict[str, Any]:
    """The bundle's manifest. The program that installs it asks for the project, since it has no folder of its own."""
    tools = json.loads(FRONT.read_text(encoding="utf-8"))["handshake"]["tools/list"]["tools"]
    return {
        "manifest_version": FORMAT,
        "name": project["name"],
        "display_name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "long_description": ABOUT,
        "author": {"name": project["authors"][0]["name"]},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "server/main.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--quiet", "--project", "${__dirname}", "${__dirname}/server/main.py"],
                "env": {"WFE_PROJECT": "${user_config.project}"},
            },
        },
        "tools": [{"name": each["name"], "description": each["description"]} for each in tools],
        "prompts_generated": True,
        "user_config": {
            "project": {
                "type": "directory",
                "title": "Project",
                "description": "The folder that the agent works in; run wfe-mcp init there first.",
                "required": True,
            }
        },
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": project["requires-python"]},
        },
    }


def environment(project: dict[str, Any], wheel: str, pins: list[str]) -> str:
    """The bundle's pyproject.toml."""
    lines = "".join(f'  "{pin}",\n' for pin in pins)
    return (
        f'[project]\nname = "{project["name"]}-bundle"\nversion = "{project["version"]}"\n'
        f'requires-python = "{project["requires-python"]}"\ndependencies = ["{project["name"]}"]\n\n'
        f"[tool.uv]\npackage = false\nsystem-certs = true\ncompile-bytecode = true\nconstraint-dependencies = [\n{lines}]\n\n"
        f'[tool.uv.sources]\n{project["name"]} = {{ path = "server/{wheel}" }}\n'
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
