"""Ctrl-C in two steps: first the run is cancelled, then the command leaves."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from api.exit_codes import CANCELLED

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(pause: Callable[[], None], first: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `first`, the next one ends this process at once.

    `pause` takes away what is drawn at the foot of the screen. Nothing is lost by that: what a run
    did is on disk, and its commands die with this process.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def interrupt() -> None:
        nonlocal asked
        if asked:
            pause()
            sys.stdout.flush()
            os._exit(CANCELLED)
        asked = True
        first()

    with ExitStack() as opened:
        for number in _SIGNALS:
            opened.enter_context(_heard(loop, number, interrupt))
        yield


@contextmanager
def _heard(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, interrupt: Callable[[], None]
) -> Iterator[None]:
    """A signal calls `interrupt` in the loop while the block runs."""
    if sys.platform == "win32":  # its loops wake for signals of Python, and hear no others
        before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(interrupt))
        try:
            yield
        finally:
            signal.signal(number, before)
    else:
        loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(number)
