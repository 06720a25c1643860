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

from scripts.generated import write_or_check  # noqa: E402 - after the path is set
from scripts.markdown import code, first_sentence, table  # noqa: E402 - after the path is set

DOCUMENT, PAGE = "docs/reference/openapi.json", "docs/reference/http-api.md"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(arguments, __file__, __doc__, lambda: {root / name: text for name, text in files().items()})


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
    yield "The operations of `/api/v1`, which `wfe-mcp ui` and `wfe-mcp server` serve: [how to use it](../how-to/use-the-http-api.md)."
    yield "The same for programs: [openapi.json](openapi.json). Parameters in bold are required."
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
    asked = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    names = [f"**{each['name']}**" if each.get("required") else each["name"] for each in asked]
    body = operation.get("requestBody")
    if body is not None and "$ref" in body["content"]["application/json"]["schema"]:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = found["components"]["schemas"][name]
        required = set(schema.get("required", ()))
        names += [f"**{key}**" if key in required else key for key in schema["properties"]]
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
