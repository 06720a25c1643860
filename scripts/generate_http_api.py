"""Writes docs/reference/openapi.json and docs/reference/http-api.md from the routes of the HTTP API.

python scripts/generate_http_api.py          write the files where they differ
python scripts/generate_http_api.py --check  write nothing; exit 1 when one differs
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.markdown import code, first_sentence, table  # noqa: E402 - after the path is set

DOCUMENT, PAGE = "docs/reference/openapi.json", "docs/reference/http-api.md"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when the files are as generated (now), 1 when ``--check`` found one stale, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    stale = [
        name
        for name, text in files().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is not what the code says. Next: python scripts/generate_http_api.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (root / name).write_text(files()[name], encoding="utf-8", newline="\n")
        print(name)
    return 0


def files() -> dict[str, str]:
    """The files and their texts."""
    from wfe_mcp.dashboard.api.app import document

    found = document()
    return {DOCUMENT: json.dumps(found, indent=1, ensure_ascii=False) + "\n", PAGE: "\n".join(_page(found)) + "\n"}


def _page(found: dict[str, Any]) -> Iterator[str]:
    yield "# The HTTP API"
    yield ""
    yield "<!-- Written by scripts/generate_http_api.py from the routes. -->"
    yield ""
    yield "The operations of `/api/v1`, which `wfe-mcp ui` serves: [how to use it](../how-to/use-the-http-api.md). The same for"
    yield "programs: [openapi.json](openapi.json). Parameters in bold are required."
    yield ""
    operations = (
        (f"{method.upper()} {path}", operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    )
    rows = (
        (code(name), first_sentence(operation["description"]), _given(found, operation))
        for name, operation in operations
    )
    yield from table(("operation", "what it does", "parameters"), rows)


def _given(found: dict[str, Any], operation: dict[str, Any]) -> str:
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    body = operation.get("requestBody")
    if body is not None:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = found["components"]["schemas"][name]
        required = set(schema.get("required", ()))
        names += [f"**{key}**" if key in required else key for key in schema["properties"]]
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
