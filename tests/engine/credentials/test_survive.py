"""A process that is killed while it changes a credential leaves the one before or the one after, whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.conftest import home
from tests.engine.scene import HUMAN, Scene
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.credentials.stored import CredentialUse, add_credential, hand_out

__all__ = ["home"]
pytestmark = pytest.mark.usefixtures("home")

OLD, NEW = "the-old-value", "the-new-value"


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
@pytest.mark.requirement("S4-32")
@pytest.mark.parametrize("when", ["before its log", "after its log", "after its commit"])
@pytest.mark.parametrize(("verb", "before", "after"), [("add", "", NEW), ("rotate", OLD, NEW), ("delete", OLD, "")])
def test_a_kill_leaves_the_old_or_the_new_one(scene: Scene, verb: str, before: str, after: str, when: str) -> None:
    if before:
        add_credential(scene.engine, HUMAN, "npm", "token", {"token": before}, kept_in="stored")
    url = scene.url
    argv = [sys.executable, "-m", "tests.engine.credentials.dying", url, str(scene.root), verb, when]
    done = subprocess.run(argv, cwd=Path(__file__).parents[3], env={**os.environ}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    try:
        found = hand_out(scene.process(), ["npm"], CredentialUse("check x"))["npm"].value
    except Refused:
        found = ""
    assert found == (after if when == "after its commit" else before)
    with scene.store.read() as tx:
        assert tx.settings_log.problems() == []
