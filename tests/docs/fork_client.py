"""The program that a page starts in place of wfe-mcp: it passes its call to the fork server."""

from __future__ import annotations

CLIENT = """{first_line}
# Written by tests/docs/fork_server.py. Imports only what is built into Python: it starts in 15 ms.
import _signal, _socket, marshal, os, sys

words, real = sys.argv[1:], {real!r}
if (
    _signal.getsignal(_signal.SIGINT) != _signal.default_int_handler
    or any(word in {stays!r} for word in words)
    or any(name.startswith(("PYTHON", "COVERAGE", "LC_")) for name in os.environ)
    or os.environ.get("LANG") != {lang!r}
):
    os.execv(real, [real, *words])

child, early = 0, []
def forward(number, frame):
    if child:
        os.kill(child, number)
    else:
        early.append(number)
for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    _signal.signal(number, forward)

def is_inherited(number):
    try:
        return os.get_inheritable(number)
    except OSError:
        return False
fds = [number for number in range({most}) if is_inherited(number)]
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect({socket!r})
text = marshal.dumps(([real, *words], os.getcwdb(), dict(os.environb), fds))
message = len(text).to_bytes(4, "big") + text
rights = b"".join(number.to_bytes(4, sys.byteorder) for number in fds)
sent = server.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else [])
server.sendall(message[sent:])

child = int.from_bytes(server.recv(4, _socket.MSG_WAITALL), "big")
for number in early:
    os.kill(child, number)
answer = server.recv(4, _socket.MSG_WAITALL)
if len(answer) < 4:
    os.write(2, b"the fork server of tests/docs has ended\\n")
    os._exit(70)
status = int.from_bytes(answer, "big", signed=True)
if status < 0:  # the same end for this process, so that a shell and a parent see what they would see
    if -status != _signal.SIGKILL:
        _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""
