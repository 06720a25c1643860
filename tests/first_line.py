"""The first line of a script that Python runs, also where the interpreter's path has a space or is too long for the system."""

import sys


def python_line(python: str = sys.executable, options: str = "") -> str:
    """What a script begins with, without the last line break. ``options``: of the interpreter, for example ``-IS``."""
    if " " not in python and len(python) < 120:
        return f"#!{python} {options}".rstrip()
    # a shell starts the interpreter; to Python these two lines are a text
    return f"#!/bin/sh\n'''exec' '{python}' {options} \"$0\" \"$@\"\n' '''"
