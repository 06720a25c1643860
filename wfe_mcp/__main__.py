"""The program ``wfe-mcp``. ``serve`` starts the server directly, without loading typer; so does a client that names no command."""

import gc
import os
import signal
import stat
import sys


def main() -> int:
    """Run the command line ``sys.argv``. Returns the exit code."""
    arguments = sys.argv[1:]
    _end_as_by_ctrl_c()
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from wfe_mcp.workspace.system.console import open_closed_streams

        open_closed_streams()
    is_named = arguments[:1] == ["serve"]
    if is_named or _may_be_a_client(arguments):
        from wfe_mcp.server.entry import plain_options, serve

        options = plain_options(arguments[is_named:])
        if options is not None:
            if not is_named:
                sys.stderr.write(
                    "No command, so this serves MCP on standard input and output. --help lists the commands.\n"
                )
            return serve(*options)
    try:
        from wfe_mcp.cli.app import main as command_line

        code = command_line(arguments)
    except KeyboardInterrupt:  # while it loads: nothing has begun
        return 130
    gc.freeze()  # the interpreter collects garbage as it ends: among all that was imported, a fifth of `status`
    return code


def _end_as_by_ctrl_c() -> None:
    """Let SIGTERM and the end of the terminal stop the program as Ctrl-C does: the checks that it runs then end with it."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # under nohup SIGHUP is ignored
            signal.signal(number, signal.default_int_handler)


def _may_be_a_client(arguments: list[str]) -> bool:
    """Whether an MCP client may have started the program: it writes into a pipe or a socket, and reads from another.

    Most servers need no word, so many entries that people write have none; a client cannot read the usage.
    """
    if (arguments and not arguments[0].startswith(("--project", "--server"))) or "_WFE_MCP_COMPLETE" in os.environ:
        return False
    modes = [os.fstat(descriptor).st_mode for descriptor in (0, 1)]
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


if __name__ == "__main__":
    sys.exit(main())
