"""Writes schemas/template.schema.json from the Pydantic model; with --check only compares."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.generated import write_or_check
from wfe_mcp.workflow.form import template_schema

TARGET = Path(__file__).resolve().parent.parent / "schemas" / "template.schema.json"


def main(arguments: Sequence[str]) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(
        arguments,
        __file__,
        __doc__,
        lambda: {TARGET: json.dumps(template_schema(), indent=1, ensure_ascii=False) + "\n"},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
