"""Writes schemas/: one JSON Schema per shipped artifact, from the models, and one per public event, from its table.

python scripts/generate_schemas.py          write what differs, remove obsolete files
python scripts/generate_schemas.py --check  write nothing; exit 1 and name what differs
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.event_schemas import schema_of  # noqa: E402 - after the path is set
from wfe_mcp.artifacts.registry import SHIPPED, json_schema  # noqa: E402 - after the path is set
from wfe_mcp.core.public_events import EVENTS  # noqa: E402 - after the path is set

FOLDER = ROOT / "schemas"


def documents() -> dict[str, str]:
    """File name → text of every generated schema."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schemas = {name: json_schema(name) for name in SHIPPED} | {f"event.{name}@1": schema_of(name) for name in EVENTS}
    return {
        f"{name}.schema.json": json.dumps(draft | schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def differences(folder: Path) -> list[str]:
    """Names of files in ``folder`` that are missing, different or obsolete; sorted."""
    wanted = documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*@*.schema.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: Sequence[str], folder: Path = FOLDER) -> int:
    """Exit code 0 when the folder is as generated (now), 1 when ``--check`` found differences, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    names = differences(folder)
    if "--check" in arguments:
        for name in names:
            print(
                f"schemas/{name} is not what the models say. Next: python scripts/generate_schemas.py", file=sys.stderr
            )
        return 1 if names else 0
    wanted = documents()
    for name in names:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink()
        print(f"schemas/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
