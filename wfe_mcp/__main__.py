"""The program ``wfe-mcp``. ``serve`` starts the server directly, without loading typer."""

import gc
import sys


def main() -> int:
    """Run the command line ``sys.argv``. Returns the exit code."""
    arguments = sys.argv[1:]
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from wfe_mcp.workspace.system.console import open_closed_streams

        open_closed_streams()
    if arguments[:1] == ["serve"]:
        from wfe_mcp.server.entry import plain_options, serve

        options = plain_options(arguments[1:])
        if options is not None:
            return serve(*options)
    from wfe_mcp.cli.app import main as command_line

    code = command_line(arguments)
    gc.freeze()  # the interpreter collects garbage as it ends: among all that was imported, a fifth of `status`
    return code


if __name__ == "__main__":
    sys.exit(main())
