"""The variables of the user's shell without which a check does not work, found by halving.

    A B C D E F   works      all of them
    A B C         does not   ┐
    A B C D E     works      │ the shortest start of the list that works ends with a needed one: E
    A B C D       does not   ┘
    E             does not   so it needs more, from A B C D
    A B + E       works …

Rules:
1. Names are found, never values: a check passes variables by name.
2. Names that look like secrets come last in the list, so that they are found only where nothing else will do.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from wfe_mcp.jobs.environment import ALWAYS, MARK

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRETS?|\w*PASSWORD|\w*PASSWD|PASSPHRASE|PASS|PW|PIN|CREDENTIALS?|AUTH|DSN|COOKIE)(?:_|$)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def looks_secret(name: str, value: str = "") -> bool:
    """Whether the variable may hold a secret: by its name, or by a password in the address that is its value."""
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


def shell_names(environ: Mapping[str, str], passed: Sequence[str]) -> list[str]:
    """The variables that a check to which ``passed`` are passed does not get; those that look like secrets last."""
    held = {*ALWAYS, *passed, MARK}
    names = [name for name in sorted(environ) if name not in held and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    return sorted(names, key=lambda name: looks_secret(name, environ[name]))


def needed_names(names: Sequence[str], works: Callable[[Sequence[str]], bool]) -> list[str]:
    """The names that the check needs. With all ``names`` it works, with none it does not; about log2(n) runs for each."""
    needs: list[str] = []
    while True:
        low, high = 0, len(names)
        while high - low > 1:
            middle = (low + high) // 2
            if works([*needs, *names[:middle]]):
                high = middle
            else:
                low = middle
        needs.append(names[high - 1])
        names = names[: high - 1]
        if not names or works(needs):
            return sorted(needs)
