"""Runs the command as on another system: `python other_platform.py PLATFORM COMMANDS`.

Python's own modules and libraries are loaded first, as they were built for this system; what ours
import and call is then what the other one has. COMMANDS is a JSON list of lists of words; the exit
codes are printed at the end.
"""

import asyncio
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import types
from collections.abc import Sequence
from typing import NoReturn

import anyio._backends._asyncio
import httpx
import httpx_sse
import platformdirs
import pydantic_settings
import rich.live
import typer.main

LOADED = (anyio, httpx, httpx_sse, platformdirs, pydantic_settings, rich, typer)
ABSENT = {
    "darwin": (set(), set(), set()),
    "win32": (
        {"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"},
        {"chown", "fork", "getegid", "geteuid", "getgid", "getpgrp", "getuid", "killpg", "lchown"}
        | {"mkfifo", "setsid", "tcgetpgrp", "uname"},
        {"SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1"},
    ),
}
"""Modules, functions of `os`, and signals that a system does not have."""
LINUX_ONLY = {"pyseccomp"}


class _Absent(importlib.abc.MetaPathFinder):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def _absent(*_: object) -> NoReturn:
    raise NotImplementedError


def become(platform: str) -> None:
    modules, functions, signals = ABSENT[platform]
    for name in modules | LINUX_ONLY:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Absent(modules | LINUX_ONLY))
    for name in functions:
        delattr(os, name)
    for name in signals:
        delattr(signal, name)
    if platform == "win32":  # its loop hears no signals
        for name in ("add_signal_handler", "remove_signal_handler"):
            setattr(asyncio.SelectorEventLoop, name, _absent)
    sys.platform = platform


def main() -> None:
    become(sys.argv[1])
    from api.cli.main import app

    codes = []
    for words in json.loads(sys.argv[2]):
        try:
            app(words)
        except SystemExit as end:
            codes.append(end.code)
    sys.stdout.write(json.dumps(codes) + "\n")


if __name__ == "__main__":
    main()
