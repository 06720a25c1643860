"""Writes one file per tool with its description as clients see it, for reviews.

python scripts/generate_toolsnaps.py          write what differs, remove obsolete files
python scripts/generate_toolsnaps.py --check  write nothing; exit 1 and name what differs
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.server.tools import tools

FOLDER = Path(__file__).parent.parent / "tests" / "server" / "toolsnaps"


def documents() -> dict[str, str]:
    """File name → the tool as clients see it, without the output schema, which is the same for all."""
    seen = {
        name: {
            "description": tool.description,
            "inputSchema": tool.parameters,
            "annotations": tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {},
            "_meta": tool.meta or {},
        }
        for name, tool in tools().items()
    }
    return {f"{name}.json": json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in seen.items()}


def differences(folder: Path) -> list[str]:
    """Names of files in ``folder`` that are missing, different or obsolete; sorted."""
    wanted = documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
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
                f"toolsnaps/{name} differs from the tool. Next: python scripts/generate_toolsnaps.py", file=sys.stderr
            )
        return 1 if names else 0
    wanted = documents()
    folder.mkdir(exist_ok=True)
    for name in names:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink()
        print(f"tests/server/toolsnaps/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
