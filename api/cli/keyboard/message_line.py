"""The line below a live drawing, in which a person types messages to the run."""

import asyncio
import codecs
import os
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from api.cli.keyboard.line_editor import LineEditor

_LOCAL_MODES: Final = 3
"""Where `tcgetattr` has the modes of echo and of whole lines."""


class MessageLine:
    """Reads keys without an echo, so that the drawing shows them. Ctrl-C stays a signal.

    `show` gets the line after each key, and None when nothing is typed any more; `send` gets each
    whole line.
    """

    def __init__(
        self, descriptor: int, *, show: Callable[[str | None], None], send: Callable[[str], None]
    ) -> None:
        self._descriptor = descriptor
        self._show = show
        self._send = send
        self._editor = LineEditor()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._modes: list[Any] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; not where the terminal is another job's, which alone may set it."""
        if self._modes is not None or not _is_ours(self._descriptor):
            return
        self._modes = termios.tcgetattr(self._descriptor)
        silent = termios.tcgetattr(self._descriptor)
        silent[_LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, silent)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        self._show(self._editor.text)

    def stop(self) -> None:
        """Give the terminal back as it was."""
        modes, self._modes = self._modes, None
        if modes is None:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, modes)
        self._show(None)

    @contextmanager
    def left_to_others(self) -> Iterator[None]:
        """What is typed while the block runs is not a message."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _read(self) -> None:
        try:
            keys = os.read(self._descriptor, 4096)
        except OSError:  # the terminal is gone
            keys = b""
        if not keys:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return
        for line in self._editor.feed(self._decoder.decode(keys)):
            self._send(line)
        self._show(self._editor.text)


def _is_ours(descriptor: int) -> bool:
    """Whether the terminal listens to this process's job now."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # it is not the terminal of this session
        return False
