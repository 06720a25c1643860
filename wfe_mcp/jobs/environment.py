"""The environment of child processes.

Rules (docs/explanation, threat T4):
1. An allow-list of the variables that programs commonly need. Keys and tokens pass only when named.
2. Python children write no bytecode: a check must not change the tree that it judges.
3. Every child has a mark in its environment, by which its descendants are found after it or this process has ended.
"""

import os
from collections.abc import Iterable, Mapping

from wfe_mcp.core.units import words

MARK = "WFE_JOB"
"""The variable that names the job a process belongs to. Children of children inherit it."""

ALWAYS = words(
    """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TZ TERM TMPDIR TMP TEMP XDG_CACHE_HOME
    XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR OS SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE
    USERNAME APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) NUMBER_OF_PROCESSORS
    PROCESSOR_ARCHITECTURE
    """
)
"""Variables that every child gets when they are set; none of them holds a secret on an ordinary system."""


def child_env(names: Iterable[str] = (), source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: ``ALWAYS`` and ``names`` out of ``source`` (by default this process's), no others."""
    source = os.environ if source is None else source
    # Windows knows no case in their names, and Python gives them in capitals there.
    wanted = {name: name.upper() if os.name == "nt" else name for name in (*ALWAYS, *names)}
    allowed = {name: source[held] for name, held in wanted.items() if held in source}
    return {**allowed, "PYTHONDONTWRITEBYTECODE": "1"}
