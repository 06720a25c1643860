"""The credentials of one child process: variables of it alone, and files that exist while it runs.

    <temporary folder>/wfe-credentials-<process>-…/<variable>      mode 600, in a folder of mode 700; the variable names it

The folder is removed when the child has ended; one of a process that was killed, by the next process that takes its
job over (some seconds later where one runs), starts a child or works jobs (``remove_abandoned``).
"""

import contextlib
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import field
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.system.temporary import remove_abandoned, temporary_folder


@dataclass(frozen=True, slots=True)
class HandedVariables:
    """What a child is given. ``variables``: values by name; ``folders``: those that it must be able to read."""

    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: tuple[Path, ...] = ()


HandOut = Callable[[FrozenCheck], contextlib.AbstractContextManager[HandedVariables]]
"""Hands a check that is about to start its credentials. Raises CredentialMissing, and Refused: one of them cannot be given."""


class CredentialMissing(Refused):
    """Credentials are not stored or have expired: what needs them waits for a person. ``names``: all of them."""

    def __init__(self, message: str, hint: str, names: tuple[str, ...]) -> None:
        super().__init__("unavailable", message, hint)
        self.names = names


def not_handed(check: FrozenCheck) -> contextlib.AbstractContextManager[HandedVariables]:
    """Hands out nothing: outside a run no check is given a credential. Raises Refused."""
    raise Refused(
        "forbidden",
        f"Only the gates and steps of a run give {check.name!r} its credentials.",
        "Start a run of a template with a gate or a step on it.",
    )


@contextlib.contextmanager
def hand_variables(variables: Mapping[str, str], files: Mapping[str, str]) -> Generator[HandedVariables]:
    """``variables`` as they are; of ``files`` (contents by variable) each as a file, and the variable is its path."""
    if not files:
        yield HandedVariables(variables)
        return
    remove_abandoned()
    with temporary_folder("credentials") as folder:
        for name, content in files.items():
            # O_EXCL: never through a link, in a folder that others cannot reach anyway.
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode())
        yield HandedVariables({**variables, **{name: str(folder / name) for name in files}}, (folder,))
