"""The command as a person or a script runs it: a real process, on pipes or on a terminal."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.command.warm_command import ROOT, WarmCommand

COMMAND = (sys.executable, "-m", "coding_agent")
NOTHING: Mapping[str, str] = {}
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-B]|\r")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """An environment of nothing but what the command needs."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CODING_AGENT_DATA_DIR": str(home / "data"),
        **more,
    }


async def command(
    *words: str, home: Path, env: Mapping[str, str] = NOTHING, stdin: bytes = b""
) -> Ended:
    """Run the command on pipes to its end."""
    process = await started(*words, home=home, env=env)
    out, err = await process.communicate(stdin)
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def started(*words: str, home: Path, env: Mapping[str, str] = NOTHING) -> WarmCommand:
    """The command on pipes."""
    drives = words[0] in ("run", "resume") and "CODING_AGENT_SERVER" not in env
    return await WarmCommand.started(*words, env=environment(home, env), folder=home, drives=drives)


class Terminal:
    """A terminal with the command in it."""

    def __init__(self, process: WarmCommand, screen: int) -> None:
        self.process = process
        self.raw = ""
        self._screen = screen
        self._grown = asyncio.Event()

    @property
    def text(self) -> str:
        """All that was shown, without the terminal's own sequences."""
        return _ESCAPE.sub("", self.raw)

    async def until(self, text: str, timeout_s: float = 20.0) -> None:
        """Wait until `text` has been shown."""
        try:
            async with asyncio.timeout(timeout_s):
                while text not in self.text:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come; there is:\n{self.text}") from None

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed by itself, as a shell expects it."""
        return bool(termios.tcgetattr(self._screen)[3] & termios.ECHO)

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    async def ended(self, timeout_s: float = 20.0) -> int:
        """The exit code."""
        async with asyncio.timeout(timeout_s):
            code = await self.process.wait()
        await asyncio.sleep(0.05)
        return code

    def read(self) -> None:
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self._screen)
            return
        self.raw += data.decode("utf-8", "replace")
        self._grown.set()


@asynccontextmanager
async def terminal(
    *words: str, home: Path, env: Mapping[str, str] = NOTHING, columns: int = 80, rows: int = 40
) -> AsyncIterator[Terminal]:
    """Run the command in a terminal of its own, as its controlling one: Ctrl-C reaches it."""
    screen, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = await WarmCommand.started(
        *words,
        env=environment(home, {"TERM": "xterm-256color", **env}),
        folder=home,
        files=(inside, inside, inside),
    )
    os.close(inside)
    shown = Terminal(process, screen)
    loop = asyncio.get_running_loop()
    loop.add_reader(screen, shown.read)
    try:
        yield shown
    finally:
        loop.remove_reader(screen)
        process.kill()
        await process.wait()
        os.close(screen)
