"""Writes schemas/template.schema.json from the Pydantic model; with --check only compares."""

import json
import sys
from pathlib import Path

from wfe_mcp.workflow.form import template_schema

TARGET = Path(__file__).resolve().parent.parent / "schemas" / "template.schema.json"


def main(arguments: list[str]) -> int:
    """0: written, or up to date; 1: stale; 2: misused."""
    if arguments not in ([], ["--check"]):
        print("usage: generate_template_schema.py [--check]", file=sys.stderr)
        return 2
    text = json.dumps(template_schema(), indent=1, ensure_ascii=False) + "\n"
    if not arguments:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is stale: run python scripts/generate_template_schema.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
