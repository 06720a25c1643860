"""The user's name for the log."""

import getpass


def user_name() -> str:
    """The system's name of the user; ``user`` where it has none. It is no proof of identity."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user, no variable that names one
        return "user"
