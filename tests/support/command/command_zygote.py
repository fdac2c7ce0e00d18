"""The process that others are forked from, with what the command imports imported already.

Run by its path, on one end of a socket pair: each message there asks for one run of some code, as
`python -c` would run it, and brings its standard files and a socket to report to.
"""

import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import sys
import termios
from typing import Any, NoReturn

LARGEST = 1 << 17
ASKS = (
    "api.cli.main",
    "api.cli.watched_run",
    "api.cli.one_shot_commands",
    "api.client.remote_runs",
    "api.client.local_runs",
    "local",
)
DRIVES = (
    "anthropic",
    "graph.machine.build",
    "runs.driving.run_driver",
    "runs.checkpoints.local_checkpoints",
    "api.http.app",
    "api.http.server",
)


def main() -> None:
    sys.path.insert(0, sys.argv[2])
    prepare(ASKS)
    for number, action in ((signal.SIGCHLD, signal.SIG_IGN), (signal.SIGINT, signal.SIG_IGN)):
        signal.signal(number, action)
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, LARGEST, 4)
        if not message:
            return
        request = json.loads(message)
        if request["drives"]:
            prepare(DRIVES)
        if os.fork() == 0:
            asked.close()
            start(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def prepare(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)
    gc.freeze()


def start(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Fork what is to run, and report its process and its end."""
    *files, report = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process = os.fork()
    if process == 0:
        become(request, files)
    for descriptor in files:
        os.close(descriptor)
    os.write(report, b"%d\n" % process)
    _, status = os.waitpid(process, 0)
    os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Become what `python -c CODE WORDS` would have been."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(files):
        os.dup2(descriptor, number)
    os.closerange(3, 256)
    if os.isatty(0):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    shown = os.isatty(1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1 if shown else -1)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = ["-c", *request["words"]]
    exec(request["code"], {"__name__": "__main__"})
    sys.exit(0)


if __name__ == "__main__":
    main()
