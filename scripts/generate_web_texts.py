"""Writes web/src/written_out.ts, the characters that the application shows by their code, from wfe_mcp/core/texts.py.

python scripts/generate_web_texts.py          write the file where it differs
python scripts/generate_web_texts.py --check  write nothing; exit 1 when it differs
"""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wfe_mcp.core.texts import WRITTEN_OUT  # noqa: E402 - the repository's own package

FILE = "web/src/written_out.ts"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when the file is as generated (now), 1 when ``--check`` found it stale, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    file, text = root / FILE, written_out()
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        print(
            f"{FILE} is not what wfe_mcp/core/texts.py says. Next: python scripts/generate_web_texts.py",
            file=sys.stderr,
        )
        return 1
    file.write_text(text, encoding="utf-8", newline="\n")
    print(FILE)
    return 0


def written_out() -> str:
    """The file: the characters as a regular expression without a hidden one in it."""
    plain = "".join(each if " " < each < "\x7f" else f"\\u{{{ord(each):x}}}" for each in WRITTEN_OUT)
    return (
        "// Characters that are shown by their code. Written by scripts/generate_web_texts.py from wfe_mcp/core/texts.py.\n"
        f"export const WRITTEN_OUT = /{plain}/gu;\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
