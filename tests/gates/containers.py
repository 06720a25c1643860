"""A stand-in for podman, which few machines have: it records how it is called, and runs the command without any container.

What it runs outlives it, as with the real ones: only ``kill`` ends it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gates.place_scene import BASE_PY, hashlib_of
from wfe_mcp.workspace.config.settings_tables import SandboxSettings

IMAGE, OF_CONTENT, DIGEST = "localhost/checks:1", "c" * 64, "localhost/checks@sha256:" + "d" * 64
PROGRAM = """
import json, os, pathlib, signal, subprocess, sys, time
place, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (place / "calls").open("a") as calls:
    calls.write(json.dumps({"words": words, "variables": dict(os.environ)}) + "\\n")
if (place / "down").exists():
    sys.exit("Cannot connect to the daemon.")
if words[:2] == ["image", "inspect"]:
    print('OF_CONTENT ["DIGEST"]' if words[-1] == "IMAGE" else sys.exit("image not known"))
elif words[0] == "ps":
    print((place / "names").read_text() if (place / "names").exists() else "")
elif words[0] == "kill":
    for group in (place / f"{name}.group" for name in words[1:]):
        if group.exists():
            os.killpg(int(group.read_text()), signal.SIGKILL)
elif words[0] == "run":
    value, at = {word: words[n + 1] for n, word in enumerate(words[:-1])}, words.index("--entrypoint")
    given = [words[n + 1] for n, word in enumerate(words[:at]) if word == "--env"]
    name, env = place / value["--name"], {each: os.environ[each] for each in given} | {"PATH": os.defpath}
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.chdir(value["--workdir"])
            log = os.open(f"{name}.log", os.O_CREAT | os.O_WRONLY)
            os.dup2(log, 1), os.dup2(log, 2)
            pathlib.Path(f"{name}.group").write_text(str(os.getpgrp()))
            code = subprocess.run([words[at + 1], *words[at + 3 :]], env=env).returncode
            pathlib.Path(f"{name}.new").write_text(str(code))
            os.rename(f"{name}.new", f"{name}.code")
        os._exit(0)
    while not os.path.exists(f"{name}.code"):
        time.sleep(0.01)
    pathlib.Path(f"{name}.group").unlink()
    sys.stdout.write(pathlib.Path(f"{name}.log").read_text())
    sys.exit(int(pathlib.Path(f"{name}.code").read_text()))
"""


@dataclass
class Podman:
    """The stand-in, in ``folder``."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        text = PROGRAM.replace("OF_CONTENT", OF_CONTENT).replace("DIGEST", DIGEST).replace("IMAGE", IMAGE)
        self.program.write_text(f"#!{BASE_PY} -S\n{text}")
        self.program.chmod(0o755)

    @property
    def program(self) -> Path:
        return self.folder / "podman"

    def settings(self, **more: str) -> SandboxSettings:
        keys = {"container": IMAGE, "container_program": str(self.program), "sha256": hashlib_of(self.program)}
        return SandboxSettings.model_validate(keys | more)

    def calls(self, first: str) -> list[dict[str, Any]]:
        """How it was called: its words, and its variables."""
        every = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [each for each in every if each["words"][0] == first]
