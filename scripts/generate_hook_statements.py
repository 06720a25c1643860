"""Writes wfe_mcp/clients/wfe_hook/statements.py: the hook's statements, compiled from store/runs/hook_statements.py.

python scripts/generate_hook_statements.py          write it
python scripts/generate_hook_statements.py --check  write nothing; exit 1 when it is out of date
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import SelectBase
from sqlalchemy.dialects import sqlite

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import wfe_mcp  # noqa: E402 - after the path is set
from scripts.generated import write_or_check  # noqa: E402 - after the path is set
from wfe_mcp.store.runs.hook_statements import DOCUMENT_TEXT, NEXT_WORK, RUNNING_WORK  # noqa: E402 - after the path is set

TARGET = Path(wfe_mcp.__file__).parent / "clients" / "wfe_hook" / "statements.py"
HEAD = '''"""The hook's statements. Written by scripts/generate_hook_statements.py from store/runs/hook_statements.py: change that."""
'''


def text() -> str:
    """The generated text of the file."""
    columns = "".join(f'    "{column.name}",\n' for column in NEXT_WORK.selected_columns)
    return (
        f"{HEAD}\n"
        f'RUNNING_WORK = """\n{_compiled(RUNNING_WORK)}\n"""\n'
        f'"""Of a folder. A row has the columns of WORK_COLUMNS."""\n\n'
        f'NEXT_WORK = """\n{_compiled(NEXT_WORK)}\n"""\n'
        f'"""Of a folder, in runs of one status. A row has the columns of WORK_COLUMNS."""\n\n'
        f"WORK_COLUMNS = (\n{columns})\n\n"
        f'DOCUMENT_TEXT = """\n{_compiled(DOCUMENT_TEXT)}\n"""\n'
    )


def _compiled(statement: SelectBase) -> str:
    """SQL without parameters but those that the statement spells itself, one clause a line."""
    found = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return "\n".join(line.strip() for line in str(found).splitlines())


def main(arguments: Sequence[str], path: Path = TARGET) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(arguments, __file__, __doc__, lambda: {path: text()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
