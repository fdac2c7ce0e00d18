"""The process that containers' entry points are forked from, with the libraries already imported.

Run by its path, on one end of a socket pair. A message there asks for one entry point, by the first
process of a container that is there already, and brings a log and a socket to report to; or for one
more process as this one, with a deployment's own modules imported too, and brings its socket; or
asks for a word that this process is ready.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

ENTRY_POINT = "modal._container_entrypoint"
SPACES = ("user", "mnt", "pid")  # in this order: the first one gives the right to enter the others
LARGEST = 1 << 17


def main() -> NoReturn:
    gc.disable()  # in what is forked, each object that is looked at is a page to copy
    for name in (ENTRY_POINT, *sys.argv[2:]):
        importlib.import_module(name)
    del sys.modules[ENTRY_POINT]  # it is run anew in each container
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked = socket.socket(fileno=int(sys.argv[1]))
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, LARGEST, 2)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if "ready" in request:
            os.write(descriptors[0], b"\n")
        elif os.fork() == 0:
            asked.close()
            if "modules" not in request:
                start(request, *descriptors)
            imports = runpy.run_path(str(Path(__file__).with_name("mounted_modules.py")))
            imports["import_mounted"](request["mounted"], request["modules"])
            asked = socket.socket(fileno=descriptors.pop())
            gc.freeze()
        for descriptor in descriptors:
            os.close(descriptor)


def start(request: dict[str, Any], log: int, report: int) -> NoReturn:
    """Fork the entry point into the container, and report its process and its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us ignore it
    os.dup2(log, 2)
    inside = f"/proc/{request['inside']}/ns"
    for descriptor in [os.open(f"{inside}/{name}", os.O_RDONLY) for name in SPACES]:
        enter(descriptor)
    process = os.fork()
    if process == 0:
        os.close(report)
        become(request, log)
    os.write(report, f"{process}\n".encode())
    _, status, used = os.wait4(process, 0)
    seconds = used.ru_utime + used.ru_stime
    os.write(report, f"{os.waitstatus_to_exitcode(status)} {seconds:.2f}\n".encode())
    os._exit(0)


def enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(descriptor)


def become(request: dict[str, Any], log: int) -> NoReturn:
    """Become what `python -m modal._container_entrypoint` would have been."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.path[:0] = [request["folder"], *request["env"]["PYTHONPATH"].split(":")]
    sys.argv = [ENTRY_POINT]
    gc.enable()
    try:
        runpy.run_module(ENTRY_POINT, run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    leave()


def leave() -> NoReturn:
    """End in order, but for freeing one by one what goes away with the process."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
