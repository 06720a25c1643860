"""When a person last looked at a project, at a terminal of their own or at the page.

1. Looks less than half an hour apart are one visit. New is what happened since the visit before, so a reload, a second page
   and a terminal show the same.
2. Looks are kept in ``looks.json`` beside the database. What can write there can hide what is new, and nothing else.
3. Only a person's look is recorded: callers ask ``engine.approvals.pin`` or the page's session.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.process import user_name

FILE = "looks.json"
_VISIT = timedelta(minutes=30)
_Looks = dict[str, dict[str, list[str]]]
"""User → project → the last look of the visit before (empty: there was none), and the last look."""


def visited_before(engine: Engine, projects: Iterable[str], *, looks: bool = False) -> dict[str, datetime]:
    """The last look of the visit before this one, by project; without those that had none. ``looks``: record a look now."""
    file, now = engine.store.place.parent / FILE, engine.clock()
    kept = _read_looks(file)
    own = kept.setdefault(user_name(), {})
    visits = dict[str, datetime]()
    for project in projects:
        before, last = own.get(project, ["", ""])
        if last and now - datetime.fromisoformat(last) > _VISIT:
            before = last
        own[project] = [before, now.isoformat()]
        if before:
            visits[project] = datetime.fromisoformat(before)
    with suppress(OSError):  # a look that cannot be kept is none
        if looks:
            replace_file(file, json.dumps(kept, indent=1, sort_keys=True).encode())
    return visits


def _read_looks(file: Path) -> _Looks:
    """What is kept; what cannot be read counts as never seen."""
    try:
        looks = cast("_Looks", json.loads(file.read_bytes()))
        pairs = [pair for own in looks.values() for pair in own.values()]
        is_well = all(datetime.fromisoformat(visit or last).tzinfo for visit, last in pairs for visit in (visit, last))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return looks if is_well else {}
