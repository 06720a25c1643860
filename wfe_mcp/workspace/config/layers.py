"""The layers that settings come from, and the defaults of a run's age, without the models of the settings.

Loading those models takes as long as the rest of a first answer, and most projects set nothing about runs.
"""

import os
import re
from collections.abc import Mapping, Set
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import LONGEST_S
from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.system.location import user_config_file

CONFIG_FILE = ".wfe/config.toml"

RUN_AGES = {"stale_after": "7d", "stuck_after": "1h"}
"""The defaults of ``[runs]``."""

FROM_ENVIRONMENT = {
    "WFE_AUTO": "auto",
    "WFE_ARTIFACTS_ON_MISMATCH": "artifacts.on_mismatch",
    "WFE_RUNS_STALE_AFTER": "runs.stale_after",
    "WFE_RUNS_STUCK_AFTER": "runs.stuck_after",
    "WFE_HTTP_ALLOW": "http.allow",
    "WFE_ENV_ALLOW": "env.allow",
    "WFE_POLICY_TEMPLATES": "policy.templates",
    "WFE_POLICY_EVIDENCE": "policy.evidence",
    "WFE_UI_AUTO": "ui.auto",
}
"""Variable → the key that it sets."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(duration: str) -> float:
    """``"30s"``, ``"5m"``, ``"1.5h"``, ``"7d"`` in seconds. ValueError for anything else, zero, and more than 100 years."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", duration)
    value = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0 < value <= LONGEST_S:
        raise ValueError(
            'a duration is a number above zero and a unit, for example "30s", "5m", "2h" or "7d", and at most 100 years'
        )
    return value


def may_set(tables: Set[str], root: Path, env: Mapping[str, str]) -> bool:
    """Whether a layer may set a key of ``tables``, trusted or not; if none does, their defaults apply."""
    keys = [key for variable, key in FROM_ENVIRONMENT.items() if env.get(variable)]
    own = user_config_file()
    return (
        any(key.partition(".")[0] in tables for key in keys)
        or _names(tables, own.parent, own.name)
        or _names(tables, root, CONFIG_FILE)
    )


def _names(tables: Set[str], folder: Path, relative: str) -> bool:
    """True for a file that cannot be read, too: what is wrong with it is found where the settings are read."""
    if not os.path.lexists(f"{folder}{os.sep}{relative}"):
        return False
    try:
        content = read_if_there(folder, relative)
        # To parse takes a hundred times as long, and this is asked with every change; a key may be written with escapes.
        return (
            content is not None
            and any(word.encode() in content for word in ("\\", *tables))
            and not tables.isdisjoint(read_toml(content))
        )
    except (Refused, ValueError):
        return True
