"""A terminal of its own, at which a program waits for each question and types its answer.

    terminal.py '[[ASKED, TYPED], …]' PROGRAM ARGUMENT …

With a third part of a line, that program runs first, with the terminal's path. What the terminal showed goes to standard
output; the exit code is the program's.

As a fork (tests/forks.py) it has our package loaded: then ``python -m wfe_mcp …`` runs in the terminal's first process, and
any other program is started there.
"""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios

SIZE = struct.pack("HHHH", 50, 400, 0, 0)
PROGRAM = [sys.executable, "-m", "wfe_mcp"]
ENDS_S = 120


def become(argv: list[str]) -> None:
    """Run ``argv`` in this process, the first one of the terminal."""
    fcntl.ioctl(0, termios.TIOCSWINSZ, SIZE)
    if "tests.forks" not in sys.orig_argv or argv[:3] != PROGRAM:
        os.execvp(argv[0], argv)
    from tests.docs.fork_server import end_process, stream
    from wfe_mcp.__main__ import main

    sys.argv = ["wfe_mcp", *argv[3:]]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        sys.__dict__[name] = sys.__dict__[f"__{name}__"] = stream(number)
    code = 1
    try:
        code = main()
    finally:
        end_process(code)


def main() -> int:
    """Type, and show what was said."""
    child, terminal = pty.fork()
    if child == 0:
        become(sys.argv[2:])
    lines, seen, at = json.loads(sys.argv[1]), b"", 0
    while True:
        ready, _, _ = select.select([terminal], [], [], ENDS_S)
        try:
            piece = os.read(terminal, 65536) if ready else b""
        except OSError:
            piece = b""
        if not piece:
            break
        seen += piece
        while lines and (found := seen.find(lines[0][0].encode(), at)) >= 0:
            asked, typed, *beside = lines.pop(0)
            at = found + len(asked)
            if beside:
                place = os.readlink(f"/proc/{child}/fd/0")
                subprocess.run([*beside[0], place], stdin=subprocess.DEVNULL, start_new_session=True)
            os.write(terminal, typed.encode() + b"\n")
    sys.stdout.write(seen.decode(errors="replace"))
    sys.stdout.flush()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
