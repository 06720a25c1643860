"""Updates all generated files: runs each ``generate_*.py`` beside this file.

python scripts/generate.py           write the files
python scripts/generate.py --check   write nothing; exit 1 when one of them would change a file
"""

import subprocess
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    if argv not in ([], ["--check"]):
        print("usage: generate.py [--check]", file=sys.stderr)
        return 2
    stale: list[str] = []
    for script in sorted(Path(__file__).parent.glob("generate_*.py")):
        finished = subprocess.run([sys.executable, str(script), *argv], check=False)
        if finished.returncode != 0:
            stale.append(script.name)
    if stale:
        print(f"Out of date or failed: {', '.join(stale)}. Next: python scripts/generate.py, and commit what changed.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
