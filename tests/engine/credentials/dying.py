"""A process that ends itself with kill -9 right before or after the commit of a change: ``python -m … DATABASE PROJECT VERB WHEN``."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.credentials.stored import add_credential, delete_credential, rotate_credential
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.store.settings import SecretRepository, SettingsLogRepository
from wfe_mcp.workspace.system.location import project_at

url, root, verb, when = sys.argv[1:]
ADA = By("ada", Channel.CLI, Assurance.HUMAN)
clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)  # noqa: E731 - as short as it is
engine = create_engine(project_at(Path(root)), clock=clock, store=Store.open(url, clock=clock))
assert engine.project_id


def dead(*_args: Any, **_named: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if when == "before its log":
    SettingsLogRepository.note = dead
elif when == "after its log":
    whole = SecretRepository.set

    def then_dead(*args: Any, **named: Any) -> None:
        whole(*args, **named)
        dead()

    SecretRepository.set = then_dead
if verb == "add":
    add_credential(engine, ADA, "npm", "token", {"token": "the-new-value"}, kept_in="stored")
elif verb == "rotate":
    rotate_credential(engine, ADA, "npm", {"token": "the-new-value"})
else:
    delete_credential(engine, ADA, "npm")
dead()
