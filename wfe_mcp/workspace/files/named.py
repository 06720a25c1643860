"""Refusals for files that a person names."""

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
    except FileExistsError:
        raise Refused("conflict", f"{path} exists already.", hint) from None
    except OSError as error:
        raise Refused("bad_argument", f"{path} cannot be {use}: {error.strerror}.", hint) from None
