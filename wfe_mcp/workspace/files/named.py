"""Refusals for files that a person names."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from wfe_mcp.core.errors import Refused


@contextmanager
def named_file(path: str | Path, use: Literal["read", "written"], hint: str = "Name another file.") -> Generator[None]:
    """Refuse what the system refuses: ``conflict`` for a new file that exists already, else ``bad_argument``."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):  # else a file is where a folder is needed
            raise Refused("conflict", f"{path} exists already.", hint) from None
        raise Refused("bad_argument", f"{path} cannot be {use}: {error.strerror}.", hint) from None
